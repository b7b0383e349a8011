"""What was heard in one sound, or why nothing was, as records and as bytes for the cache and between processes.

The bytes are one line of JSON and the arrays it describes. The line holds `FORMAT`, the version of songscore and the
digest of the detector; a record in which one of them differs is refused. Raise `FORMAT` when the layout changes.

Untrusted input: reading runs no code, allocates no more than was received, and raises `ValueError` for what does not
fit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, cast, get_args

import numpy as np

from songscore.audio.identity import FileState
from songscore.features.detector import KINDS, LEVELS
from songscore.features.track_vector import Activity
from songscore.results import Status

FORMAT = 2

FAILURES = frozenset(get_args(Status)) - {"ok", "partial"}
"""Statuses of sounds that were not heard."""

_LARGEST = 1e9
"""Largest number of seconds (thirty years), and largest peak over full scale, that a record may have."""

_STATE = ("size", "modified", "sound_digest")
_STEP, _KINDS = np.dtype("<i4"), np.dtype("<u2")


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was heard of a sound: all that an answer needs, whatever the question.

    Attributes
    ----------
    path : str or None
    duration, analysed : float
        Length of the sound and of the part that was decoded, in seconds.
    damage : str
        What was wrong with the file; "" for a whole one.
    activity : Activity
        Probabilities of the kinds of sound over time.
    detector : str
        Digest of the detector that listened, `songscore.model.TrackModel.detector_digest`.
    """

    path: str | None
    duration: float
    analysed: float
    damage: str
    activity: Activity
    detector: str

    def to_bytes(self) -> bytes:
        """The record as bytes, without the path; `from_bytes` gives back the same numbers."""
        activity = self.activity
        kinds = activity.kinds * np.float32(LEVELS)
        np.rint(kinds, out=kinds)
        body = activity.step.astype(_STEP).tobytes() + kinds.astype(_KINDS).tobytes()
        head = {
            "format": FORMAT,
            "songscore": version("songscore"),
            "detector": self.detector,
            "duration": self.duration,
            "analysed": self.analysed,
            "damage": self.damage,
            "peak": activity.peak,
            "heard": len(activity.step),
            "steps": activity.n_steps,
            "crc32": zlib.crc32(body),
        }
        return json.dumps(head).encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, content: bytes, path: str | None, detector: str) -> Analysis:
        """The record that `to_bytes` wrote; `detector` is the digest that it must have.

        Raises
        ------
        ValueError
            The bytes are not those of a record, or another version or detector made it.
        """
        line, _, body = content.partition(b"\n")
        head = _object(line)
        for key, ours in {"format": FORMAT, "songscore": version("songscore"), "detector": detector}.items():
            if head.get(key) != ours:
                raise ValueError(f"a record with {key} {head.get(key)!r}; {ours!r} is needed")
        try:
            return cls(
                path=path,
                duration=_number(head["duration"]),
                analysed=_number(head["analysed"]),
                damage=str(head["damage"]),
                activity=_activity(body, head),
                detector=detector,
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not a record of a sound: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was heard.

    Attributes
    ----------
    status : str
        As for a `TrackResult`.
    message : str
        As for a `TrackResult`.
    """

    status: Status
    message: str

    def to_bytes(self) -> bytes:
        """A line of JSON."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a worker for a file, with what shows whether it can be used.

    Attributes
    ----------
    reading : Analysis or Failure
    file : FileState or None
        The file when it was opened; None where there was no regular file.
    """

    reading: Analysis | Failure
    file: FileState | None

    @classmethod
    def from_bytes(cls, content: bytes, path: str, model: str, detector: str) -> Reply:
        """The reply that `wrapped` made; `model` and `detector` are the digests that it must have.

        Raises
        ------
        ValueError
            The bytes are not a reply, or the worker has another songscore, model or detector; the message says which.
        """
        reading, file = unwrapped(content, model)
        return cls(Analysis.from_bytes(reading, path, detector) if b"\n" in reading else read_failure(reading), file)


def wrapped(content: bytes, model: str, file: FileState | None) -> bytes:
    """A reply of a worker: a line of JSON about songscore, the model and the file, followed by the content."""
    head = {"songscore": version("songscore"), "model": model, "file": None if file is None else asdict(file)}
    return json.dumps(head).encode() + b"\n" + content


def unwrapped(content: bytes, model: str) -> tuple[bytes, FileState | None]:
    """The content of a reply, and the file that it is about.

    Raises
    ------
    ValueError
        The bytes are not a reply, or the worker has another songscore or model; the message says which.
    """
    line, _, rest = content.partition(b"\n")
    head = _object(line)
    for key, ours in {"songscore": version("songscore"), "model": model}.items():
        if head.get(key) != ours:
            raise ValueError(f"it has {key} {head.get(key)!r}; {ours!r} is needed")
    return rest, _file_state(head.get("file"))


def read_failure(content: bytes) -> Failure:
    """The failure that `Failure.to_bytes` wrote.

    Raises
    ------
    ValueError
        The bytes are something else.
    """
    head = _object(content)
    status, message = head.get("status"), head.get("message")
    if not isinstance(status, str) or status not in FAILURES or not isinstance(message, str):
        raise ValueError(f"not a reply: status {status!r}, message {message!r}")
    return Failure(cast("Status", status), message)


def _file_state(fields: Any) -> FileState | None:
    if fields is None:
        return None
    size, modified, digest = (fields.get(name) if isinstance(fields, dict) else None for name in _STATE)
    if type(size) is not int or size < 0 or not isinstance(modified, str) or not isinstance(digest, str | None):
        raise ValueError(f"not a reply: file {fields!r}")
    return FileState(size, modified, digest)


def _object(line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except RecursionError as error:
        raise ValueError("not a record of a sound: its JSON is nested too deeply") from error
    if not isinstance(head, dict):
        raise ValueError(f"not a record of a sound: {type(head).__name__}")
    return head


def _activity(body: bytes, head: Mapping[str, Any]) -> Activity:
    n, n_steps = head["heard"], head["steps"]
    if not (type(n) is int and type(n_steps) is int and 0 <= n <= n_steps <= np.iinfo(_STEP).max):
        raise ValueError(f"not a record of a sound: {n!r} of {n_steps!r} steps")
    split = n * _STEP.itemsize
    if len(body) != split + n * len(KINDS) * _KINDS.itemsize or zlib.crc32(body) != head["crc32"]:
        raise ValueError("not a record of a sound: its arrays are not those that it describes")
    step = np.frombuffer(body[:split], _STEP).astype(np.int64)
    if not (np.diff(step, prepend=-1, append=n_steps) > 0).all():
        raise ValueError("not a record of a sound: its steps are not in order")
    kinds = np.frombuffer(body[split:], _KINDS).astype(np.float32).reshape(n, len(KINDS)) / np.float32(LEVELS)
    return Activity(step, kinds, n_steps, _number(head["peak"]))


def _number(value: Any) -> float:
    """A finite number that is not negative."""
    number = float(value)
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"not a record of a sound: {value!r} where a number up to {_LARGEST:g} is needed")
    return number
