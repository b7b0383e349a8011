"""Results as HTML for notebooks: a line of words, and a strip of inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from songscore.display.scales import VOICES, colour_of, lengths
from songscore.results import Segment, TrackResult, VocalTimeline, as_utf8

if TYPE_CHECKING:
    from songscore.release import ReleaseResult


def track_html(track: TrackResult) -> str:
    """A track as HTML: its label, its figures, and its voice curve."""
    verdict = track.label or f"{track.status}: {track.message}"
    figures = ""
    if track.label is not None:
        doubt = "" if track.certain else " (inside the band of doubt)"
        voices = ", ".join(f"{VOICES[kind][0]} in {share:.0%}" for kind, share in track.voices.items() if share)
        said = "marked by hand" if track.by == "hand" else f"song probability {track.song_probability:.2f}{doubt}"
        figures = f"{said}; {voices or 'no voice'}"
    name = escape(as_utf8(track.path or "samples in memory"))
    strip = "" if track.timeline is None else _curve(track.timeline, track.vocal_segments)
    return f"<div><b>{escape(as_utf8(verdict))}</b> <code>{name}</code><br>{strip}<small>{figures}</small></div>"


def release_html(release: ReleaseResult) -> str:
    """A release as HTML: its verdict, and its tracks side by side."""
    name = escape(as_utf8(release.path or f"{len(release.tracks)} tracks"))
    notes = escape(as_utf8(release.message))
    return f"<div><b>{release}</b> <code>{name}</code><br>{_tracks(release.tracks)}<small>{notes}</small></div>"


def _curve(timeline: VocalTimeline, segments: tuple[Segment, ...], width: int = 400, height: int = 32) -> str:
    """The voice curve as inline SVG, the passages with a voice shaded."""
    if not len(timeline.times):
        return ""
    end = max(1.0, float(timeline.times[-1]), *(segment.end for segment in segments))
    scale, curve = width / end, timeline.coarsen(max(1.0, end / width))
    lines = "".join(f'<polyline points="{_points(piece, scale, height)}"/>' for piece in curve.stretches())
    shades = "".join(_shade(segment, scale) for segment in segments)
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="probability of a voice over time">'
        f'<rect width="100%" height="100%" fill="#f2f2f2"/>{shades}'
        f'<g fill="none" stroke="#08519c">{lines}</g></svg><br>'
    )


def _shade(segment: Segment, scale: float) -> str:
    """A passage with a voice, in the colour of its kind."""
    name, colour = VOICES[segment.kind]
    place = f'x="{segment.start * scale:.1f}" width="{(segment.end - segment.start) * scale:.1f}" height="100%"'
    return f'<rect {place} fill="{colour}" fill-opacity="0.35"><title>{name}</title></rect>'


def _points(curve: VocalTimeline, scale: float, height: int) -> str:
    """Points of the line; a curve of a single step is drawn two units wide, so that it can be seen."""
    x, y = curve.times * scale, height * (1 - np.nan_to_num(curve.probability))
    if len(x) == 1:
        x, y = x[0] + np.array([-1.0, 1.0]), y.repeat(2)
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _tracks(tracks: Sequence[TrackResult], width: int = 400, height: int = 32) -> str:
    """The tracks side by side as inline SVG, each as wide as it is long."""
    if not tracks:
        return ""
    widths = lengths(tracks) * width / lengths(tracks).sum()
    places = zip(tracks, widths.cumsum() - widths, widths, strict=True)
    bars = "".join(f'<rect x="{x:.1f}" width="{w:.1f}" {_bar(track)}</rect>' for track, x, w in places)
    label = "song probability of each track"
    return f'<svg width="{width}" height="{height}" role="img" aria-label="{label}">{bars}</svg><br>'


def _bar(track: TrackResult) -> str:
    p = track.song_probability
    colour = "#bbb" if p is None else f"rgb({','.join(f'{255 * c:.0f}' for c in colour_of(p))})"
    name = escape(as_utf8(Path(track.path or "").name))
    said = track.status if p is None else f"{p:.2f}"
    return f'height="100%" fill="{colour}" stroke="#fff"><title>{name}: {said}</title>'
