from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import (
    BOUNDS,
    FEATURES,
    Arrays,
    Metadata,
    detector_arrays,
    heard,
    model_files,
    signed,
    small_model,
    write_files,
)

from songscore import classify_track
from songscore import model as model_module
from songscore.audio import chain as chain_module
from songscore.audio import stream as stream_module
from songscore.errors import ModelError
from songscore.features import spectrum
from songscore.features.detector import CHOIR, MUSIC, OTHER, SPEECH, SUNG
from songscore.model import (
    CANARY_TOLERANCE,
    LONGEST_NAME,
    LONGEST_WINDOW,
    MAX_BYTES,
    MODEL,
    MOST_CANARIES,
    Linear,
    TrackModel,
    digest,
    load_model,
    locate,
    read_model,
    shipped_models,
)

NAMES = FEATURES
HUGE = 20 * MAX_BYTES


def format_1() -> tuple[Arrays, Metadata]:
    """The small model as the first version wrote it: three kinds of sound, probabilities, bounds that are certain."""
    arrays, metadata = model_files(feature_set="features-v1", format=1)
    for key in ("kinds", "window", "music_features", "bounds"):
        del metadata[key]
    arrays |= {f"detector.{key}": value for key, value in detector_arrays(outputs=3).items()}
    arrays = {name: array for name, array in arrays.items() if not name.startswith("music.")}
    kinds = model_module.VoiceDetector(detector_arrays(outputs=3), ["sung", "speech", "music"])(arrays["canary.mel"])
    del arrays["canary.kinds"]
    arrays["canary.activity"] = kinds[:, [SUNG, SPEECH, MUSIC]]
    arrays["canary.probability"] = 1 / (1 + np.exp(-arrays.pop("canary.log_odds")))
    metadata["certain"] = {"song_above": 2.2, "score_below": -2.6, "error_rate": 0.01}
    return arrays, signed(arrays, metadata)


