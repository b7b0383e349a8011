"""One track in, one answer out, through the shipped model."""

from __future__ import annotations

import io
import subprocess
import sys
import wave

import numpy as np
import pytest
import soundfile
from systems import linux

from songscore import TrackResult, classify_track
from songscore.decision import SHORTEST
from songscore.features.detector import STEP
from songscore.model import MODEL

FLIP_TOLERANCE = 0.02
"""Song probability may move this much where nothing audible changes."""

CODEC_TOLERANCE = 0.2
MEMORY_LIMIT_MB = 300


@pytest.fixture(scope="module")
def song_answer(song):
    return classify_track(song)


def test_the_demo_song_is_a_song(song_answer):
    assert (song_answer.label, song_answer.status) == ("song", "ok")


def test_the_demo_score_is_instrumental_score(score):
    assert classify_track(score).label == "instrumental score"


def test_every_field_of_an_answer_keeps_its_range(song_answer):
    r = song_answer
    assert 0 <= r.song_probability <= 1
    assert 0 < r.vocal_fraction <= 1
    assert r.analysed == r.duration == pytest.approx(20)
    assert r.timeline.times.shape == r.timeline.probability.shape
    assert np.all(np.diff(r.timeline.times) > 0)
    assert np.all((r.timeline.probability >= 0) & (r.timeline.probability <= 1))
    assert all(0 <= s.start < s.end <= r.duration + STEP for s in r.vocal_segments)
    assert r.model == MODEL
    assert r.path is None


def test_contributions_are_of_named_features_strongest_first(song_answer):
    sizes = [abs(c.log_odds) for c in song_answer.contributions]
    assert sizes == sorted(sizes, reverse=True)
    assert {c.feature for c in song_answer.contributions} <= set(song_answer.features)


def test_samples_may_come_apart_from_their_rate(song, song_answer):
    y, sr = song
    assert classify_track(y, sr).song_probability == song_answer.song_probability


@pytest.mark.parametrize("gain", [10 ** (-60 / 20), 10 ** (-9 / 20), 10 ** (9 / 20), 1e4])
def test_gain_does_not_matter(song, song_answer, gain):
    y, sr = song
    answer = classify_track(y * np.float32(gain), sr)
    assert answer.song_probability == pytest.approx(song_answer.song_probability, abs=1e-3)


@pytest.mark.parametrize("change", [lambda y: -y, lambda y: y[::-1].copy()], ids=["polarity", "channel order"])
def test_polarity_and_channel_order_do_not_matter(song, song_answer, change):
    y, sr = song
    assert classify_track(change(y), sr).song_probability == pytest.approx(song_answer.song_probability, abs=1e-4)


def test_phase_inverted_stereo_is_heard(song, song_answer):
    y, sr = song
    mono = y.mean(axis=0)
    inverted = classify_track(np.stack([mono, -mono]), sr)
    assert inverted.song_probability == pytest.approx(classify_track(mono, sr).song_probability, abs=CODEC_TOLERANCE)


