from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sounds import sine, write

from songscore.analysis import sampling
from songscore.audio import open_audio
from songscore.errors import UnreadableAudio
from songscore.estimators import SongClassifier, SpectralFeatures, VocalFeatures, transformers
from songscore.extract import feature_names
from songscore.features.spectral import NAMES as SPECTRAL_NAMES
from songscore.features.spectral import curves
from songscore.features.track_vector import FEATURES

NAMES = [feature.name for feature in FEATURES]


@parametrize_with_checks([SongClassifier()])
def test_the_classifier_keeps_the_contract_of_scikit_learn(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def tracks() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Two overlapping clouds, one five times as large as the other."""
    random = np.random.default_rng(0)
    song = np.arange(240) < 40
    return random.normal(song[:, None] * 1.5, [1, 10, 0.1], (240, 3)), song


def test_log_odds_are_the_documented_sum(tracks: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
    x, song = tracks
    model = SongClassifier().fit(x, song)
    expected = np.sum(model.weight_ * (x - model.mean_) / model.scale_, axis=1) + model.bias_
    np.testing.assert_allclose(model.decision_function(x), expected)
    np.testing.assert_allclose(model.predict_proba(x)[:, 1], 1 / (1 + np.exp(-expected)))
    np.testing.assert_array_equal(model.predict(x), expected >= 0)


def test_the_classifier_is_a_scaler_and_a_balanced_logistic_regression(
    tracks: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    x, song = tracks
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced")).fit(x, song)
    np.testing.assert_allclose(
        SongClassifier(C=0.3).fit(x, song).decision_function(x), reference.decision_function(x), atol=1e-3
    )


def test_probabilities_are_those_of_as_many_songs_as_scores(
    tracks: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    x, song = tracks
    probability = SongClassifier().fit(x, song).predict_proba(x)[:, 1]
    weight = np.where(song, 0.5 / song.sum(), 0.5 / (~song).sum())
    assert weight @ probability == pytest.approx(0.5, abs=0.01)


def test_log_odds_favour_the_class_that_sorts_last() -> None:
    x = np.array([[0.0], [0.1], [1.0], [1.1]])
    model = SongClassifier().fit(x, ["score", "score", "song", "song"])
    assert model.classes_.tolist() == ["score", "song"]
    assert model.decision_function([[2.0]])[0] > 0 > model.decision_function([[-1.0]])[0]


@pytest.mark.parametrize(("labels", "count"), [([0, 1, 2], "3 classes"), ([1, 1, 1], "1 class")])
def test_only_two_classes_are_fitted(labels: list[int], count: str) -> None:
    with pytest.raises(ValueError, match=f"y has {count}"):
        SongClassifier().fit([[0.0], [1.0], [2.0]], labels)


def test_an_unfitted_classifier_says_so() -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        SongClassifier().predict([[0.0]])


# Tracks to features


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What is asked of `features_of`, which answers with the number of the question in every feature."""
    questions: list[tuple[Any, ...]] = []

    def features_of(source: Any, sets: Any, model: str, cache: Any) -> dict[str, float]:
        questions.append((source, sets, model))
        if source == "bad":
            raise UnreadableAudio("bad: not a sound file")
        return {name: len(questions) + i / 1000 for i, name in reversed(list(enumerate(feature_names(sets))))}

    monkeypatch.setattr(transformers, "features_of", features_of)
    return questions


def test_tracks_become_rows_and_features_columns(asked: list[tuple[Any, ...]]) -> None:
    found = VocalFeatures(model="another").fit_transform(["a.flac", "b.flac"])
    assert asked == [("a.flac", ("vocal",), "another"), ("b.flac", ("vocal",), "another")]
    np.testing.assert_allclose(found, [[row + i / 1000 for i in range(len(NAMES))] for row in (1, 2)])


@pytest.mark.parametrize(("transformer", "names"), [(VocalFeatures(), NAMES), (SpectralFeatures(), SPECTRAL_NAMES)])
def test_columns_are_named_after_the_features(
    transformer: Any, names: Sequence[str], asked: list[tuple[Any, ...]]
) -> None:
    assert transformer.get_feature_names_out().tolist() == [*names]
    assert transformer.transform([]).shape == (0, len(names))


SAMPLES = (np.zeros(5, np.float32), 8000)


@pytest.mark.parametrize(
    ("tracks", "sources"),
    [
        (["a", Path("b")], ["a", Path("b")]),
        (("a", "b", "c"), ["a", "b", "c"]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([["a"], ["b"]], object), ["a", "b"]),
        ([SAMPLES, SAMPLES], [SAMPLES, SAMPLES]),
        ((path for path in ["a"]), ["a"]),
    ],
)
def test_tracks_come_as_any_sequence(tracks: Any, sources: list[Any], asked: list[tuple[Any, ...]]) -> None:
    VocalFeatures().transform(tracks)
    assert [source for source, *_ in asked] == sources


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_series_and_a_frame_of_one_column_hold_tracks(library: str, asked: list[tuple[Any, ...]]) -> None:
    frames = pytest.importorskip(library)
    VocalFeatures().transform(frames.Series(["a", "b"]))
    VocalFeatures().transform(frames.DataFrame({"path": ["c", "d"]}))
    assert [source for source, *_ in asked] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("tracks", "kind", "message"),
    [
        ("a.flac", TypeError, r"one track, 'a.flac', where several are needed: write \[track\]"),
        (Path("a.flac"), TypeError, "one track, .*'a.flac'"),
        (SAMPLES, TypeError, r"write \[\(y, sr\)\]"),
        (np.zeros((2, 100)), TypeError, r"numbers of the shape \(2, 100\); samples need their rate"),
        (np.array([["a", "b"]]), ValueError, r"an array of the shape \(1, 2\); one column of tracks is needed"),
        (["a", None], TypeError, "track 1 is None; a path, a binary file object or"),
        (["a", float("nan")], TypeError, "track 1 is nan"),
        ([np.zeros(5)], TypeError, "track 0 is array"),
        (3, TypeError, "3 holds no tracks"),
    ],
)
def test_what_holds_no_tracks_is_refused_in_a_sentence(
    tracks: Any, kind: type[Exception], message: str, asked: list[tuple[Any, ...]]
) -> None:
    with pytest.raises(kind, match=message):
        VocalFeatures().transform(tracks)
    assert not asked


