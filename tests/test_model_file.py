from __future__ import annotations

import io
import json
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import BOUNDS, detector_arrays, heard, write_tiny

from songscore.errors import ModelError
from songscore.features import spectrum
from songscore.features.detector import VoiceDetector
from songscore.model import FORMAT, MODEL, PartBounds, digest, load_model, locate, read_model
from songscore.model.canary import canary_samples
from songscore.model.files import MAX_BYTES
from songscore.model.track_model import CANARY_TOLERANCE, LONGEST_WINDOW

NAMES = ["voice_top_5s", "voice_top_30s"]

Arrays = dict[str, NDArray[Any]]
Metadata = dict[str, Any]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of a small model lie, for copying: its canaries take seconds to make."""
    return write_tiny(tmp_path_factory.mktemp("original")).parent


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """Where the files of a small model lie."""
    return Path(shutil.copytree(original, tmp_path / "model"))


def read(folder: Path) -> tuple[Arrays, Metadata]:
    with np.load(folder / "tiny.npz") as stored:
        return dict(stored), json.loads((folder / "tiny.json").read_text("utf-8"))


def rewrite(folder: Path, change: Callable[[Arrays, Metadata], object], *, sign: bool = True) -> None:
    """Change the files of the model, with the hash of the changed arrays or with that of the old ones."""
    arrays, metadata = read(folder)
    change(arrays, metadata)
    if sign:
        metadata["sha256"] = digest(arrays, metadata)
    np.savez_compressed(folder / "tiny.npz", allow_pickle=True, **arrays)
    (folder / "tiny.json").write_text(json.dumps(metadata), "utf-8")


def test_what_was_written_is_read_back(folder: Path) -> None:
    model = read_model(folder, "tiny")
    assert (model.name, model.features, model.card) == ("tiny", NAMES, "# tiny\n")
    assert model.metadata["bounds"] == BOUNDS
    assert (model.bounds.song_above, model.bounds.part) == (3.0, PartBounds(-3.0, 2.0, 1.0, 0.5))
    assert model.window_seconds == pytest.approx(5.12)


def test_contributions_and_bias_add_up_to_the_log_odds_strongest_first(folder: Path) -> None:
    decided = read_model(folder, "tiny").decide(heard(sung=0.8, choir=0.3))
    parts = [part.log_odds for part in decided.contributions]
    assert sum(parts) + read(folder)[0]["decision.bias"].item() == pytest.approx(decided.log_odds)
    assert [abs(part) for part in parts] == sorted((abs(part) for part in parts), reverse=True)
    assert {part.feature: part.value for part in decided.contributions} == decided.features
    assert decided.log_odds == pytest.approx(log(0.8 / 0.2), abs=1e-3)


def test_a_shipped_model_is_found_by_name() -> None:
    assert load_model().name == MODEL
    assert load_model("track-v1").metadata["format"] == 1
    assert load_model("track-v1") is load_model("track-v1")


def test_a_model_of_format_1_has_three_kinds_longer_windows_and_no_parts() -> None:
    model = load_model("track-v1")
    assert (model.window, model.bounds.part) == (256, None)
    assert model.log_odds(heard(sung=0.9)) > 0 > model.log_odds(heard(sung=0.05))
    assert model.music(heard(music=0.9)) > 0
    assert model.music(heard(music=0.0, speech=0.9)) < 0


@pytest.mark.parametrize("suffix", ["", ".json", ".npz", ".md"])
def test_a_model_is_found_by_the_path_of_each_of_its_files(folder: Path, suffix: str) -> None:
    assert load_model(folder / f"tiny{suffix}").name == "tiny"
    assert load_model(str(folder / f"tiny{suffix}")).name == "tiny"


def test_a_name_with_a_dot_is_no_suffix(folder: Path) -> None:
    for suffix in ("json", "npz", "md"):
        (folder / f"tiny.{suffix}").rename(folder / f"tiny-0.2.{suffix}")
    assert load_model(folder / "tiny-0.2").name == "tiny"


def test_the_canary_of_samples_notices_another_spectrum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny(tmp_path, weight=10.0).parent  # a detector with random weights reacts little to anything
    assert read_model(folder, "tiny").name == "tiny"
    monkeypatch.setattr(spectrum, "_window", lambda: np.ones(spectrum.N_FFT, np.float32))
    reread(folder, "canary 'samples_log_odds' is off by")


def bounds(**changes: Any) -> Metadata:
    return {key: value for key, value in (BOUNDS | changes).items() if value != "missing"}


@pytest.mark.parametrize(
    "changed",
    [
        bounds(song_above=-2.0, score_below=3.0),
        bounds(song_left_above=-1.0),
        bounds(song_above_with_choir=0.0),
        bounds(part={"score_below": 1.0, "rise": 2.0}),
        bounds(part={"score_below": -3.0, "rise": -2.0}),
        bounds(part={"score_below": -3.0, "rise": 2.0, "rise_in_doubt": -1.0}),
        bounds(part={"score_below": -3.0}),
        bounds(song_above=float("nan")),
        bounds(score_below=float("-inf")),
        bounds(song_above="3"),
        bounds(song_above=True),
        *(bounds(**{key: "missing"}) for key in BOUNDS if key != "part"),
        {},
        None,
    ],
)
def test_bounds_that_no_model_has_are_refused(folder: Path, changed: Any) -> None:
    rewrite(folder, with_metadata("bounds", changed))
    reread(folder, "model 'tiny' cannot be read from")


@pytest.mark.parametrize("frames", [0, 1, -128, 127, LONGEST_WINDOW + 2, 10**12, 128.0, "128", None, True])
def test_an_absurd_window_is_refused(folder: Path, frames: Any) -> None:
    rewrite(folder, with_metadata("window", frames))
    reread(folder, "windows of .* frames")


@pytest.mark.parametrize("key", ["mean", "scale", "weight"])
@pytest.mark.parametrize("prefix", ["decision", "music"])
def test_weights_for_another_number_of_features_are_refused(folder: Path, prefix: str, key: str) -> None:
    rewrite(folder, lambda arrays, _: arrays.update({f"{prefix}.{key}": np.ones(3)}))
    reread(folder, "weights of the shape")


@pytest.mark.parametrize(("key", "value"), [("weight", np.nan), ("mean", np.inf), ("scale", 0.0), ("scale", -1.0)])
def test_weights_that_are_no_numbers_are_refused(folder: Path, key: str, value: float) -> None:
    rewrite(folder, lambda arrays, _: arrays.update({f"music.{key}": np.full(2, value)}))
    reread(folder, "weights that are not finite")


@pytest.mark.parametrize("suffix", ["json", "md", "npz"])
def test_a_file_larger_than_a_model_is_refused(folder: Path, suffix: str) -> None:
    with (folder / f"tiny.{suffix}").open("ab") as file:
        file.write(b" " * 6_000_000)
    reread(folder, f"more than {MAX_BYTES} bytes")


def with_metadata(key: str, value: Any) -> Callable[[Arrays, Metadata], object]:
    return lambda _, metadata: metadata.update({key: value})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        (
            "classes",
            ["song", "instrumental score"],
            r"classes is \['song', 'instrumental score'\], format 2 has",
        ),
        ("classes", ["instrumental score"], r"classes is \['instrumental score'\]"),
        ("format", FORMAT + 1, rf"format is {FORMAT + 1}, this songscore reads \[1, 2\]"),
        ("format", None, "format is None"),
        ("feature_set", "features-v0", "feature_set is 'features-v0'"),
        ("features", [*NAMES[:-1], "loudness"], "does not compute: loudness"),
    ],
)
def test_metadata_of_another_kind_of_model_is_refused(folder: Path, key: str, value: Any, complaint: str) -> None:
    rewrite(folder, with_metadata(key, value))
    with pytest.raises(ModelError, match=complaint):
        read_model(folder, "tiny")


def alter_weight(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.head.weight"][0, 0] += 0.5


def drop_array(arrays: Arrays, _: Metadata) -> None:
    del arrays["detector.head.bias"]


def add_array(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.more"] = np.zeros(1)


def retype(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.head.weight"] = arrays["detector.head.weight"].astype(np.float64)


def transpose(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.context0.weight"] = arrays["detector.context0.weight"].transpose(0, 2, 1)


@pytest.mark.parametrize("change", [alter_weight, drop_array, add_array, retype, transpose])
def test_arrays_other_than_the_hash_says_are_refused(folder: Path, change: Callable[[Arrays, Metadata], None]) -> None:
    rewrite(folder, change, sign=False)
    with pytest.raises(ModelError, match="sha256 is not that of its files"):
        read_model(folder, "tiny")


def alter_decision(arrays: Arrays, _: Metadata) -> None:
    arrays["decision.weight"][0] += 0.1


def negate_decision(arrays: Arrays, _: Metadata) -> None:
    arrays["decision.weight"] *= -1
    arrays["decision.bias"] *= -1


def spoil_weight(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.head.weight"][:] = np.nan


@pytest.mark.parametrize(
    ("change", "canary"),
    [
        (alter_weight, "kinds"),
        (transpose, "kinds"),
        (spoil_weight, "kinds"),
        (alter_decision, "log_odds"),
        (negate_decision, "log_odds"),
    ],
)
def test_changed_arrays_with_a_fitting_hash_are_caught_by_a_canary(
    folder: Path, change: Callable[[Arrays, Metadata], None], canary: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(ModelError, match=f"canary '{canary}' is off by"):
        read_model(folder, "tiny")


def test_a_change_within_the_tolerance_of_the_canaries_is_let_pass(folder: Path) -> None:
    def nudge(arrays: Arrays, _: Metadata) -> None:
        arrays["canary.log_odds"] += CANARY_TOLERANCE / 2

    rewrite(folder, nudge)
    assert read_model(folder, "tiny").name == "tiny"


def reread(folder: Path, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        read_model(folder, "tiny")


@pytest.mark.parametrize("suffix", ["npz", "json", "md"])
def test_a_missing_file_is_named(folder: Path, suffix: str) -> None:
    (folder / f"tiny.{suffix}").unlink()
    reread(folder, rf"model 'tiny' cannot be read from .*tiny\.{suffix}")


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tiny.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("detector.bomb.npy", bytes(10 * MAX_BYTES))
    assert (folder / "tiny.npz").stat().st_size < MAX_BYTES / 10
    reread(folder, f"unpacks to [0-9]+ bytes; the limit is {MAX_BYTES}")


def test_a_pickle_is_refused_and_not_run(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (folder / "sprung",)

    def set_trap(arrays: Arrays, _: Metadata) -> None:
        arrays["detector.head.bias"] = np.array([Trap()], dtype=object)

    rewrite(folder, set_trap, sign=False)
    reread(folder, "cannot be read from .*allow_pickle=False")
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_refused(folder: Path, share: float) -> None:
    content = (folder / "tiny.npz").read_bytes()
    (folder / "tiny.npz").write_bytes(content[: int(share * len(content))])
    reread(folder, "model 'tiny' cannot be read from")


@pytest.mark.parametrize("content", [b"", b"\0\xff garbage", b"{", b"nothing", b'{"name": "tiny"'])
def test_metadata_that_is_not_json_is_refused(folder: Path, content: bytes) -> None:
    (folder / "tiny.json").write_bytes(content)
    reread(folder, "model 'tiny' cannot be read from")


@pytest.mark.parametrize("first", [*[0, 40], 120])
def test_damage_inside_the_archive_is_refused(folder: Path, first: int) -> None:
    content = bytearray((folder / "tiny.npz").read_bytes())
    with zipfile.ZipFile(folder / "tiny.npz") as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    data = largest.header_offset + 30 + len(largest.filename) + len(largest.extra) + first
    content[data : data + 40] = bytes(b ^ 0x5A for b in content[data : data + 40])
    (folder / "tiny.npz").write_bytes(content)
    reread(folder, "model 'tiny'")


@pytest.mark.parametrize("content", ["{}", *["[]", "null", "1", '"tiny"']])
def test_metadata_that_is_not_of_a_model_is_refused(folder: Path, content: str) -> None:
    (folder / "tiny.json").write_text(content, "utf-8")
    reread(folder, "model")


@pytest.mark.parametrize(
    "key", ["classes", "format", "feature_set", "sha256", "name", "features", "bounds", "window", "kinds"]
)
def test_metadata_that_lack_a_key_are_refused(folder: Path, key: str) -> None:
    rewrite(folder, lambda _, metadata: metadata.pop(key), sign=key != "sha256")
    reread(folder, key)


ARRAYS = [
    "detector.conv0.weight",
    "detector.head.bias",
    "decision.scale",
    "decision.bias",
    "canary.mel",
    "canary.features",
]


@pytest.mark.parametrize("name", ARRAYS)
def test_a_missing_array_is_refused_whatever_the_hash(folder: Path, name: str) -> None:
    rewrite(folder, lambda arrays, _: arrays.pop(name))
    reread(folder, "model 'tiny'")


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_another_shape_is_refused_whatever_the_hash(folder: Path, name: str) -> None:
    rewrite(folder, lambda arrays, _: arrays.update({name: np.zeros((2, 3), np.float32)}))
    reread(folder, "model '?tiny")


def test_an_array_that_claims_more_than_there_is_is_refused(folder: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**16,)})
    with zipfile.ZipFile(folder / "tiny.npz", "a") as archive:
        archive.writestr("detector.more.npy", header.getvalue())
    reread(folder, "model 'tiny'")


def test_features_in_another_order_than_their_weights_are_refused(folder: Path) -> None:
    rewrite(folder, with_metadata("features", NAMES[::-1]), sign=False)
    reread(folder, "sha256")


def test_the_hash_covers_names_types_shapes_and_bytes() -> None:
    arrays = {"a": np.arange(6, dtype=np.float32), "b": np.zeros(2)}
    changed: list[Arrays] = [
        {"c": arrays["a"], "b": arrays["b"]},
        {"a": arrays["a"].view(np.int32), "b": arrays["b"]},
        {"a": arrays["a"].reshape(2, 3), "b": arrays["b"]},
        {"a": arrays["a"] + 1, "b": arrays["b"]},
        {"a": arrays["a"]},
    ]
    assert len({digest(found, {}) for found in [arrays, *changed]}) == len(changed) + 1


def test_the_hash_does_not_depend_on_order_or_memory_layout() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.zeros(2)
    assert digest({"a": a, "b": b}, {}) == digest({"b": b, "a": np.asfortranarray(a)}, {})


def test_an_unknown_model_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"no model 'track-v0': neither .*'track-v1'"):
        load_model("track-v0")


def test_a_path_is_read_again_after_the_model_changed(tmp_path: Path) -> None:
    path = write_tiny(tmp_path)
    for given in (str(path), path, f"{path}.npz"):
        assert load_model(given).metadata.get("seed") is None
        assert locate(given) == str(path)
    write_tiny(tmp_path, seed=7)
    os.utime(path.with_suffix(".json"), (1, 1))
    assert load_model(str(path)).metadata["seed"] == 7


def test_a_name_means_the_shipped_model_to_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny(tmp_path, MODEL)
    write_tiny(tmp_path, "tiny")
    monkeypatch.chdir(tmp_path)
    assert locate(MODEL) == MODEL
    assert load_model(MODEL).card != load_model(f"{MODEL}.json").card == f"# {MODEL}\n"
    assert locate("tiny") == locate("tiny.md") == str(tmp_path / "tiny")


@pytest.mark.parametrize("name", ["track-v0", "", ".", "/", "a\0b", "../models/track-v1", "x" * 5000])
def test_what_is_neither_a_name_nor_a_path_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=f"neither .*{MODEL}"):
        load_model(name)


@pytest.mark.parametrize("name", ["", "\x1b[2J", "x" * 101, 7, ["tiny"]])
def test_a_name_that_cannot_be_shown_is_refused(folder: Path, name: Any) -> None:
    rewrite(folder, with_metadata("name", name))
    reread(folder, "a model's name is")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("detector.conv0.weight", (18, 257)),
        ("detector.conv1.weight", (27,)),
        ("detector.join.weight", (11, 6)),
        ("detector.context2.weight", (5, 6, 6)),
        ("detector.head.bias", (10_000, 1, 5)),
        ("canary.log_odds", (1, 1, 1)),
        ("canary.kinds", (1, 5)),
    ],
)
def test_arrays_that_would_ask_for_more_than_a_model_has_are_refused(
    folder: Path, name: str, shape: tuple[int, ...]
) -> None:
    rewrite(folder, lambda arrays, _: arrays.update({name: np.zeros(shape, np.float32)}))
    reread(folder, "tiny")


def test_a_layer_wider_than_a_track_has_memory_for_is_refused() -> None:
    wide = {"conv0.weight": np.zeros((18, 257), np.float32), "conv0.bias": np.zeros(257, np.float32)}
    wide["conv1.weight"] = np.zeros((9 * 257, 4), np.float32)
    with pytest.raises(ValueError, match="conv0"):
        VoiceDetector(detector_arrays() | wide)


@pytest.mark.parametrize("kinds", [["sung"] * 5, ["sung", "music"], ["sung", "choir", "speech", "music", "hum"]])
def test_kinds_that_are_not_those_of_the_outputs_are_refused(folder: Path, kinds: list[str]) -> None:
    rewrite(folder, with_metadata("kinds", kinds))
    reread(folder, "tiny")


def test_more_canaries_than_a_self_test_has_time_for_are_refused(folder: Path) -> None:
    def repeat(arrays: Arrays, _: Metadata) -> None:
        for name in ("canary.features", "canary.log_odds"):
            arrays[name] = np.repeat(arrays[name], 1000, axis=0)

    rewrite(folder, repeat)
    reread(folder, "canaries")


def test_the_canary_is_the_sound_that_it_was_when_models_were_made():
    """By the formula, without the recurrence by which the partials are computed."""
    pitch, n = 220.0, 44_100
    t = np.arange(n) / 44_100
    glide = pitch * 2 ** (np.sin(2 * np.pi * 0.3 * t) / 3 + 0.02 * np.sin(2 * np.pi * 5.5 * t))
    phase = 2 * np.pi * np.cumsum(glide) / 44_100
    tone = np.zeros(n)
    for k in range(1, 25):
        formants = sum(np.exp(-(((k * pitch - centre) / 250) ** 2)) for centre in (700, 1150, 2700))
        tone += (0.02 + formants) / k**0.5 * np.sin(k * phase)
    tone *= 0.08 * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t))
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (110.0, 164.8, 220.0, 277.2))
    np.testing.assert_allclose(canary_samples(pitch, 1.0), [tone + 0.05 * chord, tone + 0.03 * chord], atol=1e-6)


def test_the_canary_needs_little_memory():
    tracemalloc.start()
    try:
        canary_samples(220.0)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()
