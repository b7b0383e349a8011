"""Reads sound files as blocks of samples; only this package opens sound files.

Samples are float32 with full scale at 1; native blocks are ``(n_frames, n_channels)``, blocks for features are at the
working rate. Time zero is the first sample. libsndfile reads what it can, PyAV (the extra ``aac``) the rest.
"""

from songscore.audio.source import Source, as_source, open_audio, path_of, rereadable
from songscore.audio.stream import AudioStream, Layout
from songscore.audio.suffixes import audio_suffixes, is_audio_path

__all__ = [
    "AudioStream",
    "Layout",
    "Source",
    "as_source",
    "audio_suffixes",
    "is_audio_path",
    "open_audio",
    "path_of",
    "rereadable",
]