@pytest.fixture(params=[2, 1], ids=["format 2", "format 1"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where the files of a small model lie."""
    arrays, metadata = format_1() if request.param == 1 else model_files()
    write_files(tmp_path, arrays, metadata)
    return tmp_path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A small model of format 2: its path without suffix."""
    return write_files(tmp_path, *model_files())


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
    assert model.rises


def test_format_1_is_read_as_three_kinds_in_long_windows_of_which_no_score_is_left_early(tmp_path: Path) -> None:
    model = read_model(write_files(tmp_path, *format_1()).parent, "tiny")
    assert model.window == 256
    assert model.bounds.part is None
    assert (model.bounds.song_above, model.bounds.score_below, model.bounds.song_left_above) == (2.2, -2.6, 3.0)
    kinds = model.detector(np.random.default_rng(0).exponential(size=(40, 80)).astype(np.float32))
    assert (kinds[:, [SUNG, SPEECH, MUSIC]] > 0).all()
    assert not kinds[:, [CHOIR, OTHER]].any()


def test_contributions_and_bias_add_up_to_the_log_odds_strongest_first() -> None:
    model = small_model(weight=[0.2, 1.5], bias=0.7)
    decided = model.decide(heard(np.linspace(0.1, 0.9, 1000)))
    parts = [part.log_odds for part in decided.contributions]
    assert sum(parts) + 0.7 == pytest.approx(decided.log_odds)
    assert [abs(part) for part in parts] == sorted((abs(part) for part in parts), reverse=True)
    assert {part.feature: part.value for part in decided.contributions} == decided.features


def test_a_model_is_found_by_name_and_by_the_path_of_each_of_its_files(own: Path) -> None:
    for path in (own, *(f"{own}.{suffix}" for suffix in ("json", "npz", "md"))):
        for given in (str(path), Path(path)):
            assert load_model(given).name == "tiny"
            assert locate(given) == str(own)
    assert load_model().name == load_model(MODEL).name == locate(MODEL) == MODEL
    assert MODEL in shipped_models()


def test_a_name_means_the_shipped_model_even_beside_files_of_that_name(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for suffix in ("json", "npz", "md"):
        (own.parent / f"{MODEL}.{suffix}").write_bytes(own.with_suffix(f".{suffix}").read_bytes())
    monkeypatch.chdir(own.parent)
    assert load_model(MODEL).name == locate(MODEL) == MODEL
    assert load_model(f"{MODEL}.json").name == load_model(Path(MODEL)).name == "tiny"
    assert locate("tiny") == locate("tiny.npz") == str(own)


def test_a_model_that_was_made_again_is_read_again(own: Path) -> None:
    assert load_model(str(own)).decide(heard(np.full(500, 0.5))).log_odds == pytest.approx(0, abs=1e-3)
    write_files(own.parent, *model_files(bias=1.0))
    os.utime(own.with_suffix(".json"), (1, 1))
    assert load_model(str(own)).decide(heard(np.full(500, 0.5))).log_odds == pytest.approx(1, abs=1e-3)


def test_a_model_of_ones_own_is_named_in_the_answer(own: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(5 * 16_000)
    assert classify_track(noise, 16_000, model=own).model == "tiny"


@pytest.mark.parametrize(
    "name", ["track-v0", "", ".", "/", "nowhere/own.json", "a\0b", "../models/track-v1", "x" * 5000]
)
def test_an_unknown_model_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match=f"neither .*{MODEL}"):
        load_model(name)


def with_metadata(key: str, value: Any) -> Callable[[Arrays, Metadata], object]:
    return lambda _, metadata: metadata.update({key: value})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("classes", ["song", "instrumental score"], r"classes is \['song', 'instrumental score'\], format . has"),
        ("classes", ["instrumental score"], r"classes is \['instrumental score'\]"),
        ("format", 3, r"format is 3, this songscore reads \[1, 2\]"),
        ("format", None, "format is None"),
        ("format", [], "tiny"),
        ("feature_set", "features-v0", "feature_set is 'features-v0'"),
        ("features", [*NAMES[:-1], "loudness"], "does not compute: loudness"),
        ("name", "", "a model's name is ''"),
        ("name", ["tiny"], "a model's name is"),
        ("name", "\x1b[2J", "a model's name is"),
        ("name", "x" * (LONGEST_NAME + 1), "a model's name is"),
    ],
)
def test_metadata_of_another_kind_of_model_is_refused(folder: Path, key: str, value: Any, complaint: str) -> None:
    rewrite(folder, with_metadata(key, value))
    reread(folder, complaint)


def reread(folder: Path, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        read_model(folder, "tiny")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("song_above", -3.0),
        ("song_above", "2"),
        ("song_above", True),
        ("song_above", float("nan")),
        ("song_above_with_choir", -1.0),
        ("score_below", 2.0),
        ("score_below", float("-inf")),
        ("song_left_above", 0.0),
        ("part", {"score_below": 1.0, "rise": 0.5}),
        ("part", {"score_below": -3.0, "rise": -0.5}),
        ("part", {"score_below": -3.0, "rise": float("nan")}),
        ("part", {"score_below": -3.0}),
        ("part", [-3.0, 0.5]),
        ("part", 1),
    ],
)
def test_bounds_that_promise_nothing_are_refused(own: Path, key: str, value: Any) -> None:
    rewrite(own.parent, with_metadata("bounds", BOUNDS | {key: value}))
    reread(own.parent, "model 'tiny'")


def test_bounds_that_are_swapped_are_refused(own: Path) -> None:
    swapped = {"song_above": BOUNDS["score_below"], "score_below": BOUNDS["song_above"]}
    rewrite(own.parent, with_metadata("bounds", BOUNDS | swapped))
    reread(own.parent, "wrong side")


@pytest.mark.parametrize("window", [0, 1, 127, -128, LONGEST_WINDOW + 2, 10**9, 128.0, "128", None, True, []])
def test_a_window_that_no_model_has_is_refused(own: Path, window: Any) -> None:
    rewrite(own.parent, with_metadata("window", window))
    reread(own.parent, "windows of")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kinds", ["sung"] * 5),
        ("kinds", ["sung", "speech", "music"]),
        ("kinds", ["sung", "choir", "speech", "music", "hum"]),
        ("features", NAMES[:1]),
        ("features", [*NAMES, NAMES[0]]),
        ("features", [*NAMES, "voice_mean"]),
        ("music_features", ["music_mean"]),
        ("music_features", ["loudness"]),
        ("music_features", 7),
    ],
)
def test_names_that_do_not_fit_the_arrays_are_refused(own: Path, key: str, value: Any) -> None:
    rewrite(own.parent, with_metadata(key, value))
    reread(own.parent, "tiny")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("decision.scale", [1.0, 0.0]),
        ("decision.scale", [1.0, -1.0]),
        ("decision.weight", [1.0, np.nan]),
        ("decision.weight", [1.0, np.inf]),
        ("decision.mean", [0.0]),
        ("decision.bias", np.nan),
        ("decision.bias", [0.0, 0.0]),
    ],
)
def test_weights_that_weigh_nothing_are_refused(folder: Path, name: str, value: Any) -> None:
    rewrite(folder, lambda arrays, _: arrays.update({name: np.array(value)}))
    reread(folder, "tiny")


