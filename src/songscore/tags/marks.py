"""How a label is written in tags, and whether songscore or a person wrote a tag.

=========================  ==============================================================================
``INSTRUMENTAL``            ``1`` for instrumental score, ``0`` for a song
``INSTRUMENTAL_CONFIDENCE`` probability that the track is instrumental, in percent, ``0.0`` to ``100.0``
``SONGSCORE_LABEL``         ``song`` or ``instrumental score``
``SONGSCORE_PROBABILITY``   calibrated probability that the track is a song, ``0.0000`` to ``1.0000``
``SONGSCORE_MODEL``         the model that answered, or ``hand`` for the label of a person
``LANGUAGE``                ``zxx``, no linguistic content; only where asked for
=========================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Mapping

from songscore.errors import TagError
from songscore.results import SCORE, SONG, Label
from songscore.tags.items import LANGUAGE, Values

Entries = Mapping[str, Values]
Changes = dict[str, Values | None]

INSTRUMENTAL, CONFIDENCE = "INSTRUMENTAL", "INSTRUMENTAL_CONFIDENCE"
LABEL, PROBABILITY, MODEL = "SONGSCORE_LABEL", "SONGSCORE_PROBABILITY", "SONGSCORE_MODEL"
NAMES = (INSTRUMENTAL, CONFIDENCE, LABEL, PROBABILITY, MODEL, LANGUAGE)

BY_HAND = "hand"
"""Stands in place of the model where a person gave the label."""

NO_WORDS = ("zxx",)
"""ISO 639 for "no linguistic content"."""

_MARKS: dict[str, Values] = {SONG: ("0",), SCORE: ("1",)}


def wanted(label: Label, probability: float, model: str) -> dict[str, Values]:
    """The entries of a label; the confidence is computed from the rounded probability, so that the two agree."""
    written = f"{probability:.4f}"
    return {
        INSTRUMENTAL: _MARKS[label],
        CONFIDENCE: (f"{100 * (1 - float(written)):.1f}",),
        LABEL: (label,),
        PROBABILITY: (written,),
        MODEL: (model,),
    }


def changes(entries: Entries, label: Entries, language: bool) -> Changes:
    """New values of entries, or None to remove one, so that they say what the label says.

    Parameters
    ----------
    entries : mapping
        The entries in the file.
    label : mapping
        From `wanted`.
    language : bool
        Whether to set the language, too; one that was set by hand is never changed.
    """
    new: Changes = {**entries, **label}
    if language and label[LABEL] == (SCORE,):
        new.setdefault(LANGUAGE, NO_WORDS)
    if language and label[LABEL] == (SONG,) and entries.get(LABEL) == (SCORE,) and new.get(LANGUAGE) == NO_WORDS:
        new[LANGUAGE] = None
    return difference(entries, new)


def difference(before: Entries, after: Mapping[str, Values | None]) -> Changes:
    """New values of entries, or None to remove one, that turn `before` into `after`."""
    names = [*after, *(name for name in before if name not in after)]
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}


def made_by_hand(entries: Entries) -> bool:
    """Whether ``INSTRUMENTAL`` is there and a person gave it: songscore did not write it, or wrote it from a mark."""
    return INSTRUMENTAL in entries and (entries.get(MODEL) == (BY_HAND,) or not _is_ours(entries))


def from_mark(entries: Entries) -> bool:
    """Whether songscore wrote ``INSTRUMENTAL`` from a mark, and nobody changed it since."""
    return entries.get(MODEL) == (BY_HAND,) and _is_ours(entries)


def _is_ours(entries: Entries) -> bool:
    label = "".join(entries.get(LABEL, ()))
    return MODEL in entries and entries.get(INSTRUMENTAL) == _MARKS.get(label, ())


def decided_again(entries: Entries, threshold: float) -> dict[str, Values]:
    """The entries of the label that the stored probability gives with another threshold.

    Raises
    ------
    TagError
        No probability is stored, or none that songscore wrote.
    """
    try:
        (probability,), (model,) = entries[PROBABILITY], entries[MODEL]
        p = float(probability)
    except (KeyError, ValueError):
        raise TagError(f"there is no {PROBABILITY} in the tags; label the file first") from None
    if not 0 <= p <= 1:
        raise TagError(f"{PROBABILITY}={probability} is not a probability; label the file again")
    return wanted(SONG if p >= threshold else SCORE, p, model)
