"""Bars of how far each feature moved the decision on a track."""

from __future__ import annotations

from typing import TYPE_CHECKING

from songscore.display.plotting.axes import LIMIT, new_axes, set_track_title
from songscore.display.scales import colour_of
from songscore.results import TrackResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_contributions(track: TrackResult, ax: Axes | None = None, *, most: int = 10) -> Axes:
    """Draw how far the strongest features moved the decision, and which way.

    Parameters
    ----------
    track : TrackResult
        A track with contributions, as `classify_track` gives them; answers that were read from a file have none.
    ax : matplotlib Axes, optional
        Where to draw. Without it a figure is made.
    most : int, default 10
        Number of features.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        The track has no contributions.
    """
    if not track.contributions:
        raise ValueError(
            f"{track.path or 'the track'} has no contributions; classify_track gives them, a file of answers does not"
        )
    ax = new_axes(4) if ax is None else ax
    shown = track.contributions[:most]
    log_odds = [c.log_odds for c in shown]
    bars = ax.barh([c.meaning for c in shown], log_odds, color=[colour_of(float(x > 0)) for x in log_odds])
    ax.bar_label(bars, fmt="{:+.2f}", padding=3, fontsize="small")
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.axvline(0, color=LIMIT, lw=0.8)
    set_track_title(ax, track)
    ax.set_xlabel("added to the log-odds of a song, against the average training track")
    return ax
