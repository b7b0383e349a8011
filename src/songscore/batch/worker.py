"""The child process that listens to files: one request in, one reply out, and no exception.

A request is a line of JSON. A reply is the length of its content, eight bytes, and the content, which
`songscore.analysis.record.Reply` reads or, where features are asked for, `songscore.batch.measure.read_features`.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from queue import SimpleQueue
from typing import IO

from songscore.analysis.record import Analysis, Failure, wrapped
from songscore.analysis.sampling import analyse
from songscore.audio.identity import file_state
from songscore.batch.cache import Cache
from songscore.batch.measure import Features, features_of
from songscore.decision import Question
from songscore.errors import AudioError
from songscore.extract import SetName
from songscore.model import TrackModel, load_model
from songscore.results import Status

MEMORY = 2 << 30
"""Bytes that a child may allocate, where the system can limit it."""

GRACE = 10.0
"""Seconds after the timeout of a file at which a child ends by itself, where its parent has died during a native call.

Not used on Linux, where the system kills a child with its parent: so a run that was suspended for hours can go on.
"""

_PR_SET_PDEATHSIG = 1

LENGTH = struct.Struct("<Q")

_caches: dict[str, Cache] = {}


@dataclass(frozen=True, slots=True)
class Order:
    """How a worker listens to the files of a run.

    Attributes
    ----------
    model : str
        Name or path.
    question : Question
    thorough : bool
    cache : str or None
        Cache folder.
    timeout : float or None
        Seconds that a file may take.
    digest : str
        SHA-256 of the model.
    run : str
        Random name of the run, by which its files can be cancelled.
    sets : tuple of str
        Feature sets to compute and to reply with, instead of an analysis.
    """

    model: str
    question: Question
    thorough: bool
    cache: str | None
    timeout: float | None
    digest: str
    run: str = ""
    sets: tuple[SetName, ...] = ()

    def to_json(self, path: str) -> bytes:
        """A request, as one line."""
        return json.dumps({"path": path, **asdict(self)}, default=float).encode() + b"\n"

    @classmethod
    def from_json(cls, line: bytes) -> tuple[str, Order]:
        """The path and the order of a request."""
        fields = json.loads(line)
        question, sets = Question(**fields.pop("question")), tuple(fields.pop("sets"))
        return fields.pop("path"), cls(question=question, sets=sets, **fields)


def serve() -> None:
    """Run as a child: load the models that the command line names, and answer requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _limit_memory()
    ends_with_parent = _end_with_parent()
    _write(replies, b"ready")
    requests: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_receive, args=[requests], daemon=True).start()
    for model in sys.argv[1:]:
        with suppress(Exception):  # who asks for it will be told
            load_model(model)
    while True:
        path, order = Order.from_json(requests.get())
        if order.timeout is not None and not ends_with_parent:
            faulthandler.dump_traceback_later(order.timeout + GRACE, exit=True)
        _write(replies, listen_to(path, order))
        faulthandler.cancel_dump_traceback_later()


def _receive(requests: SimpleQueue[bytes]) -> None:
    """Queue requests, and end the process when the parent closes its pipe or dies, even while a decoder is busy."""
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _end_with_parent() -> bool:
    """Have the system kill this process when its parent dies, where it can; see prctl(2)."""
    if sys.platform != "linux":
        return False
    import ctypes

    return ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if most < 0 else min(MEMORY, most), most))


def listen_to(path: str, order: Order) -> bytes:
    """The reply of a worker for a file, see `songscore.analysis.record.Reply`."""
    file = None if order.sets else file_state(path)
    try:
        model = load_model(order.model)
    except Exception as error:
        return wrapped(_failure(path, error).to_bytes(), "", file)
    return wrapped(_analysed(path, model, order).to_bytes(), model.metadata["sha256"], file)


def failure(path: str, order: Order, status: Status, message: str) -> bytes:
    """The reply for a file whose worker is lost, made in its place."""
    return wrapped(Failure(status, f"{path}: {message}").to_bytes(), order.digest, file_state(path, digest=False))


def _analysed(path: str, model: TrackModel, order: Order) -> Analysis | Features | Failure:
    try:
        cache = None if order.cache is None else _caches.setdefault(order.cache, Cache(order.cache))
        if order.sets:
            return Features(features_of(path, order.sets, order.model, cache))
        if cache is None:
            return analyse(path, model, order.question, thorough=order.thorough)
        return cache.analyse(path, model, order.question, thorough=order.thorough)
    except Exception as error:
        return _failure(path, error)


def _failure(path: str, error: Exception) -> Failure:
    if isinstance(error, AudioError):
        return Failure(error.status, str(error))
    if isinstance(error, MemoryError):
        return Failure("unreadable", f"{path}: it takes more memory than one file may use")
    return Failure("unreadable", f"{path}: {type(error).__name__}: {error}")


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(LENGTH.pack(len(content)) + content)
    file.flush()
