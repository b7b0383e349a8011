"""The shipped model on real recordings. It was trained on them: this finds a broken path, not the accuracy."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import soundfile

from songscore import classify_folder, classify_track, evaluate

pytestmark = [pytest.mark.data, pytest.mark.slow]

N_EACH = 12
MOST_WRONG = 1
FLIP_TOLERANCE = 0.05


def chosen(music, label):
    rows = [r for r in music.rows if r["kind"] == "recording" and r["label"] == label and r["confidence"] == "high"]
    return [music.folder / row["file"] for row in rows[:: len(rows) // N_EACH][:N_EACH]]


@pytest.fixture(scope="module")
def answers(music):
    return {label: [classify_track(p) for p in chosen(music, label)] for label in ("song", "instrumental score")}


@pytest.mark.parametrize("label", ["song", "instrumental score"])
def test_recordings_get_their_label(answers, label):
    wrong = [a.path for a in answers[label] if a.label != label]
    assert len(wrong) <= MOST_WRONG, wrong


def test_what_is_certain_is_right(answers):
    wrong = [a.path for label, some in answers.items() for a in some if a.certain and a.label != label]
    assert not wrong


def test_songs_have_a_voice_somewhere_and_scores_hardly_any(answers):
    shares = {label: np.median([a.vocal_fraction for a in some]) for label, some in answers.items()}
    assert shares["song"] > 0.3
    assert shares["instrumental score"] < 0.05


def test_gain_and_channel_order_move_no_recording(music, answers):
    for answer in (answers["song"][0], answers["instrumental score"][0]):
        y, sr = soundfile.read(answer.path, always_2d=True, dtype="float32")
        changed = classify_track(0.1 * y.T[::-1], sr)
        assert changed.label == answer.label
        assert changed.song_probability == pytest.approx(answer.song_probability, abs=FLIP_TOLERANCE)


SUNG = {"sp01_Speech", "zh06_Speech"}
"""Listed as speech, but their spectrograms show the held notes of the same singers' sung recordings."""


def test_speech_alone_is_never_called_certain_song(music):
    speech = [
        music.folder / row["file"] for row in music.rows if row["content"] == "speech" and row["title"] not in SUNG
    ]
    answers = [classify_track(path) for path in speech]
    assert not [a.path for a in answers if a.label == "song" and a.certain]
    assert sum(a.status == "not_music" for a in answers) > len(speech) / 2


def test_the_passages_with_a_voice_are_those_of_the_karaoke_notes(music):
    with (music.folder.parent / "vocal_segments.csv").open(encoding="utf-8", newline="") as file:
        truth = [row for row in csv.DictReader(file) if row["source"] == "UltraStar notes"]
    both = found = true = 0
    for name in sorted({row["file"] for row in truth})[:6]:
        track = classify_track(music.folder / name, thorough=True)
        times = np.arange(0, track.duration, 0.1)
        sung = inside(times, [(float(r["start_s"]), float(r["end_s"])) for r in truth if r["file"] == name])
        heard = inside(times, [(segment.start, segment.end) for segment in track.vocal_segments])
        both, found, true = both + np.sum(sung & heard), found + heard.sum(), true + sung.sum()
    assert 2 * both / (found + true) > 0.88


def inside(times, spans):
    return np.any([(times >= start) & (times < end) for start, end in spans], axis=0)


def test_a_folder_of_pairs_is_labelled_whole(music):
    results = list(classify_folder(music.folder / "other"))
    assert len(results) == len(list((music.folder / "other").iterdir()))
    assert [r.path for r in results] == sorted(r.path for r in results)


def test_evaluate_judges_a_manifest(music, tmp_path):
    rows = [(p, label) for label in ("song", "instrumental score") for p in chosen(music, label)[:4]]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label,group\n" + "".join(f"{p},{label},{p.stem}\n" for p, label in rows))
    evaluation = evaluate(manifest)
    assert evaluation.failed == 0
    assert evaluation.figures["auc"].value > 0.9
