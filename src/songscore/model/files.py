"""Models on disk: where they lie, and how they are read.

Untrusted input: reading a model runs no code, and no more than `MAX_BYTES` of a file are read.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.errors import ModelError
from songscore.model.track_model import TrackModel

MODEL = "track-v2"
"""The model that answers where none is named."""

MAX_BYTES = 5_000_000
"""Largest size of a file of a model, packed and unpacked."""


def load_model(model: str | os.PathLike[str] = MODEL) -> TrackModel:
    """Load a model and check it.

    Parameters
    ----------
    model : str or path, default "track-v2"
        Name of a model that comes with songscore, or the path of one of the three files of another; the path may be
        given without suffix, as ``folder/NAME``.

    Returns
    -------
    TrackModel

    Raises
    ------
    ModelError
        There is no such model, or its files fail a check.
    """
    found = locate(model)
    if found in shipped_models():
        return _shipped(found)
    stem = Path(found)
    try:
        state = stem.with_name(f"{stem.name}.json").stat()
    except (OSError, ValueError) as error:
        known = " or ".join(map(repr, shipped_models()))
        raise ModelError(f"no model {os.fspath(model)!r}: neither {known}, nor is there a file {stem}.json") from error
    return _from_path(stem, state.st_mtime_ns, state.st_size)


def locate(model: str | os.PathLike[str]) -> str:
    """The name of a model that comes with songscore, or the absolute path of another, without suffix.

    A process that runs in another folder finds the same model by it.
    """
    if isinstance(model, str) and model in shipped_models():
        return model
    path = Path(model)
    return os.path.abspath(path.with_suffix("") if path.suffix in {".json", ".npz", ".md"} else path)  # noqa: PTH100


@cache
def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with songscore."""
    files = (resources.files("songscore") / "models").iterdir()
    return tuple(sorted(file.name.removesuffix(".json") for file in files if file.name.endswith(".json")))


@cache
def _shipped(name: str) -> TrackModel:
    return read_model(resources.files("songscore") / "models", name)


@cache
def _from_path(stem: Path, changed: int, size: int) -> TrackModel:
    """A model that is read once, and again after its metadata changed."""
    return read_model(stem.parent, stem.name)


def read_model(folder: Traversable, name: str) -> TrackModel:
    """Read the three files of a model and check them.

    Raises
    ------
    ModelError
        A file is missing, larger than a model can be, or fails a check.
    """
    try:
        metadata, arrays, card = (_read_limited(folder / f"{name}.{suffix}") for suffix in ("json", "npz", "md"))
        return TrackModel(_arrays_in(arrays, name), json.loads(metadata), card.decode())
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib, lzma, tokenize and json have a dozen between them
        raise ModelError(f"model {name!r} cannot be read from {folder}: {type(error).__name__}: {error}") from error


def _read_limited(file: Traversable) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ModelError(f"{file} has more than {MAX_BYTES} bytes, the limit for a file of a model")
    return content


def read_lessons(model: str | os.PathLike[str] = MODEL) -> dict[str, NDArray[Any]] | None:
    """The arrays of ``NAME.lessons.npz`` beside a model, to which its decision was fitted; None without that file.

    Raises
    ------
    ModelError
        The file cannot be read, or is larger than a file of a model can be.
    """
    found = locate(model)
    stem = Path(found)
    folder = resources.files("songscore") / "models" if found in shipped_models() else stem.parent
    file = folder / f"{stem.name}.lessons.npz"
    if not file.is_file():
        return None
    try:
        return _arrays_in(_read_limited(file), file.name)
    except ModelError:
        raise
    except Exception as error:  # as in `read_model`
        raise ModelError(f"{file} cannot be read: {type(error).__name__}: {error}") from error


def _arrays_in(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ModelError(f"model {name!r} unpacks to {size} bytes; the limit is {MAX_BYTES}")
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)
