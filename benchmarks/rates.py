"""How fine the spectrum has to be: accuracy against cost of the working rate, the frame rate, bands and network.

    python -m benchmarks rates --markdown docs/figures/rates.md

needs the cache that training leaves. Each variant coarsens the spectra of all clips, trains a detector on
them without two of the five folds, with fewer steps than the shipped one, and judges the recordings of these folds by
the best 5 s of the voice. The cost is the measured time of resampling, spectrum and detector, each in proportion to the
samples, frames or bands that a variant leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import click
import numpy as np
import soxr
from sklearn.metrics import roc_auc_score

from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import SAMPLE_RATE, WINDOW, mel_frequencies, mel_spectrum, mel_windows
from songscore.features.track_vector import listen_to_mel, track_vector
from songscore.model import load_model
from songscore.training.data.corpus import Codes, Corpus, dequantise, quantise
from songscore.training.data.manifest import folds
from songscore.training.detector.fit import train_detector
from songscore.training.detector.settings import Settings
from songscore.training.metrics import best_balanced_accuracy

from .material.clock import cpu
from .material.folds import read_corpus
from .material.place import Place

LEFT_OUT = (1, 3)
SHIPPED = Settings(average=0.99)
HALF = Settings(average=0.99, channels=(8, 16, 24, 32), width=48)
QUICK = {"steps": 3, "names": ("a network of half the width",), "seconds": 10}


@dataclass(frozen=True)
class Variant:
    """A coarser spectrum, what it leaves of the work of resampler, spectrum and detector, and how this is trained."""

    coarsen: Callable[[Codes], Codes]
    resampling: float
    spectrum: float
    detector: float
    settings: Settings = SHIPPED


def below_4_khz(codes: Codes) -> Codes:
    return np.where(mel_frequencies() < 4000, codes, np.uint8(0))


def slower(frames: int) -> Callable[[Codes], Codes]:
    """Means of the power of neighbouring frames, each as often as there were."""
    return lambda codes: _means(codes, frames)


def fewer_bands(codes: Codes) -> Codes:
    return np.ascontiguousarray(_means(codes.T, 2).T)


def _means(codes: Codes, n: int) -> Codes:
    whole = len(codes) // n * n
    mean = dequantise(codes[:whole]).reshape(-1, n, codes.shape[1]).mean(axis=1)
    return np.concatenate([np.repeat(quantise(mean), n, axis=0), codes[whole:]])


LOW = float((mel_frequencies() < 4000).mean())
VARIANTS = {
    "16 kHz, 25 frames a second, 80 bands (shipped)": Variant(lambda codes: codes, 1, 1, 1),
    "8 kHz": Variant(below_4_khz, 0.5, 0.5, LOW),
    "12.5 frames a second": Variant(slower(2), 1, 0.5, 0.5),
    "6.25 frames a second": Variant(slower(4), 1, 0.25, 0.25),
    "40 bands": Variant(fewer_bands, 1, 1, 0.5),
    "a network of half the width": Variant(lambda codes: codes, 1, 1, 1, HALF),
}


def coarser(corpus: Corpus, variant: Variant) -> Corpus:
    return replace(corpus, mel=np.concatenate([variant.coarsen(corpus.clip(i)) for i in range(len(corpus))]))


def costs(seconds: int) -> tuple[float, float, Callable[[VoiceDetector], float]]:
    """Seconds for noise of a length: resampling, spectrum, and what gives that of a detector."""
    y = np.random.default_rng(0).standard_normal(seconds * 44_100).astype(np.float32)
    low = soxr.resample(y, 44_100, SAMPLE_RATE)
    windows = list(mel_windows([mel_spectrum(low)]))
    resampling = cpu(lambda: soxr.resample(y, 44_100, SAMPLE_RATE))
    spectrum = cpu(lambda: mel_spectrum(low))
    return resampling, spectrum, lambda detector: cpu(lambda: [detector(window) for window in windows])


def report(place: Place, names: tuple[str, ...], steps: int, seconds: int) -> Iterator[str]:
    rows, corpus = read_corpus(place)
    held_out = np.isin(folds(rows, 5)[corpus.row], LEFT_OUT)
    recording = np.array([rows[i].kind.startswith("recording") and not rows[i].doubt for i in corpus.row])
    judged = np.flatnonzero(held_out & recording & np.isin(corpus.role, ["song", "instrumental"]))
    song = corpus.role[judged] == "song"
    resampling, spectrum, detecting = costs(seconds)
    whole = resampling + spectrum + detecting(load_model().detector)
    yield f"| spectrum | cost | AUC, {song.sum()} songs and {(~song).sum()} instrumental | best balanced accuracy |"
    yield "|---|---|---|---|"
    for name in names or VARIANTS:
        variant = VARIANTS[name]
        changed = coarser(corpus, variant)
        detector = VoiceDetector(train_detector(changed, ~held_out, replace(variant.settings, steps=steps)).arrays())
        heard = [listen_to_mel([dequantise(changed.clip(i))], detector, WINDOW) for i in judged.tolist()]
        score = np.array([track_vector(one, ["voice_top_5s"])["voice_top_5s"] for one in heard])
        cost = resampling * variant.resampling + spectrum * variant.spectrum + detecting(detector) * variant.detector
        figures = f"{roc_auc_score(song, score):.4f} | {best_balanced_accuracy(song, score):.4f}"
        yield f"| {name} | {cost / whole:.2f} | {figures} |"


@click.command()
@click.option("--only", "names", multiple=True, type=click.Choice(list(VARIANTS)))
@click.option("--steps", default=1000, show_default=True, help="Updates of each detector.")
@click.option("--seconds", default=240, show_default=True, help="Length of the noise on which costs are measured.")
def main(place: Place, names: tuple[str, ...], steps: int, seconds: int) -> Iterator[str]:
    """Train; a row for each variant."""
    yield from report(place, names, steps, seconds)
