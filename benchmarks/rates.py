"""How fine the spectrum has to be: accuracy against cost of the working rate, the frame rate, bands and network.

    python benchmarks/rates.py --work build/training --markdown docs/figures/rates.md

needs the cache that ``shipped_model.py`` leaves. Each variant coarsens the spectra of all clips, trains a detector on
them without two of the five folds, with fewer steps than the shipped one, and judges the recordings of these folds by
the best 5 s of the voice. The cost is the measured time of resampling, spectrum and detector, each in proportion to the
samples, frames or bands that a variant leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import soxr
from shipped_model import HERE, MANIFEST
from sklearn.metrics import roc_auc_score

from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import SAMPLE_RATE, mel_frequencies, mel_spectrum, mel_windows
from songscore.features.track_vector import listen_to_mel
from songscore.model import load_model
from songscore.training.data.corpus import Codes, Corpus, build_corpus, dequantise, quantise
from songscore.training.data.manifest import folds, read_manifest
from songscore.training.detector.fit import train_detector
from songscore.training.detector.settings import Settings
from songscore.training.metrics import best_balanced_accuracy

STEPS = 1000
LEFT_OUT = (1, 3)
SHIPPED = Settings(steps=STEPS, average=0.99)
HALF = Settings(steps=STEPS, average=0.99, channels=(8, 16, 24, 32), width=48)


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


def costs() -> tuple[float, float, Callable[[VoiceDetector], float]]:
    """Seconds for four minutes: resampling, spectrum, and what gives that of a detector."""
    y = np.random.default_rng(0).standard_normal(240 * 44_100).astype(np.float32)
    low = soxr.resample(y, 44_100, SAMPLE_RATE)
    windows = list(mel_windows([mel_spectrum(low)]))
    resampling = least(lambda: soxr.resample(y, 44_100, SAMPLE_RATE))
    spectrum = least(lambda: mel_spectrum(low))
    return resampling, spectrum, lambda detector: least(lambda: [detector(window) for window in windows])


def least(work: Callable[[], object]) -> float:
    found = []
    for _ in range(3):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def report(work: Path, names: list[str]) -> Iterator[str]:
    rows = read_manifest(MANIFEST, work)
    corpus = build_corpus(rows, work / "cache" / "spectra")
    held_out = np.isin(folds(rows, 5)[corpus.row], LEFT_OUT)
    recording = np.array([rows[i].kind.startswith("recording") and not rows[i].doubt for i in corpus.row])
    judged = np.flatnonzero(held_out & recording & np.isin(corpus.role, ["song", "instrumental"]))
    song = corpus.role[judged] == "song"
    resampling, spectrum, detecting = costs()
    whole = resampling + spectrum + detecting(load_model().detector)
    yield f"| spectrum | cost | AUC, {song.sum()} songs and {(~song).sum()} instrumental | best balanced accuracy |"
    yield "|---|---|---|---|"
    for name in names or VARIANTS:
        variant = VARIANTS[name]
        changed = coarser(corpus, variant)
        detector = VoiceDetector(train_detector(changed, ~held_out, variant.settings).arrays())
        heard = [listen_to_mel([dequantise(changed.clip(i))], detector) for i in judged.tolist()]
        score = np.array([one.features["voice_top_5s"] for one in heard])
        cost = resampling * variant.resampling + spectrum * variant.spectrum + detecting(detector) * variant.detector
        figures = f"{roc_auc_score(song, score):.4f} | {best_balanced_accuracy(song, score):.4f}"
        yield f"| {name} | {cost / whole:.2f} | {figures} |"


@click.command()
@click.option("--work", type=click.Path(path_type=Path, exists=True), default=HERE.parent / "build" / "training")
@click.option("--only", "names", multiple=True, type=click.Choice(list(VARIANTS)))
@click.option("--markdown", type=click.Path(path_type=Path), help="File for the table.")
def main(work: Path, names: tuple[str, ...], markdown: Path | None) -> None:
    """Train, and print the table."""
    lines = []
    for line in report(work, list(names)):
        click.echo(line)
        lines.append(line + "\n")
    if markdown:
        markdown.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main()
