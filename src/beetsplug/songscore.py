"""The beets plugin ``songscore``: labels on import, and ``beet songscore [QUERY]``.

It sets the flexible fields ``songscore_label``, ``songscore_probability``, ``songscore_certain``, ``songscore_by``
("model", or "hand" where a mark decided) and ``songscore_vocal_fraction``. A file that gets no label is named in a
warning and keeps what it had, unless a mark says that it is neither song nor score.

Options, under ``songscore:`` in the configuration: ``auto`` (label on import, yes), ``threshold`` (0.5), ``prior``
(none), ``choir`` (what voices without words make of a track: score), ``model`` (a name, or the path of one that
``songscore train`` or ``adapt`` wrote: the one that comes with songscore), ``marks`` (file of labels that you gave,
which outrank the model: none), ``jobs`` (1), ``write`` (also tag the files as ``songscore tag --write`` does, no).
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
    from songscore.marks import Marks
    from songscore.results import TrackResult


class SongscorePlugin(BeetsPlugin):
    """Labels items as song or instrumental score."""

    item_types: ClassVar[dict[str, types.Type[Any, Any]]] = {
        "songscore_label": types.STRING,
        "songscore_probability": types.Float(4),
        "songscore_certain": types.BOOLEAN,
        "songscore_by": types.STRING,
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
                "marks": None,
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
        command.parser.add_option("-p", "--pretend", action="store_true", help="show the labels, and change nothing")
        command.parser.add_option("--marks", metavar="FILE", help="labels that you gave, which outrank the model")
        command.parser.add_option("--model", metavar="NAME|PATH", help="the model that answers")
        command.func = self._asked_for
        return [command]

    def _imported(self, session: ImportSession, task: ImportTask) -> None:
        self.label(task.imported_items(), self._marks())

    def _asked_for(self, library: Library, options: Values, arguments: list[str]) -> None:
        for name in ("marks", "model"):
            if (value := getattr(options, name)) is not None:
                self.config[name].set(value)
        marks, items = self._marks(), library.items(arguments)
        wanted = (item for item in items if self._is_open(item, marks, force=bool(options.force)))
        self.label(wanted, marks, pretend=bool(options.pretend))

    def _is_open(self, item: Item, marks: Marks, *, force: bool) -> bool:
        """Whether an item has no label, or another than its mark; or where forced, whether no person gave it."""
        from songscore.audio.identity import file_state
        from songscore.results import TrackResult

        label, by = item.get("songscore_label"), item.get("songscore_by")
        if label is None or (force and by != "hand"):
            return True
        state = file_state(item.filepath) if marks else None
        if state is None:
            return False
        mark = marks.of(TrackResult(path=str(item.filepath), sound_digest=state.sound_digest))
        return mark is not None and (mark.label, "hand") != (label, by)

    def label(self, items: Iterable[Item], marks: Marks, *, pretend: bool = False) -> None:
        """Label items and store the answers in the library and, where so configured, in their files.

        Parameters
        ----------
        items : iterable of Item
        marks : Marks
            Labels given by a person, which outrank the model.
        pretend : bool
            Print what would be stored, and store nothing.
        """
        from songscore.batch.run import classify_files
        from songscore.errors import ModelError

        waiting = {str(item.filepath): item for item in items}
        try:
            tracks = classify_files(
                [item.filepath for item in waiting.values()],
                jobs=self.config["jobs"].get(int),
                cache=True,
                threshold=self.config["threshold"].get(float),
                prior=self.config["prior"].get(confuse.Optional(float)),
                choir=self.config["choir"].as_choice(["score", "song"]),
                model=self._model(),
                marks=marks,
            )
        except (ValueError, ModelError) as error:
            raise ui.UserError(f"songscore: {error}") from error
        for track in tracks:
            self._store(waiting[str(track.path)], track, pretend)

    def _model(self) -> str:
        """The name of a model, or its path."""
        from songscore.model import MODEL

        name: str | None = self.config["model"].get(confuse.Optional(str))
        if name is None:
            return MODEL
        return self._path("model") if os.sep in name or name.startswith("~") else name

    def _marks(self) -> Marks:
        from songscore.marks import Marks, read_marks

        if self.config["marks"].get() is None:
            return Marks()
        try:
            return Marks(read_marks(self._path("marks"), lambda error: self._log.warning("{}", error)))
        except (OSError, ValueError) as error:
            raise ui.UserError(f"songscore: {error}") from error

    def _path(self, option: str) -> str:
        """The path in an option, relative to the configuration where it stands there, as others are."""
        path: str = self.config[option].as_filename()
        return path

    def _store(self, item: Item, track: TrackResult, pretend: bool) -> None:
        is_neither = track.label is None and track.by == "hand"
        if track.label is None and not is_neither:
            self._log.warning("no label for {}: {}, {}", item, track.status, track.message)
            return
        before, now = item.get("songscore_label", "no label"), track.label or "neither"
        if pretend:
            ui.print_(f"{item}: {before} -> {now}" + ("" if is_neither else f", {track.song_probability:.2f}"))
            return
        fields = {} if is_neither else _fields(track)
        for name in self.item_types:
            if name in fields:
                item[name] = fields[name]
            elif name in item:
                del item[name]
        if self.config["write"].get(bool) and not is_neither:
            self._tag(item, track)
        item.store()
        self._log.info("{}: {}", item, now)

    def _tag(self, item: Item, track: TrackResult) -> None:
        from songscore.tags import Writing, tag_track

        result = tag_track(track, writing=Writing())
        if result.status == "changed":
            item.mtime = item.current_mtime()
        elif result.message:
            self._log.warning("tags of {} {}: {}", item, result.status, result.message)


def _fields(track: TrackResult) -> dict[str, Any]:
    return {
        "songscore_label": track.label,
        "songscore_probability": track.song_probability,
        "songscore_certain": track.certain,
        "songscore_by": track.by,
        "songscore_vocal_fraction": track.vocal_fraction,
    }
