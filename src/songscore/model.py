"""From features to a decision: the shipped model, its checks, and its arithmetic.

A model is three files of one name: ``NAME.npz`` (plain arrays), ``NAME.json`` (metadata) and ``NAME.md`` (the model
card).

The metadata holds ``format``, the version of this layout. Reading refuses every other number, so a change that an
older songscore would misread must raise `FORMAT`, keep the reader of the number before for one minor version, and say
so in the changelog.

Log-odds are natural; positive favours "song".
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.errors import ModelError
from songscore.features.detector import VoiceDetector
from songscore.features.track_vector import FEATURE_SET, MEANINGS
from songscore.results import SCORE, SONG, Contribution

FORMAT = 1
CLASSES = [SCORE, SONG]
MAX_BYTES = 5_000_000
CANARY_TOLERANCE = 1e-4

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a model makes of one track's features.

    Attributes
    ----------
    probability : float
        Calibrated probability of "song", under the prior asked for.
    certain : bool
        True where at most the stated share of tracks of the other class looks like this one.
    contributions : tuple of Contribution
        Log-odds by feature, strongest first; they and the model's bias add up to the decision.
    """

    probability: float
    certain: bool
    contributions: tuple[Contribution, ...]


class TrackModel:
    """A loaded model.

    Parameters
    ----------
    arrays : mapping of str to array
        ``detector.*`` for `VoiceDetector`; ``decision.mean``, ``decision.scale``, ``decision.weight``
        ``(n_features,)`` and ``decision.bias``; ``canary.*`` for `self_test`.
    metadata : mapping
        The content of the JSON file.
    card : str
        The model card, Markdown.

    Raises
    ------
    ModelError
        The arrays are not those that the metadata describes, or the canaries come out otherwise than when the model
        was made.
    """

    def __init__(self, arrays: Arrays, metadata: Mapping[str, Any], card: str = "") -> None:
        _check(arrays, metadata)
        self.metadata = metadata
        self.card = card
        self.name: str = metadata["name"]
        self.features: list[str] = metadata["features"]
        detector = {k.removeprefix("detector."): v for k, v in arrays.items() if k.startswith("detector.")}
        self.detector, self.detector_digest = VoiceDetector(detector), digest(detector, {})
        self._decision = {k.removeprefix("decision."): v for k, v in arrays.items() if k.startswith("decision.")}
        self._canary = {k.removeprefix("canary."): v for k, v in arrays.items() if k.startswith("canary.")}
        self.self_test()

    def decide(self, features: Mapping[str, float], prior: float | None = None) -> Decision:
        """Weigh the features of a track.

        Parameters
        ----------
        features : mapping of str to float
            At least the model's `features`.
        prior : float, optional
            Share of songs in the collection, in (0, 1); without it, songs and instrumental scores are equally expected.
        """
        values = np.array([features[name] for name in self.features])
        parts = self._parts(values)
        log_odds = float(parts.sum() + self._decision["bias"])
        shown = sorted(zip(self.features, values, parts, strict=True), key=lambda item: -abs(item[2]))
        return Decision(
            probability=_probability(log_odds + (log(prior / (1 - prior)) if prior else 0.0)),
            certain=self._is_certain(log_odds),
            contributions=tuple(Contribution(n, float(v), float(p), MEANINGS[n]) for n, v, p in shown),
        )

    def log_odds(self, features: Mapping[str, float]) -> float:
        """Natural log-odds of "song", songs and instrumental scores equally expected."""
        values = np.array([features[name] for name in self.features])
        return float(self._parts(values).sum() + self._decision["bias"])

    def self_test(self) -> None:
        """Run the canaries: inputs stored with the model whose answers are known.

        Raises
        ------
        ModelError
            An answer differs: the arrays, the class order or the arithmetic are not those that made the model.
        """
        activity = self.detector(self._canary["mel"])
        decisions = [self.decide(dict(zip(self.features, row, strict=True))) for row in self._canary["features"]]
        got = {"activity": activity, "probability": np.array([d.probability for d in decisions])}
        for name, value in got.items():
            off = float(np.abs(value - self._canary[name]).max())
            if not off < CANARY_TOLERANCE:
                raise ModelError(f"model {self.name}: canary {name!r} is off by {off:.2g}; reinstall songscore")

    def _parts(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        d = self._decision
        return np.asarray(d["weight"] * (values - d["mean"]) / d["scale"], np.float64)

    def _is_certain(self, log_odds: float) -> bool:
        bounds = self.metadata["certain"]
        return bool(log_odds >= bounds["song_above"] or log_odds <= bounds["score_below"])


def _probability(log_odds: float) -> float:
    return 1 / (1 + exp(-max(-700.0, min(700.0, log_odds))))


@cache
def load_model(name: str = "track-v1") -> TrackModel:
    """A model that comes with songscore, by name.

    Raises
    ------
    ModelError
        There is no such model, or its files fail a check.
    """
    return read_model(resources.files("songscore") / "models", name)


def read_model(folder: Traversable, name: str) -> TrackModel:
    """Read the three files of a model and check them.

    Raises
    ------
    ModelError
        A file is missing, larger than a model can be, or fails a check.
    """
    try:
        metadata = json.loads((folder / f"{name}.json").read_text("utf-8"))
        card = (folder / f"{name}.md").read_text("utf-8")
        with (folder / f"{name}.npz").open("rb") as file:
            arrays = _read_arrays(file, name)
        return TrackModel(arrays, metadata, card)
    except ModelError:
        raise
    except Exception as error:  # zipfile, zlib, lzma, tokenize and json have a dozen between them
        raise ModelError(f"model {name!r} cannot be read from {folder}: {type(error).__name__}: {error}") from error


def _read_arrays(file: Any, name: str) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ModelError(f"model {name!r} unpacks to {size} bytes; the limit is {MAX_BYTES}")
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)


def digest(arrays: Arrays, metadata: Mapping[str, Any]) -> str:
    """SHA-256 over the metadata but for this sum itself, and the names, types, shapes and bytes of the arrays."""
    rest = {key: value for key, value in metadata.items() if key != "sha256"}
    sha = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def _check(arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    name = metadata.get("name")
    for key, ours in {"format": FORMAT, "feature_set": FEATURE_SET, "classes": CLASSES}.items():
        if metadata.get(key) != ours:
            raise ModelError(f"model {name!r}: {key} is {metadata.get(key)!r}, this songscore reads {ours!r}")
    if metadata.get("sha256") != digest(arrays, metadata):
        raise ModelError(f"model {name!r}: its sha256 is not that of its files; they were altered")
    unknown = sorted(set(metadata["features"]) - set(MEANINGS))
    if unknown:
        raise ModelError(f"model {name!r} wants features that this songscore does not compute: {', '.join(unknown)}")
