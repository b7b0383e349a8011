"""How a detector is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How a detector is trained; the defaults made the shipped model.

    Attributes
    ----------
    seed : int
        Seed of all random numbers. Of several detectors with as many steps at once each has the next.
    ensemble : tuple of int
        Steps at once of each of the detectors that are trained first; the one that is kept learns from their mean
        answer, too.
    steps, batch, frames : int
        Updates, examples in each, and frames of 40 ms in each example.
    learning_rate, weight_decay, dropout, average : float
        Peak rate and decay of AdamW, dropout before the convolutions over time, decay of the moving average of the
        weights.
    share_song, share_over, share_mix, share_voice, share_chopped : float
        Shares of a batch with a singer: songs, songs over instrumentals, voices over instrumentals, voices alone,
        chopped voices.
    share_speech, share_narration, share_choir, share_choir_over, share_other, share_noise : float
        Shares of the rest: speakers without and with music, voices without words alone and over instrumentals, sounds
        that are not music, noise. What is left of the batch are instrumentals.
    share_sung_speech : float
        Share of the single voices, alone and over instrumentals, that are speakers made to sing.
    narration_low, narration_high : float
        Speaker to music, in decibels.
    share_led : float
        Share of the instrumentals, alone and under voices, that get a made-up lead.
    n_leads : int
        Made-up leads to choose from.
    ratio_low, ratio_high : float
        Voice to music in mixes, in decibels.
    teacher, weak : float
        Weight of the teacher's soft labels by step, and of the label by track, in songs.
    max_shift, max_stretch, eq_db : float
        Largest shift in bands, largest change of speed as a natural logarithm, strength of the equaliser in decibels.
    channels, width, steps_at_once
        Of the network that is kept; those of the ensemble have the same channels and width.
    """

    seed: int = 1
    ensemble: tuple[int, ...] = (1, 1, 2)
    steps: int = 6000
    batch: int = 72
    frames: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    dropout: float = 0.1
    average: float = 0.999
    share_song: float = 0.20
    share_over: float = 0.06
    share_mix: float = 0.22
    share_voice: float = 0.04
    share_chopped: float = 0.03
    share_speech: float = 0.05
    share_narration: float = 0.11
    share_choir: float = 0.03
    share_choir_over: float = 0.06
    share_other: float = 0.05
    share_noise: float = 0.02
    share_sung_speech: float = 0.4
    narration_low: float = -5.0
    narration_high: float = 20.0
    share_led: float = 0.25
    n_leads: int = 200
    ratio_low: float = -10.0
    ratio_high: float = 8.0
    teacher: float = 0.5
    weak: float = 1.0
    max_shift: float = 4.0
    max_stretch: float = 0.2
    eq_db: float = 8.0
    channels: tuple[int, ...] = (16, 32, 48, 64)
    width: int = 96
    steps_at_once: int = 1
