"""Many sounds: their files, the processes that hear them, what is kept of it, and the answers as they come."""
