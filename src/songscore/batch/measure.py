"""Computes the features of one file or takes them from the cache, and passes them between processes as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike

from songscore.analysis.record import Failure, read_failure, unwrapped
from songscore.audio import Source
from songscore.batch.cache import Cache
from songscore.decision import Question
from songscore.extract import (
    SetName,
    extract_features,
    feature_names,
    spectral_features,
    spectral_version,
    vocal_features,
)
from songscore.model import load_model


@dataclass(frozen=True, slots=True)
class Features:
    """The reply of a worker that was asked for features."""

    values: dict[str, float]

    def to_bytes(self) -> bytes:
        """A line of JSON, and its end, which a `Failure` does not have."""
        return json.dumps(self.values).encode() + b"\n"


def read_features(reply: bytes, model: str, sets: Sequence[SetName]) -> Features | Failure:
    """The features in a reply of a worker, or why there are none; `model` is the SHA-256 of the model it must have.

    Raises
    ------
    ValueError
        The bytes are neither, or the worker has another songscore, another model or other features.
    """
    content, _ = unwrapped(reply, model)
    if b"\n" not in content:
        return read_failure(content)
    values = json.loads(content)
    if [*values] != [*feature_names(sets)]:
        raise ValueError("not a reply: these are not the features that were asked for")
    return Features(values)


def features_of(
    source: Source, sets: Sequence[SetName], model: str | PathLike[str], cache: Cache | None
) -> dict[str, float]:
    """As `songscore.extract_features`; for a file, records in the cache are used and made.

    Raises
    ------
    AudioError, ImportError
        As for `songscore.extract_features`.
    """
    if cache is None or not isinstance(source, (str, PathLike)):
        return extract_features(source, sets=sets, model=model)
    path, found = str(source), dict[str, float]()
    if "vocal" in sets:
        chosen = load_model(model)
        found |= vocal_features(cache.analyse(path, chosen, Question(), thorough=True), chosen)
    if "spectral" in sets:
        names = feature_names(["spectral"])
        found |= cache.features(path, names, spectral_version(), partial(spectral_features, path))
    return found
