"""What one step of a call's walk costs, and what a whole walk does: microbenchmarks with the gateway's own objects.

``table.py`` lists the steps, ``walk.py`` the walks, ``test_steps.py`` runs them in pytest-benchmark, and ``python -m bench steps`` shows
the table. Absolute figures mean nothing beyond the machine and the minute; what is worth reading are the ratios within one run.
"""
