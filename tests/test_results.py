from __future__ import annotations

import dataclasses
import json
import os
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from systems import posix

from songscore.results import Contribution, Segment, TrackResult, VocalTimeline, as_utf8, clock, exact_path

FIELDS = [
    "path",
    "label",
    "song_probability",
    "certain",
    "vocal_fraction",
    "voices",
    "vocal_segments",
    "timeline",
    "features",
    "status",
    "message",
    "duration",
    "analysed",
    "model",
    "by",
    "size",
    "modified",
    "sound_digest",
]


def song(**changes: Any) -> TrackResult:
    times = np.arange(0, 10, 0.08) + 0.05
    fields: dict[str, Any] = {
        "path": "02 End Credits.flac",
        "label": "song",
        "song_probability": 0.987654,
        "certain": True,
        "vocal_fraction": 0.4,
        "vocal_segments": (Segment(2.0, 4.0, 0.8), Segment(6.123456, 8.0, 0.9)),
        "timeline": VocalTimeline(times, ((times > 6) & (times < 8)).astype(np.float32)),
        "features": {"voice_mean": 1.23456789, "voice_longest": 123456.789},
        "contributions": (
            Contribution("voice_mean", 1.2, 2.5, "mean voice probability"),
            Contribution("voice_spread", 0.1, -0.5, "how far the voice probability moves over the track"),
        ),
        "duration": 10.004,
        "analysed": 10.004,
        "model": "track-v1",
    }
    return TrackResult(**{**fields, **changes})


def unlabelled(**changes: Any) -> TrackResult:
    return TrackResult(**{"path": "notes.mp3", "status": "unreadable", "message": "it is a text file", **changes})


def test_a_result_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="label"):
        song().label = "instrumental score"  # type: ignore[misc]


def test_a_result_survives_pickling() -> None:
    there_and_back = pickle.loads(pickle.dumps(song()))
    assert there_and_back.to_dict() == song().to_dict()


@pytest.mark.parametrize("track", [song(), unlabelled()])
def test_the_dictionary_has_the_fields_of_the_contract_in_order(track: TrackResult) -> None:
    assert list(track.to_dict()) == FIELDS


def test_numbers_are_rounded_and_the_timeline_has_steps_of_a_second() -> None:
    fields = song().to_dict()
    assert fields["song_probability"] == 0.9877
    assert fields["duration"] == 10.0
    assert fields["vocal_segments"][1] == {"start": 6.12, "end": 8.0, "probability": 0.9, "kind": "sung"}
    assert fields["features"] == {"voice_mean": 1.23457, "voice_longest": 123457.0}
    assert fields["timeline"]["times"] == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5]
    assert fields["timeline"]["probability"] == [0, 0, 0, 0, 0, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("track", [song(), unlabelled()])
def test_json_gives_the_dictionary_back(track: TrackResult) -> None:
    assert json.loads(json.dumps(track.to_dict(), allow_nan=False)) == track.to_dict()


def test_what_is_not_finite_becomes_null() -> None:
    broken = song(
        song_probability=float("nan"),
        duration=float("inf"),
        features={"voice_mean": np.float64("-inf")},
        timeline=VocalTimeline(np.array([0.5]), np.array([np.nan], np.float32)),
    ).to_dict()
    assert (broken["song_probability"], broken["duration"]) == (None, None)
    assert broken["features"] == {"voice_mean": None}
    assert broken["timeline"] == {"times": [0.5], "probability": [None]}


def test_numpy_numbers_become_plain_ones() -> None:
    fields = song(song_probability=np.float32(0.5), features={"voice_mean": np.float32(2)}).to_dict()
    assert type(fields["song_probability"]) is float
    assert type(fields["features"]["voice_mean"]) is float


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"caf\xe9 \xff.mp3", "file:caf%E9%20%FF.mp3"),
        (b"/music/100%\xc3\xa9\xff.mp3", "file:/music/100%25%C3%A9%FF.mp3"),
        (b"file:a%20b.mp3", "file:file%3Aa%2520b.mp3"),
        ("100% café 日本.mp3".encode(), "100% café 日本.mp3"),
    ],
)
@posix
def test_every_name_is_written_as_utf_8_and_names_the_same_file_when_read_back(name: bytes, text: str) -> None:
    written = song(path=os.fsdecode(name)).to_dict()["path"]
    assert written == text
    assert written.encode("utf-8")
    assert os.fsencode(exact_path(written)) == name


