"""What was heard in one sound, or why nothing was, as records and as bytes for the cache and for worker processes.

The bytes are one line of JSON and the arrays it describes. They are read as what strangers wrote: nothing is run,
nothing is allocated by a number that is not the length of what is there, and what does not fit is a `ValueError`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import numpy as np

from songscore.features.detector import ACTIVITIES
from songscore.features.track_vector import SPECTRAL, Activity
from songscore.results import Status

FAILURES = frozenset(get_args(Status)) - {"ok", "partial"}
"""Statuses of what was not heard."""

_STEP, _ACTIVITY, _SPECTRAL = np.dtype("<i4"), np.dtype("<f4"), np.dtype("<f8")


@dataclass(frozen=True, slots=True)
class Analysis:
    """A sound that was read: all that an answer needs, whatever threshold and prior it is asked with.

    Attributes
    ----------
    path : str or None
    duration, analysed : float
        Seconds of the sound, and of what was decoded.
    damage : str
        What was wrong, "" for a whole file.
    activity : Activity
    """

    path: str | None
    duration: float
    analysed: float
    damage: str
    activity: Activity

    def to_bytes(self) -> bytes:
        """Everything but the path, exactly."""
        activity = self.activity
        arrays = (activity.step, _STEP), (activity.probability, _ACTIVITY), (activity.spectral, _SPECTRAL)
        body = b"".join(np.ascontiguousarray(array, dtype).tobytes() for array, dtype in arrays)
        head = {
            "duration": self.duration,
            "analysed": self.analysed,
            "damage": self.damage,
            "peak": activity.peak,
            "steps": len(activity.step),
            "crc32": zlib.crc32(body),
        }
        return json.dumps(head).encode() + b"\n" + body

    @classmethod
    def from_bytes(cls, content: bytes, path: str | None) -> Analysis:
        """The record that `to_bytes` wrote.

        Raises
        ------
        ValueError
            The bytes are not those of a record.
        """
        line, _, body = content.partition(b"\n")
        head = _object(line)
        try:
            return cls(
                path=path,
                duration=_number(head["duration"]),
                analysed=_number(head["analysed"]),
                damage=str(head["damage"]),
                activity=_activity(body, head),
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"not a record of a sound: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was heard.

    Attributes
    ----------
    status : str
        As of a `TrackResult`.
    message : str
    """

    status: Status
    message: str

    def to_bytes(self) -> bytes:
        """A line of JSON."""
        return json.dumps({"status": self.status, "message": self.message}).encode()


def read_reply(content: bytes, path: str) -> Analysis | Failure:
    """What a worker said of a file.

    Raises
    ------
    ValueError
        The bytes are neither.
    """
    if b"\n" in content:
        return Analysis.from_bytes(content, path)
    head = _object(content)
    status, message = head.get("status"), head.get("message")
    if not isinstance(status, str) or status not in FAILURES or not isinstance(message, str):
        raise ValueError(f"not a reply: status {status!r}, message {message!r}")
    return Failure(cast("Status", status), message)


def _object(line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
    except RecursionError as error:
        raise ValueError("not a record of a sound: it is nested without end") from error
    if not isinstance(head, dict):
        raise ValueError(f"not a record of a sound: {type(head).__name__}")
    return head


def _activity(body: bytes, head: Mapping[str, Any]) -> Activity:
    n = head["steps"]
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"not a record of a sound: {n!r} steps")
    first = n * _STEP.itemsize
    second = first + n * len(ACTIVITIES) * _ACTIVITY.itemsize
    if len(body) != second + len(SPECTRAL) * _SPECTRAL.itemsize or zlib.crc32(body) != head["crc32"]:
        raise ValueError("not a record of a sound: its arrays are not those that it describes")
    step = np.frombuffer(body[:first], _STEP).astype(np.int64)
    probability = np.frombuffer(body[first:second], _ACTIVITY).astype(np.float32).reshape(n, len(ACTIVITIES))
    spectral = np.frombuffer(body[second:], _SPECTRAL).astype(np.float64)
    in_order = bool((np.diff(step, prepend=-1) > 0).all())
    if not (in_order and ((probability >= 0) & (probability <= 1)).all() and np.isfinite(spectral).all()):
        raise ValueError("not a record of a sound: numbers out of range")
    return Activity(step, probability, spectral, _number(head["peak"]))


def _number(value: Any) -> float:
    """A finite number that is not negative."""
    number = float(value)
    if not 0 <= number < np.inf:
        raise ValueError(f"not a record of a sound: {value!r} where a finite number is needed")
    return number
