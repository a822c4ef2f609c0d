"""The bare aiohttp pass-through (``bench/passthrough.py``) in the contest: one credential, no key, no mapping, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import peers
from bench.contest.job import CUSTOMERS, Job, Standing
from bench.contest.processes import Running


@contextmanager
def start(_: Mapping[str, Path], job: Job, folder: Path, core: int) -> Iterator[Standing]:
    """The pass-through with the credential of the first customer."""
    environ = {"BENCH_ORIGIN": f"http://{job.origin}", "BENCH_AUTHORIZATION": job.authorization(CUSTOMERS[0])}
    with peers.running("bench.passthrough", [], environ, folder, core) as peer:
        yield Standing(Running(peer.url, peer.process), job.key)
