"""Times to hold limits against: each limit is a multiple of what was measured beside it, however busy the machine."""

from __future__ import annotations

import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, by the clock on the wall."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_seconds(work: Callable[[], object], tries: int = 3) -> float:
    """How long this process computes at it, at the best of some tries."""
    times = []
    for _ in range(tries):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)
