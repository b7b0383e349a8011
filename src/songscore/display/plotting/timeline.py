"""The voice curve of a track over its spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from songscore.audio import Source, open_audio
from songscore.display.plotting.axes import LIMIT, new_axes, set_track_title, time_axis
from songscore.display.scales import VOICES
from songscore.errors import AudioError
from songscore.features.segments import VOICE_THRESHOLD
from songscore.features.spectrum import SAMPLE_RATE, mel_frames, mel_frequencies
from songscore.results import TrackResult, VocalTimeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE, UNHEARD = "#0072b2", "#eeeeee"
SHORTEST_GAP = 1.0
RANGE_DB = 60.0
COLUMNS = 1500
HERTZ = (200, 500, 1000, 2000, 4000, 8000)


def plot_timeline(track: TrackResult, ax: Axes | None = None, *, source: Source | None = None) -> Axes:
    """Draw the probability of a voice over a track, and its spectrum beneath.

    Parameters
    ----------
    track : TrackResult
        A track with a timeline.
    ax : matplotlib Axes, optional
        Where to draw. Without it a figure is made. The spectrum, if there is one, takes the lower half of these Axes.
    source : path, binary file object, or (array, sample rate), optional
        The sound, for the mel spectrum. Without it `track.path` is read; if that is impossible, no spectrum is drawn.

    Returns
    -------
    Axes
        The Axes with the voice curve.

    Raises
    ------
    ValueError
        The track has no timeline.
    AudioError
        `source` cannot be read.
    """
    if track.timeline is None:
        raise ValueError(f"{track.path or 'the track'} has no timeline: its status is {track.status!r}")
    ax = new_axes(4) if ax is None else ax
    mel = _mel(track, source)
    _draw_curve(ax, track)
    if mel is not None:
        below = _lower_half(ax)
        _draw_mel(below, mel, ax.get_xlim()[1])
        ax.tick_params(labelbottom=False)
        ax.set_xlabel("")
        ax.figure.align_ylabels([ax, below])
    return ax


def _draw_curve(ax: Axes, track: TrackResult) -> None:
    from matplotlib.ticker import PercentFormatter

    timeline = track.timeline
    assert timeline is not None
    for kind, (name, colour) in VOICES.items():
        for i, passage in enumerate(segment for segment in track.vocal_segments if segment.kind == kind):
            ax.axvspan(passage.start, passage.end, color=colour, alpha=0.3, lw=0, label="" if i else name)
    end = track.duration or float(timeline.times[-1])
    heard = timeline.stretches()
    for stretch in heard:
        ax.plot(stretch.times, stretch.probability, color=CURVE, lw=1)
    for i, (start, stop) in enumerate(_gaps(heard, end)):
        ax.axvspan(start, stop, facecolor=UNHEARD, lw=0, label="" if i else "not heard")
    ax.axhline(VOICE_THRESHOLD, color=LIMIT, lw=0.8, ls="--", label="threshold")
    ax.set(ylabel="probability of a voice", ylim=(-0.02, 1.02))
    set_track_title(ax, track, pad=20)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 0.98), ncols=5, frameon=False, fontsize="small", borderaxespad=0.3)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    time_axis(ax, end)


def _gaps(heard: list[VocalTimeline], end: float) -> list[tuple[float, float]]:
    """Passages that were not heard, as starts and ends in seconds."""
    starts, stops = [0.0, *(float(s.times[-1]) for s in heard)], [*(float(s.times[0]) for s in heard), end]
    return [(a, b) for a, b in zip(starts, stops, strict=True) if b - a > SHORTEST_GAP]


def _mel(track: TrackResult, source: Source | None) -> NDArray[np.float32] | None:
    """Mel spectrum in decibels below its maximum, ``(n_bands, n_columns)``; None without a sound that can be read."""
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
    """Shrink `ax` to its upper half, and return new Axes in the lower half with the same time axis."""
    place = ax.get_subplotspec()
    if place is None:
        left, bottom, width, height = ax.get_position().bounds
        ax.set_position((left, bottom + 0.53 * height, width, 0.47 * height))
        return ax.figure.add_axes((left, bottom, width, 0.47 * height), sharex=ax)
    halves = place.subgridspec(2, 1)
    ax.set_subplotspec(halves[0])
    return ax.figure.add_subplot(halves[1], sharex=ax)
