from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from stopwatch import processor_seconds
from systems import posix

from songscore import ReleaseResult, TrackResult, classify_release, classify_track
from songscore.batch.walk import audio_files
from songscore.release import classify_releases, release_folder, song_counts

Answers = Callable[[Callable[..., TrackResult]], None]

EXACT = 1e-9
LEFT_OPEN = 2e-3
"""What tracks of probability 0 and 1 leave open, which count as 0.0001 and 0.9999."""


def track(p: float | None, path: str = "a.mp3", status: str = "ok", duration: float = 60.0) -> TrackResult:
    label = None if p is None else "song" if p >= 0.5 else "instrumental score"
    return TrackResult(
        path=path, label=label, song_probability=p, certain=True, status=status, duration=duration, model="track-v1"
    )


def release(*probabilities: float | None) -> ReleaseResult:
    return classify_release(track(p, f"{i:02d}.mp3") for i, p in enumerate(probabilities))


def unread(n: int) -> list[TrackResult]:
    return [track(None, f"bad {i}.mp3", "unreadable") for i in range(n)]


# The number of songs


def test_one_track_is_a_release_of_its_own_probability() -> None:
    np.testing.assert_allclose(song_counts([0.7]), [0.3, 0.7], atol=EXACT)


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_tracks_that_say_nothing_leave_what_was_believed_before(n: int) -> None:
    before = stats.betabinom(n, 0.5, 0.5).pmf(np.arange(n + 1))
    np.testing.assert_allclose(song_counts([0.5] * n), before, atol=EXACT)


def test_the_counts_are_those_of_the_sum_over_all_labellings_and_the_integral_over_all_shares() -> None:
    p = [0.9, 0.65, 0.3, 0.05]
    expected = np.zeros(5)
    for songs in itertools.product([0, 1], repeat=4):
        likelihood = np.prod([q if song else 1 - q for q, song in zip(p, songs, strict=True)])
        k = sum(songs)
        mass, _ = integrate.quad(lambda x, k=k: np.sin(x) ** (2 * k) * np.cos(x) ** (8 - 2 * k), 0, np.pi / 2)
        expected[k] += likelihood * mass
    np.testing.assert_allclose(song_counts(p), expected / expected.sum(), atol=EXACT)


def test_before_anything_is_heard_the_three_verdicts_are_equally_likely() -> None:
    prior = stats.beta(0.5, 0.5)
    np.testing.assert_allclose(prior.cdf([0.25, 0.75]), [1 / 3, 2 / 3], atol=EXACT)


def test_clear_tracks_decide_those_that_are_not() -> None:
    doubtful = 0.4
    alone, among_songs = release(doubtful), release(*[0.99] * 9, doubtful)
    assert alone.verdict == "score"
    assert among_songs.song_share == pytest.approx(1, abs=0.02)


def test_songs_and_scores_trade_places() -> None:
    p = np.random.default_rng(0).random(12)
    np.testing.assert_allclose(song_counts(1 - p), song_counts(p)[::-1], atol=EXACT)


def test_a_folder_of_thousands_neither_underflows_nor_takes_long() -> None:
    assert song_counts([0.6] * 3000)[-200:].sum() == pytest.approx(1, abs=1e-6)
    third, whole = (processor_seconds(lambda n=n: song_counts([0.6] * n)) for n in (1000, 3000))
    assert whole < 20 * third, "nine times as long where it grows with the square"


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_an_error(p: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], not"):
        release(0.5, p)


# The verdict


@pytest.mark.parametrize(
    ("n_songs", "n_scores", "verdict"),
    [
        (0, 1, "score"),
        (1, 0, "soundtrack"),
        (1, 1, "mixed"),
        (0, 12, "score"),
        (4, 30, "score"),
        (5, 15, "score"),
        (6, 15, "mixed"),
        (12, 2, "soundtrack"),
        (12, 4, "soundtrack"),
        (12, 5, "mixed"),
        (10, 12, "mixed"),
    ],
)
def test_the_verdict_follows_the_share_of_songs(n_songs: int, n_scores: int, verdict: str) -> None:
    answer = release(*[0.0] * n_scores, *[1.0] * n_songs)
    share = n_songs / (n_songs + n_scores)
    assert answer.verdict == verdict
    assert answer.probability > 0.8
    assert answer.song_share == pytest.approx(share, abs=LEFT_OPEN)
    assert (answer.song_share_low, answer.song_share_high) == pytest.approx((share, share), abs=LEFT_OPEN)
    assert answer.song_share_low <= answer.song_share <= answer.song_share_high


