"""Reading a sound, and when enough of it was analysis.

A song is proved by a few seconds of voice, an instrumental score only by listening everywhere. So windows of
`WINDOW_SECONDS` are read in an order that spreads over the whole sound at once: the bit-reversed one (van der Corput
1935), in which the first half of the windows is every other one. After each, `songscore.decision` is asked whether the
answer can still change, and more is read while it can. Formats that do not seek are read from start to end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from songscore.analysis.record import Analysis
from songscore.audio import AudioStream, Source, open_audio
from songscore.decision import is_settled
from songscore.features.detector import FRAMES_PER_STEP
from songscore.features.spectrum import (
    HOP_LENGTH,
    N_FFT,
    SAMPLE_RATE,
    WINDOW,
    WINDOW_SECONDS,
    mel_spectrum,
    window_ends,
)
from songscore.features.track_vector import Activity, WindowActivity, join_windows, listen, listen_to_window
from songscore.model import TrackModel

FEWEST = 6
"""Windows below which everything is read."""

_OVERHANG = (N_FFT - HOP_LENGTH) / SAMPLE_RATE + 0.01
_END = 0.05


def analyse(source: Source, model: TrackModel, *, thorough: bool = False) -> Analysis:
    """Read a sound and listen to it.

    Parameters
    ----------
    source : path, binary file object, or (samples, sample rate)
    model : TrackModel
    thorough : bool, default False
        Read everything, also where the answer would not change.

    Raises
    ------
    AudioError
        The sound cannot be read.
    """
    with open_audio(source, rate=SAMPLE_RATE) as stream:
        if not thorough:
            activity = _sample(stream, model)
            if activity is not None:
                return Analysis(stream.path, stream.length or 0.0, stream.analysed, "", activity)
            stream.rewind()
        activity = listen(stream.blocks(), model.detector)
        return Analysis(stream.path, stream.duration, stream.analysed, stream.damage, activity)


def is_enough(analysis: Analysis, model: TrackModel) -> bool:
    """Whether a model that may not be the one that listened would have stopped no later."""
    ends = window_ends(_n_frames(analysis.duration))
    n_heard = int(np.isin(ends - np.diff(ends, prepend=0), analysis.activity.step * FRAMES_PER_STEP).sum())
    whole = bool(analysis.damage) or len(ends) < FEWEST or n_heard == len(ends)
    return whole or is_settled(model.log_odds(analysis.activity.features), n_heard, len(ends))


def _sample(stream: AudioStream, model: TrackModel) -> Activity | None:
    """Listen to windows until the answer is settled; None where the sound has to be read from start to end."""
    ends = window_ends(_n_frames(stream.length or 0.0))
    if len(ends) < FEWEST or not len(stream.passage((stream.length or 0.0) - _END, _END)):
        return None
    starts, peak, windows = ends - np.diff(ends, prepend=0), 0.0, list[WindowActivity]()
    for index in bit_reversed(len(ends)):
        start, n_frames = int(starts[index]), int(ends[index] - starts[index])
        y = stream.passage(start / WINDOW * WINDOW_SECONDS, n_frames / WINDOW * WINDOW_SECONDS + _OVERHANG)
        mel = mel_spectrum(y)[:n_frames]
        if len(mel) < n_frames:
            return None
        peak = max(peak, float(np.abs(y).max()))
        windows.append(listen_to_window(mel, start, model.detector))
        if _is_time(len(windows)):
            activity = join_windows(windows, peak)
            if is_settled(model.log_odds(activity.features), len(windows), len(ends)):
                return activity
    return join_windows(windows, peak)


def _n_frames(seconds: float) -> int:
    return max(0, 1 + (int(seconds * SAMPLE_RATE) - N_FFT) // HOP_LENGTH)


def bit_reversed(n: int) -> Iterator[int]:
    """Indices below `n` in bit-reversed order: 0, 4, 2, 6, 1, 5, 3, 7."""
    bits = (n - 1).bit_length()
    for i in range(1 << bits):
        index = int(f"{i:0{bits}b}"[::-1], 2)
        if index < n:
            yield index


def _is_time(n_heard: int) -> bool:
    """Whether to ask, so that asking costs little: after each of the first 16 windows, then every eighth."""
    return n_heard <= 16 or n_heard % 8 == 0
