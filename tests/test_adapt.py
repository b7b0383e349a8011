from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from tiny import BOUNDS, detector_arrays, linear

import songscore
from songscore.cli import main
from songscore.errors import ManifestError, ModelError
from songscore.model import MODEL, Bounds, Linear, load_model, read_model
from songscore.results import SCORE, SONG, TrackResult
from songscore.training.adapt import FEWEST
from songscore.training.decision.adapt import (
    HARM,
    MARKED,
    adapted,
    adapted_bounds,
    answers_of,
    cross_validated,
    harm,
    mark_weights,
    supported_bound,
    to_mark_next,
)
from songscore.training.decision.bounds import (
    DECIDING,
    ERROR_RATE,
    MUSIC,
    NEVER,
    RISING,
    DecisionSet,
    calibrate,
    fit_decision,
    is_certain,
)
from songscore.training.decision.lessons import as_arrays, lessons_of
from songscore.training.decision.linear import log_odds_of, refit_linear
from songscore.training.publish import write_lessons, write_model
from songscore.training.trial import MOST, Trial, in_folds

N_LESSONS = 800

Floats = NDArray[np.float64]


def collection(
    n: int,
    *,
    song: float = 5.0,
    score: float = -5.0,
    width: float = 1.2,
    groups: int = 40,
    kind: str = "recording",
    seed: int = 0,
    unit: float = 1.0,
    zero: float = 0.0,
) -> DecisionSet:
    """Songs and scores in turn, whose voices are about that clear; artists differ by as much as their tracks."""
    rng = np.random.default_rng(seed)
    is_song = np.arange(n) % 2 == 0
    group = rng.integers(groups, size=n)
    clear = np.where(is_song, song, score) + width * (rng.normal(size=groups)[group] + rng.normal(size=n)) / 2**0.5
    tops = clear[:, None] - np.array([0.0, 0.3, 0.6, 1.0]) + 0.2 * rng.normal(size=(n, 4))
    whole = np.column_stack([zero + unit * tops, rng.normal(7.0, 1.0, n)])
    part = whole - np.array([0.3 * unit] * 4 + [0.0])
    music = rng.normal(size=(n, len(MUSIC)))
    music[:, MUSIC.index("speech_mean")] = -9.0
    yes = np.ones(n, np.bool_)
    return DecisionSet(
        whole=whole,
        part=part,
        choir=whole,
        music=music,
        song=is_song,
        is_music=yes,
        fold=group % 3,
        kind=np.full(n, kind),
        group=np.char.add(kind, group.astype(np.str_)),
        trusted=yes,
        seconds=np.full(n, 120.0),
        spoken=np.zeros(n),
        spoken_part=np.zeros(n),
        heard=np.ones(n),
    )


def some(given: DecisionSet, chosen: NDArray[np.bool_]) -> DecisionSet:
    return DecisionSet(**{field.name: getattr(given, field.name)[chosen] for field in fields(given)})


def everything(given: DecisionSet) -> NDArray[np.bool_]:
    return np.ones(len(given.song), np.bool_)


def marked(given: DecisionSet, n: int = 30) -> tuple[DecisionSet, DecisionSet]:
    """The first tracks as marks, and the others."""
    first = np.arange(len(given.song)) < n
    return in_folds(replace(some(given, first), kind=np.full(n, MARKED))), some(given, ~first)


def error(decision: Linear, given: DecisionSet) -> float:
    return float(((log_odds_of(decision, given.whole) >= 0) != given.song).mean())


def all_music(given: DecisionSet) -> Floats:
    """Log-odds of music that no bound asks for more than."""
    return np.full(len(given.song), 99.0)


def tried(marks: DecisionSet) -> Trial:
    return Trial.of(BASE, BEFORE, LESSONS, marks, all_music(marks))


LESSONS = collection(N_LESSONS)
BASE = fit_decision(LESSONS, everything(LESSONS))
BEFORE = calibrate(LESSONS, answers_of(BASE, LESSONS))


def shifted(n: int = 400, seed: int = 1) -> DecisionSet:
    """Scores in which the voice seems clear, such as karaoke with its backing singers."""
    return collection(n, song=4.5, score=0.0, width=0.8, kind="karaoke", seed=seed)


# The fit


