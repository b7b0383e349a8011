"""When enough was heard: nothing sung may be missed that a whole reading would find."""

import io

import numpy as np
import pytest
import soundfile
from sounds import FORMATS, write

from songscore import classify_track
from songscore.analysis.sampling import analyse
from songscore.audio import open_audio
from songscore.demo import render_score, render_song
from songscore.features.detector import STEP
from songscore.features.spectrum import SAMPLE_RATE
from songscore.model import TrackModel, load_model

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


def test_a_song_is_left_early_and_a_score_half_way(song, score):
    sung = label(np.tile(song, 12))
    assert (sung.label, sung.duration) == ("song", pytest.approx(240))
    assert sung.analysed < 0.25 * sung.duration
    played = label(minutes(score, 4))
    assert played.label == "instrumental score"
    assert 0.45 < played.analysed / played.duration < 0.7


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


@pytest.mark.parametrize(("in_doubt", "least", "greatest"), [(False, 0.15, 0.3), (True, 0.35, 0.5)])
def test_of_an_hour_less_than_half_is_heard_even_in_doubt(score, monkeypatch, in_doubt, least, greatest):
    if in_doubt:
        monkeypatch.setattr(TrackModel, "log_odds", lambda self, features: 0.0)
    heard = analyse((np.tile(minutes(score, 6), 10), RATE), load_model())
    assert heard.duration == pytest.approx(3600, abs=60)
    assert least < heard.analysed / heard.duration < greatest
