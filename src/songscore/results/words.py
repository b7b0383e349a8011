"""Why a track got its label, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from songscore.results.parts import SCORE, SONG, Explanation, Segment, VoiceKind

if TYPE_CHECKING:
    from songscore.results.track import TrackResult

NOTABLE = 0.05
"""Share of a track from which speech and voices without words are mentioned."""

_MOST_PLACES, _MOST_TO_LISTEN = 2, 3
"""Passages that a sentence names: of speech or voices without words, and to listen to."""


def explain(track: TrackResult) -> Explanation:
    """Why the track got its label, in plain words, and where to listen to check it."""
    listen = _listen(track)
    return Explanation(" ".join(_sentences(track, listen)), track.contributions, listen)


def _sentences(track: TrackResult, listen: tuple[Segment, ...]) -> list[str]:
    if track.label is None:
        return [f"No label ({track.status}): {track.message}."]
    if track.by == "hand":
        return [f"{track.label.capitalize()}: marked by hand."]
    doubt = "" if track.certain else ", inside the band of doubt"
    sentences = [f"{track.label.capitalize()}: the probability of a song is {track.song_probability:.2f}{doubt}."]
    reasons = [c.meaning for c in track.contributions if c.log_odds and (c.log_odds > 0) == (track.label == SONG)]
    if reasons:
        sentences.append(f"What spoke for it most: {'; '.join(reasons[:2])}.")
    sentences += _other_voices(track)
    if listen:
        places = ", ".join(f"{clock(s.start)} to {clock(s.end)}" for s in listen)
        sentences.append(f"Most like a voice: {places}; listen there to check.")
    return sentences


def _other_voices(track: TrackResult) -> list[str]:
    """Sentences about speech and voices without words in a score."""
    if track.label != SCORE:
        return []
    sentences = []
    if track.voices.get("speech", 0.0) >= NOTABLE:
        sentences.append(f"Speech over music, {_places(track, 'speech')}: somebody speaks, nobody sings.")
    if track.voices.get("choir", 0.0) >= NOTABLE:
        doubt = "" if track.certain else "; whether they sing words could not be excluded"
        sentences.append(f"Voices without words, {_places(track, 'choir')}{doubt}.")
    return sentences


def _places(track: TrackResult, kind: VoiceKind) -> str:
    """The longest passages of a kind of voice, in the order of the track, as minutes and seconds."""
    found = [segment for segment in track.vocal_segments if segment.kind == kind]
    longest = sorted(found, key=lambda segment: segment.start - segment.end)[:_MOST_PLACES]
    places = sorted(longest, key=lambda segment: segment.start)
    return ", ".join(f"{clock(s.start)} to {clock(s.end)}" for s in places)


def _listen(track: TrackResult) -> tuple[Segment, ...]:
    """The passages most like a voice, strongest first; without any passage, the seconds most like one."""
    passages = track.vocal_segments
    if not passages and track.timeline is not None:
        seconds = track.timeline.coarsen()
        passages = tuple(
            Segment(max(0.0, float(t) - 0.5), float(t) + 0.5, float(p))
            for t, p in zip(seconds.times, seconds.probability, strict=True)
        )
    return tuple(sorted(passages, key=lambda segment: -segment.probability)[:_MOST_TO_LISTEN])


def shortened(value: object) -> str:
    """A value as a message shows it: its `repr`, cut after 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds: 83.5 is ``1:23``."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
