"""Writes labels to the tags of files, and removes them again.

`tag_track` writes a label to the tags of its file, `relabel` decides again from the probability that is stored there,
and `undo` restores a file as it was. None raises for a bad file: a `TagResult` says what happened to it.
`songscore.tags.marks` explains the names of the tags.
"""

from songscore.tags.tagging import TagResult, Writing, relabel, tag_track, undo
from songscore.tags.undo import UndoJournal

__all__ = ["TagResult", "UndoJournal", "Writing", "relabel", "tag_track", "undo"]
