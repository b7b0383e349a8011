"""The reference of every command as Markdown, made from the commands themselves when the documentation is built."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from songscore.cli import main

PLACE = "<!-- commands -->"
"""Where the reference goes in ``commands.md``."""


def commands_page(page: str) -> str:
    """The page with the reference in its place."""
    if PLACE not in page:
        raise ValueError(f"commands.md has no {PLACE}")
    return page.replace(PLACE, "\n".join(_group(main, click.Context(main, info_name="songscore"))))


def _group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in sorted(group.commands):
        command = group.commands[name]
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from _group(command, inner)
        else:
            yield from _command(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {context.command_path}\n\n{cleandoc(command.help or '')}\n"
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield "| option | meaning |\n|---|---|"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in parameter.opts:
            spelling, meaning = (text.replace("|", "\\|") for text in record)
            yield f"| `{spelling}` | {meaning} |"
    epilog = cleandoc(command.epilog or "").replace("\b\n", "").replace("Examples:\n", "")
    yield f"\nExamples:\n\n```text\n{cleandoc(epilog)}\n```\n"
