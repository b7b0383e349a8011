"""Writes a run as one HTML page that needs no network, no framework and no other file.

The page holds the tracks as JSON, one array each in the order of `COLUMNS`; its scripts draw only the rows that can be
seen, so that 100,000 tracks stay usable. A timeline is text, one character per `CELLS`-th of the track: ``0`` to ``f``
for the probability of a voice in sixteenths, ``.`` where nothing was heard. A second text of the same length has ``c``
for voices without words and ``p`` for speech.

Tracks can be marked in the page. The browser stores the marks for each path of a page, and the page saves them as a
file that `songscore.marks` reads.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np

from songscore._files import write_whole
from songscore.display.scales import COLOURS, VOICES
from songscore.marks import COLUMNS as MARK_COLUMNS
from songscore.marks import NEITHER, Mark, MarkLabel, Marks, MarkSource, as_marks, csv_lines, written_path
from songscore.results import SCORE, SONG, Segment, TrackResult, VocalTimeline, as_utf8

COLUMNS = (
    "path", "url", "label", "p", "certain", "status", "message", "duration", "voice", "strip", "kinds",
    "listen", "mark", "sound", "file",
)  # fmt: skip
"""Fields of a track: `label`, `p`, `certain` and `status` are the model's, `mark` is a person's. `file` is the path as
written in ``marks.csv``, or "" if that is the same as `path`."""

CELLS = 96
BINS = 20

_SCRIPTS = ("tracks.js", "strips.js", "rows.js", "list.js", "page.js")
_HEIGHTS = np.frombuffer(b".0123456789abcdef", np.uint8)
_KINDS = {"choir": "c", "speech": "p"}
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
        Labels given by a person, or the file of them, which the page shows from the start.
    """
    path = Path(path)
    run = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    write_whole(path, render(results, path.parent, title, marks=as_marks(marks), run=run))


def render(
    results: Iterable[TrackResult], folder: Path, title: str, *, marks: Marks | None = None, run: str = ""
) -> str:
    """The page as text; links to music are relative to `folder`, and the browser keeps its marks under `run`."""
    given, met, totals = marks or Marks(), set[int](), _Totals()
    rows = list[str]()
    for track in results:
        mark = given.of(track)
        met.add(id(mark))
        totals.add(track)
        rows.append(_json(_row(track, folder, mark)))
    others = [mark for mark in given if id(mark) not in met]
    data = {
        "columns": COLUMNS,
        "run": run,
        "marks": {"head": ",".join(MARK_COLUMNS), "others": csv_lines(others)},
        "colours": COLOURS,
    }
    css, html = _resource("page.css"), _resource("page.html")
    script = "".join(['(() => {\n"use strict";\n', *map(_resource, _SCRIPTS), "})();\n"])
    return Template(html).substitute(
        title=escape(as_utf8(title)),
        css=css,
        css_hash=_csp_hash(css),
        script=script,
        script_hash=_csp_hash(script),
        totals=totals.html(),
        histogram=totals.histogram(),
        legend=_legend(),
        data=f'{_json(data)[:-1]},"rows":[{",".join(rows)}]}}',
    )


def _json(content: Any) -> str:
    """JSON for a script element, which no text in it can end."""
    return json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")


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
        "" if track.timeline is None else other_voices(track.vocal_segments, end_of(track.timeline, track.duration)),
        listen,
        _LABELS[mark.label if mark else own_mark],
        track.sound_digest or "",
        "" if written == path else written,
    ]


def _url(path: str | None, folder: Path) -> str:
    """The music file as a URL relative to the page's folder, or "" if there is none."""
    if path is None:
        return ""
    try:
        relative = os.path.relpath(path, folder)
    except ValueError:
        return ""
    return "./" + quote_from_bytes(os.fsencode(Path(relative).as_posix()))


def end_of(timeline: VocalTimeline, duration: float | None) -> float:
    """The end of a strip in seconds: that of the track or of its timeline, whichever is later."""
    times = timeline.times
    return max(duration or 0.0, float(times[-1]) + _step(timeline) / 2) if len(times) else 0.0


def _step(timeline: VocalTimeline) -> float:
    return float(np.median(np.diff(timeline.times))) if len(timeline.times) > 1 else 1.0


def strip(timeline: VocalTimeline, duration: float | None) -> str:
    """A timeline as text: for each cell, the highest probability of the steps in it."""
    times, half = timeline.times, _step(timeline) / 2
    if not len(times):
        return ""
    scale = CELLS / end_of(timeline, duration)
    first = ((times - half) * scale).clip(0, CELLS - 1).astype(int)
    last = np.ceil((times + half) * scale - 1e-6).clip(1, CELLS).astype(int)
    height = 1 + (16 * np.nan_to_num(timeline.probability)).astype(int).clip(0, 15)
    highest = np.zeros(CELLS, int)
    for reach in range(int((last - first).max())):
        there = first + reach < last
        np.maximum.at(highest, first[there] + reach, height[there])
    return _HEIGHTS[highest].tobytes().decode()


def other_voices(segments: Sequence[Segment], end: float) -> str:
    """Where voices without words and speech are, one character per cell; "" where there are none."""
    others = [segment for segment in segments if segment.kind in _KINDS]
    if not others or not end:
        return ""
    cells = [" "] * CELLS
    for segment in others:
        first = min(CELLS - 1, int(segment.start / end * CELLS))
        last = max(first + 1, min(CELLS, round(segment.end / end * CELLS)))
        cells[first:last] = _KINDS[segment.kind] * (last - first)
    return "".join(cells)


def _legend() -> str:
    names = {kind: name for kind, (name, _) in VOICES.items()} | {"heard": "no voice", "unheard": "not heard"}
    return "".join(f'<li><span class="{kind}"></span>{name}</li>' for kind, name in names.items())


@dataclass
class _Totals:
    """The counts and the histogram above the table."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("tracks", "songs", "instrumental scores", "in doubt", "without a label"), 0
        )
    )
    seconds: float = 0.0
    known: list[float] = field(default_factory=list)

    def add(self, track: TrackResult) -> None:
        self.counts["tracks"] += 1
        self.counts["songs"] += track.label == SONG
        self.counts["instrumental scores"] += track.label == SCORE
        self.counts["in doubt"] += track.label is not None and not track.certain
        self.counts["without a label"] += track.label is None
        self.seconds += track.duration or 0
        if track.song_probability is not None:
            self.known.append(track.song_probability)

    def html(self) -> str:
        items = [
            *((f"{count:,}", name) for name, count in self.counts.items()),
            (f"{self.seconds / 3600:,.1f}", "hours"),
        ]
        return "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for number, name in items)

    def histogram(self) -> str:
        """A histogram of song probabilities as SVG; heights are square roots of the counts, to show small ones."""
        counts, _ = np.histogram(self.known, BINS, (0, 1))
        tallest = float(np.sqrt(counts.max(initial=1)))
        bars = []
        for i, count in enumerate(counts.tolist()):
            height = 100 * np.sqrt(count) / tallest
            about = f"{count:,} tracks with a song probability of {i / BINS:.2f} to {(i + 1) / BINS:.2f}"
            place = f'x="{i * 20 + 1}" y="{100 - height:.1f}" width="18" height="{height:.1f}"'
            bars.append(f"<rect {place}><title>{about}</title></rect>")
        return "".join(bars)
