"""When enough was heard: nothing sung may be missed that a whole reading would find."""

import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from opinions import BOUNDS, opinion, other
from sounds import FORMATS, write, write_m4a

from songscore import classify_track, decision
from songscore.analysis.sampling import analyse, answers, bit_reversed
from songscore.audio import AudioStream, open_audio
from songscore.decision import Question
from songscore.features.detector import KINDS, STEP, SUNG
from songscore.features.spectrum import SAMPLE_RATE
from songscore.model import PartBounds, load_model

RATE = 22_050
QUESTION = Question()


@pytest.fixture(scope="module")
def song(song):
    return mono(*song)


@pytest.fixture(scope="module")
def score(score):
    return np.tile(mono(*score), 24)


def mono(y, sr):
    assert sr == 2 * RATE
    return y.mean(axis=0).reshape(-1, 2).mean(axis=1).astype(np.float32)


def minutes(y, n):
    return y[: round(n * 60 * RATE)]


def label(*parts):
    return classify_track(np.concatenate(parts), RATE)


@pytest.fixture
def passages(monkeypatch):
    """Where the windows that were read begin, in seconds and in the order of reading."""
    starts = []
    passage = AudioStream.passage

    def noted(stream, start, seconds):
        if seconds > 1:
            starts.append(start)
        return passage(stream, start, seconds)

    monkeypatch.setattr(AudioStream, "passage", noted)
    return starts


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A file of a hundred seconds, 20 windows of `opinions.opinion`."""
    random = np.random.default_rng(0)
    y = np.concatenate([level * random.standard_normal(SAMPLE_RATE) for level in random.uniform(0, 0.2, 100)])
    return str(write(tmp_path_factory.mktemp("long") / "a.wav", y.astype(np.float32), SAMPLE_RATE))


@given(st.integers(1, 2000))
def test_every_index_comes_once_and_every_other_one_first(n):
    order = list(bit_reversed(n))
    assert sorted(order) == list(range(n))
    assert sorted(order[: (n + 1) // 2]) == list(range(0, n, 2))


def test_the_last_window_and_every_other_one_are_heard_first(long, passages):
    heard = analyse(long, opinion(0.0), QUESTION)
    assert heard.activity.is_whole
    n = len(passages)
    in_order = sorted(passages)
    assert passages[0] == in_order[-1]
    assert sorted(passages[: n // 2]) == in_order[1::2]


def test_a_sure_song_is_left_at_once_and_a_sure_score_when_no_window_beside_another_is_unheard(long, passages):
    a_song = analyse(long, opinion(9.0), QUESTION)
    assert len(passages) == 3, "the last window is a short one, and nothing is certain of less than ten seconds"
    passages.clear()
    a_score = analyse(long, opinion(-9.0), QUESTION)
    assert len(passages) == 10
    assert a_score.activity.longest_gap == pytest.approx(opinion(-9.0).window_seconds)
    assert a_song.activity.longest_gap > 30


def test_windows_beside_what_resembles_a_voice_are_heard_before_a_score_is_left(long, passages):
    window, resembling = opinion(-9.0).window_seconds, []

    def detector(mel):
        """Hear something of a voice in the window that begins at 35.84 s, the eighth, and nothing anywhere else."""
        resembling.append(passages[-1] == pytest.approx(7 * window))
        kinds = np.zeros((len(mel) // 2, len(KINDS)), np.float32)
        kinds[:, SUNG] = 0.6 * resembling[-1]
        return kinds

    part = PartBounds(score_below=-3.0, rise=1.0, beside_below=0.5)
    model = other(opinion(-9.0, replace(BOUNDS, part=part)), detector=detector)
    score = analyse(long, model, QUESTION)
    assert sorted(np.rint(np.array(passages[10:]) / window)) == [6, 8], "after the ten that are always heard"
    assert sum(resembling) == 1
    assert not score.activity.is_whole


@pytest.mark.parametrize(("log_odds", "label"), [(-1.5, "instrumental score"), (0.5, "song"), (2.5, "song")])
def test_what_is_in_doubt_is_left_where_the_rest_could_not_settle_it(long, passages, log_odds, label):
    part = PartBounds(score_below=-3.0, rise=2.0, rise_in_doubt=1.0)
    model = opinion(log_odds, replace(BOUNDS, part=part))
    heard = analyse(long, model, QUESTION)
    assert len(passages) == 10
    by_default, thorough = (decision.label(record, model, QUESTION) for record in (heard, whole(long, model)))
    assert (by_default.label, by_default.certain) == (thorough.label, thorough.certain) == (label, log_odds > 2)


def whole(path, model):
    return analyse(path, model, QUESTION, thorough=True)


def test_nothing_known_of_parts_of_scores_means_that_all_of_one_is_heard(long):
    model = opinion(-9.0, replace(BOUNDS, part=None))
    assert analyse(long, model, QUESTION).activity.is_whole


def test_listening_goes_on_from_what_was_heard_and_reads_no_window_twice(long, passages):
    for_a_song = analyse(long, opinion(9.0), QUESTION)
    for_a_score = analyse(long, opinion(-9.0), QUESTION, earlier=for_a_song)
    assert len(passages) == 10
    everything = analyse(long, opinion(0.0), QUESTION, earlier=for_a_score)
    assert len(passages) == len(set(passages)) == 20
    at_once = analyse(long, opinion(0.0), QUESTION, thorough=True)
    assert len(passages) == 20, "read from start to end, not in passages"
    np.testing.assert_array_equal(everything.activity.step, at_once.activity.step)
    np.testing.assert_allclose(everything.activity.kinds, at_once.activity.kinds, atol=1e-3)
    assert everything.activity.peak == pytest.approx(at_once.activity.peak)
    assert everything.analysed == pytest.approx(at_once.analysed, rel=0.02)
    assert for_a_song.analysed < for_a_score.analysed < everything.analysed


def test_a_record_for_another_question_is_used_where_it_answers_this_one(long, passages):
    model = opinion(4.0)
    earlier = analyse(long, model, QUESTION)
    passages.clear()
    lenient, strict = Question(threshold=0.1), Question(threshold=0.99)
    assert answers(earlier, model, lenient)
    assert analyse(long, model, lenient, earlier=earlier) is earlier
    assert not passages
    assert not answers(earlier, model, strict)
    assert analyse(long, model, strict, earlier=earlier).activity.is_whole
    assert len(passages) == 17


def test_thorough_listening_goes_on_to_the_end_and_then_answers_everything(long, passages):
    model = opinion(9.0)
    earlier = analyse(long, model, QUESTION)
    assert not answers(earlier, model, QUESTION, thorough=True)
    everything = analyse(long, model, QUESTION, thorough=True, earlier=earlier)
    assert everything.activity.is_whole
    assert len(passages) == len(set(passages)) == 20
    for minded in (model, opinion(0.0), opinion(-9.0)):
        assert analyse(long, minded, Question(0.9), thorough=True, earlier=everything) is everything


def test_a_record_of_another_length_is_not_gone_on_from(long):
    earlier = analyse(long, opinion(9.0), QUESTION)
    earlier = replace(earlier, activity=replace(earlier.activity, n_steps=earlier.activity.n_steps + 1))
    heard = analyse(long, opinion(0.0), QUESTION, earlier=earlier)
    assert heard.activity.is_whole
    assert heard.analysed == pytest.approx(100)


def test_a_song_is_left_early_and_a_score_is_not(song, score):
    sung = label(np.tile(song, 12))
    assert (sung.label, sung.duration) == ("song", pytest.approx(240))
    assert sung.analysed < 0.5 * sung.duration
    played = label(minutes(score, 4))
    assert played.label == "instrumental score"
    assert played.analysed > 0.45 * played.duration


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


@pytest.mark.parametrize("name", sorted([*FORMATS, "a.m4a"]))
def test_a_passage_is_what_reading_from_the_start_gives_there(tmp_path, name):
    random = np.random.default_rng(0)
    sr = 48_000 if name == "a.opus" else 44_100
    y = np.cumsum(random.normal(0, 0.01, (sr * 18, 2)), axis=0)
    y = (0.3 * y / np.abs(y).max() + 0.05 * np.sin(np.arange(len(y)) ** 1.5 / 3e3)[:, None]).astype(np.float32)
    if name == "a.m4a":
        pytest.importorskip("av")
        path = write_m4a(tmp_path / name, y[:, 0], sr)
    else:
        path = write(tmp_path / name, y, sr, **FORMATS[name])
    with open_audio(path) as stream:
        whole = np.concatenate(list(stream.blocks()))
    with open_audio(path) as stream:
        if stream.length is None:
            pytest.skip("read from start to end")
        assert stream.length == pytest.approx(len(whole) / SAMPLE_RATE, abs=0.1)
        for start in (12.8, 5.12):
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


def test_what_was_heard_is_never_longer_than_the_sound(long):
    model = load_model()
    earlier = analyse(long, model, Question())
    whole = analyse(long, model, Question(), thorough=True, earlier=earlier)
    assert whole.activity.is_whole
    assert earlier.analysed <= whole.analysed <= whole.duration


def test_a_window_of_which_a_record_has_a_part_is_heard_again(long):
    model = load_model()
    earlier = analyse(long, model, Question())
    some = earlier.activity
    cut = replace(earlier, activity=replace(some, step=some.step[5:], kinds=some.kinds[5:]))
    whole = analyse(long, model, Question(), thorough=True, earlier=cut)
    assert whole.activity.is_whole
