"""Says whether a music file is a song or instrumental score, how sure it is, and where the voice is.

>>> from songscore import classify_track
>>> track = classify_track("01 Main Title.flac")  # doctest: +SKIP
>>> track.label  # doctest: +SKIP
'instrumental score'

Each name is imported from its module when it is first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module

_MODULES = {
    "batch.run": ["classify_folder"],
    "classify": ["classify_track"],
    "errors": [
        "AudioError",
        "ManifestError",
        "ModelError",
        "SongscoreError",
        "TagError",
        "UnreadableAudio",
        "UnsupportedAudio",
    ],
    "extract": ["extract_curves", "extract_features"],
    "estimators": ["SongClassifier", "SpectralFeatures", "VocalFeatures"],
    "marks": ["Mark", "read_marks", "write_marks"],
    "model": ["load_model"],
    "playlist": ["write_playlist"],
    "display.plotting": ["plot_contributions", "plot_curves", "plot_features", "plot_release", "plot_timeline"],
    "release": ["ReleaseResult", "classify_release"],
    "display.report": ["write_report"],
    "results": ["Contribution", "Explanation", "Segment", "TrackResult", "VocalTimeline"],
    "training": ["Adaptation", "adapt", "evaluate", "train"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("songscore")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]
