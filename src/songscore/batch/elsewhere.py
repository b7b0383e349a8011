"""Has files heard by an executor: by threads, processes or other machines.

Another machine may have another songscore, another model or other files under the same names. So each reply says what
it was made with and of which file. A reply that does not fit is not used: the file is heard on this machine instead,
and a warning says why, once for each reason.

A Dask cluster is asked beforehand which of its workers fit, that is have the same songscore and model, and only these
get files. It is asked again now and then, so that new workers are used. Where no worker fits for `PATIENCE` seconds,
the run ends; workers that do not answer yet are waited for, up to `LONGEST` seconds, and a warning says so.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import version
from typing import Any, Self, cast

import numpy as np

from songscore.analysis.record import Failure, Reply
from songscore.audio.identity import FileState, file_state
from songscore.batch.pool import LOST_BY_ALL, Workers, analyse_in_child, cancel_run, version_and_model
from songscore.batch.worker import Order, failure

PATIENCE = 8.0
"""Seconds for which a cluster may be without a worker that fits."""

LONGEST = 120.0
"""Seconds for which none of its workers need answer, since they may be starting."""

_SAME_TIME = np.timedelta64(2, "s")
"""Largest difference of a file's time as two machines see it: the resolution of some network disks."""

_POLL, _LOOK_EVERY = 0.5, 10.0
"""Seconds between two looks for workers, while there are none and while there are."""

_ANSWERS_WITHIN = 4.0
"""Seconds in which a worker must say its version and model."""

_NAMED = 3
"""How many workers a message names."""

_MUTE = "it does not answer"