def test_a_message_about_a_name_that_is_not_utf_8_is_written_as_utf_8() -> None:
    message = unlabelled(message="caf\udcff: not sound").to_dict()["message"]
    assert message == r"caf\udcff: not sound"


def test_samples_in_memory_have_no_path() -> None:
    assert song(path=None).to_dict()["path"] is None


def test_text_that_must_be_utf_8_shows_the_bytes_that_are_not() -> None:
    assert as_utf8("caf\udcff") == r"caf\udcff"
    assert as_utf8("café") == "café"


def test_pandas_makes_one_row_per_track_and_one_column_per_field() -> None:
    table = pd.DataFrame([song(), unlabelled()])
    assert list(table.path) == ["02 End Credits.flac", "notes.mp3"]
    assert list(table.columns) == [field.name for field in dataclasses.fields(TrackResult)]
    assert table.song_probability.dtype == np.float64
    assert table.certain.dtype == np.bool_


def test_pandas_takes_the_dictionaries_too() -> None:
    assert list(pd.DataFrame([track.to_dict() for track in [song(), unlabelled()]]).columns) == FIELDS


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "a.flac: song, P(song) = 0.90, certain, 3:20"),
        ({"certain": False, "duration": None}, "a.flac: song, P(song) = 0.90, in doubt"),
        ({"by": "hand", "song_probability": None}, "a.flac: song, by hand, 3:20"),
        ({"path": None}, "samples in memory: song, P(song) = 0.90, certain, 3:20"),
        ({"path": "\udcff.flac"}, "\\udcff.flac: song, P(song) = 0.90, certain, 3:20"),
        (
            {"label": None, "status": "silent", "message": "nothing to hear"},
            "a.flac: no label (silent): nothing to hear",
        ),
        ({"label": None, "status": "unreadable", "message": "a.flac: empty"}, "no label (unreadable): a.flac: empty"),
    ],
)
def test_a_result_prints_as_one_line(changes: dict[str, Any], line: str) -> None:
    fields = {"path": "a.flac", "song_probability": 0.9, "certain": True, "duration": 200.0}
    assert str(song(**{**fields, **changes})) == line


def test_the_explanation_names_the_label_the_evidence_for_it_and_where_to_listen() -> None:
    why = song().explain()
    assert str(why) == (
        "Song: the probability of a song is 0.99. What spoke for it most: mean voice probability. "
        "Most like a voice: 0:06 to 0:08, 0:02 to 0:04; listen there to check."
    )
    assert why.contributions == song().contributions


def test_the_explanation_says_when_the_answer_is_in_doubt() -> None:
    assert "inside the band of doubt" in str(song(certain=False).explain())


def test_the_explanation_of_a_score_names_what_spoke_against_a_voice() -> None:
    why = str(song(label="instrumental score", song_probability=0.02, vocal_segments=()).explain())
    assert "Instrumental score: the probability of a song is 0.02." in why
    assert "how far the voice probability moves" in why
    assert "mean voice probability" not in why


def test_without_passages_the_seconds_most_like_a_voice_are_named() -> None:
    listen = song(vocal_segments=()).explain().listen
    assert [(s.start, s.end) for s in listen] == [(6.0, 7.0), (7.0, 8.0), (0.0, 1.0)]


def test_without_a_label_the_explanation_is_the_status_and_the_message() -> None:
    why = unlabelled().explain()
    assert str(why) == "No label (unreadable): it is a text file."
    assert why.listen == ()


def test_the_picture_for_notebooks_has_label_curve_and_passages() -> None:
    html = song()._repr_html_()
    assert "<b>song</b>" in html
    assert "<svg" in html
    assert html.count("<title>") == 2


def test_the_picture_for_notebooks_is_escaped_and_utf_8() -> None:
    html = unlabelled(path="<script>\udcff", message="<b>&")._repr_html_()
    assert "<script>" not in html
    assert "<b>&" not in html
    assert html.encode("utf-8")


