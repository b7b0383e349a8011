"""An explanation of every feature, for the table in docs/features.md and the units in pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from songscore.features import spectral
from songscore.features.track_vector import QUANTILES, SHARES, TOP_SECONDS


@dataclass(frozen=True, slots=True)
class Entry:
    """Features that have one explanation in common.

    Attributes
    ----------
    features : tuple of str
        Their names.
    title : str
        The same, short, for people.
    unit, definition, source, good_for : str
    """

    features: tuple[str, ...]
    title: str
    unit: str
    definition: str
    source: str
    good_for: str


_OURS, _BAYLE = "songscore", "after Bayle et al. 2017"


def _family(pattern: str, numbers: Sequence[int], unit: str, definition: str, source: str, good_for: str) -> Entry:
    names = tuple(pattern.format(number) for number in numbers)
    return Entry(names, _listed(names), unit, definition, source, good_for)


def _one(name: str, unit: str, definition: str, good_for: str) -> Entry:
    return Entry((name,), f"`{name}`", unit, definition, _OURS, good_for)


def _listed(names: Sequence[str]) -> str:
    shown = names if len(names) <= 5 else (names[0], "…", names[-1])
    return ", ".join(name if name == "…" else f"`{name}`" for name in shown)


VOCAL = (
    _family(
        "voice_top_{}s",
        TOP_SECONDS,
        "log-odds",
        "mean probability of a sung or rapped voice over its strongest 2, 5, 10 or 30 s, which are at most 60 % of the "
        "track",
        _BAYLE,
        "whether anybody sings at all; the label rests on these",
    ),
    _family(
        "voice_q{}",
        QUANTILES,
        "log-odds",
        "percentile of the probability of a voice over the track",
        _BAYLE,
        "how much of the track is sung",
    ),
    _family(
        "voice_share_{}",
        SHARES,
        "share",
        "share of the track at which a voice is more than 30, 50, 70 or 90 % probable",
        _BAYLE,
        "how much of the track is sung",
    ),
    _one("voice_mean", "log-odds", "mean probability of a voice", "how clear the voice is on average"),
    _one(
        "voice_longest",
        "log2 s",
        "log2(1 + seconds of the longest passage with a voice)",
        "verses against interjections",
    ),
    _one("voice_spread", "log-odds", "standard deviation of the log-odds of a voice", "a voice that comes and goes"),
    _one("sung_mean", "log-odds", "mean probability of sung or rapped words", "songs"),
    _one("choir_mean", "log-odds", "mean probability of voices without words", "choir in a score"),
    _one("speech_mean", "log-odds", "mean probability of speech", "narration, dialogue"),
    _one("music_mean", "log-odds", "mean probability of music", "music against everything else"),
    _one("other_mean", "log-odds", "mean probability of sounds that are not music", "rain, engines, crowds"),
    _one("length", "log2 s", "log2 of the seconds of the track", "cues are shorter than songs"),
)

SPECTRAL = tuple(
    Entry(family.features, _listed(family.curves), family.unit, family.definition, family.source, family.good_for)
    for family in spectral.FAMILIES
)

UNITS = {name: entry.unit for entry in (*VOCAL, *SPECTRAL) for name in entry.features}
"""Unit of each feature, by its name."""


def vocal_table() -> str:
    """The vocal features as a table in Markdown."""
    return _table(["feature", "unit", "definition", "source", "good for"], [_cells(entry) for entry in VOCAL])


def spectral_table() -> str:
    """The spectral features as a table in Markdown, a line for each family."""
    rows = []
    for entry, family in zip(SPECTRAL, spectral.FAMILIES, strict=True):
        title, *others = _cells(entry)
        endings = " ".join(f"`_{statistic}`" for statistic in family.statistics) or "none: one number of the track"
        rows.append([title, endings, *others])
    return _table(["curve", "endings", "unit", "definition", "source", "good for"], rows)


def _cells(entry: Entry) -> list[str]:
    return [entry.title, entry.unit, entry.definition, entry.source, entry.good_for]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
