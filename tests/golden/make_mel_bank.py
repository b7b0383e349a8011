"""Make mel_bank.csv again with librosa, which the tests do not need: python tests/golden/make_mel_bank.py."""

from __future__ import annotations

import csv
from pathlib import Path

import librosa

N_FFT = 1024
BINS = slice(0, None, 7)

bank = librosa.filters.mel(sr=16_000, n_fft=N_FFT, n_mels=80, fmin=60, fmax=8000, htk=True, norm="slaney").T
with Path(__file__).with_name("mel_bank.csv").open("w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["bin", "band", "weight"])
    for bin_ in range(N_FFT // 2 + 1)[BINS]:
        for band in bank[bin_].nonzero()[0]:
            writer.writerow([bin_, band, f"{bank[bin_, band]:.9g}"])
