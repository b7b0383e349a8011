"""Labels in the tags of the files: written, read back, undone.

`tag_track` takes a label to its file, `relabel` decides again from the probability that is stored there, `undo` takes
songscore's tags out again. None raises for a bad file: a `TagResult` says what happened to it. What the names mean
stands in `songscore.tags.marks`.
"""

from songscore.tags.tagging import TagResult, Writing, relabel, tag_track, undo
from songscore.tags.undo import UndoJournal

__all__ = ["TagResult", "UndoJournal", "Writing", "relabel", "tag_track", "undo"]
