from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is in PyTorch")

import torch

from songscore.features.detector import KINDS
from songscore.features.spectrum import N_MELS
from songscore.training.data.corpus import SOUNDING, Clip, Corpus, dequantise, quantise, voice_activity
from songscore.training.data.manifest import Row
from songscore.training.detector import augment
from songscore.training.detector.augment import RandomSource
from songscore.training.detector.batches import TEACHER_DEAF_BELOW, BatchSampler, Examples
from songscore.training.detector.settings import Settings

FRAMES = 64
LOG_TOLERANCE_DB = 0.5
PHRASE = slice(100, 200)


def exponential(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).exponential(size=shape).astype(np.float32))


def decibels(power: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(power)


def clip(row: int, role: str, n_frames: int = 300, teacher: tuple[int, int, int] = (200, 200, 200)) -> Clip:
    """Flickering noise; what is alone sounds in one phrase."""
    mel = exponential(n_frames, N_MELS, seed=row).numpy()
    if role in SOUNDING:
        mel[: PHRASE.start] = mel[PHRASE.stop :] = 1e-9
    answers = np.tile(np.array(teacher, np.uint8), (n_frames // 2, 1))
    return Clip(row, role, quantise(mel), answers)


def corpus_of(*clips: Clip) -> Corpus:
    rows = [Row(Path(), "", "", "", "", c.role, c.role, 1.0, "") for c in clips]
    return Corpus.of(clips, rows)


ROLES = ("song", "instrumental", "voice", "speech", "choir", "other")
CORPUS = corpus_of(*(clip(index, role) for index, role in enumerate(ROLES)))
RECIPES = {
    "song": "song",
    "over": "song",
    "mix": "voice",
    "voice": "voice",
    "chopped": "voice",
    "speech": "speech",
    "narration": "speech",
    "choir": "choir",
    "choir_over": "choir",
    "other": "other",
    "noise": None,
    "instrumental": "instrumental",
}
"""The recipes, and the role of what matters in each."""

SETTINGS = Settings(batch=40, frames=FRAMES, n_leads=2, max_stretch=0.0)


def sampler(corpus: Corpus = CORPUS, settings: Settings = SETTINGS, seed: int = 0) -> BatchSampler:
    return BatchSampler(corpus, np.ones(len(corpus), bool), settings, RandomSource(seed))


def mixed(recipe: str, corpus: Corpus = CORPUS, n: int = 40, **changed: Any) -> Examples:
    return sampler(corpus, replace(SETTINGS, **changed)).mixed(recipe, n)


def column(array: torch.Tensor, kind: str) -> torch.Tensor:
    return array[:, :, KINDS.index(kind)]


@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 8.0])
def test_a_voice_is_added_at_the_ratio_asked_for_over_the_frames_where_it_sounds(ratio_db: float) -> None:
    music, voice = exponential(4, FRAMES, N_MELS), 7 * exponential(4, FRAMES, N_MELS, seed=1)
    active = torch.zeros(4, FRAMES)
    active[:, 10:40] = 1
    voice[:, active[0] == 0] = 0
    mix, local = augment.add_voice(music, voice, active, torch.full((4,), ratio_db), RandomSource(0))
    added = (mix - music)[:, 10:40].mean(dim=(1, 2)) / music[:, 10:40].mean(dim=(1, 2))
    torch.testing.assert_close(decibels(added), torch.full((4,), ratio_db), atol=LOG_TOLERANCE_DB, rtol=0)
    torch.testing.assert_close(mix[:, 40:], music[:, 40:])
    assert decibels(10 ** (local[:, 10:40] / 10)).mean() == pytest.approx(ratio_db, abs=LOG_TOLERANCE_DB)


@pytest.mark.parametrize("silent", ["music", "voice"])
def test_silence_in_a_mix_makes_no_bad_numbers(silent: str) -> None:
    sounds = {"music": exponential(2, FRAMES, N_MELS), "voice": exponential(2, FRAMES, N_MELS, seed=1)}
    sounds[silent] = torch.zeros_like(sounds[silent])
    mix, local = augment.add_voice(
        **sounds, active=torch.ones(2, FRAMES), ratio_db=torch.zeros(2), chance=RandomSource(0)
    )
    assert torch.isfinite(mix).all()
    assert torch.isfinite(local).all()


@pytest.mark.parametrize("shift", [-5, -1, 0, 3])
def test_a_whole_shift_moves_the_spectrum_by_so_many_bands(shift: int) -> None:
    mel = exponential(3, 10, N_MELS)
    found = augment.shift_bands(mel, torch.full((3,), float(shift)))
    inner = slice(max(0, shift), N_MELS - 1 + min(0, shift))
    source = slice(inner.start - shift, inner.stop - shift)
    torch.testing.assert_close(found[:, :, inner], mel[:, :, source], rtol=1e-3, atol=0)


def test_half_a_band_of_shift_is_the_geometric_mean_of_two_bands() -> None:
    mel = exponential(1, 5, N_MELS)
    found = augment.shift_bands(mel, torch.tensor([0.5]))
    torch.testing.assert_close(found[:, :, 1:], torch.sqrt(mel[:, :, :-1] * mel[:, :, 1:]), rtol=1e-3, atol=0)


def test_reverberation_of_no_example_changes_nothing() -> None:
    mel = exponential(4, FRAMES, N_MELS)
    torch.testing.assert_close(augment.reverberate(mel, RandomSource(0), probability=0.0), mel)


def test_reverberation_follows_the_sound_and_dies_away() -> None:
    mel = torch.zeros(4, FRAMES, N_MELS)
    mel[:, 20] = 1
    tail = augment.reverberate(mel, RandomSource(0), probability=1.0) - mel
    assert (tail[:, :21] == 0).all()
    assert (tail[:, 21:44] >= tail[:, 22:45]).all()
    assert (tail[:, 21] > 0).all()


def test_reverberation_of_one_example_is_not_heard_in_another() -> None:
    mel = torch.zeros(2, FRAMES, N_MELS)
    mel[0, 20] = 1
    assert (augment.reverberate(mel, RandomSource(0), probability=1.0)[1] == 0).all()


def test_noise_has_a_mean_power_of_one_and_no_negative_power() -> None:
    noise = augment.noise((5, FRAMES, N_MELS), RandomSource(0))
    torch.testing.assert_close(noise.mean(dim=(1, 2)), torch.ones(5))
    assert (noise >= 0).all()


@pytest.mark.parametrize("change", [augment.compress, augment.add_noise, augment.age, augment.transmit])
def test_a_change_of_no_example_changes_nothing(change: Callable[..., torch.Tensor]) -> None:
    mel = exponential(3, FRAMES, N_MELS)
    torch.testing.assert_close(change(mel, RandomSource(0), 0.0), mel)


def test_an_equaliser_is_the_same_in_every_frame() -> None:
    mel = exponential(3, FRAMES, N_MELS)
    gain = augment.equalise(mel, RandomSource(0)) / mel
    torch.testing.assert_close(gain, gain[:, :1].expand_as(gain))


def test_a_band_limit_takes_away_and_never_adds() -> None:
    mel = torch.ones(40, 2, N_MELS)
    limited = augment.limit_band(mel, RandomSource(0), low=1.0, high=1.0)
    assert (limited <= 1).all()
    assert (limited[:, :, 16:42] == 1).all()
    assert (limited[:, :, -1] < 0.5).float().mean() > 0.5


def test_what_is_aged_keeps_a_band_and_gets_hiss() -> None:
    tone = torch.zeros(40, 20, N_MELS)
    tone[:, :, 30] = 1.0
    aged = augment.age(tone, RandomSource(0), probability=1.0)
    assert (aged[:, :, 30] >= 1).all()
    assert (aged[:, :, :30].sum(dim=(1, 2)) > 0).all()
    edges = torch.zeros(40, 20, N_MELS)
    edges[:, :, [0, -1]] = 1.0
    kept = augment.age(edges, RandomSource(0), probability=1.0)
    assert (kept[:, :, -1].mean(1) < 0.5).all()


def test_quantised_power_is_within_a_quarter_of_a_decibel_of_the_loudest_cell_down() -> None:
    mel = exponential(50, N_MELS).numpy()
    off = 10 * np.log10(dequantise(quantise(mel)) / (mel / mel.max()))
    assert np.abs(off).max() < 0.2501


def test_a_voice_is_active_where_it_sounds() -> None:
    expected = np.zeros(300, bool)
    expected[PHRASE] = True
    np.testing.assert_array_equal(voice_activity(clip(0, "voice").mel), expected)


@pytest.mark.parametrize("size", [17, 32, 33, 100])
def test_the_shares_of_a_batch_add_up_to_the_batch(size: int) -> None:
    examples = sampler(settings=replace(SETTINGS, batch=size)).batch()
    assert {len(getattr(examples, f.name)) for f in fields(Examples)} == {size}


def test_a_batch_has_the_documented_shapes_and_levelled_spectra() -> None:
    examples = sampler().batch()
    assert examples.mel.shape == (40, FRAMES, N_MELS)
    assert examples.target.shape == examples.weight.shape == (40, FRAMES // 2, len(KINDS))
    assert examples.weak.shape == examples.clip.shape == (40,)
    torch.testing.assert_close((10 ** (2 * examples.mel)).mean(dim=(1, 2)), torch.ones(40), atol=1e-3, rtol=0)


def test_every_recipe_is_known() -> None:
    assert sampler().recipes() == list(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_gives_finite_values_and_the_clip_that_matters(recipe: str) -> None:
    examples = mixed(recipe)
    assert examples.mel.shape == (40, FRAMES, N_MELS)
    assert examples.target.shape == examples.weight.shape == (40, FRAMES // 2, len(KINDS))
    assert torch.isfinite(examples.mel).all()
    assert (examples.mel >= 0).all()
    for array in (examples.target, examples.weight, examples.weak):
        assert (array >= 0).all()
        assert (array <= 1).all()
    role = RECIPES[recipe]
    assert set(examples.clip.tolist()) == {-1 if role is None else ROLES.index(role)}


@pytest.mark.parametrize("missing", ["song", "voice", "speech", "choir", "other"])
def test_recipes_without_clips_give_way_to_instrumentals(missing: str) -> None:
    kept = [role for role in ROLES if role != missing]
    corpus = corpus_of(*(clip(index, role) for index, role in enumerate(kept)))
    drawn = sampler(corpus)
    assert drawn.recipes() == [recipe for recipe, role in RECIPES.items() if role != missing]
    lost = sum(round(40 * getattr(SETTINGS, f"share_{recipe}")) for recipe, role in RECIPES.items() if role == missing)
    before = (sampler().batch().clip == ROLES.index("instrumental")).sum()
    assert (drawn.batch().clip == kept.index("instrumental")).sum() == before + lost


def test_the_same_seed_gives_the_same_batch_and_another_another() -> None:
    one, same, other = (sampler(seed=seed).batch() for seed in (0, 0, 1))
    for f in fields(Examples):
        torch.testing.assert_close(getattr(one, f.name), getattr(same, f.name), rtol=0, atol=0)
    assert not torch.equal(one.mel, other.mel)


def assert_louder_where(target: torch.Tensor, mel: torch.Tensor) -> None:
    """The sound is louder where the target is 1 than where it is 0, in examples that have both."""
    loudness = decibels(mel.mean(dim=2)).reshape(len(mel), -1, 2).mean(dim=2)
    both = (target.amax(1) == 1) & (target.amin(1) == 0)
    assert both.sum() >= 5
    for example, sounds in zip(loudness[both], target[both], strict=True):
        assert example[sounds == 1].mean() > example[sounds == 0].mean() + 10


def test_the_target_of_a_mix_is_where_the_voice_sounds() -> None:
    mixes = mixed("mix", ratio_low=30.0, ratio_high=30.0, share_led=0.0)
    assert_louder_where(column(mixes.target, "sung"), mixes.mel)
    assert (column(mixes.weight, "sung") == 1).float().mean() > 0.97
    assert (column(mixes.target, "music") == 1).all()


@pytest.mark.parametrize(("recipe", "role"), [("voice", "voice"), ("speech", "speech")])
def test_a_short_clip_begins_anywhere_in_the_window(recipe: str, role: str) -> None:
    mel = exponential(30, N_MELS).numpy()
    mel[20:] = 1e-9
    short = Clip(0, role, quantise(mel), np.zeros((15, 3), np.uint8))
    examples = mixed(recipe, corpus_of(short, clip(1, "instrumental")), n=400)
    sounds = column(examples.target, "sung" if recipe == "voice" else "speech").mean(0)
    assert 0 < sounds[:4].mean() < 1.2 * sounds.mean()


def test_a_voice_too_far_below_the_music_is_neither_demanded_nor_denied() -> None:
    mixes = mixed("mix", ratio_low=-50.0, ratio_high=-50.0)
    assert (column(mixes.target, "sung") == 1).any()
    unknown = column(mixes.weight, "sung") == 1 - column(mixes.target, "sung")
    assert unknown.float().mean() > 0.99, "the hiss of a telephone may be heard where the music pauses"


def test_a_narrator_speaks_where_he_sounds_over_music_and_never_sings() -> None:
    spoken = mixed("narration", narration_low=30.0, narration_high=30.0, share_led=0.0)
    assert_louder_where(column(spoken.target, "speech"), spoken.mel)
    assert (column(spoken.target, "sung") == 0).all()
    assert (column(spoken.weight, "sung") == 1).all()
    assert (column(spoken.target, "music") == 1).all()
    covered = mixed("narration", narration_low=-50.0, narration_high=-50.0)
    torch.testing.assert_close(column(covered.weight, "speech"), 1 - column(covered.target, "speech"))


def test_a_speaker_alone_speaks_and_does_not_sing() -> None:
    spoken = mixed("speech")
    assert set(column(spoken.target, "speech").flatten().tolist()) == {0, 1}
    for kind in ("sung", "music"):
        assert (column(spoken.target, kind) == 0).all()
        assert (column(spoken.weight, kind) == 1).all()


def test_sounds_that_are_no_music_are_just_that() -> None:
    for recipe in ("other", "noise"):
        sounds = mixed(recipe)
        assert (column(sounds.target, "other") == 1).all()
        for kind in ("music", "sung", "choir"):
            assert (column(sounds.target, kind) == 0).all()
            assert (column(sounds.weight, kind) == 1).all()


@pytest.mark.parametrize("recipe", ["choir", "choir_over"])
def test_voices_without_words_are_a_choir_and_not_sung(recipe: str) -> None:
    choirs = mixed(recipe)
    assert set(column(choirs.target, "choir").flatten().tolist()) == {0, 1}
    assert (column(choirs.target, "sung") == 0).all()
    assert (column(choirs.weight, "sung") > 0).all()
    assert (column(choirs.target, "music") == 1).all()


def test_chopped_voices_are_an_instrument() -> None:
    chops = mixed("chopped")
    assert (column(chops.target, "sung") == 0).all()
    assert (column(chops.weight, "sung") == 0.5).all()
    assert (column(chops.target, "music") == 1).all()


def test_instrumentals_have_no_voice() -> None:
    music = mixed("instrumental")
    assert (column(music.target, "sung") == 0).all()
    assert (column(music.weight, "sung") == 1).all()


@pytest.mark.parametrize("recipe", [recipe for recipe, role in RECIPES.items() if role != "song"])
def test_nothing_but_a_song_is_asked_for_a_voice_as_a_whole(recipe: str) -> None:
    assert (mixed(recipe).weak == 0).all()


def song_taught(*teacher: tuple[int, int, int]) -> Examples:
    """Songs of which the teacher says one thing after another, each for the same time."""
    song = clip(0, "song", n_frames=FRAMES)
    song.teacher[:] = np.repeat(np.array(teacher, np.uint8), len(song.teacher) // len(teacher), axis=0)
    return mixed("song", corpus_of(song, clip(1, "instrumental")), n=4)


def test_a_song_has_the_soft_labels_of_the_teacher() -> None:
    songs = song_taught((200, 10, 220))
    for kind, value in {"sung": 200, "speech": 10, "music": 220}.items():
        torch.testing.assert_close(column(songs.target, kind), torch.full((4, FRAMES // 2), value / 255))
    assert (column(songs.weight, "sung") == SETTINGS.teacher).all()
    assert (songs.weak == 1).all()


def test_speech_in_a_song_in_which_nobody_sings_is_its_voice() -> None:
    songs = song_taught((0, 200, 220))
    torch.testing.assert_close(column(songs.target, "sung"), torch.full((4, FRAMES // 2), 200 / 255))
    assert (column(songs.weight, "sung") == SETTINGS.teacher).all()
    assert (column(songs.weight, "speech") == 0).all()
    assert (songs.weak == 1).all()


def test_what_speech_is_in_a_song_in_which_somebody_sings_is_not_known() -> None:
    songs = song_taught((200, 0, 220), (0, 200, 220))
    sings = column(songs.target, "sung") > 0.5
    assert 0 < sings.float().mean() < 1
    assert (column(songs.weight, "sung") == sings * SETTINGS.teacher).all()
    assert ((column(songs.weight, "speech") > 0) == sings).all()


def test_a_teacher_that_hears_no_singer_in_a_song_is_not_believed() -> None:
    below = round(255 * TEACHER_DEAF_BELOW) - 1
    songs = song_taught((below, below, below))
    assert (column(songs.weight, "sung") == 0).all()
    assert (songs.weak == 1).all()


def test_a_song_over_other_music_is_taught_as_the_song_is() -> None:
    over = mixed("over")
    torch.testing.assert_close(column(over.target, "sung"), torch.full((40, FRAMES // 2), 200 / 255))
    assert (column(over.target, "music") == 1).all()
    assert (column(over.weight, "choir") == 0).all()


def test_clips_of_no_weight_and_clips_not_chosen_are_never_drawn() -> None:
    corpus = corpus_of(clip(0, "song"), *(clip(index, "instrumental") for index in (1, 2, 3)))
    corpus.weight[2] = 0
    drawn = BatchSampler(corpus, np.arange(4) != 3, SETTINGS, RandomSource(0)).mixed("instrumental", 100)
    assert set(drawn.clip.tolist()) == {1}