def test_without_marks_the_decision_is_what_it_was() -> None:
    part = some(LESSONS, np.arange(N_LESSONS) < 500)
    old = part.whole, part.song, np.full(500, 1 / 500)
    nothing = part.whole[:0], part.song[:0], np.empty(0)
    again = refit_linear(BASE, old, nothing, RISING)
    assert log_odds_of(again, LESSONS.whole) == pytest.approx(log_odds_of(BASE, LESSONS.whole), abs=1e-3)


@pytest.mark.parametrize("seed", range(1, 6))
def test_thirty_marks_of_a_shifted_collection_mend_more_than_a_third_of_the_rest(seed: int) -> None:
    marks, rest = marked(shifted(seed=seed))
    after = adapted(BASE, LESSONS, marks, everything(marks))
    assert error(BASE, rest) > 0.05
    assert error(after, rest) < 2 / 3 * error(BASE, rest)
    assert error(after, LESSONS) - error(BASE, LESSONS) <= HARM


def test_marks_of_one_label_alone_mend_it_too() -> None:
    scores = some(shifted(), ~shifted().song)
    marks, rest = marked(scores)
    assert error(adapted(BASE, LESSONS, marks, everything(marks)), rest) < 2 / 3 * error(BASE, rest)


def test_marks_that_contradict_the_lessons_cannot_spoil_them() -> None:
    marks, _ = marked(collection(200, seed=3), 200)
    wrong = replace(marks, song=~marks.song)
    after = adapted(BASE, LESSONS, wrong, everything(wrong))
    assert harm(after, BASE, LESSONS) <= HARM


@pytest.mark.parametrize("seed", range(3))
def test_no_weight_of_the_strongest_seconds_becomes_negative(seed: int) -> None:
    marks, _ = marked(shifted(seed=seed), 60)
    marks = replace(marks, whole=marks.whole * np.array([-1, 1, 1, 1, 1]))
    after = adapted(BASE, LESSONS, marks, everything(marks))
    assert (after.weight[:, [name in RISING for name in after.names]] >= 0).all()


def test_many_marks_of_both_classes_weigh_the_same_and_a_single_one_little() -> None:
    song = np.arange(1001) < 1
    weight = mark_weights(song)
    assert weight[~song].sum() == pytest.approx(0.5, rel=0.03)
    assert weight[song].sum() < 0.03


# The verdict


def test_a_decision_that_errs_less_on_marks_it_never_met_is_better() -> None:
    marks, _ = marked(shifted())
    trial = tried(marks)
    before, after = trial.standings()
    assert trial.better
    assert trial.more is None
    assert after.error.value < before.error.value
    assert before.wrong_scores > after.wrong_scores
    assert before.error.low <= before.error.value <= before.error.high
    assert trial.gain.low > 0
    assert trial.message.startswith("better: of 30 marks, ")


def test_marks_that_the_model_agrees_with_make_no_better_one() -> None:
    marks, _ = marked(collection(40, song=6.0, score=-6.0, width=0.5, seed=5), 40)
    trial = tried(marks)
    assert not trial.better
    assert trial.more is None
    assert trial.message == "not better: the model already agrees with all of the 40 marks"


def test_marks_of_music_like_the_lessons_seldom_make_a_better_model() -> None:
    found = [tried(marked(collection(40, song=1.8, score=-1.8, seed=seed), 40)[0]) for seed in range(12)]
    assert sum(trial.standings()[0].error.value > 0 for trial in found) > 6
    assert sum(trial.better for trial in found) <= 1


def test_a_gain_that_may_be_chance_asks_for_as_many_marks_as_would_tell() -> None:
    trials = [tried(marked(collection(24, song=3.0, score=-0.8, kind="new", seed=seed), 24)[0]) for seed in range(12)]
    undecided = [trial for trial in trials if trial.more is not None]
    assert undecided
    for trial in undecided:
        assert not trial.better
        assert trial.gain.low <= 0 < trial.gain.value
        assert 1 <= trial.more <= MOST
        assert f"About {trial.more} more mark" in trial.message


@pytest.mark.parametrize("when", [0, 1], ids=["before", "after"])
def test_no_marked_song_is_certain_under_speech_and_nothing_that_is_hardly_music(when: int) -> None:
    """As `songscore.decision` labels them."""
    marks, _ = marked(shifted())
    music = all_music(marks)
    spoken = marks.music.copy()
    spoken[:, MUSIC.index("speech_mean")] = 0.0
    heard, under_speech, hardly = (
        Trial.of(BASE, BEFORE, LESSONS, some_marks, odds).standings()[when]
        for some_marks, odds in ((marks, music), (replace(marks, music=spoken), music), (marks, music - 200))
    )
    assert heard.certain > under_speech.certain >= hardly.certain == 0