def test_the_picture_for_notebooks_stays_small_for_a_long_track() -> None:
    times = np.arange(0, 36_000, 0.08)
    assert len(song(timeline=VocalTimeline(times, np.zeros(len(times), np.float32)))._repr_html_()) < 10_000


@pytest.mark.parametrize(
    ("times", "probability"),
    [([2.5, 1.5], [0, 0]), ([1e300], [0]), ([None], [0]), ([-5], [0]), ([0.5], [2]), ([0.5], [-1]), ([0.5], [])],
)
def test_a_timeline_that_no_track_has_is_refused(times: list[float | None], probability: list[float]) -> None:
    fields = song().to_dict() | {"timeline": {"times": times, "probability": probability}}
    with pytest.raises(ValueError, match="not an answer of songscore"):
        TrackResult.from_dict(fields)


def test_a_timeline_is_cut_where_steps_are_missing() -> None:
    times = np.array([0.5, 1.5, 2.5, 10.5, 20.5, 21.5])
    stretches = VocalTimeline(times, np.arange(6, dtype=np.float32)).stretches()
    assert [stretch.times.tolist() for stretch in stretches] == [[0.5, 1.5, 2.5], [10.5], [20.5, 21.5]]
    assert [stretch.probability.tolist() for stretch in stretches] == [[0, 1, 2], [3], [4, 5]]
    assert [len(whole.times) for whole in VocalTimeline(times[:1], np.ones(1, np.float32)).stretches()] == [1]


def test_the_picture_for_notebooks_draws_no_line_where_nothing_was_heard() -> None:
    timeline = VocalTimeline(np.array([0.5, 1.5, 100.5]), np.ones(3, np.float32))
    html = song(timeline=timeline, vocal_segments=())._repr_html_()
    assert html.count("<polyline") == 2


def test_an_empty_timeline_is_written_and_drawn() -> None:
    empty = song(timeline=VocalTimeline(np.empty(0), np.empty(0, np.float32)), vocal_segments=())
    assert empty.to_dict()["timeline"] == {"times": [], "probability": []}
    assert "<svg" not in empty._repr_html_()


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (83.5, "1:23"), (3723, "62:03")])
def test_a_clock_counts_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_what_was_written_is_read_back() -> None:
    track = song(voices={"sung": 0.4, "choir": 0.1}, vocal_segments=(Segment(2.0, 4.0, 0.8, "choir"),), by="hand")
    assert TrackResult.from_dict(track.to_dict()).to_dict() == track.to_dict()


def test_answers_of_version_0_1_are_read() -> None:
    fields = song().to_dict()
    del fields["voices"], fields["by"]
    for segment in fields["vocal_segments"]:
        del segment["kind"]
    track = TrackResult.from_dict(fields)
    assert (track.label, track.voices, track.by) == ("song", {}, "model")
    assert [segment.kind for segment in track.vocal_segments] == ["sung", "sung"]


@pytest.mark.parametrize(
    "change", [{"by": "nobody"}, {"voices": {"growl": 0.5}}, {"voices": 3}, {"certain": 1}, {"label": "choir"}]
)
def test_fields_that_no_answer_has_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not an answer of songscore"):
        TrackResult.from_dict(song().to_dict() | change)


def score(kind: str, **changes: Any) -> TrackResult:
    fields: dict[str, Any] = {
        "label": "instrumental score",
        "song_probability": 0.02,
        "voices": {kind: 0.4},
        "vocal_segments": (Segment(2.0, 4.0, 0.8, kind),),  # type: ignore[arg-type]
    }
    return song(**fields | changes)


def test_the_explanation_of_a_score_with_a_narrator_says_that_somebody_speaks() -> None:
    assert "Speech over music, 0:02 to 0:04: somebody speaks, nobody sings." in str(score("speech").explain())
    assert "Speech over music" not in str(score("speech", voices={"speech": 0.01}).explain())
    assert "Speech over music" not in str(score("speech", label="song").explain())


def test_the_explanation_of_a_score_with_a_choir_says_so_and_what_is_doubtful() -> None:
    doubt = "whether they sing words could not be excluded"
    assert f"Voices without words, 0:02 to 0:04; {doubt}." in str(score("choir", certain=False).explain())
    assert doubt not in str(score("choir").explain())
