"""What a worker process does: one file in, bytes out, no exception."""

from __future__ import annotations

from songscore.batch.cache import Cache
from songscore.errors import AudioError
from songscore.analysis.record import Heard, Refusal
from songscore.analysis.sampling import hear
from songscore.model import load_model

_caches: dict[str, Cache] = {}


def listen_to(path: str, thorough: bool, cache: str | None) -> bytes:
    """What a worker replies, see `songscore.analysis.record.read_reply`."""
    return _heard(path, thorough, cache).to_bytes()


def _heard(path: str, thorough: bool, cache: str | None) -> Heard | Refusal:
    model = load_model()
    try:
        if cache is None:
            return hear(path, model, thorough=thorough)
        return _caches.setdefault(cache, Cache(cache)).hear(path, model, thorough=thorough)
    except AudioError as error:
        return Refusal(error.status, str(error))
    except MemoryError:
        return Refusal("unreadable", f"{path}: it takes more memory than a sound may")
    except Exception as error:
        return Refusal("unreadable", f"{path}: {type(error).__name__}: {error}")
