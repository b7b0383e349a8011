"""Writes answers in each output format, to a file or to standard output.

Text is UTF-8; a path that is not UTF-8 is written by `songscore.results.portable_path`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import click

from songscore._files import new_file
from songscore.cli.options import refuse_sound
from songscore.cli.table import answer_table
from songscore.cli.terminal import clean
from songscore.features.track_vector import BY_NAME
from songscore.release import ReleaseResult
from songscore.results import TrackResult, as_utf8, portable_path

if TYPE_CHECKING:
    from songscore.batch.table import FeatureRow

Write = Callable[[Any], object]
Form = Callable[[IO[Any]], Iterator[Write]]

COLUMNS = (
    "path", "label", "song_probability", "certain", "vocal_fraction", "vocal_segments", "status", "message",
    "duration", "analysed", "model", "by", "size", "modified", "sound_digest",
)  # fmt: skip
"""Columns of CSV. `vocal_segments` is text, ``2.00-4.50 speech:61.12-75.00`` in seconds; without a kind it is sung."""

FORMULA = ("=", "+", "-", "@")
"""First characters of text that a spreadsheet would run as a formula."""

FEATURE_COLUMNS = ("path", "status", "message")
"""Columns before the features in a table of features."""

WHOLE = 0.99
"""A track counts as heard from beginning to end if at least this share of it was heard."""

ROW_GROUP = 1000


@contextmanager
def writing(form: str, output: Path | None, forms: Mapping[str, Form] | None = None) -> Iterator[Write]:
    """Open the output and yield a function that writes one answer; the output is complete when the context ends.

    Parameters
    ----------
    form : {"table", "csv", "json", "jsonl", "parquet"}
    output : Path, optional
        File to write; without it, standard output.
    forms : mapping of str to Form, optional
        The writer of each format, for answers other than `TrackResult`.
    """
    if form == "parquet":
        _check_parquet(output)
    with _destination(output, form) as file:
        yield from (forms or _FORMS)[form](file)


def feature_forms(names: Sequence[str]) -> dict[str, Form]:
    """Writers of a table of the features `names`, with a `songscore.batch.table.FeatureRow` on each line."""
    return {"csv": partial(_feature_lines, names=names), "parquet": partial(_feature_parquet, names=names)}


def _feature_lines(file: IO[Any], names: Sequence[str]) -> Iterator[Write]:
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*FEATURE_COLUMNS, *names])

    def write(row: FeatureRow) -> None:
        about = portable_path(row.path), row.status, as_utf8(row.message)
        rows.writerow([*map(harmless, about), *(row.features.get(name) for name in names)])
        file.flush()

    yield write


def _feature_parquet(file: IO[Any], names: Sequence[str]) -> Iterator[Write]:
    import pyarrow as pa

    about = [(name, pa.string()) for name in FEATURE_COLUMNS]

    def fields(row: FeatureRow) -> dict[str, Any]:
        return {"path": portable_path(row.path), "status": row.status, "message": as_utf8(row.message), **row.features}

    yield from _row_groups(file, pa.schema([*about, *((name, pa.float64()) for name in names)]), fields)


def json_lines(file: IO[Any]) -> Iterator[Write]:
    """Write each answer as a JSON object on a line of its own."""

    def write(answer: TrackResult | ReleaseResult) -> None:
        file.write(_to_json(answer) + "\n")
        file.flush()

    yield write


def json_array(file: IO[Any]) -> Iterator[Write]:
    """Write all answers as one JSON array."""
    before = "[\n"

    def write(answer: TrackResult | ReleaseResult) -> None:
        nonlocal before
        file.write(before + _to_json(answer))
        before = ",\n"

    try:
        yield write
    finally:
        file.write("[]\n" if before == "[\n" else "\n]\n")


def _to_json(answer: TrackResult | ReleaseResult) -> str:
    return json.dumps(answer.to_dict(), allow_nan=False)


def whole_features(track: TrackResult) -> dict[str, float]:
    """The features of a track that was heard from beginning to end; empty if it was heard only in part.

    How much of a track is heard depends on its label, so features of a part would reveal the label.
    """
    if not track.features or track.analysed is None or track.duration is None:
        return {}
    is_whole = track.analysed >= WHOLE * track.duration
    return dict(track.to_dict()["features"]) if is_whole else {}


def csv_lines(file: IO[Any], columns: Sequence[str]) -> Iterator[Write]:
    """Write each answer as a line of CSV with the fields `columns`, which may be features of `whole_features`."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(columns)

    def write(answer: TrackResult | ReleaseResult) -> None:
        fields = answer.to_dict()
        fields["certain"] = str(answer.certain).lower()
        if "vocal_segments" in fields:
            fields["vocal_segments"] = " ".join(map(_passage, fields["vocal_segments"]))
        if isinstance(answer, TrackResult):
            fields |= whole_features(answer)
        rows.writerow([harmless(fields.get(name)) for name in columns])
        file.flush()

    yield write


