"""Train the voice detector."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from songscore.training.data.corpus import Corpus
from songscore.training.detector.augment import RandomSource
from songscore.training.detector.batches import SUNG, BatchSampler
from songscore.training.detector.examples import Examples
from songscore.training.detector.network import VoiceNetwork
from songscore.training.detector.settings import Settings

OTHERS = 0.5
"""Weight of the kinds of sound other than a singing voice."""

REPORT_STEPS = 500

WORTH_COMPILING = 1000
"""Least number of steps for which to compile the network: it needs C++ and a minute, and saves a third of the time."""


def loss_of(logits: Tensor, examples: Examples, weak: float) -> Tensor:
    """Cross-entropy by step where the answer is known, and of the pooled voice where only the track's label is.

    Pooling is the linear softmax ``sum(p**2) / sum(p)`` (Wang, Li and Metze 2019), so that the instrumental bars of a
    song do no harm.

    Parameters
    ----------
    logits : (batch, n_steps, 5)
    examples : Examples
    weak : float
        Weight of the pooled part.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, examples.target, reduction="none")
    by_kind = (entropy * examples.weight).mean((0, 1))
    sung = torch.sigmoid(logits[:, :, SUNG])
    pooled = (sung * sung).sum(1) / sung.sum(1).clamp_min(1e-6)
    by_track = (-torch.log(pooled.clamp_min(1e-6)) * examples.weak).mean()
    return by_kind[SUNG] + weak * by_track + OTHERS * by_kind[SUNG + 1 :].sum()


def distance(logits: Tensor, probabilities: Tensor) -> Tensor:
    """Cross-entropy with what others answer to the same excerpts, shapes ``(batch, n_steps, 5)``."""
    entropy = functional.binary_cross_entropy_with_logits(logits, probabilities, reduction="none")
    by_kind = entropy.mean((0, 1))
    return by_kind[SUNG] + OTHERS * by_kind[SUNG + 1 :].sum()


def train_detector(
    corpus: Corpus,
    chosen: NDArray[np.bool_],
    settings: Settings,
    ensemble: Sequence[Mapping[str, NDArray[np.float32]]] = (),
    report: Callable[[str], None] = lambda _: None,
) -> VoiceNetwork:
    """Train on the chosen clips and, where there is an ensemble of detectors, to answer as they do on average, too.

    What several networks know fits into one of the same size (Hinton, Vinyals and Dean 2015). AdamW with a one-cycle
    learning rate, in bfloat16 where it is safe and the processor computes in it; elsewhere that takes twice the time of
    float32. The answer is the moving average of the weights.
    """
    torch.manual_seed(settings.seed)
    sampler = BatchSampler(corpus, chosen, settings, RandomSource(settings.seed))
    network = VoiceNetwork(settings.channels, settings.width, settings.dropout, settings.steps_at_once)
    forward, *others = (_compiled(one, settings.steps) for one in (network, *map(VoiceNetwork.of, ensemble)))
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    moving = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
    half = bool(torch.cpu.get_capabilities().get("avx512_bf16"))
    began = time.perf_counter()
    for step in range(1, settings.steps + 1):
        with torch.no_grad():
            examples = sampler.batch()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = forward(examples.mel).float()
            with torch.no_grad():
                answers = [torch.sigmoid(other(examples.mel).float()) for other in others]
        loss = loss_of(logits, examples, settings.weak)
        if answers:
            loss = loss + distance(logits, torch.stack(answers).mean(0))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if step % REPORT_STEPS == 0:
            pace = (time.perf_counter() - began) / step
            report(f"step {step} of {settings.steps}, loss {loss.item():.4f}, {1000 * pace:.0f} ms a step")
    return cast(VoiceNetwork, average.module.eval())


def _compiled(network: VoiceNetwork, steps: int) -> Callable[[Tensor], Tensor]:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return torch.compile(network) if steps >= WORTH_COMPILING else network
