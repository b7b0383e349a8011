"""Batches of training examples, drawn on the fly from the clips of a corpus.

An example is ``Settings.frames`` frames of levelled mel spectrum. Each of its steps of two frames has a target and a
weight for each of the `KINDS` of sound: a weight of 0 where the truth is not known. Twelve recipes fill a batch: songs
alone and over instrumentals, instrumentals, single voices alone and over instrumentals, speakers alone, over other
sounds and over instrumentals, voices without words, chopped vocal samples, sounds that are not music, and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from songscore.features.detector import KINDS
from songscore.training.data.corpus import Corpus, dequantise, voice_activity
from songscore.training.data.manifest import SUNG_SPEECH
from songscore.training.detector import augment
from songscore.training.detector.augment import RandomSource
from songscore.training.detector.examples import (
    Examples,
    Passages,
    known_where,
    per_step,
    targets,
    unsung,
    with_columns,
)
from songscore.training.detector.leads import lead_bank
from songscore.training.detector.settings import Settings

SUNG, CHOIR, SPEECH, MUSIC, OTHER = range(len(KINDS))

TEACHER_DEAF_BELOW = 90 / 255
"""Where the teacher's 90th percentile of singing over a song stays below this, its singing is not believed."""

SIDE = 0.3
"""Weight of the targets that the teacher gives for speech and music."""


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
        self._settings, self._random = settings, chance
        tensor = torch.from_numpy
        self._mel, self._teacher, self._active = tensor(corpus.mel), tensor(corpus.teacher), tensor(corpus.active)
        self._start, self._length = tensor(corpus.start[:-1]), tensor(np.diff(corpus.start))
        self._weight = tensor(corpus.weight)
        usable = chosen & (corpus.weight > 0)
        self._clips = {
            str(role): tensor(np.flatnonzero(usable & (corpus.role == role))) for role in np.unique(corpus.role[usable])
        }
        steps = [corpus.teacher[a // 2 : b // 2] for a, b in zip(corpus.start[:-1], corpus.start[1:], strict=True)]
        high = np.array([np.quantile(step[:, :2], 0.9, axis=0) for step in steps]) / 255
        self._sings = tensor(high[:, 0] >= TEACHER_DEAF_BELOW)
        self._deaf = tensor(high.max(axis=1) < TEACHER_DEAF_BELOW)
        leads = lead_bank(settings.seed, settings.frames, settings.n_leads)
        self._leads = tensor(np.stack([dequantise(lead) for lead in leads]))
        self._sounds = tensor(np.stack([voice_activity(lead) for lead in leads]).astype(np.float32))

    def batch(self) -> Examples:
        """A batch of `Settings.batch` examples; recipes for which there are no clips give way to instrumentals."""
        s = self._settings
        counts = {name: round(s.batch * getattr(s, f"share_{name}")) for name in self.recipes() if name != REST}
        counts[REST] = s.batch - sum(counts.values())
        parts = [self.mixed(name, n) for name, n in counts.items() if n > 0]
        joined = {f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Examples)}
        joined["mel"] = self._changed(joined["mel"])
        return Examples(**joined)

    def recipes(self) -> list[str]:
        """Names of the recipes for which there are clips."""
        return [name for name, (_, role) in _RECIPES.items() if role is None or role in self._clips]

    def mixed(self, name: str, n: int) -> Examples:
        """Examples of one recipe, as mel power, before anything happens to the recording as a whole."""
        return _RECIPES[name][0](self, n)

    def _passages(self, role: str, n: int, *, wrap: bool = True) -> Passages:
        """Excerpts at a random place and speed; a short clip repeats, or lies somewhere between silence.

        No sound begins where the window begins more often than elsewhere: the network sees where that is.
        """
        s, chance = self._settings, self._random
        clip = self._clips[role][chance.choose(self._weight[self._clips[role]], n)]
        last = self._length[clip][:, None] - 1
        speed = torch.exp(chance.uniform(-s.max_stretch, s.max_stretch, n, 1))
        first = chance.uniform(0, 1, n, 1) * (last + 1 - s.frames * speed)
        position = first + torch.arange(s.frames) * speed
        inside = (position >= 0) & (position < last)
        if wrap:
            position, inside = torch.remainder(position, last.float()), torch.ones_like(inside)
        lower = torch.minimum(position.floor().long().clamp_min(0), last - 1)
        share = (position - lower).clamp(0, 1)[:, :, None]
        frame = self._start[clip][:, None] + lower
        codes = self._mel[frame].float() * (1 - share) + self._mel[frame + 1].float() * share
        mel = torch.pow(10.0, (codes - 255) / 20) * inside[:, :, None]
        teacher = self._teacher[frame[:, ::2] // 2].float() / 255
        return Passages(mel, (self._active[frame] & inside).float(), teacher, clip)

    def _songs(self, n: int) -> Examples:
        """Songs unchanged; where the teacher hears speech and no singing, it is rap, growl or a spoken bridge.

        If the teacher hears no singing in all of a song, its speech counts as the voice; otherwise it has no target.
        """
        song = self._passages("song", n)
        singing, speech = song.teacher[:, :, 0], song.teacher[:, :, 1]
        sings, deaf = self._sings[song.clip][:, None], self._deaf[song.clip]
        spoken = (speech > singing) & (speech > 0.3)
        sung = torch.where(sings, singing, torch.maximum(singing, speech))
        believed = (~(spoken & sings) & ~deaf[:, None]).float() * self._settings.teacher
        known = (sings & ~spoken).float() * SIDE
        target, weight = targets(song, sung=sung, speech=speech, music=song.teacher[:, :, 2])
        weight = with_columns(weight, sung=believed, choir=0.0, speech=known, music=SIDE, other=SIDE)
        weak = torch.where((sung.amax(1) > 0.3) | deaf, 1.0, 0.2)
        return Examples(self._with_sounds(song.mel), target, weight, weak, song.clip)

    def _songs_over_instrumentals(self, n: int) -> Examples:
        songs, music = self._songs(n), self._passages("instrumental", n)
        everywhere = torch.ones_like(songs.mel[:, :, 0])
        mel, _ = augment.add_voice(music.mel, songs.mel, everywhere, self._random.uniform(-4, 10, n), self._random)
        weight = with_columns(songs.weight, choir=0.0, speech=0.0, music=SIDE)
        return Examples(mel, with_columns(songs.target, music=1.0), weight, songs.weak, songs.clip)

    def _instrumentals(self, n: int) -> Examples:
        music = self._passages("instrumental", n)
        target, weight = targets(music, speech=music.teacher[:, :, 1], music=music.teacher[:, :, 2])
        pure = (~self._sings[music.clip])[:, None].float()
        weight = with_columns(weight, choir=0.5 * pure, speech=SIDE, music=SIDE, other=0.1)
        return unsung(self._with_sounds(self._with_decoy_lead(music.mel)), target, weight, music.clip)

    def _singers(self, n: int) -> Passages:
        """Single voices: singers, and speakers made to sing."""
        made = round(n * self._settings.share_sung_speech) if SUNG_SPEECH in self._clips else 0
        parts = [self._passages(role, k, wrap=False) for role, k in (("voice", n - made), (SUNG_SPEECH, made)) if k]
        return Passages(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Passages)))

    def _mixes(self, n: int) -> Examples:
        """A voice over an instrumental."""
        s, chance = self._settings, self._random
        voice, music = self._singers(n), self._passages("instrumental", n)
        ratio = chance.uniform(s.ratio_low, s.ratio_high, n)
        mel, local = augment.add_voice(
            self._with_decoy_lead(music.mel), self._produced(voice.mel), voice.active, ratio, chance
        )
        sounds = per_step(voice.active)
        target, weight = targets(voice, sung=sounds, music=1.0)
        heard = known_where(sounds, voice.active, local)
        weight = with_columns(weight, sung=heard, choir=0.5 * (1 - sounds), speech=SIDE, music=SIDE, other=0.0)
        return unsung(mel, target, weight, voice.clip)

    def _voices(self, n: int) -> Examples:
        """A voice without accompaniment; there is no target for music, which the teacher may hear in it."""
        voice = self._singers(n)
        target, weight = targets(voice, sung=per_step(voice.active))
        weight = with_columns(weight, choir=0.5, speech=SIDE, music=0.0, other=SIDE)
        return unsung(self._produced(voice.mel), target, weight, voice.clip)

    def _chopped(self, n: int) -> Examples:
        """Snippets of a voice, 0.1 to 0.4 s long, repeated on a beat: they count as an instrument, not as singing."""
        chance, frames = self._random, self._settings.frames
        voice, music = self._passages("voice", n), self._passages("instrumental", n)
        beat = chance.uniform(6, 20, n).round().long().clamp_min(1)
        length = torch.minimum(chance.uniform(3, 10, n).round().long(), beat - 2)
        time = torch.arange(frames)[None, :]
        first = (voice.active.cumsum(1) > 0.2 * voice.active.sum(1, keepdim=True)).float().argmax(1)
        place = time % beat[:, None]
        index = (first[:, None] + place).clamp_max(frames - 1)
        rest = chance.flags(0.4, n * 64).reshape(n, 64)
        silent = rest.gather(1, (time // beat[:, None]).clamp_max(63))
        sounds = ((place < length[:, None]) & ~silent).float()
        chops = voice.mel.gather(1, index[:, :, None].expand_as(voice.mel)) * sounds[:, :, None]
        mel, _ = augment.add_voice(music.mel, self._produced(chops), sounds, chance.uniform(-8, 6, n), chance)
        target, weight = targets(music, music=1.0)
        return unsung(
            mel, target, with_columns(weight, sung=0.5, choir=0.0, speech=0.0, music=SIDE, other=0.0), voice.clip
        )

    def _speech(self, n: int) -> Examples:
        """A speaker, half of them over a sound that is not music."""
        speech = self._passages("speech", n)
        mel, active = self._transmitted(speech.mel), speech.active
        if "other" in self._clips:
            ratio = torch.where(self._random.flags(0.5, n), self._random.uniform(-3, 20, n), 60.0)
            mel, _ = augment.add_voice(self._passages("other", n).mel, mel, active, ratio, self._random)
        target, weight = targets(speech, speech=per_step(active))
        return unsung(mel, target, with_columns(weight, other=0.0), speech.clip)

    def _narration(self, n: int) -> Examples:
        """A speaker over an instrumental."""
        s, chance = self._settings, self._random
        speech, music = self._passages("speech", n), self._passages("instrumental", n)
        ratio = chance.uniform(s.narration_low, s.narration_high, n)
        voice = self._transmitted(speech.mel)
        mel, local = augment.add_voice(self._with_decoy_lead(music.mel), voice, speech.active, ratio, chance)
        sounds = per_step(speech.active)
        target, weight = targets(speech, speech=sounds, music=1.0)
        audible = per_step((local < 12).float())
        heard = known_where(sounds, speech.active, local)
        return unsung(mel, target, with_columns(weight, speech=heard, music=SIDE * audible, other=0.0), speech.clip)

    def _choirs(self, n: int) -> Examples:
        """Voices without words, alone or as they were recorded."""
        choir = self._passages("choir", n)
        target, weight = targets(choir, choir=per_step(choir.active), music=1.0)
        weight = with_columns(weight, sung=0.5, speech=SIDE, music=SIDE, other=SIDE)
        return unsung(self._produced(choir.mel), target, weight, choir.clip)

    def _choirs_over_instrumentals(self, n: int) -> Examples:
        chance = self._random
        choir, music = self._passages("choir", n), self._passages("instrumental", n)
        mel, local = augment.add_voice(
            music.mel, self._produced(choir.mel), choir.active, chance.uniform(-10, 10, n), chance
        )
        sounds = per_step(choir.active)
        target, weight = targets(choir, choir=sounds, music=1.0)
        heard = known_where(sounds, choir.active, local)
        return unsung(mel, target, with_columns(weight, choir=heard, speech=SIDE, music=SIDE, other=0.0), choir.clip)

    def _other(self, n: int) -> Examples:
        """Sounds that are not music; half of them mixed with another."""
        one, two = self._passages("other", n), self._passages("other", n)
        ratio = torch.where(self._random.flags(0.5, n), self._random.uniform(0, 20, n), 60.0)
        mel, _ = augment.add_voice(two.mel, one.mel, torch.ones_like(one.active), ratio, self._random)
        target, weight = targets(one, speech=one.teacher[:, :, 1], other=1.0)
        return unsung(mel, target, with_columns(weight, speech=0.1), one.clip)

    def _noise(self, n: int) -> Examples:
        """Noise of any colour, half of it swelling and falling as wind, surf and rain do."""
        chance, frames = self._random, self._settings.frames
        mel = augment.noise((n, frames, self._mel.shape[1]), chance)
        rate = torch.exp(chance.uniform(-3, 1, n, 1)) * chance.flags(0.5, n)[:, None]
        phase = rate * torch.arange(frames) * 0.25 + chance.uniform(0, 6, n, 1)
        mel = mel * augment.db_to_power(10 * torch.sin(phase))[:, :, None]
        target = torch.zeros(n, frames // 2, len(KINDS))
        return unsung(mel, with_columns(target, other=1.0), torch.ones_like(target), torch.full((n,), -1))

    def _with_sounds(self, mel: Tensor) -> Tensor:
        """The music, a tenth of it over sounds that are not music: rain, traffic, an audience, effects of a game."""
        if "other" not in self._clips:
            return mel
        chance, some = self._random, self._random.some(0.1, len(mel))
        if not len(some):
            return mel
        other = self._passages("other", len(some)).mel
        everywhere = torch.ones_like(other[:, :, 0])
        mixed, _ = augment.add_voice(other, mel[some], everywhere, chance.uniform(0, 25, len(some)), chance)
        return mel.index_copy(0, some, mixed)

    def _with_decoy_lead(self, music: Tensor) -> Tensor:
        """The music, some of it under a made-up lead, or replaced by the lead."""
        chance, n = self._random, len(music)
        which = torch.floor(chance.uniform(0, len(self._leads), n)).long()
        ratio = torch.where(chance.flags(0.2, n), 60.0, chance.uniform(-6, 12, n))
        led, _ = augment.add_voice(music, self._produced(self._leads[which]), self._sounds[which], ratio, chance)
        return torch.where(chance.flags(self._settings.share_led, n)[:, None, None], led, music)

    def _produced(self, voice: Tensor) -> Tensor:
        """A dry voice as a studio produces it: other pitch, a second voice, equaliser, compressor, reverberation.

        A tenth of them come through a telephone or a radio, as speakers do: a narrow band is no sign of speech.
        """
        chance, n = self._random, len(voice)
        shift = self._settings.max_shift
        voice = augment.shift_bands(voice, chance.uniform(-shift, shift, n))
        second = augment.db_to_power(chance.uniform(-15, 0, n)) * chance.flags(0.25, n)
        voice = voice + second[:, None, None] * augment.shift_bands(voice, chance.uniform(-5, 5, n)).roll(2, 1)
        voice = augment.compress(augment.equalise(voice, chance, 2, 8.0), chance, 0.5)
        return augment.reverberate(augment.transmit(voice, chance, 0.1), chance)

    def _transmitted(self, speech: Tensor) -> Tensor:
        """A speaker in a studio, in a room, or through a telephone, a radio or a loudspeaker."""
        chance = self._random
        speech = augment.shift_bands(speech, chance.uniform(-2, 2, len(speech)))
        speech = augment.compress(augment.equalise(speech, chance, 2, 8.0), chance, 0.5)
        return augment.reverberate(augment.transmit(speech, chance, 0.2), chance)

    def _changed(self, mel: Tensor) -> Tensor:
        """Apply changes that may happen to any recording, then level the spectrum."""
        s, chance = self._settings, self._random
        mel = augment.equalise(augment.compress(mel, chance), chance, 3, s.eq_db)
        mel = augment.shift_bands(mel, chance.uniform(-s.max_shift, s.max_shift, len(mel)))
        mel = augment.limit_band(augment.add_noise(mel, chance), chance)
        return augment.level(augment.age(mel, chance))


REST = "instrumental"
"""The recipe that fills what the others leave of a batch."""

_RECIPES: dict[str, tuple[Callable[[BatchSampler, int], Examples], str | None]] = {
    "song": (BatchSampler._songs, "song"),
    "over": (BatchSampler._songs_over_instrumentals, "song"),
    "mix": (BatchSampler._mixes, "voice"),
    "voice": (BatchSampler._voices, "voice"),
    "chopped": (BatchSampler._chopped, "voice"),
    "speech": (BatchSampler._speech, "speech"),
    "narration": (BatchSampler._narration, "speech"),
    "choir": (BatchSampler._choirs, "choir"),
    "choir_over": (BatchSampler._choirs_over_instrumentals, "choir"),
    "other": (BatchSampler._other, "other"),
    "noise": (BatchSampler._noise, None),
    REST: (BatchSampler._instrumentals, "instrumental"),
}
"""How each kind of example is made, and the role of the clips that it needs."""
