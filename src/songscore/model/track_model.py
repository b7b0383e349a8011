"""A trained model: its arithmetic, and the canaries that show whether it still answers as when it was made.

Log-odds are natural; positive favours "song".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.audio import open_audio
from songscore.errors import ModelError
from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import FRAME_RATE, SAMPLE_RATE
from songscore.features.track_vector import FIXED, MEANINGS, RISING, Activity, listen, track_vector
from songscore.model import format1
from songscore.model.bounds import Bounds
from songscore.model.canary import CANARY_RATE, canary_samples
from songscore.model.linear import Arrays, Linear
from songscore.results import SCORE, SONG, Contribution

FORMAT = 2
READABLE = {1: "features-v1", 2: "features-v2"}
"""Formats that are read, and the feature set of each."""

CLASSES = [SCORE, SONG]
LONGEST_NAME = 100
LONGEST_WINDOW = 1024
MOST_CANARIES = 1000
CANARY_TOLERANCE = 1e-4
SAMPLES_TOLERANCE = 0.05
"""Log-odds by which the canary of samples may differ, since resamplers of other versions round differently."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision of a model, from what was heard of a track.

    Attributes
    ----------
    log_odds : float
        Log-odds of "song", with songs and instrumental scores equally expected.
    features : dict of str to float
        Values of the features that were weighed.
    contributions : tuple of Contribution
        Log-odds by feature, strongest first; they and the model's bias add up to `log_odds`.
    """

    log_odds: float
    features: dict[str, float]
    contributions: tuple[Contribution, ...]


class TrackModel:
    """A loaded model.

    Parameters
    ----------
    arrays : mapping of str to array
        ``detector.*`` for `VoiceDetector`; ``decision.*`` and ``music.*`` for `Linear`; ``canary.*`` for `self_test`.
    metadata : mapping
        The content of the JSON file.
    card : str
        The model card, Markdown.

    Raises
    ------
    ModelError
        The arrays are not those that the metadata describes, or a canary gives another answer than when the model was
        made.
    """

    def __init__(self, arrays: Arrays, metadata: Mapping[str, Any], card: str = "") -> None:
        _check(arrays, metadata)
        self.arrays, self.metadata, self.card = arrays, metadata, card
        self.name: str = metadata["name"]
        if metadata["format"] == 1:
            metadata, arrays = format1.as_current(metadata, arrays)
        self.features: list[str] = metadata["features"]
        self.window: int = _window(metadata["window"])
        self.bounds = Bounds.from_dict(metadata["bounds"])
        self.feature_set: str = metadata["feature_set"]
        detector = _under("detector", arrays)
        self.detector = VoiceDetector(detector, metadata["kinds"])
        self.detector_digest = digest(detector, {"window": self.window})
        self.decision = Linear.of(self.features, _under("decision", arrays))
        self.rises = _rises(self.decision)
        music = metadata["music_features"]
        self._music = Linear.of(music, _under("music", arrays)) if music else None
        self._canary = _under("canary", arrays)
        if max(len(self._canary["mel"]), len(self._canary["features"])) > MOST_CANARIES:
            raise ModelError(f"model {self.name}: more than {MOST_CANARIES} canaries")
        self.self_test()

    @property
    def window_seconds(self) -> float:
        """Length of a window, over which the detector runs, in seconds."""
        return self.window / FRAME_RATE

    def decide(self, activity: Activity, *, choir: bool = False) -> Decided:
        """Weigh the features of what was heard; with `choir`, voices without words count as a voice."""
        features = track_vector(activity, self.features, choir=choir, feature_set=self.feature_set)
        parts, bias = self.decision.parts(features)
        shown = sorted(zip(features.items(), parts, strict=True), key=lambda item: -abs(item[1]))
        contributions = tuple(Contribution(n, v, float(part), MEANINGS[n]) for (n, v), part in shown)
        return Decided(float(parts.sum() + bias), features, contributions)

    def log_odds(self, activity: Activity, *, choir: bool = False) -> float:
        """Log-odds of "song", songs and instrumental scores equally expected."""
        return self.decide(activity, choir=choir).log_odds

    def music(self, activity: Activity) -> float:
        """Log-odds that the sound is music or somebody sings."""
        if self._music is None:
            return format1.music(activity.kinds)
        return self._music(track_vector(activity, self._music.names, feature_set=self.feature_set))

    def self_test(self) -> None:
        """Run the canaries: inputs stored with the model whose answers are known.

        Raises
        ------
        ModelError
            An answer differs: the arrays, the class order or the arithmetic are not those that made the model, or a
            library computes something else.
        """
        self._compare("kinds", self.detector(self._canary["mel"]), CANARY_TOLERANCE)
        rows = [dict(zip(self.features, row, strict=True)) for row in self._canary["features"]]
        self._compare("log_odds", np.array([self.decision(row) for row in rows]), CANARY_TOLERANCE)
        if "samples_log_odds" in self._canary:
            pitch = float(self._canary["samples_pitch"])
            self._compare("samples_log_odds", np.array(self.of_samples(pitch)), SAMPLES_TOLERANCE)

    def of_samples(self, pitch: float) -> float:
        """Log-odds of the canary that goes all the way, from samples through resampler, spectrum and detector."""
        with open_audio((canary_samples(pitch), CANARY_RATE), rate=SAMPLE_RATE) as stream:
            return self.log_odds(listen(stream.blocks(), self.detector, self.window))

    def _compare(self, name: str, got: NDArray[Any], tolerance: float) -> None:
        stored = self._canary[name]
        if got.shape != stored.shape:
            raise ModelError(f"model {self.name}: canary {name!r} has the shape {stored.shape}, not {got.shape}")
        off = float(np.abs(got - stored).max())
        if not off < tolerance:
            raise ModelError(f"model {self.name}: canary {name!r} is off by {off:.2g}; reinstall songscore")


def digest(arrays: Arrays, metadata: Mapping[str, Any]) -> str:
    """SHA-256 over the metadata without its field ``sha256``, and the names, types, shapes and bytes of the arrays."""
    rest = {key: value for key, value in metadata.items() if key != "sha256"}
    sha = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def _check(arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    name, version = metadata.get("name"), metadata.get("format")
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise ModelError(f"a model's name is {name!r}; up to {LONGEST_NAME} printable characters are needed")
    if version not in READABLE:
        raise ModelError(f"model {name!r}: format is {version!r}, this songscore reads {sorted(READABLE)}")
    for key, ours in {"feature_set": READABLE[version], "classes": CLASSES}.items():
        if metadata.get(key) != ours:
            raise ModelError(f"model {name!r}: {key} is {metadata.get(key)!r}, format {version} has {ours!r}")
    if metadata.get("sha256") != digest(arrays, metadata):
        raise ModelError(
            f"model {name!r}: its sha256 is not that of its files; they were altered: copy the model again, or"
            " reinstall songscore"
        )
    unknown = sorted({*metadata["features"], *metadata.get("music_features", ())} - set(MEANINGS))
    if unknown:
        raise ModelError(f"model {name!r} needs features that this songscore does not compute: {', '.join(unknown)}")


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays ``prefix.*``, without the prefix."""
    prefix += "."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _rises(decision: Linear) -> bool:
    """Whether the log-odds never fall while more of a track is heard, so that listening may stop early."""
    rising = np.array([name in RISING for name in decision.names])
    return {*decision.names} <= RISING | FIXED and bool((decision.weight[:, rising] >= 0).all())


def _window(frames: Any) -> int:
    if type(frames) is not int or not 2 <= frames <= LONGEST_WINDOW or frames % 2:
        raise ValueError(f"windows of {frames!r} frames; an even number up to {LONGEST_WINDOW} is needed")
    return frames
