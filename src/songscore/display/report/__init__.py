"""A run as one HTML page that needs nothing else: no network, no framework, no other file.

The page holds the tracks as JSON, one array each in the order of `COLUMNS`; ``page.js`` shows them a hundred at a time,
so that 30,000 stay usable. A timeline is text, one character per `CELLS`-th of the track: ``0`` to ``f`` for the
probability of a voice in sixteenths, ``.`` where nothing was heard.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np

from songscore._files import write_whole
from songscore.results import SCORE, SONG, TrackResult, VocalTimeline, as_utf8

COLUMNS = ("path", "url", "label", "p", "certain", "status", "message", "duration", "voice", "strip", "listen")
CELLS = 96
BINS = 20
_LABELS = {None: 0, SONG: 1, SCORE: 2}


def write_report(results: Iterable[TrackResult], path: str | os.PathLike[str], *, title: str = "songscore") -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    results : iterable of TrackResult
    path : path
        The file to write. Music that lies beside it, or anywhere on the same disk, can be played from the page.
    title : str
        Heading of the page.
    """
    path = Path(path)
    write_whole(path, render(list(results), path.parent, title))


def render(results: Sequence[TrackResult], folder: Path, title: str) -> str:
    """The page as text; links to music are relative to `folder`."""
    css, script, html = (_resource(name) for name in ("page.css", "page.js", "page.html"))
    rows = [_row(track, folder) for track in results]
    return Template(html).substitute(
        title=escape(as_utf8(title)),
        css=css,
        css_hash=_csp_hash(css),
        script=script,
        script_hash=_csp_hash(script),
        totals=_totals(results),
        histogram=_histogram(results),
        data=json.dumps({"columns": COLUMNS, "rows": rows}, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _resource(name: str) -> str:
    return (resources.files(__name__) / name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _row(track: TrackResult, folder: Path) -> list[Any]:
    doubtful = track.label is not None and not track.certain
    listen = [[round(s.start, 1), round(s.end, 1)] for s in track.explain().listen] if doubtful else []
    return [
        as_utf8(track.path or ""),
        _url(track.path, folder),
        _LABELS[track.label],
        None if track.song_probability is None else round(track.song_probability, 3),
        int(track.certain),
        track.status,
        as_utf8(track.message),
        None if track.duration is None else round(track.duration, 1),
        None if track.vocal_fraction is None else round(track.vocal_fraction, 2),
        "" if track.timeline is None else strip(track.timeline, track.duration),
        listen,
    ]


def _url(path: str | None, folder: Path) -> str:
    """Where the music is, seen from the page."""
    if path is None:
        return ""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:
        return ""
    return "./" + quote_from_bytes(os.fsencode(Path(relative).as_posix()))


def strip(timeline: VocalTimeline, duration: float | None) -> str:
    """A timeline as text: the highest probability in each cell that its steps reach."""
    times = timeline.times
    if not len(times):
        return ""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    end = max(duration or 0.0, float(times[-1]) + step / 2)
    first = ((times - step / 2) / end * CELLS).clip(0, CELLS - 1).astype(int)
    last = np.ceil((times + step / 2) / end * CELLS - 1e-6).clip(1, CELLS).astype(int)
    highest = np.full(CELLS, -1.0)
    for a, b, p in zip(first, last, np.nan_to_num(timeline.probability), strict=True):
        highest[a:b] = np.maximum(highest[a:b], p)
    return "".join("." if p < 0 else "0123456789abcdef"[min(15, int(p * 16))] for p in highest)


def _totals(results: Sequence[TrackResult]) -> str:
    hours = sum(track.duration or 0 for track in results) / 3600
    counts = {
        "tracks": len(results),
        "songs": sum(track.label == SONG for track in results),
        "instrumental scores": sum(track.label == SCORE for track in results),
        "in doubt": sum(track.label is not None and not track.certain for track in results),
        "without a label": sum(track.label is None for track in results),
    }
    items = [*((f"{count:,}", name) for name, count in counts.items()), (f"{hours:,.1f}", "hours")]
    return "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for number, name in items)


def _histogram(results: Sequence[TrackResult]) -> str:
    """Bars of the song probabilities as SVG, the height a square root so that few tracks are seen beside many."""
    known = [track.song_probability for track in results if track.song_probability is not None]
    counts, _ = np.histogram(known, BINS, (0, 1))
    tallest = float(np.sqrt(counts.max(initial=1)))
    bars = []
    for i, count in enumerate(counts.tolist()):
        height = 100 * np.sqrt(count) / tallest
        about = f"{count:,} tracks with a song probability of {i / BINS:.2f} to {(i + 1) / BINS:.2f}"
        place = f'x="{i * 20 + 1}" y="{100 - height:.1f}" width="18" height="{height:.1f}"'
        bars.append(f"<rect {place}><title>{about}</title></rect>")
    return "".join(bars)
