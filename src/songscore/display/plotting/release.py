"""A release as a strip of its tracks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from songscore.display.plotting.axes import LIMIT, families, new_axes, set_title, short, time_axis
from songscore.display.scales import COLOURS, colour_of, lengths
from songscore.release import ReleaseResult
from songscore.results import TrackResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

NO_LABEL = "#bbbbbb"
IN_DOUBT = "////"

NAME_POINTS = 7.0
NAME_ASPECT = 0.6
"""Approximate width of a letter, as a share of the size of the font."""

DARK_UP_TO = 0.2
"""Song probability up to which the colour is so dark that names are written in white."""


def plot_release(release: ReleaseResult, ax: Axes | None = None) -> Axes:
    """Draw a release as a strip of its tracks, coloured by song probability.

    Parameters
    ----------
    release : ReleaseResult
        A release with tracks.
    ax : matplotlib Axes, optional
        Where to draw. Without it a figure is made. A colour bar takes some of its width.

    Returns
    -------
    Axes
        Each track is a patch, as wide as it is long, hatched if it is in doubt, grey if it has no label. Names are
        written in tracks that are wide enough.

    Raises
    ------
    ValueError
        The release has no tracks.
    """
    if not release.tracks:
        raise ValueError(f"{release.path or 'the release'} has no tracks")
    ax = new_axes(3) if ax is None else ax
    widths = lengths(release.tracks)
    bars = ax.bar(widths.cumsum() - widths, 1, widths, align="edge", edgecolor="white")
    for track, bar in zip(release.tracks, bars, strict=True):
        _colour(bar, track)
    _frame(ax, release, widths.sum())
    _add_names(ax, release.tracks, bars)
    return ax


def _colour(bar: Rectangle, track: TrackResult) -> None:
    p = track.song_probability
    bar.set_facecolor(NO_LABEL if p is None else colour_of(p))
    if p is not None and not track.certain:
        bar.set(hatch=IN_DOUBT, edgecolor=LIMIT)


def _frame(ax: Axes, release: ReleaseResult, end: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    colours = ScalarMappable(cmap=LinearSegmentedColormap.from_list("song", COLOURS))
    colours.set_clim(0, 1)
    ax.figure.colorbar(colours, ax=ax, label="song probability", format=PercentFormatter(1), pad=0.01)
    doubt = Patch(facecolor="white", edgecolor=LIMIT, hatch=IN_DOUBT, label="in doubt")
    handles = [doubt, Patch(facecolor=NO_LABEL, label="no label")]
    ax.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, frameon=False, fontsize="small")
    set_title(ax, Path(release.path).name if release.path else f"{len(release.tracks)} tracks", str(release))
    ax.set(ylim=(0, 1), yticks=[])
    time_axis(ax, end)


def _add_names(ax: Axes, tracks: Sequence[TrackResult], bars: Sequence[Rectangle]) -> None:
    """Write names upwards, cut to the height of the strip, in tracks that are wide enough."""
    ax.figure.canvas.figure.draw_without_rendering()
    place = ax.get_window_extent()
    to_points = 72 / ax.figure.dpi
    most = int(0.94 * place.height * to_points / (NAME_ASPECT * NAME_POINTS))
    narrowest = 1.3 * NAME_POINTS / (place.width * to_points) * ax.get_xlim()[1]
    for track, bar in zip(tracks, bars, strict=True):
        if track.path is not None and bar.get_width() >= narrowest:
            dark = track.song_probability is not None and track.song_probability <= DARK_UP_TO
            ax.text(
                bar.get_x() + bar.get_width() / 2,
                0.03,
                short(Path(track.path).stem, most),
                rotation="vertical",
                ha="center",
                size=NAME_POINTS,
                clip_on=True,
                color="white" if dark else "black",
                family=families(),
                bbox={"facecolor": bar.get_facecolor(), "linewidth": 0, "pad": 0.5},
            )
