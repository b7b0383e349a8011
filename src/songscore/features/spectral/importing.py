"""Importing librosa, when a spectral feature is first needed."""

from __future__ import annotations

from types import ModuleType


def load_librosa() -> ModuleType:
    """The library, imported when it is first needed, since no label needs it.

    Raises
    ------
    ImportError
        It is not installed, or numba does not work here; the message says what to install.
    """
    try:
        import librosa
    except ImportError as error:
        raise ImportError(
            f"spectral features need librosa, which could not be imported ({error}): pip install librosa"
        ) from error
    return librosa