def test_half_a_second_of_silence_before_moves_the_segments_and_not_the_label(song, song_answer):
    y, sr = song
    later = classify_track(np.pad(y, [(0, 0), (sr // 2, 0)]), sr)
    assert later.label == song_answer.label
    times = np.arange(0, song_answer.duration, 0.1)
    agreement = [np.mean(sung(later, times + shift) == sung(song_answer, times)) for shift in (0.0, 0.5, 1.0)]
    assert np.argmax(agreement) == 1
    assert agreement[1] > 0.9


def sung(track, times):
    """Whether somebody sings at each time."""
    return np.any([(times >= s.start) & (times < s.end) for s in track.vocal_segments], axis=0)


@pytest.mark.parametrize("suffix", ["wav", "flac", "aiff"])
def test_lossless_files_give_the_answer_of_the_samples(tmp_path, song, song_answer, suffix):
    path = tmp_path / f"song.{suffix}"
    soundfile.write(path, song[0].T, song[1])
    answer = classify_track(path)
    assert answer.song_probability == pytest.approx(song_answer.song_probability, abs=FLIP_TOLERANCE)
    assert answer.path == str(path)


def test_an_mp3_file_gives_the_same_label(tmp_path, song, song_answer):
    path = tmp_path / "song.mp3"
    soundfile.write(path, song[0].T, song[1])
    answer = classify_track(path)
    assert answer.song_probability == pytest.approx(song_answer.song_probability, abs=CODEC_TOLERANCE)
    assert answer.label == "song"


def test_a_file_object_is_read(song, song_answer):
    buffer = io.BytesIO()
    soundfile.write(buffer, song[0].T, song[1], format="FLAC")
    answer = classify_track(buffer)
    assert answer.song_probability == pytest.approx(song_answer.song_probability, abs=FLIP_TOLERANCE)


def test_the_threshold_decides_the_label_and_leaves_the_probability(song, song_answer):
    strict = classify_track(song, threshold=0.9999)
    assert strict.label == "instrumental score"
    assert strict.song_probability == song_answer.song_probability


def test_a_prior_multiplies_the_odds(song, song_answer):
    p, q = song_answer.song_probability, classify_track(song, prior=0.2).song_probability
    assert q / (1 - q) == pytest.approx(p / (1 - p) * 0.2 / 0.8, rel=1e-6)


@pytest.mark.parametrize("name", ["threshold", "prior"])
@pytest.mark.parametrize("value", [0, 1, -0.1, 2, float("nan")])
def test_a_share_outside_0_and_1_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1"):
        classify_track("missing.wav", **{name: value})


def test_a_share_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="threshold must be a number, not str"):
        classify_track("missing.wav", threshold="high")


def test_an_array_without_a_rate_is_refused():
    with pytest.raises(TypeError, match="an array needs its sample rate"):
        classify_track(np.zeros(16_000))


def test_a_rate_with_a_file_is_refused():
    with pytest.raises(TypeError, match="sr is for arrays only"):
        classify_track("missing.wav", 16_000)


def test_silence_has_a_status_and_no_label():
    answer = classify_track(np.zeros(16_000 * 5), 16_000)
    assert (answer.status, answer.label, answer.song_probability) == ("silent", None, None)


@pytest.mark.parametrize("level", [0.1, 1e-4])
def test_white_noise_is_not_music(level):
    noise = level * np.random.default_rng(0).standard_normal(16_000 * 10)
    answer = classify_track(noise, 16_000)
    assert (answer.status, answer.label) == ("not_music", None)
    assert answer.message


@pytest.mark.parametrize("n_samples", [0, 1, 200, int(16_000 * SHORTEST) - 1])
def test_too_little_sound_has_a_status_and_no_label(n_samples):
    answer = classify_track(np.full(n_samples, 0.1), 16_000)
    assert (answer.status, answer.label) == ("too_short", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "an empty file"), (b"no sound here\n" * 50, "not a sound file")],
    ids=["empty", "text"],
)
def test_a_file_without_sound_is_a_result(tmp_path, content, message):
    path = tmp_path / "track.mp3"
    path.write_bytes(content)
    answer = classify_track(path)
    assert (answer.status, answer.label, answer.path) == ("unreadable", None, str(path))
    assert message in answer.message


def test_a_missing_file_is_a_result():
    assert "no such file" in classify_track("nowhere/track.flac").message


def test_a_folder_is_a_result(tmp_path):
    assert "a folder" in classify_track(tmp_path).message


def test_a_damaged_file_is_partial_and_never_certain(tmp_path, song):
    path = tmp_path / "cut.flac"
    soundfile.write(path, song[0].T, song[1])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    answer = classify_track(path)
    assert (answer.status, answer.certain) == ("partial", False)
    assert answer.label is not None
    assert 0 < answer.analysed < answer.duration
    assert "stopped at" in answer.message


@linux
@pytest.mark.slow
def test_ten_hours_stay_within_the_memory_limit(tmp_path):
    path = tmp_path / "ten hours.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.setnframes(16_000 * 36_000)
        file.writeframesraw(b"\0\0")
    with path.open("r+b") as file:
        file.seek(4)
        file.write((36 + 2 * 16_000 * 36_000).to_bytes(4, "little"))
        file.seek(40)
        file.write((2 * 16_000 * 36_000).to_bytes(4, "little"))
        file.truncate(44 + 2 * 16_000 * 36_000)
    program = (
        "import sys, songscore\n"
        "answer = songscore.classify_track(sys.argv[1], thorough=True)\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(answer.status, answer.duration, peak.split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    status, duration, kilobytes = done.stdout.split()
    assert (status, float(duration)) == ("silent", 36_000)
    assert int(kilobytes) / 1024 < MEMORY_LIMIT_MB


def test_an_answer_is_a_track_result(song_answer):
    assert isinstance(song_answer, TrackResult)