def test_the_probability_of_the_verdict_is_the_mass_on_its_side_of_the_bound() -> None:
    p = [0.9, 0.8, 0.7, 0.6]
    answer, mass = release(*p), song_counts(p)
    assert answer.verdict == "soundtrack"
    assert answer.probability == pytest.approx(mass[3:].sum())
    assert answer.song_share == pytest.approx(mass @ [0, 0.25, 0.5, 0.75, 1])
    assert not answer.certain


def test_the_interval_widens_with_doubt_and_not_with_the_labels() -> None:
    clear, doubtful = release(*[0.99] * 10, *[0.01] * 10), release(*[0.6] * 10, *[0.4] * 10)
    assert clear.song_share_high - clear.song_share_low < 0.2
    assert doubtful.song_share_high - doubtful.song_share_low > 0.5
    assert clear.certain
    assert not doubtful.certain


# What is no track, and what could not be read


def test_skits_and_silence_are_no_tracks() -> None:
    skits = [track(None, "skit.mp3", status) for status in ("not_music", "silent", "too_short")]
    with_skits, without = classify_release([track(0.99), *skits]), release(0.99)
    assert with_skits.probability == without.probability
    assert with_skits.message == "3 without music left out"
    assert len(with_skits.tracks) == 4


def test_what_could_not_be_read_may_be_either_and_makes_the_verdict_less_certain() -> None:
    songs = [track(0.999, f"{i}.mp3") for i in range(4)]
    one, many = classify_release([*songs, *unread(1)]), classify_release([*songs, *unread(40)])
    assert (one.verdict, one.certain) == ("soundtrack", True)
    assert not many.certain
    assert many.song_share_low < one.song_share_low
    assert many.message == "40 of 44 files could not be read and may be either"


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([], "no music files"),
        (unread(2), "no track has a label; 2 of 2 files could not be read"),
        ([track(None, status="silent")], "no track has a label; 1 without music left out"),
    ],
)
def test_without_a_label_there_is_no_verdict(tracks: list[TrackResult], message: str) -> None:
    answer = classify_release(tracks)
    assert (answer.verdict, answer.probability, answer.song_share, answer.certain) == (None, None, None, False)
    assert answer.message == message
    assert str(answer) == "no verdict"


# Folders


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def by_name(answers: Answers) -> None:
    """Answers by the name of the file."""
    answers(lambda path, **_: track(0.99 if "song" in path.name else 0.01, str(path)))


def test_a_folder_with_music_is_a_release_and_its_discs_belong_to_it(tmp_path: Path) -> None:
    fill(
        tmp_path, "loose.mp3", "A/CD1/a.mp3", "A/cd 2 - songs/b.mp3", "A/Disc_03/c.mp3", "A/bonus.mp3", "A/Scans/x.jpg"
    )
    fill(tmp_path, "B/b.mp3", "C/disco/c.mp3", "C/CD/d.mp3", "C/CD2049/e.mp3")
    homes = {
        file.relative_to(tmp_path).as_posix(): release_folder(file, tmp_path).relative_to(tmp_path).as_posix()
        for file in audio_files([tmp_path])
    }
    assert homes == {
        "loose.mp3": ".",
        "A/bonus.mp3": "A",
        "A/CD1/a.mp3": "A",
        "A/Disc_03/c.mp3": "A",
        "A/cd 2 - songs/b.mp3": "A",
        "B/b.mp3": "B",
        "C/CD/d.mp3": "C/CD",
        "C/CD2049/e.mp3": "C/CD2049",
        "C/disco/c.mp3": "C/disco",
    }


def test_a_disc_that_was_asked_for_is_its_own_release(tmp_path: Path) -> None:
    disc = tmp_path / "A" / "CD1"
    assert release_folder(disc / "a.mp3", disc) == disc


def test_releases_are_answered_as_they_are_complete_with_their_tracks_in_order(tmp_path: Path) -> None:
    fill(tmp_path, "A/1.mp3", "A/2.mp3", "B/1.mp3")
    home = {file: release_folder(file) for file in audio_files([tmp_path])}
    a1, a2, b1 = (track(0.9, str(path)) for path in home)
    answers = list(classify_releases([a2, b1, a1], home))
    assert [Path(str(answer.path)).name for answer in answers] == ["B", "A"]
    assert answers[1].tracks == (a1, a2)


