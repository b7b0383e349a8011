"""``songscore review``: plays the doubtful tracks one after the other in a terminal, to be marked by keys."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from songscore.cli import options
from songscore.cli.answers import Answers

if TYPE_CHECKING:
    from songscore.marks import MarkLabel, Marks
    from songscore.results import TrackResult

EXAMPLES = options.examples(
    "review run.jsonl",
    "review run.jsonl --all -o my-marks.csv  # the certain tracks too",
    "review run.jsonl --player mpv",
)

PLAYERS: dict[str, Callable[[float], list[str]]] = {
    "mpv": lambda start: ["--no-video", "--really-quiet", f"--start={start:.1f}"],
    "ffplay": lambda start: ["-nodisp", "-loglevel", "quiet", "-ss", f"{start:.1f}"],
    "vlc": lambda start: ["--intf", "dummy", "--quiet", "--start-time", f"{start:.1f}"],
}
"""Players to look for, in this order, each with its options to start at a second without a window."""

KEYS = "s song, i instrumental score, n neither, u undo, p play the next passage, x stop, enter next, b back, q quit"


@click.command(epilog=EXAMPLES)
@click.argument("results", type=options.FILE)
@options.output_file("File to write the marks to; marks in it are kept.  [default: marks.csv beside RESULTS]")
@click.option("--all", "everything", is_flag=True, help="Also the tracks that are certain, after the others.")
@click.option(
    "--player",
    metavar="COMMAND",
    help=f"Plays the files.  [default: the first found of {', '.join(PLAYERS)}]",
)
def review(results: Path, output: Path | None, everything: bool, player: str | None) -> None:
    """Hear the doubtful tracks of RESULTS one after the other, and mark them as song, score or neither.

    RESULTS are the answers of `songscore label -o FILE.jsonl`. The most doubtful track comes first, tracks without a
    label come last, and those that are marked already are passed over. Each is played from the passage that is most
    like a voice, where there is a player.

    The marks are written after every key, so that nothing is lost; every command takes them with --marks.
    """
    from songscore.audio import is_audio_path
    from songscore.cli.marks import marks_of
    from songscore.cli.terminal import clean
    from songscore.marks import Marks

    path = output or results.with_name("marks.csv")
    if is_audio_path(path) or (path.exists() and path.samefile(results)):
        raise click.BadParameter(f"{path} is not overwritten; give another name", param_hint="--output")
    marks = marks_of(path, "--output") if path.exists() else Marks()
    answers = Answers(results)
    tracks = [track for track in _to_hear(list(answers), everything) if marks.of(track) is None]
    if not tracks:
        click.echo("nothing is in doubt" + ("" if everything else "; --all takes the certain tracks too"), err=True)
    else:
        with ExitStack() as stack:
            sound = Player(_player(player))
            stack.callback(sound.stop)
            _Review(tracks, marks, path, sound).run()
    if len(marks):
        click.echo(f"{len(marks)} marks in {clean(str(path))}; every command takes them with --marks", err=True)
    click.get_current_context().exit(1 if answers.n_refused else 0)


def _to_hear(tracks: list[TrackResult], everything: bool) -> list[TrackResult]:
    """Tracks in the order of review: the most doubtful first, then unlabelled ones, with --all then the others."""

    def place(track: TrackResult) -> tuple[int, float]:
        if track.label is None:
            return 1, 0.0
        return (2 if track.certain else 0), abs((track.song_probability or 0.0) - 0.5)

    return sorted(
        (track for track in tracks if track.path and track.by == "model" and (everything or not track.certain)),
        key=place,
    )


def _player(command: str | None) -> list[str]:
    """The command of a player, without the file; empty where there is none."""
    if command is None:
        found = next((name for name in PLAYERS if shutil.which(name)), None)
        if found is None:
            click.echo(f"no player found ({', '.join(PLAYERS)}); --player names another", err=True)
        return [found] if found else []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise click.BadParameter(f"{command}: {error}", param_hint="--player") from error
    if not words or shutil.which(words[0]) is None:
        raise click.BadParameter(f"no program {(words or [''])[0]!r} was found", param_hint="--player")
    return words


def _key() -> str:
    try:
        return click.getchar()
    except OSError as error:
        raise click.ClickException("no terminal to take keys from; songscore report makes a page instead") from error
    except EOFError:
        return ""


class Player:
    """Plays one file at a time, without a window and without the keyboard.

    Parameters
    ----------
    command : sequence of str
        Program and options; empty for silence.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    def play(self, path: str, start: float) -> None:
        """Stop what is playing, and play a file from second `start`."""
        self.stop()
        if not self._command:
            return
        options_of = PLAYERS.get(Path(self._command[0]).stem)
        self._process = subprocess.Popen(
            [*self._command, *(options_of(start) if options_of else ()), str(Path(path).absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """Stop playing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


@dataclass
class _Review:
    """The dialogue: shows and plays one track after the other, and acts on the keys that are pressed."""

    tracks: list[TrackResult]
    marks: Marks
    path: Path
    player: Player
    _at: int = field(default=0, init=False)
    _passage: int = field(default=-1, init=False)
    _last: int | None = field(default=None, init=False)

    def run(self) -> None:
        click.echo(KEYS, err=True)
        while self._at < len(self.tracks):
            self._show()
            self._play()
            while (step := self._act_on(_key())) == 0:
                pass
            self.player.stop()
            if step is None:
                return
            self._at, self._passage = max(0, self._at + step), -1

    def _act_on(self, key: str) -> int | None:
        """Do what a key asks for; return by how many tracks to move on, or None to quit."""
        from songscore.marks import NEITHER
        from songscore.results import SCORE, SONG

        labels: dict[str, MarkLabel | None] = {"s": SONG, "i": SCORE, "n": NEITHER, "u": None}
        steps = {"\r": 1, "\n": 1, "b": -1, "q": None, "\x1b": None, "\x04": None, "": None}
        key = key.lower()
        if key in labels:
            return self._mark(labels[key])
        if key == "p":
            self._play()
        elif key == "x":
            self.player.stop()
        return steps.get(key, 0)

    def _mark(self, label: MarkLabel | None) -> int:
        """Mark this track and move on; with None, remove its mark, or if it has none, that of the track marked last."""
        from songscore.cli.terminal import clean
        from songscore.marks import Mark, write_marks

        track = self.tracks[self._at]
        if label is not None:
            self.marks.add(Mark.of(track, label))
            self._last = self._at
        else:
            if self.marks.of(track) is None and self._last is not None:
                track = self.tracks[self._last]
            self.marks.remove(track)
        write_marks(self.marks, self.path)
        click.echo(f"  {label or 'no mark'}: {clean(track.path or '')}", err=True)
        return 1 if label is not None else self.tracks.index(track) - self._at

    def _play(self) -> None:
        from songscore.results import clock

        track = self.tracks[self._at]
        passages = track.explain().listen
        self._passage += 1
        start = passages[self._passage % len(passages)].start if passages else 0.0
        if not Path(track.path or "").is_file():
            click.echo("  the file is not there; it can be marked all the same", err=True)
            return
        click.echo(f"  from {clock(start)}", err=True)
        self.player.play(track.path or "", start)

    def _show(self) -> None:
        from songscore.cli.terminal import clean, sparkline
        from songscore.results import clock

        track = self.tracks[self._at]
        mark = self.marks.of(track)
        click.echo(f"\n{self._at + 1} of {len(self.tracks)}  {clean(track.path or '')}", err=True)
        if track.timeline is not None:
            click.echo(f"  0:00 {sparkline(track.timeline)} {clock(track.duration or 0)}", err=True)
        click.echo(f"  {clean(str(track.explain()))}{f'  Marked: {mark.label}.' if mark else ''}", err=True)