def test_no_artist_is_on_both_sides_of_the_cross_validation() -> None:
    marks = in_folds(shifted(60))
    assert len(np.unique(marks.fold)) == 10
    for group in np.unique(marks.group):
        assert len(np.unique(marks.fold[marks.group == group])) == 1


def test_marks_of_two_folders_are_judged_file_by_file() -> None:
    marks = in_folds(replace(shifted(60), group=np.repeat(["one", "two"], 30)))
    assert len(np.unique(marks.group)) == 60
    assert len(np.unique(marks.fold)) == 10


# Certainty


def worse(*values: float) -> tuple[Floats, NDArray[np.str_]]:
    """Log-odds towards a bound, each of an artist of its own."""
    return np.array(values, np.float64), np.arange(len(values)).astype(np.str_)


FAR_BELOW = worse(*np.linspace(-8, -1, 2000))


@pytest.mark.parametrize("n", [0, 1, 30, 98])
def test_few_marks_never_make_a_bound_laxer(n: int) -> None:
    assert supported_bound(FAR_BELOW, worse(*[-5.0] * n), 4.0) == 4.0


def test_a_hundred_marks_make_it_laxer_where_they_support_it() -> None:
    assert supported_bound(FAR_BELOW, worse(*[-5.0] * 99), 4.0) < 4.0
    assert supported_bound(FAR_BELOW, worse(*[-5.0] * 98, 6.0), 4.0) > 6.0


def test_two_of_thirty_marks_beyond_a_bound_move_it_and_one_does_where_the_lessons_are_near() -> None:
    assert supported_bound(FAR_BELOW, worse(*[-5.0] * 28, 5.0, 6.0), 4.0) > 5.0
    assert supported_bound(FAR_BELOW, worse(*[-5.0] * 29, 6.0), 4.0) == 4.0
    near = worse(*np.linspace(-8, 5, 2000))
    assert supported_bound(near, worse(*[-5.0] * 29, 6.0), 4.9) > supported_bound(near, worse(*[-5.0] * 30), 4.9)


def test_lessons_that_promise_nothing_leave_nothing_certain() -> None:
    assert supported_bound(worse(), worse(*[-5.0] * 30), 4.0) == NEVER


def test_bounds_keep_their_promise_in_the_collection_that_was_marked() -> None:
    """On average over collections, and where the model before broke it."""
    shares = []
    for seed in range(8):
        marks, rest = marked(shifted(1000, seed), 60)
        after = adapted(BASE, LESSONS, marks, everything(marks))
        bounds = adapted_bounds(BEFORE, after, LESSONS, marks, cross_validated(BASE, LESSONS, marks))
        Bounds.from_dict(bounds)
        for decision, limits in ((BASE, BEFORE), (after, bounds)):
            log_odds = log_odds_of(decision, rest.whole)
            wrong = is_certain(rest, log_odds, all_music(rest), limits) & ((log_odds >= 0) != rest.song)
            shares.append([wrong[rest.song].mean(), wrong[~rest.song].mean()])
    before, after_all = np.mean(shares[::2], axis=0), np.mean(shares[1::2], axis=0)
    assert before.max() > 1.5 * ERROR_RATE
    assert (after_all <= 1.5 * ERROR_RATE).all()


def test_new_bounds_are_never_laxer_for_parts_and_choirs_than_for_the_whole() -> None:
    marks, _ = marked(shifted(), 60)
    after = adapted(BASE, LESSONS, marks, everything(marks))
    bounds = adapted_bounds(BEFORE, after, LESSONS, marks, cross_validated(BASE, LESSONS, marks))
    assert bounds["song_above_with_choir"] >= bounds["song_above"] >= BEFORE["song_above"]
    assert bounds["part"]["score_below"] <= bounds["long_score_below"] <= BEFORE["long_score_below"]
    assert bounds["very_long_part"]["score_below"] <= bounds["very_long_score_below"]
    assert bounds["very_long_score_below"] <= BEFORE["very_long_score_below"]
    for rise in ("rise", "rise_in_doubt"):
        assert bounds["part"][rise] >= BEFORE["part"][rise]
    older = {name: value for name, value in BEFORE.items() if not name.startswith("very_long")}
    again = adapted_bounds(older, after, LESSONS, marks, cross_validated(BASE, LESSONS, marks))
    assert again["very_long_score_below"] <= older["long_score_below"]
    assert bounds["music_above"] == BEFORE["music_above"]
    scores, _ = bounds["calibrated_on"]["song_above"].values()
    assert scores == (~LESSONS.song).sum() + (~marks.song).sum()


