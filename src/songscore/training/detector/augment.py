"""Changes to training examples, made on the fly in mel power: voices mixed into music, and changes of sound.

Everything is a batch, drawn from one `torch.Generator`. Mel power has the shape ``(batch, n_frames,
N_MELS)``; powers of independent sounds add, up to a cross term.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

FLOOR_DB = -60.0


class RandomSource:
    """Random numbers of one seed."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.generator)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator)

    def flags(self, probability: float, n: int) -> Tensor:
        return torch.rand(n, generator=self.generator) < probability

    def some(self, probability: float, n: int) -> Tensor:
        """Indices of a random choice of `n` examples."""
        return torch.nonzero(self.flags(probability, n))[:, 0]

    def choose(self, weights: Tensor, n: int) -> Tensor:
        return torch.multinomial(weights, n, replacement=True, generator=self.generator)


def db_to_power(db: Tensor) -> Tensor:
    """Power ratio of a level in decibels."""
    return torch.pow(10.0, db / 10)


def level(mel: Tensor) -> Tensor:
    """`songscore.features.detector.level` for a batch."""
    mean = mel.mean(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    return torch.log10(mel / mean + 10 ** (FLOOR_DB / 10)) * 0.5


def add_voice(
    music: Tensor, voice: Tensor, active: Tensor, ratio_db: Tensor, chance: RandomSource
) -> tuple[Tensor, Tensor]:
    """Voice over music at a known ratio.

    Parameters
    ----------
    music, voice : (batch, n_frames, n_mels)
    active : (batch, n_frames)
        1 where the voice sounds.
    ratio_db : (batch,)
        Voice to music, over the frames where the voice sounds.

    Returns
    -------
    mix : (batch, n_frames, n_mels)
    local_db : (batch, n_frames)
        Voice to music in each frame.
    """
    count = active.sum(1).clamp_min(1)
    voice_level = (voice.mean(2) * active).sum(1) / count
    music_level = (music.mean(2) * active).sum(1) / count
    gain = db_to_power(ratio_db) * music_level.clamp_min(1e-12) / voice_level.clamp_min(1e-12)
    voice = voice * gain[:, None, None]
    cross = 0.5 * chance.uniform(-1, 1, *music.shape) * torch.sqrt(music * voice) * 2
    local = 10 * torch.log10(voice.mean(2).clamp_min(1e-20) / music.mean(2).clamp_min(1e-20))
    return (music + voice + cross).clamp_min(0), local


def reverberate(mel: Tensor, chance: RandomSource, probability: float = 0.5, n_taps: int = 24) -> Tensor:
    """An exponential tail of 0.2 to 2.5 s, at -25 to -5 dB of the direct sound, on some examples."""
    batch = len(mel)
    seconds = torch.exp(chance.uniform(math.log(0.2), math.log(2.5), batch, 1))
    taps = torch.arange(1, n_taps + 1) * 0.04
    tail = torch.pow(10.0, -6 * taps / seconds)
    tail = tail / tail.sum(1, keepdim=True) * db_to_power(chance.uniform(-25, -5, batch, 1)) * 4
    tail = tail * chance.flags(probability, batch)[:, None]
    padded = functional.pad(mel.transpose(1, 2), (n_taps, 0))
    kernel = tail.flip(1)[:, None, :]
    wet = functional.conv1d(padded[:, :, :-1].transpose(0, 1), kernel, groups=batch).transpose(0, 1)
    return mel + wet.transpose(1, 2)


def equalise(mel: Tensor, chance: RandomSource, bumps: int = 3, strength_db: float = 8.0) -> Tensor:
    """Smooth random bumps and a tilt over the bands."""
    batch, _, n_mels = mel.shape
    bands = torch.linspace(0, 1, n_mels)
    centre = chance.uniform(0, 1, batch, bumps, 1)
    width = chance.uniform(0.05, 0.3, batch, bumps, 1)
    height = chance.normal(batch, bumps, 1) * strength_db * 0.5
    curve = (height * torch.exp(-(((bands - centre) / width) ** 2))).sum(1)
    curve = curve + chance.normal(batch, 1) * strength_db * 0.7 * (bands - 0.5)
    return mel * db_to_power(curve)[:, None, :]


def limit_band(mel: Tensor, chance: RandomSource, low: float = 0.25, high: float = 0.15) -> Tensor:
    """Low-passes from 2.1 kHz up on a share `low` of the examples, high-passes below 570 Hz on a share `high`."""
    batch = len(mel)
    ceiling = torch.where(chance.flags(low, batch), chance.uniform(0.53, 1.0, batch), 2.0)
    bottom = torch.where(chance.flags(high, batch), chance.uniform(0, 0.2, batch), -1.0)
    return _between(mel, bottom, ceiling)


def age(mel: Tensor, chance: RandomSource, probability: float = 0.06) -> Tensor:
    """Some examples as a wax cylinder sounds: from 100-400 Hz to 2-4 kHz, under surface noise."""
    some = chance.some(probability, len(mel))
    n = len(some)
    aged = _between(mel[some], chance.uniform(0.03, 0.15, n), chance.uniform(0.52, 0.76, n))
    return mel.index_copy(0, some, _noisy(aged, chance.uniform(-25, 0, n), chance))


def transmit(mel: Tensor, chance: RandomSource, probability: float) -> Tensor:
    """Some examples as through a telephone, a small loudspeaker or a radio: from 150-400 Hz to 3-5 kHz, under hiss."""
    some = chance.some(probability, len(mel))
    n = len(some)
    narrow = _between(mel[some], chance.uniform(0.04, 0.15, n), chance.uniform(0.62, 0.82, n))
    return mel.index_copy(0, some, _noisy(narrow, chance.uniform(-50, -15, n), chance))


def _between(mel: Tensor, bottom: Tensor, ceiling: Tensor) -> Tensor:
    """Attenuate what is below `bottom` and above `ceiling`, which are shares of `N_MELS` for each example."""
    n_mels = mel.shape[2]
    bands = torch.arange(n_mels)
    loss = 6 * (bands - ceiling[:, None] * n_mels).clamp_min(0) + 4 * (bottom[:, None] * n_mels - bands).clamp_min(0)
    return mel * db_to_power(-loss.clamp_max(70))[:, None, :]


def compress(mel: Tensor, chance: RandomSource, probability: float = 0.3) -> Tensor:
    """Loudness dynamics halved at most, as a compressor does, on some examples."""
    batch = len(mel)
    loudness = mel.mean(2, keepdim=True).clamp_min(1e-12)
    amount = (chance.uniform(0, 0.5, batch) * chance.flags(probability, batch))[:, None, None]
    smooth = functional.avg_pool1d(loudness.transpose(1, 2), 9, 1, 4, count_include_pad=False).transpose(1, 2)
    return mel * torch.pow(smooth / smooth.amax(1, keepdim=True), -amount).clamp_max(1e3)


def add_noise(mel: Tensor, chance: RandomSource, probability: float = 0.15) -> Tensor:
    """A noise floor of smooth colour at 5 to 50 dB below the mean, on some examples: hiss, surface noise."""
    some = chance.some(probability, len(mel))
    return mel.index_copy(0, some, _noisy(mel[some], chance.uniform(-50, -5, len(some)), chance))


def _noisy(mel: Tensor, ratio_db: Tensor, chance: RandomSource) -> Tensor:
    """Add noise at a level relative to the mean power of each example."""
    hiss = noise(mel.shape, chance) * db_to_power(ratio_db)[:, None, None]
    return mel + hiss * mel.mean(dim=(1, 2), keepdim=True)


def noise(shape: tuple[int, ...] | torch.Size, chance: RandomSource) -> Tensor:
    """Stationary noise of random smooth colour and mean power 1."""
    batch, n_frames, n_mels = shape
    colour = torch.ones(batch, 1, n_mels)
    colour = equalise(colour, chance, 3, 20.0)
    flutter = -torch.log(chance.uniform(1e-6, 1, 3, batch, n_frames, n_mels)).mean(0)
    sound = colour * flutter
    return sound / sound.mean(dim=(1, 2), keepdim=True)


def shift_bands(mel: Tensor, shift: Tensor) -> Tensor:
    """The spectrum moved up by `shift` bands, interpolated in decibels; the outermost band fills the rim."""
    n_mels = mel.shape[2]
    position = (torch.arange(n_mels)[None, :] - shift[:, None]).clamp(0, n_mels - 1.001)
    lower = position.floor().long()
    share = (position - lower)[:, None, :]
    log = torch.log(mel.clamp_min(1e-20))
    index = lower[:, None, :].expand_as(log)
    return torch.exp(log.gather(2, index) * (1 - share) + log.gather(2, index + 1) * share)
