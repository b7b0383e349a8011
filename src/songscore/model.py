"""The artefact: arrays, bounds, stopping rule and canaries of a trained model, and its arithmetic.

A model is three files of one name: ``NAME.npz`` (plain arrays), ``NAME.json`` (metadata) and ``NAME.md`` (the model
card). ``NAME.lessons.npz`` beside them, what the decision was fitted to, is needed to adapt it and for nothing else.

The metadata holds ``format``, the version of this layout; `READABLE` lists what is read. A change that an older
songscore would misread must raise `FORMAT`, keep the reader of the number before for one minor version, and say so in
the changelog.

Untrusted input: a model of a stranger runs no code, and nothing of it is read beyond `MAX_BYTES`.

Log-odds are natural; positive favours "song".
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from songscore.audio import open_audio
from songscore.errors import ModelError
from songscore.features.detector import KINDS, MUSIC, SPEECH, SUNG, VoiceDetector
from songscore.features.spectrum import FRAME_RATE, SAMPLE_RATE, FloatArray
from songscore.features.track_vector import FIXED, MEANINGS, RISING, Activity, listen, track_vector
from songscore.results import SCORE, SONG, Contribution

MODEL = "track-v2"
"""The model that answers where none is named."""

FORMAT = 2
READABLE = {1: "features-v1", 2: "features-v2"}
"""Formats that are read, and the feature set of each."""

CLASSES = [SCORE, SONG]
MAX_BYTES = 5_000_000
LONGEST_NAME = 100
LONGEST_WINDOW = 1024
MOST_CANARIES = 1000
CANARY_TOLERANCE = 1e-4
SAMPLES_TOLERANCE = 0.05
"""Log-odds by which the canary of samples may differ, since resamplers of other versions round differently."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class PartBounds:
    """When a track of which no stretch longer than a window was missed is a score.

    Attributes
    ----------
    score_below : float
        Log-odds up to which "instrumental score" is certain.
    rise : float
        By how much the log-odds may still rise while the rest is heard.
    """

    score_below: float
    rise: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a label is certain, and when a track may be left.

    Attributes
    ----------
    song_above, song_above_with_choir : float
        Log-odds from which "song" is certain, the second where voices without words count as a voice.
    score_below : float
        Log-odds up to which "instrumental score" is certain, for a track that was heard whole.
    song_left_above : float
        Log-odds from which a song need not be heard to its end.
    music_above : float
        Log-odds of music from which anything is certain at all.
    part : PartBounds or None
        The same for scores; None where all of a score has to be heard.
    """

    song_above: float
    song_above_with_choir: float
    score_below: float
    song_left_above: float
    music_above: float
    part: PartBounds | None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """What the metadata says.

        Raises
        ------
        ValueError
            A bound is missing, not finite, or on the wrong side.
        """
        part = fields.get("part")
        bounds = cls(
            song_above=_finite(fields, "song_above"),
            song_above_with_choir=_finite(fields, "song_above_with_choir"),
            score_below=_finite(fields, "score_below"),
            song_left_above=_finite(fields, "song_left_above"),
            music_above=_finite(fields, "music_above"),
            part=None if part is None else PartBounds(_finite(part, "score_below"), _finite(part, "rise")),
        )
        low = max(bounds.score_below, bounds.part.score_below) if bounds.part else bounds.score_below
        high = min(bounds.song_above, bounds.song_above_with_choir, bounds.song_left_above)
        if not low < 0 < high or (bounds.part and bounds.part.rise < 0):
            raise ValueError(f"bounds of certainty on the wrong side: {fields}")
        return bounds


@dataclass(frozen=True, slots=True)
class Decided:
    """What a model makes of what was heard of a track.

    Attributes
    ----------
    log_odds : float
        Songs and instrumental scores equally expected.
    features : dict of str to float
        What was weighed.
    contributions : tuple of Contribution
        Log-odds by feature, strongest first; they and the model's bias add up to `log_odds`.
    """

    log_odds: float
    features: dict[str, float]
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A weighted sum of standardised features: ``sum(weight * (x - mean) / scale) + bias``."""

    names: Sequence[str]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weight: NDArray[np.float64]
    bias: float

    @classmethod
    def of(cls, names: Sequence[str], arrays: Arrays) -> Self:
        """From the arrays ``mean``, ``scale``, ``weight`` and ``bias``.

        Raises
        ------
        ValueError
            They are not one finite number for each name.
        """
        mean, scale, weight = (np.asarray(arrays[key], np.float64) for key in ("mean", "scale", "weight"))
        bias = float(arrays["bias"])
        if not (mean.shape == scale.shape == weight.shape == (len(names),)):
            raise ValueError(f"weights of the shape {weight.shape} for {len(names)} features")
        if not (np.isfinite([*mean, *scale, *weight, bias]).all() and (scale > 0).all()):
            raise ValueError("weights that are not finite")
        return cls(names, mean, scale, weight, bias)

    def parts(self, features: Mapping[str, float]) -> NDArray[np.float64]:
        """What each feature adds."""
        values = np.array([features[name] for name in self.names])
        return np.asarray(self.weight * (values - self.mean) / self.scale, np.float64)

    def __call__(self, features: Mapping[str, float]) -> float:
        return float(self.parts(features).sum() + self.bias)


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
        The arrays are not those that the metadata describes, or the canaries come out otherwise than when the model
        was made.
    """

    def __init__(self, arrays: Arrays, metadata: Mapping[str, Any], card: str = "") -> None:
        _check(arrays, metadata)
        self.arrays, self.metadata, self.card = arrays, metadata, card
        self.name: str = metadata["name"]
        metadata = _as_current(metadata)
        self.features: list[str] = metadata["features"]
        self.window: int = _window(metadata["window"])
        self.bounds = Bounds.from_dict(metadata["bounds"])
        self.feature_set: str = metadata["feature_set"]
        detector = _under("detector", arrays)
        self.detector = VoiceDetector(detector, metadata["kinds"])
        self.detector_digest = digest(detector, {"window": self.window})
        self._decision = Linear.of(self.features, _under("decision", arrays))
        self.rises = _rises(self._decision)
        music = metadata["music_features"]
        self._music = Linear.of(music, _under("music", arrays)) if music else None
        self._canary = _under("canary", arrays)
        if max(len(self._canary["mel"]), len(self._canary["features"])) > MOST_CANARIES:
            raise ModelError(f"model {self.name}: more than {MOST_CANARIES} canaries")
        self.self_test()

    @property
    def window_seconds(self) -> float:
        """Length of the windows that are judged together."""
        return self.window / FRAME_RATE

    @property
    def decision(self) -> Linear:
        """What weighs the features."""
        return self._decision

    def decide(self, activity: Activity, *, choir: bool = False) -> Decided:
        """Weigh the features of what was heard; with `choir`, voices without words count as a voice."""
        features = track_vector(activity, self.features, choir=choir, feature_set=self.feature_set)
        parts = self._decision.parts(features)
        shown = sorted(zip(features.items(), parts, strict=True), key=lambda item: -abs(item[1]))
        contributions = tuple(Contribution(n, v, float(part), MEANINGS[n]) for (n, v), part in shown)
        return Decided(float(parts.sum() + self._decision.bias), features, contributions)

    def log_odds(self, activity: Activity, *, choir: bool = False) -> float:
        """Log-odds of "song", songs and instrumental scores equally expected."""
        return self.decide(activity, choir=choir).log_odds

    def music(self, activity: Activity) -> float:
        """Log-odds of music, or of somebody who sings."""
        if self._music is None:
            return _music_by_means(activity.kinds)
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
        self._compare("log_odds", np.array([self._decision(row) for row in rows]), CANARY_TOLERANCE)
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


CANARY_RATE = 44_100
_IN_CACHE = 8192
"""Samples of the canary that are computed at once, so that a model needs little memory to load."""


def canary_samples(pitch: float, seconds: float = 12.0) -> FloatArray:
    """A sound that needs no music: a gliding, vibrating tone with formants over a chord, stereo.

    Parameters
    ----------
    pitch : float
        Of the tone, in hertz.
    seconds : float

    Returns
    -------
    (2, n) float32
    """
    t = np.arange(round(seconds * CANARY_RATE)) / CANARY_RATE
    glide = pitch * 2 ** (np.sin(2 * np.pi * 0.3 * t) / 3 + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(glide) / CANARY_RATE
    partials = np.arange(1, 25)
    formants = sum(np.exp(-(((partials * pitch - centre) / 250) ** 2)) for centre in (700, 1150, 2700))
    weights = np.asarray((0.02 + formants) / partials**0.5, np.float64)
    y = np.empty((2, len(t)), np.float32)
    for first in range(0, len(t), _IN_CACHE):
        piece = slice(first, first + _IN_CACHE)
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t[piece])
        tone = _harmonics(phase[piece], weights) * syllables
        chord = sum(np.sin(2 * np.pi * hertz * t[piece]) for hertz in (110.0, 164.8, 220.0, 277.2))
        y[:, piece] = 0.08 * tone + 0.05 * chord, 0.08 * tone + 0.03 * chord
    return y


def _harmonics(phase: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of ``weights[k - 1] * sin(k * phase)``, by ``sin((k + 1) p) = 2 cos(p) sin(k p) - sin((k - 1) p)``."""
    twice, before, now = 2 * np.cos(phase), np.zeros_like(phase), np.sin(phase)
    total = np.zeros_like(phase)
    for weight in weights:
        total += weight * now
        before, now = now, twice * now - before
    return total


