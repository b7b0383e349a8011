"""Batches of training examples, drawn on the fly from the clips of a corpus.

An example is ``Settings.frames`` frames of levelled mel spectrum with targets for each step of two frames. Seven kinds
fill a batch: songs, songs over other instrumentals, instrumentals alone, isolated voices over instrumentals, voices
alone, speech, and noise.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from songscore.training.data.corpus import Corpus, dequantise, voice_activity
from songscore.training.detector import augment
from songscore.training.detector.augment import RandomSource
from songscore.training.detector.leads import lead_bank
from songscore.training.detector.settings import Settings

TEACHER_DEAF_BELOW = 90 / 255
"""Where the teacher's 90th percentile over a song stays below this, it does not hear the singer and is not believed."""

HEARD_DB = -16.0
"""Voice to music below which a voice in a mix is neither demanded nor denied."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """A batch or a part of one.

    Attributes
    ----------
    mel : (batch, n_frames, n_mels)
    voice, voice_weight : (batch, n_steps)
        Target of the voice, and how much it counts.
    others, others_weight : (batch, n_steps, 2), (batch,)
        Targets of speech and music.
    weak : (batch,)
        How much it counts that there is a voice somewhere.
    """

    mel: Tensor
    voice: Tensor
    voice_weight: Tensor
    others: Tensor
    others_weight: Tensor
    weak: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Excerpts of clips: mel power, activity per frame, the teacher's answers per step, and the clips."""

    mel: Tensor
    active: Tensor
    teacher: Tensor
    clip: Tensor


