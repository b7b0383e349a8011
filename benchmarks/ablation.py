"""What each feature of the decision earns, and what the stages before it cost.

    python -m benchmarks ablation --markdown docs/figures/ablation.md

needs the cache that training leaves. The decision is fitted anew to every choice of features, each track is
judged by a detector and weights that never met its artist, source or origin, and weights of the strongest seconds may
not be negative. Cost is the time of a stage beside that of the mel spectrum it starts from, on four minutes of noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import click
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from songscore.features.spectrum import SAMPLE_RATE, mel_spectrum, mel_windows
from songscore.features.track_vector import track_vector
from songscore.model import load_model
from songscore.training.decision.bounds import DECIDING
from songscore.training.decision.linear import balanced_weights, fit_linear, log_odds_of
from songscore.training.metrics import balanced_accuracy

from .material.folds import Folds, read_folds
from .material.place import Place

QUICK = {"seconds": 10}
CHOICES = {
    "strongest 2, 5, 10 and 30 seconds, and the length; other weights for long tracks (the shipped choice)": (
        2,
        DECIDING,
    ),
    "the same weights for all lengths": (1, DECIDING),
    "the same weights for all lengths, without the length": (1, DECIDING[:-1]),
    "strongest 5 and 30 seconds, and the length": (2, ["voice_top_5s", "voice_top_30s", "length"]),
    "strongest 10 seconds and the length": (2, ["voice_top_10s", "length"]),
    "the shipped choice, and the means of speech and choir": (2, [*DECIDING, "speech_mean", "choir_mean"]),
    "mean, 90th percentile and longest run of the voice": (1, ["voice_mean", "voice_q90", "voice_longest"]),
}
"""Sums of weights, see `songscore.model.Linear`, and features."""

KINDS = ("recording", "pair", "mix", "excerpt", "composed")


def judged(data: Folds, n_sums: int, names: list[str]) -> NDArray[np.float64]:
    """Log-odds of every example by weights fitted to other folds."""
    given = data.given
    features = np.array([list(track_vector(example.activity, names).values()) for example in data.examples])
    log_odds, rising = np.empty(len(features)), [name for name in names if name.startswith("voice_top")]
    for part in np.unique(given.fold):
        here = given.fold == part
        used = ~here & given.trusted & given.is_music
        weight = balanced_weights(given.song[used], given.kind[used])
        linear = fit_linear(names, features[used], given.song[used], weight, rising, n_sums=n_sums)
        log_odds[here] = log_odds_of(linear, features[here])
    return log_odds


def accuracy_table(data: Folds) -> Iterator[str]:
    """A row for each choice of features."""
    heads = ["AUC, recordings", *(f"balanced accuracy, {kind}" for kind in KINDS)]
    yield f"| features | {' | '.join(heads)} |"
    yield "|---" * (len(heads) + 1) + "|"
    given = data.given
    for name, choice in CHOICES.items():
        log_odds = judged(data, *choice)
        chosen = {kind: given.trusted & given.is_music & (given.kind == kind) for kind in KINDS}
        cells = [roc_auc_score(given.song[chosen["recording"]], log_odds[chosen["recording"]])]
        cells += [balanced_accuracy(given.song[c], (log_odds[c] >= 0).astype(float)) for c in chosen.values()]
        yield f"| {name} | " + " | ".join(f"{cell:.4f}" for cell in cells) + " |"


def cost_table(seconds: int) -> Iterator[str]:
    """A row for each stage after decoding, as a ratio to the mel spectrum."""
    y = np.random.default_rng(0).standard_normal(seconds * SAMPLE_RATE).astype(np.float32)
    model, mel = load_model(), mel_spectrum(y)
    windows = list(mel_windows([mel], model.window))
    base, detector = _seconds(lambda: mel_spectrum(y)), _seconds(lambda: [model.detector(w) for w in windows])
    yield "| stage | time, mel spectrum = 1 |"
    yield "|---|---|"
    yield "| mel spectrum | 1 |"
    yield f"| detector | {detector / base:.2f} |"


def _seconds(stage: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        stage()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


@click.command()
@click.option("--seconds", default=240, show_default=True, help="Length of the noise.")
def main(place: Place, seconds: int) -> Iterator[str]:
    """Both tables."""
    yield from accuracy_table(read_folds(place))
    yield ""
    yield from cost_table(seconds)