def load_model(model: str | os.PathLike[str] = MODEL) -> TrackModel:
    """A model that comes with songscore, by name, or another by the path of one of its three files.

    The path may be given without suffix, as ``folder/NAME``.

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

    It means the same to a process in another folder.
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
    """Read once, and again after its metadata changed."""
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
        raise ModelError(f"{file} has more than {MAX_BYTES} bytes, the limit of a model's file")
    return content


def read_lessons(model: str | os.PathLike[str] = MODEL) -> dict[str, NDArray[Any]] | None:
    """The arrays of ``NAME.lessons.npz`` beside a model, what its decision was fitted to; None where there is none.

    Raises
    ------
    ModelError
        The file cannot be read, or is larger than that of a model can be.
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
    except Exception as error:  # as of `read_model`
        raise ModelError(f"{file} cannot be read: {type(error).__name__}: {error}") from error


def _arrays_in(content: bytes, name: str) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ModelError(f"model {name!r} unpacks to {size} bytes; the limit is {MAX_BYTES}")
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
    name, version = metadata.get("name"), metadata.get("format")
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= LONGEST_NAME):
        raise ModelError(f"a model's name is {name!r}; up to {LONGEST_NAME} printable characters are needed")
    if version not in READABLE:
        raise ModelError(f"model {name!r}: format is {version!r}, this songscore reads {sorted(READABLE)}")
    for key, ours in {"feature_set": READABLE[version], "classes": CLASSES}.items():
        if metadata.get(key) != ours:
            raise ModelError(f"model {name!r}: {key} is {metadata.get(key)!r}, format {version} has {ours!r}")
    if metadata.get("sha256") != digest(arrays, metadata):
        raise ModelError(f"model {name!r}: its sha256 is not that of its files; they were altered")
    unknown = sorted({*metadata["features"], *metadata.get("music_features", ())} - set(MEANINGS))
    if unknown:
        raise ModelError(f"model {name!r} wants features that this songscore does not compute: {', '.join(unknown)}")


