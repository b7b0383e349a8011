"""The sounds on which the shipped model is trained, and music that it has not met: manifests, and how to fetch them.

``python -m benchmarks.training_data`` does that; ``songscore train`` makes the model of them.
"""

from pathlib import Path

from songscore.model import MODEL

HERE = Path(__file__).parent
MANIFEST = HERE / f"{MODEL}.manifest.csv"
UNMET = HERE / "unmet.manifest.csv"
TRACKS = HERE / f"{MODEL}.tracks.csv"
FREE_TRACKS = HERE / f"{MODEL}-free.tracks.csv"
