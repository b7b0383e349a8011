"""``songscore cache``: what was heard in earlier runs."""

from __future__ import annotations

import json

import click


@click.group()
def cache() -> None:
    """Look at, or clear, what was heard in earlier runs.

    It lies in your cache folder, or in that of the environment variable SONGSCORE_CACHE_DIR.
    """


@cache.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def info(form: str) -> None:
    """Say where the cache is, and how full."""
    from songscore.batch.cache import Cache
    from songscore.cli.terminal import clean

    found = Cache().info()
    if form == "json":
        fields = {
            "folder": str(found.folder),
            "tracks": found.tracks,
            "features": found.features,
            "size": found.size,
            "limit": found.limit,
        }
        click.echo(json.dumps(fields, indent=1))
        return
    click.echo(f"folder    {clean(str(found.folder))}")
    click.echo(f"tracks    {found.tracks} heard")
    click.echo(f"features  of {found.features} tracks")
    click.echo(f"size      {found.size / 1e6:.1f} MB of at most {found.limit / 1e6:.0f} MB")


@cache.command()
def clear() -> None:
    """Remove what is in the cache."""
    from songscore.batch.cache import Cache

    store = Cache()
    found = store.info()
    n_tracks = max(found.tracks, found.features)
    store.clear()
    click.echo(f"{n_tracks} tracks forgotten", err=True)
