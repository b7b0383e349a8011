"""Training the voice detector."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from songscore.training import augment
from songscore.training.augment import Chance
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from songscore.training.corpus import Corpus
from songscore.training.network import VoiceNetwork


@dataclass(frozen=True)
class Settings:
    """How a detector is trained; the defaults made the shipped model."""

    steps: int = 6000
    batch: int = 32
    frames: int = 256
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    share_song: float = 0.25
    share_instrumental: float = 0.22
    share_voice: float = 0.03
    share_speech: float = 0.03
    share_noise: float = 0.03
    share_over: float = 0.10
    ratio_low: float = -10.0
    ratio_high: float = 8.0
    inputs: int = 1
    teacher: float = 0.5
    weak: float = 1.0
    max_shift: float = 4.0
    max_stretch: float = 0.2
    eq_db: float = 8.0
    dropout: float = 0.1
    channels: tuple[int, ...] = (16, 32, 48, 64)
    width: int = 96
    average: float = 0.999
    seed: int = 1


class Examples:
    """Draws batches from the clips of a corpus."""

    def __init__(self, corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, chance: Chance) -> None:
        device = chance.device
        self.settings, self.chance = settings, chance
        self.mel = torch.from_numpy(corpus.mel).to(device)
        self.teacher = torch.from_numpy(corpus.teacher).to(device)
        self.active = torch.from_numpy(corpus.active).to(device)
        self.start = torch.from_numpy(corpus.start[:-1]).to(device)
        self.length = torch.from_numpy(np.diff(corpus.start)).to(device)
        self.clips = {
            role: torch.from_numpy(np.flatnonzero(chosen & (corpus.role == role))).to(device)
            for role in ("song", "instrumental", "voice", "speech")
        }
        self.weights = {
            role: torch.from_numpy(corpus.weight[clips.cpu().numpy()]).to(device) for role, clips in self.clips.items()
        }
        deaf = [np.quantile(corpus.teacher[a // 2 : b // 2, 0], 0.9) < 90 for a, b in zip(corpus.start, corpus.start[1:], strict=False)]
        self.deaf = torch.tensor(deaf, device=device)

    def excerpt(self, role: str, n: int, wrap: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Random passages: mel power, activity, teacher, clip; speed changed at random."""
        s, chance = self.settings, self.chance
        clip = self.clips[role][chance.choose(self.weights[role], n)]
        length = self.length[clip]
        rate = torch.exp(chance.uniform(-s.max_stretch, s.max_stretch, n))
        span = s.frames * rate
        first = chance.uniform(0, 1, n) * (length - span).clamp_min(0)
        position = first[:, None] + augment.warp(torch.arange(s.frames, device=chance.device), rate)
        outside = position >= length[:, None] - 1
        if wrap:
            position = torch.remainder(position, (length[:, None] - 1).float())
            outside = torch.zeros_like(outside)
        lower = position.floor().clamp(max=(length[:, None] - 2)).long()
        share = (position - lower).clamp(0, 1)[:, :, None]
        frame = self.start[clip][:, None] + lower
        codes = self.mel[frame].float() * (1 - share) + self.mel[frame + 1].float() * share
        mel = torch.pow(10.0, (codes - 255) / 20) * ~outside[:, :, None]
        step = frame[:, ::2] // 2
        return mel, (self.active[frame] & ~outside).float(), self.teacher[step].float() / 255, clip

    def batch(self) -> dict[str, Tensor]:
        s, chance = self.settings, self.chance
        n = {k: round(s.batch * getattr(s, f"share_{k}")) for k in ("song", "instrumental", "voice", "speech", "noise", "over")}
        n["mix"] = s.batch - sum(n.values())
        n["song"] += n["over"]
        song, _, song_teacher, song_clip = self.excerpt("song", n["song"])
        music, _, music_teacher, _ = self.excerpt("instrumental", n["instrumental"] + n["mix"] + n["over"])
        over, music = music[: n["over"]], music[n["over"] :]
        music_teacher = music_teacher[n["over"] :]
        song[: n["over"]], _ = augment.add_voice(over, song[: n["over"]], torch.ones_like(song[: n["over"], :, 0]), chance.uniform(-4, 10, n["over"]), chance)
        voice, active, voice_teacher, _ = self.excerpt("voice", n["voice"] + n["mix"], wrap=False)
        speech, _, speech_teacher, _ = self.excerpt("speech", n["speech"])
        voice = augment.shift_bands(voice, chance.uniform(-s.max_shift, s.max_shift, len(voice)))
        second = chance.uniform(-15, 0, len(voice), 1, 1) * 1.0
        second = augment.db_to_power(second) * chance.flags(0.25, len(voice))[:, None, None]
        voice = voice + second * augment.shift_bands(voice, chance.uniform(-5, 5, len(voice))).roll(2, 1)
        voice = augment.reverberate(augment.compress(augment.equalise(voice, chance, 2, 8.0), chance, 0.5), chance)
        ratio = chance.uniform(s.ratio_low, s.ratio_high, n["mix"])
        mix, local = augment.add_voice(music[: n["mix"]], voice[: n["mix"]], active[: n["mix"]], ratio, chance)
        alone = music[n["mix"] :]
        mel = torch.cat([song, alone, mix, voice[n["mix"] :], speech, augment.noise((n["noise"], *song.shape[1:]), chance)])
        steps = s.frames // 2

        def full(k: int, value: float) -> Tensor:
            return torch.full((k, steps), value, device=chance.device)

        heard = functional.max_pool1d((active[: n["mix"]] * (local > -16)).unsqueeze(1), 2).squeeze(1)
        sounding = functional.max_pool1d(active[: n["mix"]].unsqueeze(1), 2).squeeze(1)
        alone_active = functional.max_pool1d(active[n["mix"] :].unsqueeze(1), 2).squeeze(1)
        target = torch.cat([song_teacher[:, :, 0], full(n["instrumental"], 0), sounding, alone_active, full(n["speech"], 0), full(n["noise"], 0)])
        sure = torch.cat([
            full(n["song"], s.teacher), full(n["instrumental"], 1), torch.where(sounding > 0, heard, 1.0),
            full(n["voice"], 1), full(n["speech"], 1), full(n["noise"], 1),
        ])
        zeros = full(n["noise"], 0)[:, :, None].expand(-1, -1, 2)
        other = torch.cat([song_teacher[:, :, 1:], music_teacher[n["mix"] :, :, 1:], torch.zeros_like(music_teacher[: n["mix"], :, 1:]), voice_teacher[n["mix"] :, :, 1:], speech_teacher[:, :, 1:], zeros])
        other_sure = torch.cat([full(n["song"], 1), full(n["instrumental"], 1), full(n["mix"], 0), full(n["voice"], 1), full(n["speech"], 1), full(n["noise"], 1)])
        weak = torch.cat([torch.where((song_teacher[:, :, 0].amax(1) > 0.3) | self.deaf[song_clip], 1.0, 0.2), torch.zeros(len(mel) - n["song"], device=chance.device)])
        return {"mel": self.change(mel), "target": target, "sure": sure, "other": other, "other_sure": other_sure, "weak": weak}

    def change(self, mel: Tensor) -> Tensor:
        s, chance = self.settings, self.chance
        mel = augment.equalise(augment.compress(mel, chance), chance, 3, s.eq_db)
        mel = augment.shift_bands(mel, chance.uniform(-s.max_shift, s.max_shift, len(mel)))
        mel = augment.limit_band(augment.add_noise(mel, chance), chance)
        return augment.level(mel)


