from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from songscore.errors import ModelError
from songscore.estimators import SongClassifier
from songscore.features.detector import ACTIVITIES, DILATIONS, TIME_STRIDES
from songscore.features.spectrum import N_MELS
from songscore.features.track_vector import FEATURES
from songscore.model import CANARY_TOLERANCE, FORMAT, MAX_BYTES, TrackModel, digest, load_model, read_model
from songscore.training.publish import write_model

NAMES = [feature.name for feature in FEATURES]
BOUNDS = {"song_above": 3.0, "score_below": -2.0, "error_rate": 0.01}
WIDTH = 6

Arrays = dict[str, NDArray[Any]]
Metadata = dict[str, Any]


def detector_arrays() -> dict[str, NDArray[np.float32]]:
    """A small detector with random weights."""
    random = np.random.default_rng(0)
    channels = (2, 3, 4, 3, 2)
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{i}.weight": (9 * channels[i], channels[i + 1]) for i in range(len(TIME_STRIDES))
    }
    shapes |= {"join.weight": (N_MELS // 16 * channels[-1], WIDTH), "head.weight": (WIDTH, len(ACTIVITIES))}
    shapes |= {f"context{i}.weight": (3, WIDTH, WIDTH) for i in range(len(DILATIONS))}
    shapes |= {name.replace("weight", "bias"): shape[-1:] for name, shape in shapes.items()}
    return {
        name: (random.standard_normal(shape) / max(1, np.sqrt(np.prod(shape[:-1])))).astype(np.float32)
        for name, shape in shapes.items()
    }


def examples() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    song = np.arange(40) % 2 == 0
    return np.random.default_rng(1).normal(song[:, None], 1, (40, len(NAMES))), song


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of a small model lie."""
    vectors, song = examples()
    decision = SongClassifier().fit(vectors, song)
    write_model(tmp_path, "tiny", detector_arrays(), decision, NAMES, vectors[:5], {"certain": BOUNDS}, "# tiny\n")
    return tmp_path


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
    assert model.metadata["certain"] == BOUNDS


def test_the_model_decides_as_the_classifier_that_it_was_made_from(folder: Path) -> None:
    vectors, song = examples()
    expected = SongClassifier().fit(vectors, song).predict_proba(vectors)[:, 1]
    model = read_model(folder, "tiny")
    found = [model.decide(dict(zip(NAMES, vector, strict=True))).probability for vector in vectors]
    np.testing.assert_allclose(found, expected)


def test_contributions_and_bias_add_up_to_the_log_odds_strongest_first(folder: Path) -> None:
    model = read_model(folder, "tiny")
    vector = dict(zip(NAMES, examples()[0][0].tolist(), strict=True))
    decision = model.decide(vector)
    parts = [part.log_odds for part in decision.contributions]
    bias = read(folder)[0]["decision.bias"]
    assert sum(parts) + bias == pytest.approx(log(decision.probability / (1 - decision.probability)))
    assert [abs(part) for part in parts] == sorted((abs(part) for part in parts), reverse=True)
    assert {part.feature: part.value for part in decision.contributions} == vector


def test_a_prior_shifts_the_log_odds_by_its_own(folder: Path) -> None:
    model = read_model(folder, "tiny")
    vector = dict.fromkeys(NAMES, 0.5)
    plain, even, rare = (model.decide(vector, prior).probability for prior in (None, 0.5, 0.1))
    assert even == plain
    assert log(rare / (1 - rare)) == pytest.approx(log(plain / (1 - plain)) + log(0.1 / 0.9))


@pytest.mark.parametrize(("log_odds", "certain"), [(3.01, True), (2.99, False), (-1.99, False), (-2.01, True)])
def test_an_answer_is_certain_beyond_the_bounds_whatever_the_prior(
    folder: Path, log_odds: float, certain: bool
) -> None:
    arrays, metadata = read(folder)
    arrays["decision.weight"][:] = 0
    arrays["decision.bias"] = np.array(log_odds)
    arrays["canary.probability"][:] = 1 / (1 + np.exp(-log_odds))
    model = TrackModel(arrays, metadata | {"sha256": digest(arrays, metadata)})
    for prior in (None, 0.01, 0.99):
        assert model.decide(dict.fromkeys(NAMES, 0.0), prior).certain is certain


def with_metadata(key: str, value: Any) -> Callable[[Arrays, Metadata], object]:
    return lambda _, metadata: metadata.update({key: value})


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        (
            "classes",
            ["song", "instrumental score"],
            r"classes is \['song', 'instrumental score'\], this songscore reads",
        ),
        ("classes", ["instrumental score"], r"classes is \['instrumental score'\]"),
        ("format", FORMAT + 1, f"format is {FORMAT + 1}, this songscore reads {FORMAT}"),
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
    with pytest.raises(ModelError, match="sha256 is"):
        read_model(folder, "tiny")


def alter_decision(arrays: Arrays, _: Metadata) -> None:
    arrays["decision.weight"][3] += 0.1


def negate_decision(arrays: Arrays, _: Metadata) -> None:
    arrays["decision.weight"] *= -1
    arrays["decision.bias"] *= -1


def spoil_weight(arrays: Arrays, _: Metadata) -> None:
    arrays["detector.head.weight"][:] = np.nan


@pytest.mark.parametrize(
    ("change", "canary"),
    [
        (alter_weight, "activity"),
        (transpose, "activity"),
        (spoil_weight, "activity"),
        (alter_decision, "probability"),
        (negate_decision, "probability"),
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
        arrays["canary.probability"] += CANARY_TOLERANCE / 2

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


@pytest.mark.parametrize("key", ["classes", "format", "feature_set", "sha256", "name", "features", "certain"])
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
    with pytest.raises(ModelError, match="model 'track-v0' cannot be read"):
        load_model("track-v0")
