"""Many files: which of them are music, the processes that listen to them, cache, journal, and the answers."""
