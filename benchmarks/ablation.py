"""What each family of features earns, and what it costs.

    python benchmarks/ablation.py

Fits the track classifier to the out-of-fold answers in ``track-v1.tracks.csv`` with families of features left out or
alone, again with whole artists and origins held out. The composed long tracks, from which the shipped classifier also
learns, are not in that file; they are what speaks against shares and quantiles. Cost is the time of a family beside
that of the mel spectrum it starts from, on four minutes of noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from accuracy import TRACKS, read_tracks
from sklearn.metrics import log_loss, roc_auc_score

from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import SAMPLE_RATE, WINDOW, mel_spectrum
from songscore.features.track_vector import SPECTRAL, VOCAL
from songscore.model import load_model
from songscore.training.decision.bounds import DecisionSet, certainty_bounds, coverage, cross_validated_log_odds
from songscore.training.metrics import balanced_accuracy
from songscore.training.train import DECISION_FEATURES

SECONDS = 240
CURVE = [feature.name for feature in VOCAL if feature.name.startswith("voice_")]
OTHERS = [feature.name for feature in VOCAL if not feature.name.startswith("voice_")]
TIMBRE = [feature.name for feature in SPECTRAL]
STRONGEST = [name for name in CURVE if name.startswith("voice_top_")]
FAMILIES = {
    "all": CURVE + OTHERS + TIMBRE,
    "without spectral features": CURVE + OTHERS,
    "without speech and music curves": CURVE + TIMBRE,
    "voice curve alone": CURVE,
    "strongest 5 and 30 seconds of the voice (the shipped choice)": DECISION_FEATURES,
    "strongest 10 and 30 seconds": ["voice_top_10s", "voice_top_30s"],
    "strongest 5, 10 and 30 seconds, and speech": ["voice_top_5s", "voice_top_10s", "voice_top_30s", "speech_mean"],
    "strongest 5 and 10 seconds, speech and music": ["voice_top_5s", "voice_top_10s", "speech_mean", "music_mean"],
    "strongest 2, 5, 10 and 30 seconds": STRONGEST,
    "spectral features alone": TIMBRE,
    **{f"all without {name}": [n for n in CURVE + OTHERS + TIMBRE if n != name] for name in TIMBRE},
}


def accuracy_table(path: Path) -> list[str]:
    """A Markdown row for each choice of features."""
    rows = [row for row in read_tracks(path) if row["kind"] != "wordless choir"]
    song = np.array([row["song"] == "1" for row in rows])
    fold = np.array([int(row["fold"]) for row in rows])
    trusted = np.array([not row["doubt"] for row in rows])
    kind = np.array([row["kind"] for row in rows])
    recording = kind == "recording"
    heads = "AUC", "balanced accuracy", "log loss", "AUC, all kinds", "balanced accuracy, pairs", "certain, all kinds"
    lines = [f"| features | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, features in FAMILIES.items():
        matrix = np.array([[float(row[feature]) for feature in features] for row in rows])
        log_odds = cross_validated_log_odds(DecisionSet(matrix, song, fold, kind, trusted))
        p = 1 / (1 + np.exp(-log_odds))
        s, q = song[recording], p[recording]
        weight = np.where(s, 0.5 / s.sum(), 0.5 / (~s).sum())
        loss = log_loss(s, q, sample_weight=weight)
        pairs = balanced_accuracy(song[kind == "pair"], p[kind == "pair"])
        bounds = certainty_bounds(log_odds[trusted], song[trusted])
        certain = coverage(log_odds[trusted], song[trusted], bounds)["certain"]
        cells = roc_auc_score(s, q), balanced_accuracy(s, q), loss, roc_auc_score(song, p), pairs, certain
        lines.append(f"| {name} | " + " | ".join(f"{cell:.4f}" for cell in cells) + " |")
    return lines


def cost_table() -> list[str]:
    """A Markdown row for each stage after decoding, as a ratio to the mel spectrum."""
    y = np.random.default_rng(0).standard_normal(SECONDS * SAMPLE_RATE).astype(np.float32)
    mel = mel_spectrum(y)
    windows = [mel[i : i + WINDOW] for i in range(0, len(mel), WINDOW)]
    detector: VoiceDetector = load_model().detector
    base = _seconds(lambda: mel_spectrum(y))
    stages: dict[str, Callable[[], object]] = {
        "voice detector": lambda: [detector(w) for w in windows],
    }
    lines = ["| stage | time, mel spectrum = 1 |", "|---|---|", "| mel spectrum | 1 |"]
    return lines + [f"| {name} | {_seconds(stage) / base:.2f} |" for name, stage in stages.items()]


def _seconds(stage: Callable[[], object], repeats: int = 7) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        stage()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


@click.command()
@click.option("--tracks", type=click.Path(path_type=Path, exists=True), default=TRACKS, show_default=True)
def main(tracks: Path) -> None:
    """Print both tables."""
    click.echo("Out of fold, on recordings where nothing else is said:\n")
    click.echo("\n".join(accuracy_table(tracks)))
    click.echo("\n" + "\n".join(cost_table()))


if __name__ == "__main__":
    main()