def test_a_frame_of_several_columns_is_refused(asked: list[tuple[Any, ...]]) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"a DataFrame of 2 columns, \['path', 'year'\]; choose the column of paths"):
        VocalFeatures().transform(pandas.DataFrame({"path": ["a"], "year": [1999]}))


@pytest.mark.usefixtures("asked")
def test_a_bad_file_raises_or_is_a_row_of_nan() -> None:
    with pytest.raises(UnreadableAudio, match="bad: not a sound file"):
        VocalFeatures().transform(["a", "bad", "c"])
    with pytest.warns(RuntimeWarning, match="a row of NaN: bad: not a sound file"):
        found = VocalFeatures(on_error="nan").transform(["a", "bad", "c"])
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"on_error": "skip"}, 'on_error must be "raise" or "nan"'),
        ({"n_jobs": 0}, "n_jobs must be a whole number but 0"),
    ],
)
def test_wrong_parameters_are_refused_when_they_are_used(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpectralFeatures(**parameters).transform(["a"])


@pytest.mark.usefixtures("asked")
def test_progress_is_told_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    VocalFeatures().transform(["a", "b"])
    assert capsys.readouterr() == ("", "")
    VocalFeatures(verbose=1).transform(["a", "b"])
    assert capsys.readouterr() == ("", "[VocalFeatures] 2 of 2 tracks, 0 s\n")


def test_parameters_survive_cloning() -> None:
    features = VocalFeatures(model="another", n_jobs=2, cache="there", on_error="nan", verbose=1)
    assert clone(features).get_params() == features.get_params()
    assert features.get_params() == {
        "model": "another",
        "n_jobs": 2,
        "cache": "there",
        "on_error": "nan",
        "verbose": 1,
    }
    assert SpectralFeatures().set_params(n_jobs=3).n_jobs == 3
    assert clone(SongClassifier(C=3.0)).get_params() == {"C": 3.0}


@pytest.mark.usefixtures("asked")
def test_features_and_classifier_make_a_pipeline() -> None:
    pipeline = make_pipeline(VocalFeatures(), SongClassifier()).fit(["a", "b", "c", "d"], [0, 0, 1, 1])
    assert pipeline.predict(["e"]).tolist() == [1]
    assert pipeline[:-1].get_feature_names_out().tolist() == NAMES


@pytest.mark.usefixtures("asked")
def test_both_sets_make_one_frame_with_the_index_of_the_tracks() -> None:
    pandas = pytest.importorskip("pandas")
    both = make_union(VocalFeatures(), SpectralFeatures()).set_output(transform="pandas")
    found = both.fit_transform(pandas.Series(["a", "b"], index=[7, 9]))
    assert found.index.tolist() == [7, 9]
    assert [name.split("__")[1] for name in found.columns] == [*NAMES, *SPECTRAL_NAMES]


@pytest.mark.usefixtures("asked")
def test_a_column_transformer_gives_its_columns() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"path": ["a", "b"], "year": [1999, 2001]})
    columns = make_column_transformer((VocalFeatures(), ["path"]), ("passthrough", ["year"]))
    assert columns.fit_transform(table).shape == (2, len(NAMES) + 1)


@pytest.fixture
def library(tmp_path: Path) -> list[Path]:
    """Six short sounds, and what is none."""
    for i in range(6):
        write(tmp_path / f"{i}.wav", sine(200 + 100 * i, 2.5, 16_000), 16_000)
    (tmp_path / "bad.wav").write_bytes(b"no sound here" * 10)
    return [*(tmp_path / f"{i}.wav" for i in range(6)), tmp_path / "bad.wav"]


@pytest.mark.slow
def test_a_grid_search_hears_each_track_once(
    library: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Counter[str]()

    def counted(source: str, *, rate: int) -> Any:
        opened[Path(source).name] += 1
        return open_audio(source, rate=rate)

    monkeypatch.setattr(sampling, "open_audio", counted)
    monkeypatch.setattr(curves, "open_audio", counted)
    both = make_union(VocalFeatures(cache=tmp_path / "kept"), SpectralFeatures(cache=tmp_path / "kept"))
    search = GridSearchCV(make_pipeline(both, SongClassifier()), {"songclassifier__C": [0.1, 1.0]}, cv=3)
    search.fit(library[:6], [0, 1] * 3)
    assert opened == {path.name: 3 for path in library[:6]}  # by the detector, for the level, for the spectrum


@pytest.mark.processes
def test_processes_give_the_numbers_of_this_one(library: list[Path], tmp_path: Path) -> None:
    alone = VocalFeatures(cache=tmp_path / "kept").transform(library[:6])
    with pytest.warns(RuntimeWarning, match="bad.wav: not a sound file"):
        together = VocalFeatures(n_jobs=2, on_error="nan").transform(library)
    np.testing.assert_array_equal(together[:6], alone)
    assert np.isnan(together[6]).all()
    with pytest.raises(UnreadableAudio, match="not a sound file"):
        VocalFeatures(n_jobs=2, cache=tmp_path / "kept").transform(library)
