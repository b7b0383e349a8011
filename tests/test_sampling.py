"""When enough was heard: nothing sung may be missed that a whole reading would find."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile
from models import BOUNDS, small_model, with_band
from numpy.typing import NDArray
from sounds import FORMATS, sine, write

from songscore import classify_track
from songscore.analysis import sampling
from songscore.analysis.record import Analysis
from songscore.analysis.sampling import FEWEST, analyse, answers, bit_reversed
from songscore.audio import open_audio
from songscore.decision import Question, is_settled
from songscore.decision import label as decide
from songscore.demo import render_score, render_song
from songscore.features.detector import STEP, SUNG
from songscore.features.spectrum import SAMPLE_RATE

RATE = 22_050


@pytest.fixture(scope="module")
def song():
    y, sr = render_song()
    return mono(y, sr)


@pytest.fixture(scope="module")
def score():
    y, sr = render_score()
    return np.tile(mono(y, sr), 24)


def mono(y, sr):
    assert sr == 2 * RATE
    return y.mean(axis=0).reshape(-1, 2).mean(axis=1).astype(np.float32)


def minutes(y, n):
    return y[: round(n * 60 * RATE)]


def label(*parts):
    return classify_track(np.concatenate(parts), RATE)


def test_a_song_is_left_early(song):
    sung = label(np.tile(song, 12))
    assert (sung.label, sung.duration) == ("song", pytest.approx(240))
    assert sung.analysed < 0.5 * sung.duration


@pytest.fixture(scope="module")
def verse(music):
    """The 25 s of a real song in which most is sung."""
    path = music.folder / "songs/a-talk-with-george-6673fe.opus"
    track = classify_track(path, thorough=True)
    length = round(25 / STEP)
    sung = np.convolve(track.timeline.probability, np.ones(length), "valid")
    with open_audio(path, rate=RATE) as stream:
        return stream.passage(sung.argmax() * STEP, 25)


@pytest.mark.data
@pytest.mark.parametrize("at", [0.3, 2.9, 5.17, 7.5])
def test_a_single_verse_in_eight_minutes_is_not_missed(verse, score, at):
    before, after = np.split(minutes(score, 7.58), [round(at * 60 * RATE)])
    assert label(before, verse, after).label == "song"


def test_a_long_introduction_hides_no_song(song, score):
    assert label(minutes(score, 3), song, song, song).label == "song"


def test_a_hidden_track_after_silence_is_found(song, score):
    silence = np.zeros(4 * 60 * RATE, np.float32)
    assert label(minutes(score, 3), silence, song, song).label == "song"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_passage_is_what_reading_from_the_start_gives_there(tmp_path, name):
    random = np.random.default_rng(0)
    sr = 48_000 if name == "a.opus" else 44_100
    y = np.cumsum(random.normal(0, 0.01, (sr * 70, 2)), axis=0)
    y = (0.3 * y / np.abs(y).max() + 0.05 * np.sin(np.arange(len(y)) ** 1.5 / 3e3)[:, None]).astype(np.float32)
    path = write(tmp_path / name, y, sr, **FORMATS[name])
    with open_audio(path) as stream:
        whole = np.concatenate(list(stream.blocks()))
    with open_audio(path) as stream:
        if stream.length is None:
            pytest.skip("read from start to end")
        assert stream.length == pytest.approx(len(whole) / SAMPLE_RATE, abs=0.1)
        for start in (51.2, 10.24):
            part = stream.passage(start, 5.0)
            there = whole[round(start * SAMPLE_RATE) :][: len(part)]
            assert len(part) == pytest.approx(5 * SAMPLE_RATE, abs=2)
            middle = slice(SAMPLE_RATE // 4, -SAMPLE_RATE // 4)
            error = np.sqrt(np.mean((part[middle] - there[middle]) ** 2) / np.mean(there[middle] ** 2))
            assert error < 0.02


def test_a_thorough_reading_has_every_moment_and_the_default_only_what_it_heard(song):
    sound = (np.tile(song, 6), RATE)
    some, everything = (classify_track(sound, thorough=thorough) for thorough in (False, True))
    assert everything.analysed == everything.duration == pytest.approx(120)
    assert len(everything.timeline.times) == pytest.approx(120 / 0.08, abs=3)
    assert np.isin(some.timeline.times, everything.timeline.times).all()
    assert some.analysed == pytest.approx(len(some.timeline.times) * 0.08, rel=0.02)


def test_a_short_track_is_heard_whole(song):
    track = label(np.tile(song, 2))
    assert track.analysed == track.duration


def test_a_file_object_that_does_not_seek_is_heard_all_the_same(score):
    buffer = io.BytesIO()
    soundfile.write(buffer, minutes(score, 2), RATE, format="FLAC")

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.rest = io.BytesIO(buffer.getvalue())

        def read(self, n=-1):
            return self.rest.read(n)

        def seekable(self):
            return False

    assert classify_track(Pipe()).label == "instrumental score"


def test_a_file_cut_short_is_read_from_the_start_and_said_to_be_partial(tmp_path, score):
    path = tmp_path / "a.flac"
    soundfile.write(path, minutes(score, 4), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    track = classify_track(path)
    assert track.status == "partial"
    assert track.analysed == pytest.approx(160, rel=0.1)


BED, VOICE = sine(440, 600, SAMPLE_RATE, 0.1), sine(4000, 600, SAMPLE_RATE, 0.5)
"""Ten minutes of what `Band` takes for music, and of what it takes for a voice."""

MODEL = with_band(small_model())
WINDOW = 128
ASKED = Question()
DEMANDING = Question(0.97, 0.1)


def sung_at(*passages: tuple[float, float], seconds: float = 300.0) -> tuple[NDArray[np.float32], int]:
    """A bed with a voice from one second to another."""
    y = BED[: round(seconds * SAMPLE_RATE)].copy()
    for start, end in passages:
        stretch = slice(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE))
        y[stretch] += VOICE[stretch]
    return y, SAMPLE_RATE


def windows(analysis: Analysis) -> set[int]:
    return set((analysis.activity.step * 2 // WINDOW).tolist())


def heard_share(analysis: Analysis) -> float:
    return len(analysis.activity.step) / analysis.activity.n_steps


def same(one: Analysis, other: Analysis) -> bool:
    kinds = np.array_equal(one.activity.kinds, other.activity.kinds)
    return kinds and np.array_equal(one.activity.step, other.activity.step)


@pytest.fixture
def passages(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Where was read."""
    read = list[float]()
    plain = sampling.AudioStream.passage

    def noted(self: Any, start: float, seconds: float) -> Any:
        if seconds > 1:
            read.append(start)
        return plain(self, start, seconds)

    monkeypatch.setattr(sampling.AudioStream, "passage", noted)
    return read


