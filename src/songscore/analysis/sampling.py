"""Reads a sound until enough of it was heard to answer a question.

A few seconds of voice prove a song; only listening everywhere proves an instrumental score. So every other window is
read first, in an order that soon covers the whole sound evenly: bit-reversed order (van der Corput 1935). Then come the
windows beside which something resembles a voice, and then the rest. `songscore.decision` is asked again and again
whether the answer can still change, and more is read while it can. Formats that do not seek are read from start to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from songscore.analysis.record import Analysis
from songscore.audio import AudioStream, Source, open_audio
from songscore.decision import Question, is_settled, suspected
from songscore.features.detector import FRAMES_PER_STEP
from songscore.features.spectrum import FRAME_RATE, HOP_LENGTH, N_FFT, SAMPLE_RATE, mel_spectrum, window_ends
from songscore.features.track_vector import Activity, WindowActivity, join_windows, listen, listen_to_window
from songscore.model import TrackModel

FEWEST = 12
"""Number of windows below which a sound is read from start to end."""

_OVERHANG = (N_FFT - HOP_LENGTH) / SAMPLE_RATE + 0.01
"""Seconds by which the last frame of a window reaches into the next, and a little more for rounding."""

_END = 0.05
"""Seconds at the end of a sound that are read first, to see whether the file is as long as it says."""


def analyse(
    source: Source,
    model: TrackModel,
    question: Question,
    *,
    thorough: bool = False,
    earlier: Analysis | None = None,
) -> Analysis:
    """Read a sound and listen to it.

    Parameters
    ----------
    source : path, binary file object, or (samples, sample rate)
    model : TrackModel
    question : Question
        The question to answer; it determines how much has to be heard.
    thorough : bool, default False
        Read everything, even where the answer would not change.
    earlier : Analysis, optional
        What the same detector heard of the same sound for another question; listening goes on from there.

    Raises
    ------
    AudioError
        The sound cannot be read.
    """
    if earlier is not None and answers(earlier, model, question, thorough=thorough):
        return earlier
    with open_audio(source, rate=SAMPLE_RATE) as stream:
        if earlier is not None or not thorough:
            activity = _sampled(stream, model, question, thorough, earlier.activity if earlier else None)
            if activity is not None:
                length = stream.length or 0.0  # windows overlap by the length of a frame
                analysed = min(length, stream.analysed + (earlier.analysed if earlier else 0.0))
                return Analysis(stream.path, length, analysed, "", activity, model.detector_digest)
            stream.rewind()
        activity = listen(stream.blocks(), model.detector, model.window)
        return Analysis(stream.path, stream.duration, stream.analysed, stream.damage, activity, model.detector_digest)


def answers(analysis: Analysis, model: TrackModel, question: Question, *, thorough: bool = False) -> bool:
    """Whether enough was heard to answer a question, which may be another than the analysis was made for."""
    activity = analysis.activity
    return bool(analysis.damage) or activity.is_whole or (not thorough and is_settled(activity, model, question))


def _sampled(
    stream: AudioStream, model: TrackModel, question: Question, thorough: bool, known: Activity | None
) -> Activity | None:
    """Listen to windows until the answer is settled; None if the sound has to be read from start to end."""
    ends = window_ends(_n_frames(stream.length or 0.0), model.window)
    n_steps = int(ends[-1]) // FRAMES_PER_STEP
    if len(ends) < FEWEST or not len(stream.passage((stream.length or 0.0) - _END, _END)):
        return None
    starts = ends - np.diff(ends, prepend=0)
    if known is not None and known.n_steps != n_steps:
        return None
    windows, peak = _windows_of(known, starts, ends) if known else ([], 0.0)
    heard = {window.start for window in windows}

    def is_suspected(index: NDArray[np.int64]) -> NDArray[np.bool_]:
        first, after = starts[index] // FRAMES_PER_STEP, ends[index] // FRAMES_PER_STEP
        return suspected(join_windows(windows, n_steps, peak), model, question, first, after)

    for stage in _stages(len(ends), is_suspected):
        left = [index for index in stage if int(starts[index]) not in heard]
        for index in left:
            start, n_frames = int(starts[index]), int(ends[index] - starts[index])
            y = stream.passage(start / FRAME_RATE, n_frames / FRAME_RATE + _OVERHANG)
            mel = mel_spectrum(y)[:n_frames]
            if len(mel) < n_frames:
                return None
            peak = max(peak, float(np.abs(y).max()))
            windows.append(listen_to_window(mel, start, model.detector))
            if not thorough and (index == left[-1] or _is_time(len(windows))):
                activity = join_windows(windows, n_steps, peak)
                if is_settled(activity, model, question):
                    return activity
    return join_windows(windows, n_steps, peak)


def _stages(n: int, is_suspected: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> Iterator[Sequence[int]]:
    """Indices of `n` windows: every other one from the last, those of the others that are suspected, the rest."""
    yield [n - 1 - i for i in bit_reversed(n) if i % 2 == 0]
    between = np.arange(n % 2, n - 1, 2)
    first = is_suspected(between)
    yield between[first].tolist()
    yield between[~first].tolist()


def _windows_of(
    activity: Activity, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[list[WindowActivity], float]:
    """The windows of an activity that were heard from beginning to end, and its peak."""
    first, last = starts // FRAMES_PER_STEP, ends // FRAMES_PER_STEP
    a, b = np.searchsorted(activity.step, [first, last])
    windows = zip(starts.tolist(), a.tolist(), b.tolist(), (b - a == last - first).tolist(), strict=True)
    return [WindowActivity(start, activity.kinds[a:b]) for start, a, b, heard in windows if heard], activity.peak


def _n_frames(seconds: float) -> int:
    """Frames of a sound of that length, see `songscore.features.spectrum`."""
    return max(0, 1 + (int(seconds * SAMPLE_RATE) - N_FFT) // HOP_LENGTH)


def bit_reversed(n: int) -> Iterator[int]:
    """Indices below `n` in bit-reversed order: 0, 4, 2, 6, 1, 5, 3, 7."""
    bits = (n - 1).bit_length()
    for i in range(1 << bits):
        index = int(f"{i:0{bits}b}"[::-1], 2)
        if index < n:
            yield index


def _is_time(n_heard: int) -> bool:
    """Whether to check if the answer is settled: not after every window, since checking takes time, too."""
    return n_heard <= 16 or n_heard % 8 == 0