def test_lessons_that_know_no_parts_leave_no_score_early() -> None:
    blind = replace(LESSONS, part=LESSONS.whole)
    marks, _ = marked(shifted())
    bounds = adapted_bounds(BEFORE, BASE, blind, marks, cross_validated(BASE, blind, marks))
    assert bounds["part"]["score_below"] == bounds["very_long_part"]["score_below"] == -NEVER


# What to mark next


def test_doubtful_tracks_teach_most_of_several_folders_and_none_twice() -> None:
    marks, _ = marked(shifted())
    clear = np.array([-8.0, -7.0, 0.1, 0.0, 7.0, 8.0, 0.2, -0.1])
    features = np.column_stack([clear] * 4 + [np.full(len(clear), 7.0)])
    one_folder = to_mark_next(BASE, LESSONS, marks, features, ["a"] * 8, 4)
    assert sorted(one_folder) == [2, 3, 6, 7]
    folders = ["clear", "clear", "a", "b", "clear", "clear", "a", "a"]
    first, second, *others = to_mark_next(BASE, LESSONS, marks, features, folders, 99)
    assert {folders[first], folders[second]} == {"a", "b"}
    assert {folders[i] for i in others[:2]} == {"a"}
    assert sorted([first, second, *others]) == list(range(8))


def test_a_kind_of_track_that_lessons_and_marks_lack_is_asked_for_first() -> None:
    marks, _ = marked(shifted())
    features = np.array([[0.0, -0.3, -0.6, -1.0, length] for length in (7.0, 7.1, 20.0, 6.9)])
    assert to_mark_next(BASE, LESSONS, marks, features, ["a"] * 4, 1) == [2]


# The lessons beside a model


PULSES, HISS = -0.19, -0.25
"""How clear the detector of `base` finds a voice in the sounds of `folder`, about; it was never trained."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose detector hears little, so that its decision looks closely; it takes hiss for songs, and pulses."""
    lessons = collection(N_LESSONS, song=6.0, score=-6.0, width=1.0, unit=0.02, zero=HISS - 0.03)
    top = tmp_path_factory.mktemp("models")
    write_model(
        top,
        "base",
        detector_arrays(),
        decision=fit_decision(lessons, everything(lessons)),
        music=linear(MUSIC, 0.0, 0.0, 0.0, 0.0, 0.0, bias=6.0),
        examples=np.zeros((1, len(DECIDING))),
        about={"bounds": BOUNDS},
        card="# base\n",
    )
    write_lessons(top, "base", as_arrays(lessons, read_model(top, "base").detector_digest))
    return top / "base"


@pytest.fixture
def copied(base: Path, tmp_path: Path) -> Path:
    """The same model, with lessons of its own."""
    for suffix in ("json", "npz", "md"):
        shutil.copy(f"{base}.{suffix}", tmp_path)
    write_lessons(tmp_path, "base", as_arrays(LESSONS, load_model(base).detector_digest))
    return tmp_path / "base"


def test_lessons_are_read_as_they_were_written(copied: Path) -> None:
    again = lessons_of(load_model(copied), str(copied))
    for name in ("song", "is_music", "trusted", "kind", "fold", "seconds"):
        np.testing.assert_array_equal(getattr(again, name), getattr(LESSONS, name))
    for name in ("whole", "part", "choir", "music"):
        np.testing.assert_allclose(getattr(again, name), getattr(LESSONS, name), atol=0.01)
    pairs = set(zip(again.group.tolist(), LESSONS.group.tolist(), strict=True))
    assert len(pairs) == len(set(again.group)) == len(set(LESSONS.group))


def test_the_shipped_model_comes_with_its_lessons() -> None:
    model = load_model()
    lessons = lessons_of(model, MODEL)
    used = lessons.trusted & lessons.is_music
    assert used.sum() > 1000
    assert ((log_odds_of(model.decision, lessons.whole) >= 0) == lessons.song)[used].mean() > 0.95


def test_a_model_without_lessons_cannot_be_adapted(copied: Path) -> None:
    copied.with_name("base.lessons.npz").unlink()
    with pytest.raises(ModelError, match="'base' has no lessons: only a model beside which songscore train wrote"):
        lessons_of(load_model(copied), str(copied))


