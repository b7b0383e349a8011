"""Examples of sounds, and what the network is asked of them: targets, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from songscore.features.detector import KINDS

HEARD_DB = -16.0
"""Level relative to the rest of a mix below which a sound has no target: it may be detected or not."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """A batch or a part of one.

    Attributes
    ----------
    mel : (batch, n_frames, n_mels)
    target, weight : (batch, n_steps, 5)
        Probability of each of the `KINDS`, and how much it counts.
    weak : (batch,)
        How much it counts that somebody sings somewhere in the example.
    clip : (batch,)
        Index of the clip with what matters most in the example: the singer, the speaker, the choir; -1 for noise.
    """

    mel: Tensor
    target: Tensor
    weight: Tensor
    weak: Tensor
    clip: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Excerpts of clips: mel power, activity per frame, the teacher's answers per step, and the clips."""

    mel: Tensor
    active: Tensor
    teacher: Tensor
    clip: Tensor


def unsung(mel: Tensor, target: Tensor, weight: Tensor, clip: Tensor) -> Examples:
    """Examples whose targets are all given by step, so that `weak` is 0."""
    return Examples(mel, target, weight, torch.zeros(len(mel)), clip)


def targets(passages: Passages, **known: Tensor | float) -> tuple[Tensor, Tensor]:
    """Targets, 0 for the kinds that are not named, and weights of 1."""
    n, steps, _ = passages.teacher.shape
    target = torch.zeros(n, steps, len(KINDS))
    return with_columns(target, **known), torch.ones_like(target)


def with_columns(array: Tensor, **columns: Tensor | float) -> Tensor:
    """The same targets or weights, with those of the named kinds of sound replaced."""
    array = array.clone()
    for name, value in columns.items():
        array[:, :, KINDS.index(name)] = value
    return array


def known_where(sounds: Tensor, active: Tensor, local_db: Tensor) -> Tensor:
    """1 where nothing sounds or it is loud enough to be heard, 0 where it sounds and is covered."""
    return torch.where(sounds > 0, per_step(active * (local_db > HEARD_DB)), 1.0)


def per_step(active: Tensor) -> Tensor:
    """From frames to steps: active where one of the two frames is."""
    return functional.max_pool1d(active.unsqueeze(1), 2).squeeze(1)