@pytest.mark.parametrize("n", [1, 2, 3, 7, 12, 13, 64, 100, 703])
def test_every_index_comes_once_and_every_other_one_first(n: int) -> None:
    order = list(bit_reversed(n))
    assert sorted(order) == list(range(n))
    assert sorted(order[: (n + 1) // 2]) == list(range(0, n, 2))


@pytest.mark.parametrize("seconds", [63.0, 66.0, 100.0, 241.3, 300.0])
def test_a_score_is_left_when_every_other_window_was_heard_the_last_among_them(
    seconds: float, passages: list[float]
) -> None:
    heard = analyse(sung_at(seconds=seconds), MODEL, ASKED)
    assert 0.45 < heard_share(heard) < 0.6
    assert heard.activity.step[-1] == heard.activity.n_steps - 1
    assert heard.activity.longest_gap <= WINDOW / 2 * STEP + 1e-9
    assert len(passages) == len(set(passages))
    assert decide(heard, MODEL, ASKED).certain


def test_without_bounds_for_parts_a_score_is_heard_whole() -> None:
    whole = with_band(small_model(bounds=BOUNDS | {"part": None}))
    assert analyse(sung_at(), whole, ASKED).activity.is_whole


def test_a_song_is_left_as_soon_as_it_is_certain() -> None:
    heard = analyse(sung_at((0, 300)), MODEL, ASKED)
    assert heard_share(heard) < 0.2
    assert decide(heard, MODEL, ASKED).certain


def test_less_than_twelve_windows_are_heard_whole() -> None:
    assert analyse(sung_at((0, 55), seconds=55), MODEL, ASKED).activity.is_whole
    assert FEWEST * WINDOW / 25 > 60


@pytest.mark.parametrize("sound", [sung_at((20, 26), (200, 205)), sung_at((0, 300)), sung_at()], ids=range(3))
@pytest.mark.parametrize("thorough", [False, True])
def test_going_on_hears_the_windows_that_are_heard_at_once(
    sound: tuple[NDArray[np.float32], int], thorough: bool, passages: list[float]
) -> None:
    earlier = analyse(sound, MODEL, Question(0.03))
    before = len(passages)
    later = analyse(sound, MODEL, DEMANDING, thorough=thorough, earlier=earlier)
    assert windows(later) >= windows(earlier)
    assert len(passages) == len(set(passages)), "nothing is heard twice"
    if not answers(earlier, MODEL, DEMANDING, thorough=thorough):
        assert len(passages) > before
    at_once = analyse(sound, MODEL, DEMANDING, thorough=thorough)
    if thorough:
        assert later.activity.is_whole
        np.testing.assert_allclose(later.activity.kinds, at_once.activity.kinds, atol=1e-4)
    elif windows(at_once) >= windows(earlier):
        assert same(later, at_once)
        assert later.analysed == pytest.approx(at_once.analysed)
    assert decide(later, MODEL, DEMANDING).label == decide(at_once, MODEL, DEMANDING).label


def test_a_record_of_another_question_is_used_only_where_it_answers(passages: list[float]) -> None:
    sound = sung_at((0, 300))
    earlier = analyse(sound, MODEL, ASKED)
    assert answers(earlier, MODEL, Question(0.3))
    assert analyse(sound, MODEL, Question(0.3), earlier=earlier) is earlier
    assert not answers(earlier, MODEL, Question(0.999))
    read = len(passages)
    later = analyse(sound, MODEL, Question(0.999), earlier=earlier)
    assert len(passages) > read
    assert is_settled(later.activity, MODEL, Question(0.999))


def test_a_thorough_record_answers_every_question() -> None:
    whole = analyse(sung_at((100, 110)), MODEL, ASKED, thorough=True)
    for question in (ASKED, DEMANDING, Question(choir="song")):
        assert answers(whole, MODEL, question)
        assert answers(whole, MODEL, question, thorough=True)


def test_a_record_of_a_damaged_file_is_not_heard_again() -> None:
    heard = analyse(sung_at(), MODEL, ASKED)
    damaged = Analysis(None, 300, 150, "cut short", heard.activity, heard.detector)
    assert analyse(sung_at(), MODEL, ASKED, thorough=True, earlier=damaged) is damaged


def test_a_window_of_which_a_record_has_a_part_is_heard_again() -> None:
    sound = sung_at()
    earlier = analyse(sound, MODEL, ASKED)
    cut = earlier.activity
    spoilt = type(cut)(cut.step[5:], cut.kinds[5:], cut.n_steps, cut.peak)
    record = Analysis(None, earlier.duration, earlier.analysed, "", spoilt, earlier.detector)
    later = analyse(sound, MODEL, ASKED, thorough=True, earlier=record)
    assert later.activity.is_whole


def test_a_record_of_a_sound_of_another_length_is_not_used() -> None:
    earlier = analyse(sung_at((0, 300)), MODEL, ASKED)
    later = analyse(sung_at(seconds=200), MODEL, DEMANDING, earlier=earlier)
    assert later.activity.n_steps * STEP == pytest.approx(200, abs=0.2)
    assert later.activity.kinds[:, SUNG].max() < 0.5


def test_what_was_heard_is_never_longer_than_the_sound() -> None:
    for sound in (sung_at((20, 22)), sung_at((0, 300))):
        earlier = analyse(sound, MODEL, ASKED)
        for heard in (earlier, analyse(sound, MODEL, ASKED, thorough=True, earlier=earlier)):
            assert heard.analysed <= heard.duration


@pytest.mark.parametrize("at", [3.0, 61.0, 148.0, 289.0])
def test_a_verse_of_ten_seconds_is_found_wherever_it_is(at: float) -> None:
    sound = sung_at((at, at + 10.5))
    model = with_band(small_model(features=["voice_top_2s", "voice_top_5s"]))
    for question in (ASKED, DEMANDING, Question(0.1)):
        labels = {decide(analyse(sound, model, question, thorough=t), model, question).label for t in (False, True)}
        assert len(labels) == 1
    assert labels == {"song"}


@pytest.mark.parametrize("threshold", [0.03, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("prior", [None, 0.5, 0.116, 0.03])
def test_leaving_early_changes_no_label_and_makes_nothing_certain(
    song, score, threshold: float, prior: float | None
) -> None:
    how = {"threshold": threshold, "prior": prior}
    for y in (np.tile(song, 5), minutes(score, 1.7), np.concatenate([minutes(score, 1), song, song])):
        some, everything = (classify_track(y, RATE, thorough=thorough, **how) for thorough in (False, True))
        assert some.label == everything.label
        assert everything.certain or not some.certain or everything.label == "instrumental score"


@pytest.mark.data
def test_the_threshold_and_the_prior_of_the_guide_to_training_change_no_label(music) -> None:
    found = [row for row in music.rows if row["label"] == "song" and row["kind"] == "recording"]
    longest = [row for row in found if float(row["duration_s"] or 0) > 100][:4]
    for row in longest:
        path = music.folder / row["file"]
        some, everything = (classify_track(path, threshold=0.9, prior=0.116, thorough=t) for t in (False, True))
        assert some.label == everything.label
        assert not (some.label == "instrumental score" and some.certain)
