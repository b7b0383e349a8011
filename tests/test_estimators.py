from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from songscore import estimators
from songscore.estimators import SongClassifier, VocalFeatures
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


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """What is asked of `extract_features`, which answers with the number of the question in every feature."""
    questions: list[tuple[Any, str]] = []

    def extract_features(source: Any, *, model: str) -> dict[str, float]:
        questions.append((source, model))
        return {name: len(questions) + index / 100 for index, name in reversed(list(enumerate(NAMES)))}

    monkeypatch.setattr(estimators, "extract_features", extract_features)
    return questions


def test_tracks_become_rows_and_features_columns(asked: list[tuple[Any, str]]) -> None:
    found = VocalFeatures(model="another").fit_transform(["a.flac", "b.flac"])
    assert asked == [("a.flac", "another"), ("b.flac", "another")]
    np.testing.assert_allclose(found, [[row + i / 100 for i in range(len(NAMES))] for row in (1, 2)])


def test_no_tracks_are_no_rows(asked: list[tuple[Any, str]]) -> None:
    assert VocalFeatures().transform([]).shape == (0, len(NAMES))


def test_columns_are_named_after_the_features() -> None:
    assert VocalFeatures().get_feature_names_out().tolist() == NAMES


def test_parameters_survive_cloning() -> None:
    features = VocalFeatures(model="another")
    assert clone(features).get_params() == features.get_params() == {"model": "another"}
    assert VocalFeatures().set_params(model="third").model == "third"
    assert clone(SongClassifier(C=3.0)).get_params() == {"C": 3.0}


def test_features_and_classifier_make_a_pipeline(asked: list[tuple[Any, str]]) -> None:
    pipeline = make_pipeline(VocalFeatures(), SongClassifier()).fit(["a", "b", "c", "d"], [0, 0, 1, 1])
    assert pipeline.predict(["e"]).tolist() == [1]
    assert pipeline[:-1].get_feature_names_out().tolist() == NAMES
