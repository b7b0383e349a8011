"""``songscore cache``: shows or clears the cache of what earlier runs heard."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from songscore.cli import options

EXAMPLES = options.examples("cache info", "cache clear")


@click.group(epilog=EXAMPLES)
def cache() -> None:
    """Show or clear the cache of what earlier runs heard.

    It lies in your cache folder, or in the folder that the environment variable SONGSCORE_CACHE_DIR names.
    """


@cache.command(epilog=options.examples("cache info", "cache info --format json"))
@options.text_or_json
def info(form: str) -> None:
    """Show where the cache is and how full it is."""
    from songscore.batch.cache import Cache
    from songscore.cli.terminal import clean

    found = Cache().info()
    if form == "json":
        click.echo(json.dumps(asdict(found), indent=1, default=str))
        return
    click.echo(f"folder    {clean(str(found.folder))}")
    click.echo(f"tracks    {found.tracks} heard")
    click.echo(f"features  of {found.features} tracks")
    click.echo(f"size      {found.size / 1e6:.1f} MB of at most {found.limit / 1e6:.0f} MB")


@cache.command(epilog=options.examples("cache clear"))
@options.quiet
def clear(quiet: bool) -> None:
    """Empty the cache."""
    from songscore.batch.cache import Cache
    from songscore.cli.tally import count, shown

    store = Cache()
    found = store.info()
    n_tracks = max(found.tracks, found.features)
    store.clear()
    if not quiet:
        click.echo(f"{count(n_tracks, 'track')} removed from {shown(store.folder)}", err=True)
