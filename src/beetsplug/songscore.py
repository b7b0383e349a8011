"""The beets plugin ``songscore``: labels on import, and ``beet songscore [QUERY]``.

It sets the flexible fields ``songscore_label``, ``songscore_probability`` and ``songscore_vocal_fraction``. A file
that gets no label is named in a warning and keeps what it had.

Options, under ``songscore:`` in the configuration: ``auto`` (label on import, yes), ``threshold`` (0.5), ``prior``
(none), ``jobs`` (1), ``write`` (also tag the files as ``songscore tag --write`` does, no).
"""

from __future__ import annotations

from collections.abc import Iterable
from optparse import Values
from typing import TYPE_CHECKING, Any, ClassVar

import confuse
from beets import ui
from beets.dbcore import types
from beets.importer import ImportSession, ImportTask
from beets.library import Item, Library
from beets.plugins import BeetsPlugin

if TYPE_CHECKING:
    from songscore.results import TrackResult


class SongscorePlugin(BeetsPlugin):
    """Labels items as song or instrumental score."""

    item_types: ClassVar[dict[str, types.Type[Any, Any]]] = {
        "songscore_label": types.STRING,
        "songscore_probability": types.Float(4),
        "songscore_vocal_fraction": types.Float(4),
    }

    def __init__(self) -> None:
        super().__init__()
        self.config.add({"auto": True, "threshold": 0.5, "prior": None, "jobs": 1, "write": False})
        if self.config["auto"].get(bool):
            self.register_listener("import_task_files", self._imported)

    def commands(self) -> list[ui.Subcommand]:
        """``beet songscore``."""
        command = ui.Subcommand("songscore", help="label items as song or instrumental score")
        command.parser.add_option("-f", "--force", action="store_true", help="label again what has a label")
        command.func = self._asked_for
        return [command]

    def _imported(self, session: ImportSession, task: ImportTask) -> None:
        self.label(task.imported_items())

    def _asked_for(self, library: Library, options: Values, arguments: list[str]) -> None:
        items = library.items(arguments)
        self.label(item for item in items if options.force or "songscore_label" not in item)

    def label(self, items: Iterable[Item]) -> None:
        """Label items and store the answers in the library and, where so configured, in their files."""
        from songscore.batch.run import classify_files

        waiting = {str(item.filepath): item for item in items}
        try:
            tracks = classify_files(
                [item.filepath for item in waiting.values()],
                jobs=self.config["jobs"].get(int),
                threshold=self.config["threshold"].get(float),
                prior=self.config["prior"].get(confuse.Optional(float)),
            )
        except ValueError as error:
            raise ui.UserError(f"songscore: {error}") from error
        for track in tracks:
            self._store(waiting[str(track.path)], track)

    def _store(self, item: Item, track: TrackResult) -> None:
        if track.label is None:
            self._log.warning("no label for {}: {}, {}", item, track.status, track.message)
            return
        item["songscore_label"] = track.label
        item["songscore_probability"] = track.song_probability
        item["songscore_vocal_fraction"] = track.vocal_fraction
        if self.config["write"].get(bool):
            self._tag(item, track)
        item.store()
        self._log.info("{}: {}, {:.2f}", item, track.label, track.song_probability)

    def _tag(self, item: Item, track: TrackResult) -> None:
        from songscore.tags import Writing, tag_track

        result = tag_track(track, writing=Writing())
        if result.status == "changed":
            item.mtime = item.current_mtime()
        elif result.message:
            self._log.warning("tags of {} {}: {}", item, result.status, result.message)