class Elsewhere:
    """Has files heard by an executor, and on this machine where its replies do not fit.

    Parameters
    ----------
    executor : concurrent.futures.Executor
    order : Order
    detector : str
        Digest of the detector of the model.

    Raises
    ------
    BrokenExecutor
        It is a Dask cluster without a worker that fits; the message says why they do not.
    """

    def __init__(self, executor: Executor, order: Order, detector: str) -> None:
        self._order, self._detector = order, detector
        self._cluster = _Cluster(executor, order) if _client(executor) is not None else None
        self._executor = executor
        self._workers, self._threads = Workers(), ThreadPoolExecutor(os.cpu_count())
        self._asked_again, self._heard_here = set[str](), set[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._cluster is not None:
            self._cluster.close()
        self._workers.close()
        self._threads.shutdown(cancel_futures=True)

    def submit(self, path: str) -> Future[bytes]:
        """Start to listen to a file; the future gives the reply."""
        place = os.path.abspath(path)  # noqa: PTH100 - for processes in another folder; follows no links
        if self._cluster is not None:
            return self._cluster.submit(place)
        return self._executor.submit(analyse_in_child, place, self._order)

    def check(self) -> None:
        """Check that there still are workers.

        Raises
        ------
        BrokenExecutor
            There are none.
        """
        if self._cluster is not None:
            self._cluster.look()

    def replied(self, path: str, future: Future[bytes]) -> bytes | Future[bytes]:
        """The reply in a finished future or, where it cannot be used, the future of another attempt."""
        if path in self._heard_here:
            return future.result()
        try:
            reply = future.result()
            why = self._misfit(path, reply)
        except Exception as error:
            self.check()
            if isinstance(error, BrokenExecutor):
                raise
            distributed = sys.modules.get("distributed")
            if distributed is not None and isinstance(error, distributed.KilledWorker):
                return failure(path, self._order, "unreadable", LOST_BY_ALL)
            if path not in self._asked_again:  # Dask may take an answer for an error when its worker dies
                self._asked_again.add(path)
                return self.submit(path)
            why = f"{type(error).__name__}: {error}"
        if not why:
            return reply
        warnings.warn(
            f"an answer of a worker cannot be used, so its file is heard on this machine: {why}",
            RuntimeWarning,
            stacklevel=2,
        )
        self._heard_here.add(path)
        return self._threads.submit(self._workers.analyse, path, self._order)

    def _misfit(self, path: str, content: bytes) -> str:
        """Why a reply cannot be used; "" where it can."""
        try:
            reply = Reply.from_bytes(content, path, self._order.digest, self._detector)
        except ValueError as error:
            return str(error)
        here = file_state(path, digest=False)
        if here is None or (reply.file is None and not isinstance(reply.reading, Failure)):
            return ""
        if reply.file is None:
            return "it does not see files that this machine sees"
        return "" if _is_same(here, reply.file) else "it sees another file under the same name"


class _Cluster:
    """The workers of a Dask cluster that have this songscore and this model."""

    def __init__(self, executor: Executor, order: Order) -> None:
        self._client, self._order = _client(executor), order
        self._why, self._warned = dict[str, str](), False
        self._fitting = list[str]()
        self._last_fitting = self._last_look = time.monotonic()
        self.executor = executor
        self._is_chosen = "workers" in getattr(executor, "_kwargs", {})
        while not self._fitting:
            self.look()
            if not self._fitting:
                time.sleep(_POLL)

    def submit(self, path: str) -> Future[bytes]:
        if time.monotonic() - self._last_look > _LOOK_EVERY:
            self.look()
        return self.executor.submit(analyse_in_child, path, self._order)

    def close(self) -> None:
        """Stop the work that its workers still do for this run."""
        with suppress(Exception):
            if self._client.status == "running":
                self._ask(self._fitting, cancel_run, self._order.run)

    def look(self) -> None:
        """Find the workers that fit; raise `BrokenExecutor` where there have been none for too long."""
        self._last_look = time.monotonic()
        there = self._addresses()
        new = [address for address in there if address not in self._why]
        if new:
            found = self._ask(new, version_and_model, self._order.model)
            self._why |= {address: self._misfit(answer) for address, answer in found.items()}
            for address in new:
                if why := self._why.get(address, ""):
                    warnings.warn(f"the Dask worker {address} gets no files: {why}", RuntimeWarning, stacklevel=2)
        fitting = [address for address in there if not self._why.get(address, _MUTE)]
        if fitting:
            self._last_fitting = time.monotonic()
        else:
            self._wait(there)
        if fitting and fitting != self._fitting and not self._is_chosen:
            # Dask uses other workers only where all of these are gone; their replies are checked like any
            self.executor = self._client.get_executor(workers=fitting, allow_other_workers=True, pure=False)
        self._fitting = fitting

    def _wait(self, there: list[str]) -> None:
        """While no worker fits: do nothing at first, then warn, at last raise `BrokenExecutor`."""
        waited = time.monotonic() - self._last_fitting
        whys = "; ".join(f"{address}: {self._why.get(address, _MUTE)}" for address in there[:_NAMED]) or "it has none"
        if waited > LONGEST or (waited > PATIENCE and all(address in self._why for address in there)):
            raise BrokenExecutor(f"no worker of the Dask scheduler {self._name} can be used: {whys}")
        if waited > PATIENCE and not self._warned:
            self._warned = True
            warnings.warn(
                f"waiting for a worker of the Dask scheduler {self._name}: {whys}", RuntimeWarning, stacklevel=2
            )

    def _ask(self, addresses: list[str], function: Callable[..., Any], argument: str) -> dict[str, Any]:
        """What a function returns on each worker, or the error it raises there; without workers that do not answer."""

        async def ask(address: str) -> dict[str, Any]:
            with suppress(TimeoutError, OSError):
                answer = self._client.run(function, argument, workers=[address], on_error="return")
                return dict(await asyncio.wait_for(answer, _ANSWERS_WITHIN))
            return {}

        async def ask_all() -> dict[str, Any]:
            answers: dict[str, Any] = {}
            for answer in await asyncio.gather(*map(ask, addresses)):
                answers |= answer
            return answers

        return cast("dict[str, Any]", self._client.sync(ask_all))

    def _addresses(self) -> list[str]:
        try:
            if self._client.status != "running":
                raise OSError
            return sorted(self._client.nthreads())
        except (OSError, ValueError, asyncio.CancelledError) as error:
            raise BrokenExecutor(f"the Dask scheduler {self._name} is gone") from error

    @property
    def _name(self) -> str:
        return str(self._client.scheduler.address) if self._client.scheduler else "of the run"

    def _misfit(self, answer: object) -> str:
        """Why a worker gets no files, from what `version_and_model` gave there; "" where it fits."""
        if isinstance(answer, BaseException):
            return f"{type(answer).__name__}: {answer}"
        ours = version("songscore")
        if answer == (ours, self._order.digest):
            return ""
        theirs = answer[0] if isinstance(answer, tuple) else ""
        if theirs != ours:
            return f"it has songscore {theirs}, not {ours}"
        return f"it has another model {self._order.model}"


def _client(executor: Executor) -> Any:
    """The client of a Dask executor, which has no public name for it; None for any other executor."""
    distributed = sys.modules.get("distributed")
    client = getattr(executor, "_client", None)
    return client if distributed is not None and isinstance(client, distributed.Client) else None


def _is_same(here: FileState, there: FileState) -> bool:
    """Whether two machines see the same file, as far as its size and time tell."""
    apart = np.datetime64(here.modified[:-1]) - np.datetime64(there.modified[:-1])
    return bool(here.size == there.size and abs(apart) <= _SAME_TIME)
