from songscore.batch.run import classify_folder
from songscore.classify import classify_track
from songscore.display.plotting import plot_contributions, plot_curves, plot_features, plot_release, plot_timeline
from songscore.display.report import write_report
from songscore.errors import (
    AudioError,
    ManifestError,
    ModelError,
    SongscoreError,
    TagError,
    UnreadableAudio,
    UnsupportedAudio,
)
from songscore.estimators import SongClassifier, SpectralFeatures, VocalFeatures
from songscore.extract import extract_curves, extract_features
from songscore.marks import Mark, read_marks, write_marks
from songscore.model import load_model
from songscore.playlist import write_playlist
from songscore.release import ReleaseResult, classify_release
from songscore.results import Contribution, Explanation, Segment, TrackResult, VocalTimeline
from songscore.training import Adaptation, adapt, evaluate, train

__all__ = [
    "Adaptation",
    "AudioError",
    "Contribution",
    "Explanation",
    "ManifestError",
    "Mark",
    "ModelError",
    "ReleaseResult",
    "Segment",
    "SongClassifier",
    "SongscoreError",
    "SpectralFeatures",
    "TagError",
    "TrackResult",
    "UnreadableAudio",
    "UnsupportedAudio",
    "VocalFeatures",
    "VocalTimeline",
    "adapt",
    "classify_folder",
    "classify_release",
    "classify_track",
    "evaluate",
    "extract_curves",
    "extract_features",
    "load_model",
    "plot_contributions",
    "plot_curves",
    "plot_features",
    "plot_release",
    "plot_timeline",
    "read_marks",
    "train",
    "write_marks",
    "write_playlist",
    "write_report",
]
__version__: str
