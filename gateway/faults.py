"""Faults of our own, as the log tells of them."""

from __future__ import annotations


def where(error: BaseException) -> str:
    """File and line of a fault of ours, without any of its values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