@pytest.mark.usefixtures("by_name")
def test_a_folder_is_one_release_with_everything_below_it(tmp_path: Path) -> None:
    fill(tmp_path, "CD1/1 score.mp3", "CD2/2 score.mp3", "bonus/song.mp3")
    answer = classify_release(tmp_path)
    assert answer.path == str(tmp_path)
    assert [t.label for t in answer.tracks] == ["instrumental score", "instrumental score", "song"]
    assert answer.verdict == "mixed"


def test_a_folder_without_music_has_no_verdict_and_a_file_is_no_folder(tmp_path: Path) -> None:
    assert classify_release(tmp_path).message == "no music files"
    with pytest.raises(NotADirectoryError, match=r"x\.mp3 is not a folder"):
        classify_release(tmp_path / "x.mp3")


def test_results_have_the_folder_that_they_share() -> None:
    assert classify_release([track(0.9, "A/CD1/a.mp3"), track(0.9, "A/CD2/b.mp3")]).path == "A"
    assert classify_release([track(0.9, "a.mp3")]).path == "."
    assert classify_release([track(0.9, "/x/a.mp3"), track(0.9, "y/b.mp3")]).path is None


# How it is written


@posix
def test_the_dictionary_is_plain_and_has_the_folder_first_and_the_tracks_in_short() -> None:
    answer = classify_release([track(0.987654, os.fsdecode(b"A/caf\xe9.mp3")), *unread(1)])
    fields = answer.to_dict()
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields
    assert next(iter(fields)) == "path"
    assert (fields["n_tracks"], fields["n_labelled"], fields["model"]) == (2, 1, "track-v1")
    assert fields["probability"] == round(answer.probability, 4)
    assert fields["tracks"][0] == {
        "path": "file:A/caf%E9.mp3",
        "label": "song",
        "song_probability": 0.9877,
        "certain": True,
        "status": "ok",
        "duration": 60.0,
    }


def test_pandas_makes_one_row_per_release() -> None:
    table = pd.DataFrame([release(0.9, 0.9), release(0.1)])
    assert list(table.verdict) == ["soundtrack", "score"]


def test_in_words_it_is_the_verdict_its_doubt_and_the_share_of_songs() -> None:
    assert str(release(*[0.999] * 4)) == "soundtrack, 100% songs (100% to 100%)"
    assert str(release(0.7)) == "soundtrack (70% sure), 70% songs (0% to 100%)"


def test_the_picture_for_notebooks_has_a_bar_per_track_and_is_escaped() -> None:
    html = classify_release(
        [track(0.9, "<script>\udcff.mp3"), track(0.1, duration=180.0), track(None, duration=0.0)]
    )._repr_html_()
    assert html.count("<rect") == 3
    assert 'width="133.3"' in html
    assert 'width="66.7"' in html
    assert 'width="200.0"' in html
    assert "#bbb" in html
    assert "<script>" not in html
    assert html.encode("utf-8")


# Releases put together from real recordings. The model was trained on them: this finds a broken path, not the accuracy.

GAME, SINGER, BAND = "shattered-pixel-dungeon", "jonathan-coulton", "obsidian-shell"


@pytest.fixture(scope="module")
def recordings(music):
    def first(n: int, artist: str) -> list[TrackResult]:
        rows = [row for row in music.rows if artist in row["group"] and row["confidence"] == "high"]
        return [classify_track(music.folder / row["file"]) for row in rows[:n]]

    return {GAME: first(6, GAME), SINGER: first(6, SINGER), BAND: first(4, BAND)}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ({GAME: 6}, "score"),
        ({SINGER: 6}, "soundtrack"),
        ({BAND: 4}, "soundtrack"),
        ({GAME: 6, SINGER: 1}, "score"),
        ({SINGER: 5, BAND: 3, GAME: 1}, "soundtrack"),
        ({SINGER: 4, GAME: 5}, "mixed"),
        ({SINGER: 1}, "soundtrack"),
        ({GAME: 1}, "score"),
    ],
    ids=["score", "one singer", "a metal band", "deluxe score", "various artists", "half", "one song", "one cue"],
)
def test_releases_of_real_recordings_get_their_verdict(recordings, parts: dict[str, int], verdict: str) -> None:
    answer = classify_release([track for artist, n in parts.items() for track in recordings[artist][:n]])
    assert answer.verdict == verdict
    assert answer.probability > 0.8
