from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.features.detector import (
    CHOIR,
    DILATIONS,
    FLOOR_DB,
    FRAMES_PER_STEP,
    KINDS,
    LEVELS,
    MUSIC,
    N_CONVOLUTIONS,
    OTHER,
    SPEECH,
    STEP,
    SUNG,
    VoiceDetector,
    level,
    step_times,
)
from songscore.features.spectrum import N_MELS, SAMPLE_RATE, mel_spectrum

GAIN_TOLERANCE = 1e-4
TORCH_TOLERANCE = 1e-5 + 0.5 / LEVELS
REACH = {1: 36, 2: 68}
"""Frames before and after the first of those for which there is an answer at once that matter beyond levelling and what
is told `everywhere`, by the number of steps at once."""


def random_mel(n_frames: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).exponential(size=(n_frames, N_MELS)).astype(np.float32) ** 2


def random_arrays(seed: int = 0, width: int = 6, steps_at_once: int = 2) -> dict[str, NDArray[np.float32]]:
    """Weights of a small detector, of a size that saturates nothing, with biases that leave no channel silent."""
    random = np.random.default_rng(seed)
    channels = (2, 3, 4, 3, 2)
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{i}.weight": (9 * channels[i], channels[i + 1]) for i in range(N_CONVOLUTIONS)
    }
    shapes |= {"join.weight": (N_MELS // 16 * channels[-1], width)}
    shapes |= {"head.weight": (width, steps_at_once * len(KINDS))}
    shapes |= {f"context{i}.weight": (3, width, width) for i in range(len(DILATIONS))}
    shapes |= {"everywhere.weight": (2 * width, width)}
    arrays = {name: random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1])) for name, shape in shapes.items()}
    arrays |= {
        name.replace("weight", "bias"): 0.3 * np.abs(random.standard_normal(s[-1])) for name, s in shapes.items()
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def local(arrays: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """Those of an older model, in which no step is told what was heard elsewhere."""
    return {name: array for name, array in arrays.items() if not name.startswith("everywhere")}


@pytest.fixture(scope="module", params=[1, 2], ids=["a step at once", "two steps at once"])
def steps_at_once(request: Any) -> int:
    return request.param


@pytest.fixture(scope="module")
def detector(steps_at_once: int) -> VoiceDetector:
    return VoiceDetector(random_arrays(steps_at_once=steps_at_once))


@pytest.mark.parametrize("gain", [1e-8, 1e-3, 1e3, 1e8])
def test_no_gain_is_left_after_levelling(gain: float) -> None:
    mel = random_mel(100)
    np.testing.assert_allclose(level(np.float32(gain) * mel), level(mel), atol=GAIN_TOLERANCE)


def test_a_flat_spectrum_is_levelled_to_zero_and_20_db_below_the_mean_to_minus_one() -> None:
    mel = np.ones((1000, N_MELS), np.float32)
    mel[0] = 0.01
    levelled = level(mel)
    np.testing.assert_allclose(levelled[1:], 0, atol=1e-3)
    np.testing.assert_allclose(levelled[0], -1, atol=1e-3)


def test_silence_is_levelled_to_the_floor() -> None:
    np.testing.assert_allclose(level(np.zeros((5, N_MELS), np.float32)), FLOOR_DB / 20, rtol=1e-6)


def test_the_time_of_a_step_is_the_middle_of_its_two_frames() -> None:
    y = np.zeros(3 * SAMPLE_RATE, np.float32)
    y[SAMPLE_RATE] = 1
    mel = mel_spectrum(y).sum(axis=1)
    loudest = mel[: len(mel) // 2 * 2].reshape(-1, FRAMES_PER_STEP).sum(axis=1).argmax()
    assert step_times(np.arange(100))[loudest] == pytest.approx(1.0, abs=STEP / 2)
    np.testing.assert_allclose(np.diff(step_times(np.arange(100))), STEP)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 31, 32, 257])
def test_there_is_a_row_of_probabilities_for_every_two_frames_begun(detector: VoiceDetector, n_frames: int) -> None:
    answer = detector(random_mel(n_frames))
    assert answer.shape == ((n_frames + 1) // 2, len(KINDS))
    assert answer.dtype == np.float32
    assert ((answer > 0) & (answer < 1)).all()


def test_probabilities_are_levels_that_two_bytes_hold(detector: VoiceDetector) -> None:
    answer = detector(random_mel(500))
    levels = np.rint(answer * LEVELS).astype(np.uint16)
    assert len(np.unique(levels)) > 100
    np.testing.assert_array_equal(levels.astype(np.float32) / np.float32(LEVELS), answer)


def test_a_detector_of_three_kinds_is_sure_that_there_are_no_others(steps_at_once: int) -> None:
    arrays = random_arrays(steps_at_once=steps_at_once)
    kept = [len(KINDS) * step + kind for step in range(steps_at_once) for kind in range(3)]
    three = arrays | {name: arrays[name][..., kept] for name in ("head.weight", "head.bias")}
    mel = random_mel(64)
    found = VoiceDetector(three, ["sung", "speech", "music"])(mel)
    assert found.shape == (32, len(KINDS))
    np.testing.assert_allclose(found[:, [SUNG, SPEECH, MUSIC]], VoiceDetector(arrays)(mel)[:, :3], atol=1.5 / LEVELS)
    np.testing.assert_array_equal(found[:, [CHOIR, OTHER]], 0)


@pytest.mark.parametrize("gain", [1e-8, 1e8])
def test_the_answer_does_not_depend_on_the_gain(detector: VoiceDetector, gain: float) -> None:
    mel = random_mel(64)
    np.testing.assert_allclose(detector(np.float32(gain) * mel), detector(mel), atol=GAIN_TOLERANCE)


def test_the_input_is_left_as_it_was(detector: VoiceDetector) -> None:
    mel = random_mel(64)
    detector(mel)
    np.testing.assert_array_equal(mel, random_mel(64))


def rearranged(mel: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    """Other frames from `first` to `last`, with the same values in each band and so with the same levelling."""
    out = mel.copy()
    out[first:last] = np.sort(mel[first:last], axis=0)
    return out


def test_frames_beyond_the_reach_matter_by_what_is_told_everywhere_alone(steps_at_once: int) -> None:
    arrays = random_arrays(steps_at_once=steps_at_once)
    detector, told = VoiceDetector(local(arrays)), VoiceDetector(arrays)
    n, steps = 512, slice(128, 128 + steps_at_once)
    frame, reach = steps.start * FRAMES_PER_STEP, REACH[steps_at_once]
    mel = random_mel(n)
    far = rearranged(rearranged(mel, 0, frame - reach), frame + reach + 1, n)
    np.testing.assert_allclose(detector(far)[steps], detector(mel)[steps], atol=1.5 / LEVELS)
    assert np.abs(detector(far) - detector(mel)).max() > 0.01
    assert np.abs(told(far)[steps] - told(mel)[steps]).max() > 3 / LEVELS


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("beyond", "seen"), [(0, True), (1, False)])
def test_the_reach_is_no_smaller_either(steps_at_once: int, side: int, beyond: int, seen: bool) -> None:
    arrays = {
        name: np.full_like(array, 0.3 if "bias" in name else 2 / np.prod(array.shape[:-1]))
        for name, array in local(random_arrays(steps_at_once=steps_at_once)).items()
    }
    arrays["head.weight"] /= 1000
    step = 60
    outermost = step * FRAMES_PER_STEP + side * (REACH[steps_at_once] + beyond)
    mel = np.ones((242, N_MELS), np.float32)
    swapped = mel.copy()
    mel[outermost + side], swapped[outermost] = 100, 100
    changed = VoiceDetector(arrays)(swapped)[step] - VoiceDetector(arrays)(mel)[step]
    assert (np.abs(changed).max() > 1e-6) == seen


def test_distant_loudness_matters_by_levelling_alone(detector: VoiceDetector) -> None:
    mel = random_mel(512)
    loud = mel.copy()
    loud[:64] *= 100
    assert np.abs(detector(loud)[128] - detector(mel)[128]).max() > 1e-3


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="the reference network is in PyTorch")


def randomised_network(torch: Any, seed: int, steps_at_once: int) -> Any:
    """A network as after training: batch normalisations with statistics, scales and offsets of their own."""
    from songscore.training.detector.network import VoiceNetwork

    torch.manual_seed(seed)
    network = VoiceNetwork(steps_at_once=steps_at_once)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


@pytest.mark.parametrize("n_frames", [1, 2, 3, 15, 16, 17, 100, 255])
def test_the_detector_computes_what_the_network_does(torch: Any, steps_at_once: int, n_frames: int) -> None:
    network = randomised_network(torch, n_frames, steps_at_once)
    mel = random_mel(n_frames, seed=n_frames)
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(level(mel))[None]))[0].numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(VoiceDetector(network.arrays())(mel), expected, atol=TORCH_TOLERANCE)


def test_the_network_of_a_detector_computes_what_that_does(torch: Any, steps_at_once: int) -> None:
    from songscore.training.detector.network import VoiceNetwork

    arrays = randomised_network(torch, 5, steps_at_once).arrays()
    again = VoiceNetwork.of(arrays)
    mel = random_mel(100, seed=5)
    with torch.no_grad():
        heard = torch.sigmoid(again(torch.from_numpy(level(mel))[None]))[0].numpy()
    np.testing.assert_allclose(heard, VoiceDetector(arrays)(mel), atol=TORCH_TOLERANCE)
    assert again.arrays().keys() == arrays.keys()
    for name, array in again.arrays().items():
        np.testing.assert_allclose(array, arrays[name], atol=1e-6)


def test_training_levels_as_the_detector_does(torch: Any) -> None:
    from songscore.training.detector import augment

    mel = random_mel(40)
    np.testing.assert_allclose(augment.level(torch.from_numpy(mel)[None])[0].numpy(), level(mel), atol=1e-5)