@pytest.mark.parametrize(
    ("altered", "message"),
    [
        ({"detector": np.array("another")}, "detector is 'another'"),
        ({"format": np.array(99)}, "format is 99"),
        ({"song": np.ones(3, np.bool_)}, "shape"),
        ({"whole": np.full((N_LESSONS, len(DECIDING)), np.nan)}, "whole is not finite"),
        ({"kind": np.full(N_LESSONS, 99)}, "IndexError"),
    ],
)
def test_lessons_of_another_model_or_altered_ones_are_refused(
    copied: Path, altered: dict[str, NDArray[np.float64]], message: str
) -> None:
    arrays = as_arrays(LESSONS, load_model(copied).detector_digest)
    write_lessons(copied.parent, "base", {**arrays, **altered})
    with pytest.raises(ModelError, match=message):
        lessons_of(load_model(copied), str(copied))


def test_lessons_that_are_no_arrays_are_refused(copied: Path) -> None:
    copied.with_name("base.lessons.npz").write_bytes(b"no arrays")
    with pytest.raises(ModelError, match=r"base\.lessons\.npz cannot be read"):
        lessons_of(load_model(copied), str(copied))


# From marks to a model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six albums of two songs (pulses) and two scores (hiss), and a file that is no sound."""
    top, rng, sr = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0), 16_000
    t = np.arange(3 * sr) / sr
    for album in range(6):
        (top / f"album {album}").mkdir()
        for track in range(2):
            hiss = 0.3 * rng.standard_normal(len(t))
            pulses = hiss * (np.sin(2 * np.pi * (2.8 + 0.1 * album) * t) > 0)
            for name, y in {"song": pulses, "score": hiss}.items():
                soundfile.write(top / f"album {album}" / f"{name} {track}.wav", y, sr)
    (top / "broken.wav").write_text("no sound")
    return top


def files(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.glob("album */*.wav")))


