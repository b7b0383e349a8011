"""The child process that listens to files: one request in, one reply out, and no exception.

A request is a line of JSON. `songscore.analysis.record.Reply` reads the content of a reply or, where features are asked
for, `songscore.batch.measure.read_features`.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from secrets import token_hex

from songscore.analysis.record import Analysis, Failure, wrapped
from songscore.analysis.sampling import analyse
from songscore.audio.identity import file_state
from songscore.batch import serving
from songscore.batch.cache import Cache
from songscore.batch.measure import Features, features_of
from songscore.decision import Question
from songscore.errors import AudioError
from songscore.extract import SetName
from songscore.model import TrackModel, load_model
from songscore.results import Status

MEMORY = 2 << 30
"""Bytes that a child may allocate, where the system can limit it."""

_PR_SET_PDEATHSIG = 1

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
    run: str = field(default_factory=partial(token_hex, 8))
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
    ends_with_parent = _end_with_parent()

    def answer(line: bytes) -> bytes:
        path, order = Order.from_json(line)
        serving.end_after(None if ends_with_parent else order.timeout)
        return listen_to(path, order)

    serving.serve(answer, MEMORY, prepare=_load_models)


def _load_models() -> None:
    for model in sys.argv[1:]:
        with suppress(Exception):  # who asks for it will be told
            load_model(model)


def _end_with_parent() -> bool:
    """Have the system kill this process when its parent dies, where it can; see prctl(2)."""
    if sys.platform != "linux":
        return False
    import ctypes

    return ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0


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