def _as_current(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metadata of format 1 as that of `FORMAT`: three kinds of sound, longer windows, nothing known of parts."""
    if metadata["format"] != 1:
        return metadata
    certain = metadata["certain"]
    bounds = {
        "song_above": certain["song_above"],
        "song_above_with_choir": certain["song_above"],
        "score_below": certain["score_below"],
        "song_left_above": max(3.0, certain["song_above"]),
        "music_above": 0.5,
    }
    return {**metadata, "kinds": ["sung", "speech", "music"], "window": 256, "bounds": bounds, "music_features": []}


def _music_by_means(kinds: FloatArray) -> float:
    """The rules of format 1, which has no weights for this: 1, 0 where nothing is certain, or -1."""
    sung, speech, music = kinds[:, SUNG], kinds[:, SPEECH], kinds[:, MUSIC]
    if np.percentile(np.maximum(sung, music), 95) < 0.2 and speech.mean() < 0.3:
        return -1.0
    if speech.mean() > 0.3 and music.mean() < 0.3 and sung.mean() < 0.7:
        return -1.0
    return 1.0 if music.mean() >= 0.3 else 0.0


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays ``prefix.*``, without the prefix; canaries of format 1 have other names."""
    older = {"canary.activity": "canary.kinds", "canary.probability": "canary.log_odds"}
    found = {name: array for name, array in arrays.items() if name.startswith(f"{prefix}.")}
    renamed = {older.get(name, name): _renewed(name, array) for name, array in found.items()}
    return {name.removeprefix(f"{prefix}."): array for name, array in renamed.items()}


def _renewed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if name == "canary.activity":
        kinds = np.zeros((len(array), len(KINDS)), np.float32)
        kinds[:, [SUNG, SPEECH, MUSIC]] = array
        return kinds
    return np.log(array / (1 - array)) if name == "canary.probability" else array


def _rises(decision: Linear) -> bool:
    """Whether the log-odds never fall while more of a track is heard, so that it may be left early."""
    rising = np.array([name in RISING for name in decision.names])
    return {*decision.names} <= RISING | FIXED and bool((decision.weight[rising] >= 0).all())


def _window(frames: Any) -> int:
    if type(frames) is not int or not 2 <= frames <= LONGEST_WINDOW or frames % 2:
        raise ValueError(f"windows of {frames!r} frames; an even number up to {LONGEST_WINDOW} is needed")
    return frames


def _finite(fields: Mapping[str, Any], key: str) -> float:
    value = fields[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(f"{key} is {value!r}; a finite number is needed")
    return float(value)
