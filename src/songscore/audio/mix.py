"""Mixes channels to one without losing a voice.

The mean of two channels cancels sound that is in antiphase, and karaoke effects and wideners put voices there. Where
much of the spectrum is in antiphase (`antiphase_share`), half the difference of the channels is added, a hundredth of a
second late. The sum keeps sound in phase and in antiphase at full power; sound at one side is comb-filtered, with teeth
narrower than a mel band. The difference fades in over one block and out over four, so that it does not flutter. More
than two channels are weighted as in ITU-R BS.775-4, without the low-frequency effects: a centre counts 1.41 times a
front channel, a surround 0.71 times. Which channel is the centre depends on the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from songscore.audio.decoders import FloatArray

_LOUDEST, _LARGEST_ENERGY = np.float32(1e9), 1e30
_CANCELLED = 1e-3
_NEARLY_MONO = 1e-3
"""Energy of the difference, as a share of that of the sum, below which it is not searched for a voice."""
_DELAY = 0.01
_RELEASE = 0.25
"""Largest fall of the gain of the difference from one block to the next."""

_AT_ONCE = 4
"""Blocks of which the spectra are computed together: many small calls cost more than their numbers."""

_N_FFT, _N_LOOKS = 1024, 8
_LOWEST, _HIGHEST = 200.0, 5000.0
_DOMINANCE = 4.0
"""Ratio of amplitudes, 12 dB, from which a bin of the spectrum is in antiphase."""
_FLOOR = 3e-3
"""Share of the strongest bin, -50 dB, below which a bin is not counted."""
_FEW, _MANY = 0.06, 0.1
"""Shares of antiphase between which the difference is faded in. Two channels that have nothing in common have 0.04."""

_SIDE = np.array([0.5, -0.5], np.float32)

_FRONT, _CENTRE, _LFE, _SURROUND = 1.0, float(np.sqrt(2)), 0.0, float(np.sqrt(0.5))
_WEIGHTS = {
    3: (_FRONT, _FRONT, _CENTRE),
    4: (_FRONT, _FRONT, _SURROUND, _SURROUND),
    5: (_FRONT, _FRONT, _CENTRE, _SURROUND, _SURROUND),
    6: (_FRONT, _FRONT, _CENTRE, _LFE, _SURROUND, _SURROUND),
    7: (_FRONT, _FRONT, _CENTRE, _LFE, _SURROUND, _SURROUND, _SURROUND),
    8: (_FRONT, _FRONT, _CENTRE, _LFE, _SURROUND, _SURROUND, _SURROUND, _SURROUND),
}
"""By the number of channels, in the order of WAV, FLAC and FFmpeg."""

ChannelOrder = Literal["wav", "vorbis"]
"""Ogg Vorbis and Opus have the centre between the two front channels, and the low-frequency effects last."""

_IN_VORBIS = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 4, 5, 3),
    7: (0, 2, 1, 4, 5, 6, 3),
    8: (0, 2, 1, 4, 5, 6, 7, 3),
}
"""Which channel of WAV stands in each place (Vorbis I specification, 4.3.9; RFC 7845, 5.1.1.2)."""


class MonoMix:
    """Mixes successive blocks ``(n, n_channels)`` to one channel; the number of channels may change.

    Parameters
    ----------
    rate : int
        Frames per second in the blocks.
    order : {"wav", "vorbis"}
        Order of the channels.
    """

    def __init__(self, rate: int, order: ChannelOrder = "wav") -> None:
        self._rate, self._order = rate, order
        self._gain: float | None = None
        self._late = np.zeros(max(1, round(_DELAY * rate)), np.float32)

    def __call__(self, blocks: Iterable[FloatArray]) -> Iterator[FloatArray]:
        blocks = iter(blocks)
        while some := list(islice(blocks, _AT_ONCE)):
            weighted = [self._weighted(*finite(block)) for block in some]
            shares = iter(antiphase_shares([block for block, _, is_wide in weighted if is_wide], self._rate))
            for block, mixed, is_wide in weighted:
                share = next(shares) if is_wide else 0.0
                yield self._with_side(block, mixed, share) if block.shape[1] == 2 else mixed

    def _weighted(self, block: FloatArray, energy: np.float32) -> tuple[FloatArray, FloatArray, bool]:
        """A block, its weighted mean, and whether a voice may be in the difference of its two channels."""
        n_channels = block.shape[1]
        if n_channels == 1:
            return block, block[:, 0], False
        mixed: FloatArray = block @ _weights(n_channels, self._order)
        of_mixed = float(np.vdot(mixed, mixed))
        if n_channels == 2:
            of_side = float(energy) / 2 - of_mixed
            return block, mixed, len(block) >= _N_FFT and of_side > _NEARLY_MONO * of_mixed
        if of_mixed * n_channels < _CANCELLED * energy:
            mixed = np.ascontiguousarray(block[:, np.argmax(np.einsum("ij,ij->j", block, block))])
        return block, mixed, False

    def _with_side(self, block: FloatArray, mid: FloatArray, share: float) -> FloatArray:
        found = min(1.0, max(0.0, (share - _FEW) / (_MANY - _FEW)))
        before = found if self._gain is None else self._gain
        self._gain = max(found, before - _RELEASE)
        n, n_late = len(mid), len(self._late)
        if not before and not self._gain:
            self._late = np.concatenate([self._late, block[-n_late:] @ _SIDE])[-n_late:]
            return mid
        side = np.empty(n_late + n, np.float32)
        side[:n_late] = self._late
        np.matmul(block, _SIDE, out=side[n_late:])
        self._late = side[n:].copy()
        late = side[:n]
        if before != self._gain:
            late *= _ramp(n) * np.float32(self._gain - before) + np.float32(before)
        elif self._gain != 1:
            late *= np.float32(self._gain)
        late += mid
        return late


def antiphase_shares(blocks: Sequence[FloatArray], rate: int) -> list[float]:
    """How much of the spectrum between 200 and 5000 Hz two channels have as the negative of each other, from 0 to 1.

    One transform of left and i times right gives both spectra: with its bin a and the conjugate b of the bin of the
    negative frequency, their sum has the magnitude of a + ib and their difference that of a - ib, but for one factor.

    Parameters
    ----------
    blocks : sequence of (n, 2) float32
        Each of 1024 frames at least.
    rate : int
    """
    if not blocks:
        return []
    looks = np.empty((len(blocks), _N_LOOKS, _N_FFT), np.complex64)
    for block, of_block in zip(blocks, looks, strict=True):
        both_channels = np.ascontiguousarray(block).view(np.complex64)[:, 0]
        for start, look in zip(_look_starts(len(block)), of_block, strict=True):
            np.multiply(both_channels[start : start + _N_FFT], _window(), out=look)
    # scaled, since NumPy transforms complex64 without a detour by complex128 only then
    spectra = np.fft.fft(looks, norm="forward").astype(np.complex64, copy=False)
    lowest, highest = round(_LOWEST / rate * _N_FFT), round(_HIGHEST / rate * _N_FFT)
    a = spectra[..., lowest : highest + 1]
    ib = spectra[..., _N_FFT - lowest : _N_FFT - highest - 1 : -1].conj()
    ib *= np.complex64(1j)
    mid, side = _magnitude(a + ib).reshape(len(blocks), -1), _magnitude(a - ib).reshape(len(blocks), -1)
    both = mid + side
    counted = both > _FLOOR * both.max(axis=1, keepdims=True)
    total = (both * counted).sum(axis=1)
    side *= counted & (side > _DOMINANCE * mid)
    return [float(found / of_all) if of_all else 0.0 for found, of_all in zip(side.sum(axis=1), total, strict=True)]


def mid_side(block: FloatArray, order: ChannelOrder = "wav") -> FloatArray:
    """Half the sum and half the difference of the two front channels ``(n, 2)``."""
    block, _ = finite(block)
    if block.shape[1] == 1:
        return np.concatenate([block, np.zeros_like(block)], axis=1)
    right = _places(block.shape[1], order).index(1)
    return block[:, [0, right]] @ np.array([[0.5, 0.5], [0.5, -0.5]], np.float32)


def mean_side(block: FloatArray) -> FloatArray:
    """Mean of all channels, and half the difference of the first two ``(n, 2)``."""
    side = mid_side(block)
    if block.shape[1] > 2:
        side[:, 0] = finite(block)[0].mean(axis=1)
    return side


def finite(block: FloatArray) -> tuple[FloatArray, np.float32]:
    """The block, with zeros for NaN and infinity and a bound on what is too large to square, and its energy."""
    with np.errstate(over="ignore", invalid="ignore"):
        energy = np.vdot(block, block)
        if energy < _LARGEST_ENERGY:
            return block, energy
        bounded = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0).clip(-_LOUDEST, _LOUDEST)
        return bounded, np.vdot(bounded, bounded)


@lru_cache(64)
def _weights(n_channels: int, order: ChannelOrder) -> FloatArray:
    """Weights of the channels, with the sum 1."""
    in_wav = _WEIGHTS.get(n_channels, (1.0,) * n_channels)
    weights = np.array([in_wav[place] for place in _places(n_channels, order)], np.float32)
    return weights / weights.sum()


def _places(n_channels: int, order: ChannelOrder) -> Sequence[int]:
    """For each channel, its number in the order of WAV."""
    in_wav = range(n_channels)
    return _IN_VORBIS.get(n_channels, in_wav) if order == "vorbis" else in_wav


@lru_cache(64)
def _look_starts(n_frames: int) -> list[int]:
    """The frames of a block at which its spectra begin."""
    starts: list[int] = np.linspace(0, n_frames - _N_FFT, _N_LOOKS).astype(int).tolist()
    return starts


@lru_cache(1)
def _window() -> FloatArray:
    return np.hanning(_N_FFT).astype(np.float32)


@lru_cache(2)
def _ramp(n_frames: int) -> FloatArray:
    """A ramp from 0 to 1 over a block."""
    return np.linspace(0, 1, n_frames, dtype=np.float32)


def _magnitude(spectrum: NDArray[np.complex64]) -> FloatArray:
    return np.sqrt(spectrum.real**2 + spectrum.imag**2)
