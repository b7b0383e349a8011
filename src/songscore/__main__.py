"""``python -m songscore`` is the command ``songscore``."""

from songscore.cli import main

if __name__ == "__main__":
    main(prog_name="songscore")
