from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import median_filter

from songscore.features.spectral.median import WIDTH, running_median


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 15), (17, 31), (40, 100)])
def test_it_is_the_general_median_filter_to_the_last_bit(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x[:, ::3] = x[:, ::3].round()  # equal numbers
    np.testing.assert_array_equal(running_median(x), median_filter(x, (1, WIDTH), mode="reflect"))