def marks_of(folder: Path, to: Path, n: int | None = None) -> Path:
    """The marks as the report saves them, with some that cannot be used."""
    rows = [(path, SONG if "song" in path.name else SCORE) for path in list(files(folder))[:n]]
    others = [(folder / "gone.wav", SONG), (folder / "broken.wav", SONG), (folder / "talk.wav", "neither")]
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "seconds", "said", "probability", "sound"])
        writer.writerows([path, label, 3.0, SONG, 0.9, ""] for path, label in [*rows, *others])
    return to


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_marks_make_a_model_that_labels_by_them(base: Path, folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "models" / "mine"
    marks = marks_of(folder, tmp_path / "marks.csv")
    answer = run("adapt", marks, "-o", new, "--model", base, "--jobs", "1")
    assert answer.exit_code == 0, answer.output
    assert "12 songs and 12 instrumental scores; passed over: 1 neither, 1 not found, 1 unreadable" in answer.stdout
    assert "better: of 24 marks, 12 are wrong before and 0 after" in answer.stderr
    assert f"{new} is written" in answer.stderr

    model, before = load_model(new), load_model(base)
    assert model.name == "mine"
    assert model.detector_digest == before.detector_digest
    assert model.rises
    about = model.metadata["adapted"]
    assert (about["from"], about["sha256"]) == ("base", before.metadata["sha256"])
    assert (about["songs"], about["scores"], about["before"]["wrong_scores"]) == (12, 12, 12)
    assert "`base`, adapted to 12 songs and 12 instrumental scores that a person marked" in model.card
    assert "| wrong instrumental scores | 12 | 0 |" in model.card

    found = run("info", "--model", new)
    assert "adapted from  base, to 12 songs and 12 scores" in found.stdout
    labels = {path: songscore.classify_track(path, model=new).label for path in files(folder)}
    assert labels == {path: SONG if "song" in path.name else SCORE for path in labels}
    with pytest.raises(ModelError, match="'mine' has no lessons: it was adapted itself; adapt 'base'"):
        songscore.adapt(marks, model=new)


@pytest.mark.slow
def test_too_few_marks_write_no_model_and_name_what_to_mark(base: Path, folder: Path, tmp_path: Path) -> None:
    marks = marks_of(folder, tmp_path / "marks.csv", 4)
    results = tmp_path / "run.jsonl"
    assert run("label", folder, "--model", base, "-o", results, "--jobs", "1").exit_code == 1  # one file is no sound
    answer = run("adapt", marks, "-o", tmp_path / "mine", "--model", base, "--among", results, "--jobs", "1")
    assert answer.exit_code == 1
    assert f"not yet: 4 marks can be used, and at least {FEWEST} are needed; mark {FEWEST - 4} more" in answer.stderr
    assert not list(tmp_path.glob("mine*"))
    named = [Path(line) for line in answer.stdout.split("mark next:\n")[1].splitlines()]
    assert len(set(named)) == 10
    assert len({path.parent for path in named}) == 5
    assert not {path.parent for path in named} & {next(files(folder)).parent}


@pytest.mark.processes
def test_what_is_better_is_only_said_in_a_dry_run(
    base: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run("adapt", marks_of(folder, tmp_path / "marks.csv"), "-n", "--model", base, "-j", "1")
    assert answer.exit_code == 0
    assert "nothing is written; -o PATH writes the model" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["marks.csv"]


def test_a_model_needs_a_name_and_not_one_that_is_taken(base: Path, tmp_path: Path) -> None:
    marks = tmp_path / "marks.csv"
    marks.write_text("path,label\n")
    assert "name the new model with --output" in run("adapt", marks, "--model", base).stderr
    with pytest.raises(ModelError, match="is the name of a model that comes with songscore"):
        songscore.adapt(marks, tmp_path / f"{MODEL}.json", model=base)


def test_no_marks_at_all_are_too_few(base: Path, tmp_path: Path) -> None:
    found = songscore.adapt({}, tmp_path / "mine", model=base)
    assert (found.better, found.more, found.songs, found.scores) == (False, FEWEST, 0, 0)


def test_tracks_to_mark_are_not_looked_for_among_answers_of_other_models(base: Path, tmp_path: Path) -> None:
    vector = dict.fromkeys(DECIDING, 0.0)
    tracks = [
        TrackResult(path=f"{name}.wav", label=SONG, features=vector if name != "old" else {}, model=model)
        for name, model in (("new", "base"), ("other", MODEL), ("old", "base"), ("marked", "base"))
    ]
    found = songscore.adapt({"marked.wav": "neither"}, model=base, among=tracks)
    assert found.mark_next == ("new.wav",)


def test_marks_that_are_none_are_refused(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("path,label\na.wav,vocal\n")
    with pytest.raises(ManifestError, match=r"marks\.csv, line 2: label is 'vocal'"):
        songscore.adapt(path, model=base)


def test_the_last_mark_of_a_file_counts(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_text("path,label\na.wav,song\nb.wav,neither\na.wav,instrumental score\n")
    assert songscore.adapt(path, model=base).passed_over == {"neither": 1, "not found": 1}


@pytest.mark.processes
def test_a_marked_file_is_known_by_its_sound_wherever_it_is_now(base: Path, folder: Path, tmp_path: Path) -> None:
    was, now = tmp_path / "was.wav", tmp_path / "now.wav"
    shutil.copy(next(files(folder)), was)
    (track,) = songscore.classify_folder(tmp_path, model=base)
    marks = [songscore.Mark.of(track, SCORE)]
    assert songscore.adapt(marks, model=base).scores == 1
    was.rename(now)
    again = list(songscore.classify_folder(tmp_path, model=base))
    assert songscore.adapt(marks, model=base).passed_over == {"not found": 1}
    found = songscore.adapt(marks, model=base, among=again)
    assert (found.scores, found.passed_over, found.mark_next) == (1, {}, ())
    shutil.copy(list(files(folder))[1], was)
    assert songscore.adapt(marks, model=base).passed_over == {"another sound": 1}
    now.unlink()
    assert songscore.adapt(marks, model=base, among=again).passed_over == {"another sound": 1}


def test_labels_by_path_are_labels(base: Path) -> None:
    assert songscore.adapt({"a.wav": "score", "file:b.wav": SONG}, model=base).passed_over == {"not found": 2}
    with pytest.raises(ManifestError, match="label is 'vocal'"):
        songscore.adapt({"a.wav": "vocal"}, model=base)


def test_an_adapted_model_of_the_first_format_is_not_to_be_had() -> None:
    with pytest.raises(ModelError, match="'track-v1' has no lessons"):
        songscore.adapt({}, model="track-v1")


@pytest.mark.processes
def test_adapting_needs_no_pytorch() -> None:
    program = "import songscore, sys; songscore.adapt; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
