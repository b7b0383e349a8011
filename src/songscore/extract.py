"""One track in, its named features or their curves out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from songscore.analysis.record import Analysis
from songscore.analysis.sampling import analyse
from songscore.audio import Source, as_source, path_of, rereadable
from songscore.decision import SHORTEST, Question, too_short
from songscore.errors import AudioError
from songscore.features import spectral
from songscore.features.detector import KINDS, step_times
from songscore.features.track_vector import BY_NAME, track_vector
from songscore.model import MODEL, TrackModel, load_model

SetName = Literal["vocal", "spectral"]
SETS: tuple[SetName, ...] = get_args(SetName)


def extract_features(
    source: Source | NDArray[Any],
    sr: int | None = None,
    *,
    sets: Sequence[SetName] = SETS,
    model: str | os.PathLike[str] = MODEL,
) -> dict[str, float]:
    """The named features of the whole track; :doc:`features` lists and explains them all.

    Parameters
    ----------
    source, sr
        As for `classify_track`.
    sets : sequence of {"vocal", "spectral"}, default both
        "vocal" features come from the voice detector, "spectral" ones are those of librosa, under its names and by its
        definitions.
    model : str or path, default "track-v2"
        The model whose voice detector is used.

    Returns
    -------
    dict of str to float
        Vocal features first. Every value is a finite number.

    Raises
    ------
    AudioError
        The sound cannot be read, or is shorter than two seconds.
    ImportError
        "spectral" is asked for and librosa is not installed.
    TypeError, ValueError
        An argument is wrong.
    """
    check_sets(sets)
    found = dict[str, float]()
    with rereadable(as_source(source, sr)) as sound:
        if "vocal" in sets:
            chosen = load_model(model)
            found |= vocal_features(analyse(sound, chosen, Question(), thorough=True), chosen)
        if "spectral" in sets:
            found |= spectral_features(sound)
    return found


def extract_curves(
    source: Source | NDArray[Any],
    sr: int | None = None,
    *,
    sets: Sequence[SetName] = SETS,
    model: str | os.PathLike[str] = MODEL,
) -> dict[str, NDArray[Any]]:
    """How the features move over the track: the voice and librosa's frames on one time axis.

    Parameters
    ----------
    source, sr, sets, model
        As for `extract_features`.

    Returns
    -------
    dict of str to (n_frames,) array
        ``"time"`` first, in seconds: the centres of librosa's frames, 23 ms apart. Then ``"sung"``, ``"choir"``,
        ``"speech"``, ``"music"`` and ``"other"``, the probabilities of the kinds of sound, which the detector gives
        every 80 ms and which are interpolated here; then the curves of librosa, see :doc:`features`.
        `pandas.DataFrame` takes it as it is.

    Raises
    ------
    AudioError, ImportError, TypeError, ValueError
        As for `extract_features`.
    """
    check_sets(sets)
    with rereadable(as_source(source, sr)) as sound:
        analysis = curves = None
        if "vocal" in sets:
            analysis = analyse(sound, load_model(model), Question(), thorough=True)
            _check_length(analysis)
        if "spectral" in sets:
            curves = spectral.spectral_curves(sound)
    return _on_one_axis(analysis, curves)


def _on_one_axis(analysis: Analysis | None, curves: dict[str, NDArray[Any]] | None) -> dict[str, NDArray[Any]]:
    """Both kinds of curves at the times of librosa's frames; at least one of them is given."""
    if curves is not None:
        times = spectral.frame_times(len(curves["rms"]))
    else:
        assert analysis is not None
        times = spectral.frame_times(spectral.n_frames(analysis.duration))
    found = {"time": times}
    if analysis is not None:
        heard = step_times(analysis.activity.step)
        for column, kind in enumerate(KINDS):
            found[kind] = np.interp(times, heard, analysis.activity.kinds[:, column]).astype(np.float32)
    return found | (curves or {})


def vocal_features(analysis: Analysis, model: TrackModel) -> dict[str, float]:
    """The features of what a model's detector heard of a whole track.

    Raises
    ------
    AudioError
        The sound is shorter than `SHORTEST`.
    """
    _check_length(analysis)
    return track_vector(analysis.activity, feature_set=model.feature_set)


def spectral_features(source: Source) -> dict[str, float]:
    """The features of librosa, of a sound that is long enough.

    Raises
    ------
    AudioError
        The sound cannot be read, or is shorter than `SHORTEST`.
    ImportError
        librosa is not installed.
    """
    curves = spectral.spectral_curves(source)
    seconds = spectral.seconds(len(curves["rms"]))
    if seconds < SHORTEST:
        raise AudioError(f"{path_of(source) or 'the samples'}: {too_short(seconds)}")
    return spectral.summarise(curves)


def feature_names(sets: Sequence[SetName] = SETS) -> tuple[str, ...]:
    """Names of the features of some sets, in the order of `extract_features`."""
    check_sets(sets)
    return (tuple(BY_NAME) if "vocal" in sets else ()) + (spectral.NAMES if "spectral" in sets else ())


def spectral_version() -> str:
    """Everything besides the sound that spectral features depend on, as one string."""
    return f"{spectral.FEATURE_SET} librosa {version('librosa')}"


def check_librosa() -> None:
    """Raise `ImportError` where librosa is not installed, without importing it."""
    if find_spec("librosa") is None:
        spectral.load_librosa()


def check_sets(sets: Sequence[str]) -> None:
    """Raise `ValueError` where these are not names of feature sets."""
    if isinstance(sets, str) or not sets or not set(sets) <= set(SETS):
        raise ValueError(f"sets must be some of {SETS}, not {sets!r}")


def _check_length(analysis: Analysis) -> None:
    if analysis.analysed < SHORTEST:
        raise AudioError(f"{analysis.path or 'the samples'}: {too_short(analysis.analysed)}")
