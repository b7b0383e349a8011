"""The voice of a track over its mel spectrum, its pitch classes and its onsets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from songscore.audio import Source, as_source, path_of, rereadable
from songscore.display.plotting.axes import set_title, time_axis
from songscore.display.scales import VOICES
from songscore.extract import extract_curves
from songscore.features import spectral
from songscore.model import MODEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 1500
RANGE_DB = 60.0
HEIGHTS = (1.2, 1.6, 1.2, 0.9)
ONSETS = "#009e73"


def plot_curves(
    source: Source | NDArray[Any],
    sr: int | None = None,
    axes: Sequence[Axes] | None = None,
    *,
    model: str | os.PathLike[str] = MODEL,
) -> NDArray[Any]:
    """Draw where voices are in a track, over its spectrum, its pitch classes and its onsets.

    The whole track is heard. The picture takes the colours of the matplotlib style in use, light or dark.

    Parameters
    ----------
    source, sr
        As for `extract_curves`.
    axes : sequence of four matplotlib Axes, optional
        Where to draw, from top to bottom. Without it a figure is made.
    model : str or path, default "track-v2"
        The model whose voice detector is used.

    Returns
    -------
    (4,) array of Axes
        With the probability of each kind of voice, the mel spectrum in decibels below its maximum, the chroma, and the
        onset strength.

    Raises
    ------
    AudioError
        The sound cannot be read, or is shorter than two seconds.
    ImportError
        librosa is not installed.
    """
    spectral.load_librosa()
    from librosa import display, power_to_db

    if axes is not None and len(axes) != len(HEIGHTS):
        raise ValueError(f"{len(HEIGHTS)} Axes are needed, not {len(axes)}")
    name = None if isinstance(source, np.ndarray) else path_of(source)
    with rereadable(as_source(source, sr)) as sound:
        curves = extract_curves(sound, model=model)
        mel, width = spectral.mel_spectrum(sound, COLUMNS)
    voice, spectrum, pitches, onsets = axes if axes is not None else _new_axes()
    show = partial(
        display.specshow,
        x_axis="time",
        sr=spectral.SAMPLE_RATE,
        hop_length=spectral.HOP_LENGTH * width,
        cmap="magma",
        rasterized=True,
    )
    end = spectral.seconds(len(curves["time"]))

    for kind, (meaning, colour) in VOICES.items():
        voice.plot(curves["time"], curves[kind], color=colour, lw=1, label=meaning)
    decibels = power_to_db(mel, ref=np.max, top_db=RANGE_DB)
    show(decibels, y_axis="mel", ax=spectrum)
    chroma = np.stack([curves[name] for name in curves if name.startswith("chroma_")])
    show(spectral.columns_of(chroma, width), y_axis="chroma", ax=pitches)
    onsets.plot(curves["time"], curves["onset_strength"], color=ONSETS, lw=0.6)

    for ax in (voice, spectrum, pitches):
        time_axis(ax, end)
        ax.tick_params(labelbottom=False)
        ax.set_xlabel("")
    time_axis(onsets, end)
    _label(voice, spectrum, pitches, onsets)
    set_title(voice, Path(name).name if name else "samples in memory", _tempo(curves), pad=18)
    return np.array([voice, spectrum, pitches, onsets], dtype=object)


def _new_axes() -> Sequence[Axes]:
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(
        len(HEIGHTS), figsize=(9, 7), sharex=True, layout="constrained", gridspec_kw={"height_ratios": HEIGHTS}
    )
    return list(axes)


def _label(voice: Axes, spectrum: Axes, pitches: Axes, onsets: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    voice.set(ylabel="probability\nof a voice", ylim=(-0.02, 1.02))
    voice.yaxis.set_major_formatter(PercentFormatter(1))
    voice.legend(
        loc="lower left", bbox_to_anchor=(0, 0.96), ncols=3, frameon=False, fontsize="small", borderaxespad=0.3
    )
    spectrum.set_ylabel("frequency (Hz)")
    pitches.set_ylabel("pitch class")
    onsets.set(ylabel="onset strength\n(dB)", ylim=(0, None))
    onsets.figure.align_ylabels([voice, spectrum, pitches, onsets])


def _tempo(curves: dict[str, NDArray[Any]]) -> str:
    found = spectral.pulse(curves["onset_strength"])
    return f"{found['tempo']:.0f} beats per minute, pulse clarity {found['pulse_clarity']:.2f}"