def _passage(fields: Mapping[str, Any]) -> str:
    kind = "" if fields["kind"] == "sung" else f"{fields['kind']}:"
    return f"{kind}{fields['start']:.2f}-{fields['end']:.2f}"


def harmless(cell: object) -> object:
    """A cell of CSV without control characters, and with an apostrophe before text that a spreadsheet would run."""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def check_output(form: str, output: Path) -> None:
    """Raise a usage error, before any work is done, if `output` cannot be written in this format."""
    if form == "parquet":
        _check_parquet(output)
    refuse_sound(output)


def _check_parquet(output: Path | None) -> None:
    if output is None:
        raise click.UsageError("--format parquet needs --output FILE")
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise click.UsageError("--format parquet needs pyarrow: pip install 'songscore[parquet]'") from None


def _parquet(file: IO[Any]) -> Iterator[Write]:
    yield from _row_groups(file, _parquet_schema(), _parquet_row)


def _row_groups(file: IO[Any], schema: Any, fields: Callable[[Any], dict[str, Any]]) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    rows: list[dict[str, Any]] = []
    with parquet.ParquetWriter(file, schema) as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            rows.clear()

        def write(answer: Any) -> None:
            rows.append(fields(answer))
            if len(rows) == ROW_GROUP:
                flush()

        yield write
        flush()


def _parquet_row(track: TrackResult) -> dict[str, Any]:
    return {**track.to_dict(), **whole_features(track)}


def _parquet_schema() -> Any:
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    passage = pa.struct([("start", number), ("end", number), ("probability", number), ("kind", text)])
    curve = pa.struct([("times", pa.list_(number)), ("probability", pa.list_(number))])
    types = {
        "path": text,
        "label": text,
        "song_probability": number,
        "certain": pa.bool_(),
        "vocal_fraction": number,
        "voices": pa.struct([("sung", number), ("choir", number), ("speech", number)]),
        "vocal_segments": pa.list_(passage),
        "timeline": curve,
        "status": text,
        "message": text,
        "duration": number,
        "analysed": number,
        "model": text,
        "by": text,
        "size": pa.int64(),
        "modified": text,
        "sound_digest": text,
    }
    return pa.schema([*types.items(), *((name, number) for name in BY_NAME)])


_FORMS: dict[str, Form] = {
    "table": answer_table,
    "csv": partial(csv_lines, columns=COLUMNS),
    "json": json_array,
    "jsonl": json_lines,
    "parquet": _parquet,
}

EXPORTS: dict[str, Form] = {**_FORMS, "csv": partial(csv_lines, columns=[*COLUMNS, *BY_NAME])}
"""The writers of ``songscore export``, whose CSV has features."""


@contextmanager
def _destination(output: Path | None, form: str) -> Iterator[IO[Any]]:
    if output is None:
        if sys.stdout is None:
            raise click.UsageError("standard output is closed; write the answers to a file with --output")
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding=None if form == "table" else "utf-8", errors="backslashreplace")
        yield sys.stdout
    else:
        with ExitStack() as stack:
            file = stack.enter_context(_open_output(output, form))
            yield file if form == "parquet" else stack.enter_context(_text(file))


@contextmanager
def _open_output(output: Path, form: str) -> Iterator[BinaryIO]:
    """Open a pipe or device itself, but a file by way of a temporary one that replaces it at the end."""
    special = output.exists() and not output.is_file()
    target = output if special else output.resolve()
    if not special:
        check_output(form, target)
    with ExitStack() as stack:
        try:
            file = stack.enter_context(target.open("wb") if special else new_file(target))
        except OSError as error:
            message = f"cannot write to {target.parent}: {error.strerror}"
            raise click.BadParameter(message, param_hint="--output") from error
        yield file


@contextmanager
def _text(file: BinaryIO) -> Iterator[TextIOWrapper]:
    text = TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    try:
        yield text
    finally:
        text.detach()
