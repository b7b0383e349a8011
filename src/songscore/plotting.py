"""Figures: Axes in, Axes out. Needs matplotlib, the extra ``plot``.

Time runs along the abscissa in minutes and seconds from the start of the track. Colours are those of Okabe and Ito
(2008), told apart by every kind of colour vision.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from songscore.audio import Source, open_audio
from songscore.classify import VOICE_THRESHOLD
from songscore.errors import AudioError
from songscore.features.spectrum import SAMPLE_RATE, mel_frames, mel_frequencies
from songscore.results import TrackResult, as_utf8, clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE, PASSAGE, LIMIT = "#0072b2", "#e69f00", "#555555"
RANGE_DB = 60.0
COLUMNS = 1500
HERTZ = (200, 500, 1000, 2000, 4000, 8000)
TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Seconds between marks on the time axis."""

LONGEST_NAME = 50


def plot_timeline(track: TrackResult, ax: Axes | None = None, *, source: Source | None = None) -> Axes:
    """Draw the probability of a voice over a track, and its spectrum beneath.

    Parameters
    ----------
    track : TrackResult
        A track with a timeline.
    ax : matplotlib Axes, optional
        Where to draw. Without it a figure is made. Where there is a spectrum, it takes the lower half of the place.
    source : path, binary file object, or (array, sample rate), optional
        The sound, for the mel spectrum. Without it `track.path` is read; where that cannot be, there is no spectrum.

    Returns
    -------
    Axes
        That of the voice curve.

    Raises
    ------
    ValueError
        The track has no timeline.
    AudioError
        `source` cannot be read.
    """
    if track.timeline is None:
        raise ValueError(f"{track.path or 'the track'} has no timeline: its status is {track.status!r}")
    ax = _new_axes() if ax is None else ax
    mel = _mel(track, source)
    _draw_curve(ax, track)
    if mel is not None:
        below = _lower_half(ax)
        _draw_mel(below, mel, ax.get_xlim()[1])
        ax.tick_params(labelbottom=False)
        ax.set_xlabel("")
        ax.figure.align_ylabels([ax, below])
    return ax


def _new_axes() -> Axes:
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(9, 4), layout="constrained")
    return ax


def _draw_curve(ax: Axes, track: TrackResult) -> None:
    from matplotlib.ticker import PercentFormatter

    timeline = track.timeline
    assert timeline is not None
    for i, passage in enumerate(track.vocal_segments):
        ax.axvspan(
            passage.start, passage.end, color=PASSAGE, alpha=0.3, lw=0, label="" if i else "passage with a voice"
        )
    ax.plot(timeline.times, timeline.probability, color=CURVE, lw=1)
    ax.axhline(VOICE_THRESHOLD, color=LIMIT, lw=0.8, ls="--", label="threshold")
    ax.set(xlabel="time (min:s)", ylabel="probability of a voice", ylim=(-0.02, 1.02))
    ax.set_title(_title(track), loc="left", fontsize="medium")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, fontsize="small")
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    _time_axis(ax, track.duration or float(timeline.times[-1]))


def _time_axis(ax: Axes, end: float) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    ax.set_xlim(0, end)
    ax.xaxis.set_major_locator(MultipleLocator(next((step for step in TICKS if end / step <= 12), end / 6)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))


def _title(track: TrackResult) -> str:
    name = as_utf8(Path(track.path).name) if track.path else "samples in memory"
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1]}…"
    doubt = "" if track.certain else ", in doubt"
    verdict = f"{track.label}, P(song) = {track.song_probability:.2f}{doubt}" if track.label else track.status
    return f"{name}\n{verdict}".replace("$", r"\$")


def _mel(track: TrackResult, source: Source | None) -> NDArray[np.float32] | None:
    """Mel spectrum in decibels under its maximum, ``(n_bands, n_columns)``; None where there is no sound to read."""
    sound = track.path if source is None else source
    if sound is None:
        return None
    try:
        with open_audio(sound, rate=SAMPLE_RATE) as stream:
            mel = np.concatenate([10 * np.log10(frames + 1e-12) for frames in mel_frames(stream.blocks())])
    except AudioError:
        if source is None:
            return None
        raise
    width = max(1, -(-len(mel) // COLUMNS))
    columns = mel[: len(mel) // width * width].reshape(-1, width, mel.shape[1]).mean(axis=1)
    return np.asarray((columns - columns.max()).T)


def _draw_mel(ax: Axes, mel: NDArray[np.float32], end: float) -> None:
    bands = mel_frequencies()
    place = (0, end, -0.5, len(bands) - 0.5)
    ax.imshow(mel, origin="lower", aspect="auto", extent=place, cmap="magma", vmin=-RANGE_DB, vmax=0)
    ax.set_yticks(np.interp(HERTZ, bands, np.arange(len(bands))), [f"{f}" for f in HERTZ])
    ax.set(xlabel="time (min:s)", ylabel="frequency (Hz)")


def _lower_half(ax: Axes) -> Axes:
    """Make room below an Axes, and fill it with a new one that shares its time."""
    place = ax.get_subplotspec()
    if place is None:
        left, bottom, width, height = ax.get_position().bounds
        ax.set_position((left, bottom + 0.53 * height, width, 0.47 * height))
        return ax.figure.add_axes((left, bottom, width, 0.47 * height), sharex=ax)
    halves = place.subgridspec(2, 1)
    ax.set_subplotspec(halves[0])
    return ax.figure.add_subplot(halves[1], sharex=ax)