def loss_of(logits: Tensor, example: dict[str, Tensor], settings: Settings) -> Tensor:
    voice = functional.binary_cross_entropy_with_logits(logits[:, :, 0], example["target"], reduction="none")
    strong = (voice * example["sure"]).mean()
    p = torch.sigmoid(logits[:, :, 0])
    pooled = (p * p).sum(1) / p.sum(1).clamp_min(1e-6)
    weak = (-torch.log(pooled.clamp_min(1e-6)) * example["weak"]).mean()
    other = functional.binary_cross_entropy_with_logits(logits[:, :, 1:], example["other"], reduction="none")
    others = (other * example["other_sure"][:, :, None]).mean()
    return strong + settings.weak * weak + 0.3 * others


def train_detector(
    corpus: Corpus,
    chosen: NDArray[np.bool_],
    settings: Settings,
    device: str = "cpu",
    report: Callable[[str], None] = print,
) -> VoiceNetwork:
    """Train on the chosen clips; the answer is the moving average of the weights."""
    torch.manual_seed(settings.seed)
    chance = Chance(settings.seed, device)
    examples = Examples(corpus, chosen, settings, chance)
    network = VoiceNetwork(settings.channels, settings.width, settings.dropout, settings.inputs).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.average), use_buffers=True
    )
    began, total = time.perf_counter(), 0.0
    autocast = torch.autocast(device.split(":")[0], dtype=torch.bfloat16)
    for step in range(1, settings.steps + 1):
        with torch.no_grad():
            example = examples.batch()
        with autocast:
            logits = network(example["mel"])
        loss = loss_of(logits.float(), example, settings)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if step % 500 == 0:
            report(f"step {step} loss {loss.item():.4f} {(time.perf_counter() - began) / step * 1000:.0f} ms/step")
    return average.module.eval()