class BatchSampler:
    """Draws batches.

    Parameters
    ----------
    corpus : Corpus
    chosen : (n_clips,) bool
        The clips to draw from.
    settings : Settings
    chance : RandomSource
    """

    def __init__(self, corpus: Corpus, chosen: NDArray[np.bool_], settings: Settings, chance: RandomSource) -> None:
        self._settings, self._chance = settings, chance
        move = chance.move
        self._mel, self._teacher, self._active = move(corpus.mel), move(corpus.teacher), move(corpus.active)
        self._start, self._length = move(corpus.start[:-1]), move(np.diff(corpus.start))
        self._weight = move(corpus.weight)
        usable = chosen & (corpus.weight > 0)
        self._clips = {
            str(role): move(np.flatnonzero(usable & (corpus.role == role))) for role in np.unique(corpus.role[usable])
        }
        voice = corpus.teacher[:, :2].max(axis=1)
        steps = [voice[a // 2 : b // 2] for a, b in zip(corpus.start[:-1], corpus.start[1:], strict=True)]
        self._deaf = move(np.array([np.quantile(step, 0.9) < TEACHER_DEAF_BELOW * 255 for step in steps]))
        leads = lead_bank(settings.seed, settings.frames, settings.n_leads)
        self._leads = move(np.stack([dequantise(lead) for lead in leads]))
        self._sounds = move(np.stack([voice_activity(lead) for lead in leads]).astype(np.float32))

    def batch(self) -> Examples:
        """A batch of `Settings.batch` examples; kinds for which there are no clips give way to instrumentals."""
        s = self._settings
        n_over, n_song, n_mix = (round(s.batch * share) for share in (s.share_over, s.share_song, s.share_mix))
        n_voice, n_speech, n_noise = (
            round(s.batch * share) for share in (s.share_voice, s.share_speech, s.share_noise)
        )
        kinds = [(self._songs, n_song), (self._songs_over_instrumentals, n_over), (self._noise, n_noise)]
        if "voice" in self._clips:
            kinds += [(self._mixes, n_mix), (self._voices, n_voice)]
        if "speech" in self._clips:
            kinds.append((self._speech, n_speech))
        kinds.append((self._instrumentals, s.batch - sum(n for _, n in kinds)))
        parts = [draw(n) for draw, n in kinds if n > 0]
        joined = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Examples)}
        joined["mel"] = self._changed(joined["mel"])
        return Examples(**joined)

    def _passages(self, role: str, n: int, *, wrap: bool = True) -> Passages:
        """Excerpts at a random place and speed; a short clip repeats, or is followed by silence."""
        s, chance = self._settings, self._chance
        clip = self._clips[role][chance.choose(self._weight[self._clips[role]], n)]
        last = self._length[clip][:, None] - 1
        speed = torch.exp(chance.uniform(-s.max_stretch, s.max_stretch, n, 1))
        first = chance.uniform(0, 1, n, 1) * (last + 1 - s.frames * speed).clamp_min(0)
        position = first + torch.arange(s.frames, device=chance.device) * speed
        inside = position < last
        if wrap:
            position, inside = torch.remainder(position, last.float()), torch.ones_like(inside)
        lower = torch.minimum(position.floor().long(), last - 1)
        share = (position - lower).clamp(0, 1)[:, :, None]
        frame = self._start[clip][:, None] + lower
        codes = self._mel[frame].float() * (1 - share) + self._mel[frame + 1].float() * share
        mel = torch.pow(10.0, (codes - 255) / 20) * inside[:, :, None]
        teacher = self._teacher[frame[:, ::2] // 2].float() / 255
        return Passages(mel, (self._active[frame] & inside).float(), teacher, clip)

    def _with_decoy_lead(self, music: Tensor) -> Tensor:
        """The same, some of it under a made-up lead, or gone but for the lead."""
        chance, n = self._chance, len(music)
        which = torch.floor(chance.uniform(0, len(self._leads), n)).long()
        ratio = torch.where(chance.flags(0.2, n), 60.0, chance.uniform(-6, 12, n))
        led, _ = augment.add_voice(music, self._produced(self._leads[which]), self._sounds[which], ratio, chance)
        return torch.where(chance.flags(self._settings.share_led, n)[:, None, None], led, music)

    def _songs(self, n: int) -> Examples:
        """What the teacher takes for speech in a song is a voice too: rap, growl, a spoken bridge."""
        song = self._passages("song", n)
        voice = song.teacher[:, :, :2].amax(2)
        sings = voice.amax(1) > 0.3
        weak = torch.where(sings | self._deaf[song.clip], 1.0, 0.2)
        believed = torch.where(self._deaf[song.clip], 0.0, self._settings.teacher)
        weight = self._like(song, 1) * believed[:, None]
        return Examples(song.mel, voice, weight, song.teacher[:, :, 1:], self._all(n, 1), weak)

    def _songs_over_instrumentals(self, n: int) -> Examples:
        songs, music = self._songs(n), self._passages("instrumental", n)
        everywhere = torch.ones_like(songs.mel[:, :, 0])
        mel, _ = augment.add_voice(music.mel, songs.mel, everywhere, self._chance.uniform(-4, 10, n), self._chance)
        return Examples(mel, songs.voice, songs.voice_weight, songs.others, self._all(n, 0), songs.weak)

    def _instrumentals(self, n: int) -> Examples:
        music = self._passages("instrumental", n)
        return self._unsung(music, self._with_decoy_lead(music.mel))

    def _speech(self, n: int) -> Examples:
        speech = self._passages("speech", n)
        return self._unsung(speech, self._produced(speech.mel))

    def _unsung(self, heard: Passages, mel: Tensor) -> Examples:
        n = len(mel)
        zero, one = self._like(heard, 0), self._like(heard, 1)
        return Examples(mel, zero, one, heard.teacher[:, :, 1:], self._all(n, 1), self._all(n, 0))

    def _noise(self, n: int) -> Examples:
        steps = self._settings.frames // 2
        mel = augment.noise((n, self._settings.frames, self._mel.shape[1]), self._chance)
        zero = torch.zeros(n, steps, 3, device=self._chance.device)
        return Examples(mel, zero[:, :, 0], zero[:, :, 0] + 1, zero[:, :, 1:], self._all(n, 1), self._all(n, 0))

    def _voices(self, n: int) -> Examples:
        voice = self._passages("voice", n, wrap=False)
        sounds, one = _per_step(voice.active), self._like(voice, 1)
        mel = self._produced(voice.mel)
        return Examples(mel, sounds, one, voice.teacher[:, :, 1:], self._all(n, 1), self._all(n, 0))

    def _mixes(self, n: int) -> Examples:
        s, chance = self._settings, self._chance
        voice, music = self._passages("voice", n, wrap=False), self._passages("instrumental", n)
        ratio = chance.uniform(s.ratio_low, s.ratio_high, n)
        mel, local = augment.add_voice(
            self._with_decoy_lead(music.mel), self._produced(voice.mel), voice.active, ratio, chance
        )
        sounds, heard = _per_step(voice.active), _per_step(voice.active * (local > HEARD_DB))
        weight = torch.where(sounds > 0, heard, 1.0)
        return Examples(
            mel, sounds, weight, torch.zeros_like(voice.teacher[:, :, 1:]), self._all(n, 0), self._all(n, 0)
        )

    def _produced(self, voice: Tensor) -> Tensor:
        """A dry voice as a studio leaves it: another pitch, a second voice, equaliser, compressor, reverberation."""
        chance, n = self._chance, len(voice)
        shift = self._settings.max_shift
        voice = augment.shift_bands(voice, chance.uniform(-shift, shift, n))
        second = augment.db_to_power(chance.uniform(-15, 0, n)) * chance.flags(0.25, n)
        voice = voice + second[:, None, None] * augment.shift_bands(voice, chance.uniform(-5, 5, n)).roll(2, 1)
        return augment.reverberate(augment.compress(augment.equalise(voice, chance, 2, 8.0), chance, 0.5), chance)

    def _changed(self, mel: Tensor) -> Tensor:
        """What may happen to any recording, and its levelling."""
        s, chance = self._settings, self._chance
        mel = augment.equalise(augment.compress(mel, chance), chance, 3, s.eq_db)
        mel = augment.shift_bands(mel, chance.uniform(-s.max_shift, s.max_shift, len(mel)))
        mel = augment.limit_band(augment.add_noise(mel, chance), chance)
        return augment.level(augment.age(mel, chance))

    def _like(self, heard: Passages, value: float) -> Tensor:
        return torch.full_like(heard.teacher[:, :, 0], value)

    def _all(self, n: int, value: float) -> Tensor:
        return torch.full((n,), float(value), device=self._chance.device)


def _per_step(active: Tensor) -> Tensor:
    """From frames to steps: active where one of the two frames is."""
    return functional.max_pool1d(active.unsqueeze(1), 2).squeeze(1)
