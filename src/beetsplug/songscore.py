"""The beets plugin ``songscore``: labels on import, and ``beet songscore [QUERY]``.

It sets the flexible fields ``songscore_label``, ``songscore_probability`` and ``songscore_vocal_fraction``. A file
that gets no label is named in a warning and keeps what it had.

Options, under ``songscore:`` in the configuration: ``auto`` (label on import, yes), ``threshold`` (0.5), ``prior``
(none), ``choir`` (what voices without words make of a track: score), ``model`` (a name, or the path of one that
``songscore train`` wrote: the one that comes with songscore), ``jobs`` (1), ``write`` (also tag the files as
``songscore tag --write`` does, no).
"""

from __future__ import annotations

import os
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
        self.config.add(
            {
                "auto": True,
                "threshold": 0.5,
                "prior": None,
                "choir": "score",
                "model": None,
                "jobs": 1,
                "write": False,
            }
        )
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
        from songscore.errors import ModelError

        waiting = {str(item.filepath): item for item in items}
        try:
            tracks = classify_files(
                [item.filepath for item in waiting.values()],
                jobs=self.config["jobs"].get(int),
                threshold=self.config["threshold"].get(float),
                prior=self.config["prior"].get(confuse.Optional(float)),
                choir=self.config["choir"].as_choice(["score", "song"]),
                model=self._model(),
            )
        except (ValueError, ModelError) as error:
            raise ui.UserError(f"songscore: {error}") from error
        for track in tracks:
            self._store(waiting[str(track.path)], track)

    def _model(self) -> str:
        """The name of a model, or its path; that of a file is relative to the configuration, as others there."""
        from songscore.model import MODEL

        name: str | None = self.config["model"].get(confuse.Optional(str))
        if name is None:
            return MODEL
        return self.config["model"].as_filename() if os.sep in name or name.startswith("~") else name

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