@pytest.mark.parametrize("suffix", ["json", "md", "npz"])
def test_a_file_larger_than_a_model_is_refused_unread(own: Path, suffix: str) -> None:
    os.truncate(own.with_suffix(f".{suffix}"), 10**12)
    reread(own.parent, f"more than {MAX_BYTES} bytes")


def test_more_canaries_than_a_self_test_has_time_for_are_refused(own: Path) -> None:
    def repeat(arrays: Arrays, _: Metadata) -> None:
        for name in ("canary.features", "canary.log_odds"):
            arrays[name] = np.repeat(arrays[name], MOST_CANARIES, axis=0)

    rewrite(own.parent, repeat)
    reread(own.parent, "canaries")


def with_samples(pitch: float = 220.0, off: float = 0.0, weight: float = 1.0) -> TrackModel:
    """A small model with a canary that goes from samples to log-odds."""
    arrays, metadata = model_files(weight=[weight / 2, weight / 2])
    plain = TrackModel(arrays, metadata)
    arrays["canary.samples_pitch"] = np.array(pitch)
    arrays["canary.samples_log_odds"] = np.array(plain.of_samples(pitch) + off)
    return TrackModel(arrays, signed(arrays, metadata))


def test_the_canary_of_samples_is_compared() -> None:
    with_samples().self_test()
    for off in (1.0, np.nan):
        with pytest.raises(ModelError, match="canary 'samples_log_odds' is off by"):
            with_samples(off=off)


def test_another_window_function_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_samples(weight=20.0)
    monkeypatch.setattr(spectrum, "_window", lambda: np.ones(spectrum.N_FFT, np.float32))
    with pytest.raises(ModelError, match="canary 'samples_log_odds'"):
        model.self_test()


def test_another_resampler_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_samples(pitch=330.0, weight=2000.0)  # random weights hardly hear what a resampler does
    for module in (chain_module, stream_module):
        monkeypatch.setattr(module, "QUALITY", "LQ")
    with pytest.raises(ModelError, match="canary 'samples_log_odds'"):
        model.self_test()


def test_a_feature_computed_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = with_samples()
    shifted = {name: 0.5 for name in NAMES}
    monkeypatch.setattr(model_module, "track_vector", lambda *args, **how: shifted)
    with pytest.raises(ModelError, match="canary 'samples_log_odds'"):
        model.self_test()


def test_a_linear_is_a_weighted_sum_of_standardised_features() -> None:
    arrays = {"mean": [1.0, 2.0], "scale": [2.0, 4.0], "weight": [3.0, -1.0], "bias": 0.5}
    linear = Linear.of(["a", "b"], {key: np.array(value) for key, value in arrays.items()})
    assert linear({"a": 2.0, "b": 4.0, "c": 9.0}) == pytest.approx(3 * 0.5 - 0.5 + 0.5)


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
    with pytest.raises(ModelError, match="sha256 is"):
        read_model(folder, "tiny")


def alter_decision(arrays: Arrays, _: Metadata) -> None:
    arrays["decision.weight"][1] += 0.1


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


def test_a_change_within_the_tolerance_of_the_canaries_is_let_pass(own: Path) -> None:
    def nudge(arrays: Arrays, _: Metadata) -> None:
        arrays["canary.log_odds"] += CANARY_TOLERANCE / 2

    rewrite(own.parent, nudge)
    assert read_model(own.parent, "tiny").name == "tiny"


@pytest.mark.parametrize("suffix", ["npz", "json", "md"])
def test_a_missing_file_is_named(folder: Path, suffix: str) -> None:
    (folder / f"tiny.{suffix}").unlink()
    reread(folder, rf"model 'tiny' cannot be read from .*tiny\.{suffix}")


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(folder: Path) -> None:
    with zipfile.ZipFile(folder / "tiny.npz", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("detector.bomb.npy", bytes(HUGE))
    assert (folder / "tiny.npz").stat().st_size < MAX_BYTES
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


@pytest.mark.parametrize("key", ["classes", "format", "feature_set", "sha256", "name", "features"])
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
