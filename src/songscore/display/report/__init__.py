"""A run as one HTML page that needs nothing else: no network, no framework, no other file.

The page holds the tracks as JSON, one array each in the order of `COLUMNS`; ``page.js`` shows them a hundred at a time,
so that 30,000 stay usable. A timeline is text, one character per `CELLS`-th of the track: ``0`` to ``f`` for the
probability of a voice in sixteenths, ``.`` where nothing was heard.

Tracks can be marked in the page. The browser keeps the marks of a page, known by where it was written, and the page
saves them as `songscore.marks` reads them.
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
from songscore.marks import COLUMNS as MARK_COLUMNS
from songscore.marks import NEITHER, Mark, MarkLabel, Marks, MarkSource, as_marks, csv_lines, written_path
from songscore.results import SCORE, SONG, TrackResult, VocalTimeline, as_utf8

COLUMNS = (
    "path", "url", "label", "p", "certain", "status", "message", "duration", "voice", "strip", "listen",
    "mark", "sound", "file",
)  # fmt: skip
"""What is known of a track: `label`, `p`, `certain` and `status` as the model has it, `mark` as a person has. `file` is
the path as it stands in ``marks.csv``, "" where that is `path`."""

CELLS = 96
BINS = 20
_LABELS: dict[MarkLabel | None, int] = {None: 0, SONG: 1, SCORE: 2, NEITHER: 3}


def write_report(
    results: Iterable[TrackResult],
    path: str | os.PathLike[str],
    *,
    title: str = "songscore",
    marks: MarkSource = None,
) -> None:
    """Write the page, whole or not at all.

    Parameters
    ----------
    results : iterable of TrackResult
    path : path
        The file to write. Music that lies beside it, or anywhere on the same disk, can be played from the page.
    title : str
        Heading of the page.
    marks : path, iterable of Mark, or mapping of path to label, optional
        Labels given by a person, or the file of them, to begin with in the page.
    """
    path = Path(path)
    run = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    write_whole(path, render(list(results), path.parent, title, marks=as_marks(marks), run=run))


def render(
    results: Sequence[TrackResult], folder: Path, title: str, *, marks: Marks | None = None, run: str = ""
) -> str:
    """The page as text; links to music are relative to `folder`, and the browser keeps its marks under `run`."""
    given = marks or Marks()
    found = [given.of(track) for track in results]
    met = {id(mark) for mark in found}
    others = [mark for mark in given if id(mark) not in met]
    data = {
        "columns": COLUMNS,
        "rows": [_row(track, folder, mark) for track, mark in zip(results, found, strict=True)],
        "run": run,
        "marks": {"head": ",".join(MARK_COLUMNS), "others": csv_lines(others)},
    }
    css, script, html = (_resource(name) for name in ("page.css", "page.js", "page.html"))
    return Template(html).substitute(
        title=escape(as_utf8(title)),
        css=css,
        css_hash=_csp_hash(css),
        script=script,
        script_hash=_csp_hash(script),
        totals=_totals(results),
        histogram=_histogram(results),
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    )


def _resource(name: str) -> str:
    return (resources.files(__name__) / name).read_text("utf-8")


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _row(track: TrackResult, folder: Path, mark: Mark | None) -> list[Any]:
    by_hand = track.by == "hand"
    own_mark = (track.label or NEITHER) if by_hand else None
    doubtful = track.label is not None and not track.certain
    path, written = as_utf8(track.path or ""), written_path(track.path or "")
    listen = [[round(s.start, 1), round(s.end, 1)] for s in track.explain().listen] if doubtful else []
    return [
        path,
        _url(track.path, folder),
        0 if by_hand else _LABELS[track.label],
        None if by_hand or track.song_probability is None else round(track.song_probability, 3),
        int(track.certain),
        "" if by_hand else track.status,
        "" if by_hand else as_utf8(track.message),
        None if track.duration is None else round(track.duration, 1),
        None if track.vocal_fraction is None else round(track.vocal_fraction, 2),
        "" if track.timeline is None else strip(track.timeline, track.duration),
        listen,
        _LABELS[mark.label if mark else own_mark],
        track.sound_digest or "",
        "" if written == path else written,
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
