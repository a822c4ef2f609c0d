"""Benchmarks: ratios in one run, ours and the peer in turn on the same work. ``python -m bench --help``.

Absolute figures say something about a machine and a day; only the ratios, and the bars that are set on them, are results.
"""
