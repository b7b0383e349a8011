"""Parts that all figures share: new Axes, the time axis, titles."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from songscore.results import TrackResult, as_utf8, clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Seconds between marks on the time axis."""

LIMIT = "#555555"
"""Grey of thresholds and zero lines."""

LONGEST_NAME = 50

FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "IPAGothic", "WenQuanYi Zen Hei"),
    *("Hiragino Sans", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS"),
)
"""Font families of common systems, with scripts that the default font lacks."""


def new_axes(height: float) -> Axes:
    """Axes in a figure of their own, `height` inches high."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(9, height), layout="constrained")
    return ax


def time_axis(ax: Axes, end: float) -> None:
    """Label the abscissa in minutes and seconds, from 0 to `end` seconds."""
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    ax.set(xlabel="time (min:s)", xlim=(0, end))
    ax.xaxis.set_major_locator(MultipleLocator(next((step for step in TICKS if end / step <= 12), end / 6)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))


def set_title(ax: Axes, name: str, verdict: str, pad: float | None = None) -> None:
    """Write the name of a file or folder, and its verdict below it, `pad` points above the Axes."""
    ax.set_title(f"{short(name)}\n{verdict}", loc="left", fontsize="medium", family=families(), pad=pad)


def set_track_title(ax: Axes, track: TrackResult, pad: float | None = None) -> None:
    """Write the name of the track and its label above the Axes."""
    doubt = "" if track.certain else ", in doubt"
    verdict = f"{track.label}, P(song) = {track.song_probability:.2f}{doubt}" if track.label else track.status
    set_title(ax, Path(track.path).name if track.path else "samples in memory", verdict, pad)


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name of at most `most` characters, escaped for matplotlib."""
    name = as_utf8(name)
    return (name if len(name) <= most else f"{name[: most - 1]}…").replace("$", r"\$")


@cache
def families() -> list[str]:
    """The default font, and those of `FONTS` that are installed, for names in any script."""
    from matplotlib.font_manager import fontManager

    return ["sans-serif", *sorted({font.name for font in fontManager.ttflist} & set(FONTS), key=FONTS.index)]
