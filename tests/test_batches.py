from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training is in PyTorch")

from songscore.features.spectrum import N_MELS  # noqa: E402
from songscore.results import SCORE, SONG  # noqa: E402
from songscore.training.data.corpus import Clip, Corpus, dequantise, quantise, voice_activity  # noqa: E402
from songscore.training.data.manifest import Row  # noqa: E402
from songscore.training.detector import augment  # noqa: E402
from songscore.training.detector.augment import RandomSource  # noqa: E402
from songscore.training.detector.batches import TEACHER_DEAF_BELOW, BatchSampler, Examples  # noqa: E402
from songscore.training.detector.settings import Settings  # noqa: E402

FRAMES = 64
LOG_TOLERANCE_DB = 0.5
PHRASE = slice(100, 200)


def exponential(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).exponential(size=shape).astype(np.float32))


def decibels(power: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(power)


def clip(row: int, role: str, n_frames: int = 300, teacher: int = 200) -> Clip:
    """Flickering noise; a voice sounds in one phrase alone."""
    mel = exponential(n_frames, N_MELS, seed=row).numpy()
    if role == "voice":
        mel[: PHRASE.start] = mel[PHRASE.stop :] = 1e-9
    answers = np.full((n_frames // 2, 3), teacher, np.uint8)
    return Clip(row, role, quantise(mel), answers)


def corpus_of(*clips: Clip) -> Corpus:
    labels = {"song": SONG, "instrumental": SCORE}
    rows = [Row(Path(), "", labels.get(c.role, ""), "", "", c.role, c.role, 1.0, "") for c in clips]
    return Corpus.of(clips, rows)


ROLES = ("song", "instrumental", "voice", "speech")
CORPUS = corpus_of(*(clip(index, role) for index, role in enumerate(ROLES)))
ORDER = ("song", "over", "noise", "mix", "voice", "speech")
ONE = 1 / 40
DEFAULTS = Settings(n_leads=2)


def batch(seed: int = 0, corpus: Corpus = CORPUS, settings: Settings = DEFAULTS, **shares: float) -> Examples:
    """Forty examples, one of each kind where no share is given; what the shares leave are instrumentals."""
    filled = {f"share_{kind}": shares.get(kind, ONE) for kind in ORDER}
    chosen = replace(settings, batch=40, frames=FRAMES, **filled)
    return BatchSampler(corpus, np.ones(len(corpus), bool), chosen, RandomSource(seed, "cpu")).batch()


def of_kind(kind: str, examples: Examples, **shares: float) -> Examples:
    """The examples of one kind in a batch of `batch`."""
    sizes = [round(40 * shares.get(other, ONE)) for other in ORDER]
    first = sum(sizes[: (*ORDER, "instrumental").index(kind)])
    last = first + sizes[ORDER.index(kind)] if kind in ORDER else 40
    return Examples(**{f.name: getattr(examples, f.name)[first:last] for f in fields(Examples)})


@pytest.mark.parametrize("ratio_db", [-10.0, 0.0, 8.0])
def test_a_voice_is_added_at_the_ratio_asked_for_over_the_frames_where_it_sounds(ratio_db: float) -> None:
    music, voice = exponential(4, FRAMES, N_MELS), 7 * exponential(4, FRAMES, N_MELS, seed=1)
    active = torch.zeros(4, FRAMES)
    active[:, 10:40] = 1
    voice[:, active[0] == 0] = 0
    mix, local = augment.add_voice(music, voice, active, torch.full((4,), ratio_db), RandomSource(0, "cpu"))
    added = (mix - music)[:, 10:40].mean(dim=(1, 2)) / music[:, 10:40].mean(dim=(1, 2))
    torch.testing.assert_close(decibels(added), torch.full((4,), ratio_db), atol=LOG_TOLERANCE_DB, rtol=0)
    torch.testing.assert_close(mix[:, 40:], music[:, 40:])
    assert decibels(10 ** (local[:, 10:40] / 10)).mean() == pytest.approx(ratio_db, abs=LOG_TOLERANCE_DB)


@pytest.mark.parametrize("silent", ["music", "voice"])
def test_silence_in_a_mix_makes_no_bad_numbers(silent: str) -> None:
    sounds = {"music": exponential(2, FRAMES, N_MELS), "voice": exponential(2, FRAMES, N_MELS, seed=1)}
    sounds[silent] = torch.zeros_like(sounds[silent])
    mix, local = augment.add_voice(
        **sounds, active=torch.ones(2, FRAMES), ratio_db=torch.zeros(2), chance=RandomSource(0, "cpu")
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
    torch.testing.assert_close(augment.reverberate(mel, RandomSource(0, "cpu"), probability=0.0), mel)


def test_reverberation_follows_the_sound_and_dies_away() -> None:
    mel = torch.zeros(4, FRAMES, N_MELS)
    mel[:, 20] = 1
    tail = augment.reverberate(mel, RandomSource(0, "cpu"), probability=1.0) - mel
    assert (tail[:, :21] == 0).all()
    assert (tail[:, 21:44] >= tail[:, 22:45]).all()
    assert (tail[:, 21] > 0).all()


def test_reverberation_of_one_example_is_not_heard_in_another() -> None:
    mel = torch.zeros(2, FRAMES, N_MELS)
    mel[0, 20] = 1
    assert (augment.reverberate(mel, RandomSource(0, "cpu"), probability=1.0)[1] == 0).all()


def test_noise_has_a_mean_power_of_one_and_no_negative_power() -> None:
    noise = augment.noise((5, FRAMES, N_MELS), RandomSource(0, "cpu"))
    torch.testing.assert_close(noise.mean(dim=(1, 2)), torch.ones(5))
    assert (noise >= 0).all()


@pytest.mark.parametrize("change", [augment.compress, augment.add_noise, augment.age])
def test_a_change_of_no_example_changes_nothing(change) -> None:
    mel = exponential(3, FRAMES, N_MELS)
    torch.testing.assert_close(change(mel, RandomSource(0, "cpu"), 0.0), mel)


def test_an_equaliser_is_the_same_in_every_frame() -> None:
    mel = exponential(3, FRAMES, N_MELS)
    gain = augment.equalise(mel, RandomSource(0, "cpu")) / mel
    torch.testing.assert_close(gain, gain[:, :1].expand_as(gain))


def test_a_band_limit_takes_away_and_never_adds() -> None:
    mel = torch.ones(40, 2, N_MELS)
    limited = augment.limit_band(mel, RandomSource(0, "cpu"), low=1.0, high=1.0)
    assert (limited <= 1).all()
    assert (limited[:, :, 16:42] == 1).all()
    assert (limited[:, :, -1] < 0.5).float().mean() > 0.5


def test_what_is_aged_keeps_a_band_and_gets_hiss() -> None:
    tone = torch.zeros(40, 20, N_MELS)
    tone[:, :, 30] = 1.0
    aged = augment.age(tone, RandomSource(0, "cpu"), probability=1.0)
    assert (aged[:, :, 30] >= 1).all()
    assert (aged[:, :, :30].sum(dim=(1, 2)) > 0).all()
    edges = torch.zeros(40, 20, N_MELS)
    edges[:, :, [0, -1]] = 1.0
    kept = augment.age(edges, RandomSource(0, "cpu"), probability=1.0)
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
    settings = Settings(batch=size, frames=FRAMES, n_leads=2)
    examples = BatchSampler(CORPUS, np.ones(len(CORPUS), bool), settings, RandomSource(0, "cpu")).batch()
    assert {len(getattr(examples, f.name)) for f in fields(Examples)} == {size}


@pytest.mark.parametrize("kind", ["song", "over", "voice", "mix", "speech"])
def test_a_kind_without_a_share_is_left_out(kind: str) -> None:
    assert len(batch(**{kind: 0.0}).mel) == 40


def test_kinds_without_clips_give_way_to_instrumentals() -> None:
    corpus = corpus_of(clip(0, "song"), clip(1, "instrumental"))
    examples = batch(corpus=corpus, mix=0.5)
    assert len(examples.mel) == 40
    assert (examples.voice[3:] == 0).all()
    assert (examples.voice_weight[3:] == 1).all()


def test_a_batch_has_the_documented_shapes_and_levelled_spectra() -> None:
    examples = batch()
    steps = FRAMES // 2
    assert examples.mel.shape == (40, FRAMES, N_MELS)
    assert examples.voice.shape == examples.voice_weight.shape == (40, steps)
    assert examples.others.shape == (40, steps, 2)
    assert examples.others_weight.shape == examples.weak.shape == (40,)
    torch.testing.assert_close((10 ** (2 * examples.mel)).mean(dim=(1, 2)), torch.ones(40), atol=1e-3, rtol=0)


def test_the_same_seed_gives_the_same_batch_and_another_another() -> None:
    one, same, other = (batch(seed) for seed in (0, 0, 1))
    for f in fields(Examples):
        torch.testing.assert_close(getattr(one, f.name), getattr(same, f.name), rtol=0, atol=0)
    assert not torch.equal(one.mel, other.mel)


def loud_voice(ratio_db: float) -> Examples:
    """Mixes at one ratio, of passages with the phrase and without."""
    settings = Settings(ratio_low=ratio_db, ratio_high=ratio_db, share_led=0, n_leads=2)
    return of_kind("mix", batch(settings=settings, mix=0.5), mix=0.5)


def test_the_target_of_a_mix_is_where_the_voice_sounds() -> None:
    mixes = loud_voice(30.0)
    loudness = decibels((10 ** (2 * mixes.mel)).mean(dim=2)).reshape(len(mixes.mel), -1, 2).mean(dim=2)
    both = (mixes.voice.amax(1) == 1) & (mixes.voice.amin(1) == 0)
    assert both.sum() >= 5
    for example, target in zip(loudness[both], mixes.voice[both], strict=True):
        assert example[target == 1].mean() > example[target == 0].mean() + 10
    assert (mixes.voice_weight == 1).all()


def test_a_voice_too_far_below_the_music_is_neither_demanded_nor_denied() -> None:
    mixes = loud_voice(-50.0)
    assert (mixes.voice == 1).any()
    torch.testing.assert_close(mixes.voice_weight, 1 - mixes.voice)


def test_instrumentals_speech_and_noise_have_no_voice() -> None:
    examples = batch(speech=0.1, noise=0.1)
    for kind in ("instrumental", "speech", "noise"):
        found = of_kind(kind, examples, speech=0.1, noise=0.1)
        assert (found.voice == 0).all()
        assert (found.voice_weight == 1).all()
        assert (found.weak == 0).all()


def test_a_song_has_the_soft_labels_of_the_teacher() -> None:
    songs = of_kind("song", batch(song=0.5), song=0.5)
    torch.testing.assert_close(songs.voice, torch.full_like(songs.voice, 200 / 255))
    assert (songs.voice_weight == DEFAULTS.teacher).all()
    assert (songs.weak == 1).all()


def test_what_the_teacher_takes_for_speech_in_a_song_is_a_voice() -> None:
    rap = clip(0, "song")
    rap.teacher[:, 0] = 0
    songs = of_kind("song", batch(corpus=corpus_of(rap, clip(1, "instrumental")), song=0.5), song=0.5)
    torch.testing.assert_close(songs.voice, torch.full_like(songs.voice, 200 / 255))
    assert (songs.voice_weight == DEFAULTS.teacher).all()


def test_a_teacher_that_hears_no_singer_in_a_song_is_not_believed() -> None:
    corpus = corpus_of(clip(0, "song", teacher=round(255 * TEACHER_DEAF_BELOW) - 1), clip(1, "instrumental"))
    songs = of_kind("song", batch(corpus=corpus, song=0.5), song=0.5)
    assert (songs.voice_weight == 0).all()
    assert (songs.weak == 1).all()


def test_clips_of_no_weight_and_clips_not_chosen_are_never_drawn() -> None:
    loud, unheard = clip(1, "instrumental", teacher=200), clip(2, "instrumental", teacher=50)
    corpus = corpus_of(clip(0, "song"), loud, unheard, unheard)
    corpus.weight[2] = 0
    sampler = BatchSampler(corpus, np.arange(4) != 3, Settings(frames=FRAMES, n_leads=2), RandomSource(0, "cpu"))
    others = sampler.batch().others[-16:]
    torch.testing.assert_close(others, torch.full_like(others, 200 / 255))
