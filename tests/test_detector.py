from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models import detector_arrays
from numpy.typing import NDArray

from songscore.features.detector import (
    FLOOR_DB,
    FRAMES_PER_STEP,
    KINDS,
    LEVELS,
    MOST_CHANNELS,
    MUSIC,
    SPEECH,
    STEP,
    SUNG,
    VoiceDetector,
    level,
    network_input,
    step_times,
)
from songscore.features.spectrum import N_MELS, SAMPLE_RATE, mel_spectrum

GAIN_TOLERANCE = 1e-4
TORCH_TOLERANCE = 1e-5 + 0.5 / LEVELS
REACH = 36
"""Frames before and after the first frame of a step that its answer depends on, but for the levelling."""


def random_mel(n_frames: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).exponential(size=(n_frames, N_MELS)).astype(np.float32) ** 2


@pytest.fixture(scope="module")
def detector() -> VoiceDetector:
    return VoiceDetector(detector_arrays())


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


def test_the_second_input_has_no_mean_over_time() -> None:
    inputs = network_input(random_mel(50))
    assert inputs.shape == (50, N_MELS, 2)
    np.testing.assert_allclose(inputs[:, :, 1].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_array_equal(inputs[:, :, 0], level(random_mel(50)))


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
    assert ((answer >= 0) & (answer <= 1)).all()
    assert answer.std() > 0.01


def test_probabilities_are_whole_levels(detector: VoiceDetector) -> None:
    levels = detector(random_mel(64)) * LEVELS
    np.testing.assert_allclose(levels, np.rint(levels), atol=0.01)


def test_a_detector_of_three_kinds_knows_nothing_of_the_others() -> None:
    three = detector_arrays(outputs=3)
    answer = VoiceDetector(three, ["sung", "speech", "music"])(random_mel(64))
    assert (answer[:, [SUNG, SPEECH, MUSIC]] > 0).all()
    assert answer.sum() == pytest.approx(answer[:, [SUNG, SPEECH, MUSIC]].sum())
    turned = VoiceDetector(three, ["music", "sung", "speech"])(random_mel(64))
    np.testing.assert_array_equal(turned[:, [MUSIC, SUNG, SPEECH]], answer[:, [SUNG, SPEECH, MUSIC]])


@pytest.mark.parametrize(
    "outputs", [["sung"] * 5, ["sung", "choir", "speech", "music", "humming"], ["sung", "music"], []]
)
def test_outputs_that_are_not_five_kinds_are_refused(outputs: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        VoiceDetector(detector_arrays(), outputs)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv0.weight", (27, 3)),
        ("conv1.weight", (27,)),
        ("conv3.bias", (3, 2)),
        ("join.weight", (11, 6)),
        ("context2.weight", (3, 6, 7)),
        ("context2.weight", (5, 6, 6)),
        ("head.weight", (6, 4)),
        ("head.bias", (10_000, 1, 5)),
        ("head.bias", ()),
    ],
)
def test_weights_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=name.partition(".")[0]):
        VoiceDetector(detector_arrays() | {name: np.zeros(shape, np.float32)})


def test_a_layer_of_more_channels_than_a_track_has_memory_for_is_refused() -> None:
    wide = {
        "conv0.weight": np.zeros((18, MOST_CHANNELS + 1), np.float32),
        "conv0.bias": np.zeros(MOST_CHANNELS + 1, np.float32),
    }
    with pytest.raises(ValueError, match="conv0"):
        VoiceDetector(detector_arrays() | wide)


def test_weights_of_another_type_are_refused() -> None:
    double = detector_arrays()["join.weight"].astype(np.float64)
    with pytest.raises(ValueError, match="float64"):
        VoiceDetector(detector_arrays() | {"join.weight": double})


@pytest.mark.parametrize("gain", [1e-8, 1e8])
def test_the_answer_does_not_depend_on_the_gain(detector: VoiceDetector, gain: float) -> None:
    mel = random_mel(64)
    np.testing.assert_allclose(detector(np.float32(gain) * mel), detector(mel), atol=GAIN_TOLERANCE)


def test_the_input_is_left_as_it_was(detector: VoiceDetector) -> None:
    mel = random_mel(64)
    detector(mel)
    np.testing.assert_array_equal(mel, random_mel(64))


def shuffled(mel: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    """Other frames from `first` to `last`, with the same values in each band and so with the same levelling."""
    out = mel.copy()
    out[first:last] = np.random.default_rng(1).permutation(mel[first:last], axis=0)
    return out


def test_frames_beyond_the_reach_do_not_matter_where_the_levelling_stays_the_same(detector: VoiceDetector) -> None:
    n, step = 512, 128
    frame = step * FRAMES_PER_STEP
    mel = random_mel(n)
    far = shuffled(shuffled(mel, 0, frame - REACH), frame + REACH + 1, n)
    np.testing.assert_allclose(detector(far)[step], detector(mel)[step], atol=1e-6)
    assert np.abs(detector(far) - detector(mel)).max() > 0.01


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize(("distance", "seen"), [(REACH, True), (REACH + 1, False)])
def test_the_reach_is_no_smaller_either(side: int, distance: int, seen: bool) -> None:
    arrays = {
        name: np.full_like(array, 0.3 if "bias" in name else 2 / np.prod(array.shape[:-1]))
        for name, array in detector_arrays().items()
    }
    arrays["head.weight"] /= 1000
    step = 60
    outermost = step * FRAMES_PER_STEP + side * distance
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


def randomised_network(torch: Any, seed: int) -> Any:
    """A network as after training: batch normalisations with statistics, scales and offsets of their own."""
    from songscore.training.detector.network import VoiceNetwork

    torch.manual_seed(seed)
    network = VoiceNetwork()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


@pytest.mark.parametrize("n_frames", [1, 2, 3, 15, 16, 17, 100, 255])
def test_the_detector_computes_what_the_network_does(torch: Any, n_frames: int) -> None:
    network = randomised_network(torch, n_frames)
    mel = random_mel(n_frames, seed=n_frames)
    with torch.no_grad():
        expected = torch.sigmoid(network(torch.from_numpy(level(mel))[None]))[0].numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(VoiceDetector(network.arrays())(mel), expected, atol=TORCH_TOLERANCE)


def test_training_levels_as_the_detector_does(torch: Any) -> None:
    from songscore.training.detector import augment

    mel = random_mel(40)
    np.testing.assert_allclose(augment.level(torch.from_numpy(mel)[None])[0].numpy(), level(mel), atol=1e-5)
