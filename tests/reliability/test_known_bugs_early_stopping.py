"""Early stopping: bugs that other networks had, as user's stories.

`docs/reliability_traps.md` lists them with the projects and the reports.
"""

import numpy as np
import pandas as pd
import pytest
from helpers import (
    COLUMNS,
    NAMES,
    data_for,
    error_of,
    estimator_of,
    fit_both,
    ignore_convergence,
    is_classifier_name,
    make_data,
    outputs,
    partial_fit_args,
    run_python,
    snapshot,
    weights_of,
)

from fastnn import MLPClassifier, MLPEstimator
from fastnn.structure.variants import SOLVERS

pytestmark = ignore_convergence

STOCHASTIC = sorted(set(SOLVERS) - {"lbfgs"})
FAST = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0}


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", ["classifier", "estimator-clf"])
@pytest.mark.parametrize("labels", ["str", "object", "bool"])
def test_labels_that_are_no_numbers(labels, name, solver):
    """scikit-learn #33760: isnan of a string, from inside early stopping."""
    X, codes = make_data("binary", n=80)
    y = {
        "str": np.array(["no", "yes"])[codes],
        "object": np.array(["no", "yes"], dtype=object)[codes],
        "bool": codes.astype(bool),
    }[labels]
    params = {**FAST, "early_stopping": True, "solver": solver}
    model = estimator_of(name, **params).fit(X, y)
    plain = estimator_of(name, **params).fit(X, codes)
    assert model.validation_scores_ == plain.validation_scores_
    np.testing.assert_array_equal(model.predict(X), np.unique(y)[plain.predict(X)])


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", NAMES)
def test_few_samples_are_fitted_or_refused_by_name(name, fraction):
    """scikit-learn #24713: a score of NaN, then an AttributeError."""
    fitted = []
    for n in range(1, 21):
        X, y = data_for(name, n=n, p=3)
        model = estimator_of(
            name, **FAST, early_stopping=True, validation_fraction=fraction
        )
        error = error_of(model.fit, X, y)
        if error is None:
            fitted.append(n)
            assert np.isfinite(model.validation_scores_).all()
            assert len(model.validation_scores_) == 4
            assert np.isfinite(outputs(model, X)).all()
        else:
            assert type(error) is ValueError
            assert "validation_fraction" in str(error), (n, error)
            assert not hasattr(model, "coefs_")
    assert 20 in fitted
    assert 1 not in fitted


def held_out(model, X, y, **fit):
    """Fit with early stopping and return the targets that were held out."""
    seen = []

    def look(estimator, X, y):
        seen.append(np.array(y))
        return float(len(seen))

    model.set_params(early_stopping=True, validation_metric=look)
    model.fit(X, y, **fit)
    assert all((part == seen[0]).all() for part in seen)
    return seen[0]


def uneven_classes(n_classes):
    """One class has 80 % of 200 samples, the others share the rest."""
    X, _ = make_data("binary", n=200)
    return X, np.where(np.arange(200) < 160, 0, 1 + np.arange(200) % (n_classes - 1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_the_split_keeps_the_proportions_of_classes(n_classes, seed):
    """scikit-learn PR #13164, and any number of classes."""
    X, y = uneven_classes(n_classes)
    model = MLPEstimator(**{**FAST, "random_state": seed, "validation_fraction": 0.2})
    counts = np.bincount(held_out(model, X, y), minlength=n_classes)
    assert counts[0] == 32
    assert counts[1:].tolist() == [8 // (n_classes - 1)] * (n_classes - 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_drop_in_stratifies_what_scikit_learn_does(seed):
    """Two classes; several are drawn at random there, and so here, on purpose."""
    params = {**FAST, "random_state": seed, "validation_fraction": 0.2}
    X, y = uneven_classes(2)
    counts = np.bincount(held_out(MLPClassifier(**params), X, y), minlength=2)
    assert counts.tolist() == [32, 8]
    X, y = uneven_classes(3)
    model = fit_both("multiclass", X, y, **{**params, "early_stopping": True})
    assert len(model.validation_scores_) == 4


def test_several_classes_of_the_drop_in_are_not_stratified():
    X, y = uneven_classes(3)
    params = {**FAST, "validation_fraction": 0.2}
    draws = {
        tuple(np.bincount(held_out(MLPClassifier(**params), X, y), minlength=3))
        for params["random_state"] in range(5)
    }
    assert len(draws) > 1
    assert {sum(counts) for counts in draws} == {40}


@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_several_labels_are_split_without_strata(maker):
    X, y = make_data("multilabel", n=60)
    assert held_out(maker(**FAST), X, y).shape == (6, 3)


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("name", NAMES)
def test_partial_fit_after_early_stopping(name, solver):
    """scikit-learn #25693: it crashed; the model stays, and goes on without."""
    X, y = data_for(name, n=60)
    model = estimator_of(name, **FAST, early_stopping=True, solver=solver).fit(X, y)
    before = snapshot(model)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping"):
        model.partial_fit(X, y, **partial_fit_args(name, y))
    assert snapshot(model) == before
    kept = weights_of(model)
    model.set_params(early_stopping=False).partial_fit(X, y)
    assert any((a != b).any() for a, b in zip(kept, weights_of(model), strict=True))
    assert all(np.isfinite(w).all() for w in weights_of(model))


@pytest.mark.parametrize("metric", ["auto", "loss", "scorer"])
@pytest.mark.parametrize("name", NAMES)
def test_frames_warn_of_nothing(name, metric):
    """scikit-learn #24846: "X has feature names" from its own scoring.

    All warnings are errors here.
    """
    X, y = data_for(name, n=60, p=4)
    scorer = "accuracy" if is_classifier_name(name) else "neg_mean_absolute_error"
    model = estimator_of(
        name, **FAST, early_stopping=True,
        validation_metric=scorer if metric == "scorer" else metric,
    )  # fmt: skip
    frame = pd.DataFrame(X, columns=COLUMNS)
    assert len(model.fit(frame, y).validation_scores_) == 4
    assert list(model.feature_names_in_) == COLUMNS
    model.set_params(warm_start=True).fit(frame, y, X_val=frame, y_val=y)
    assert model.predict(frame).shape == y.shape


SEARCH = """
import hashlib, json, sys, warnings
import joblib
import numpy as np
from helpers import data_for, estimator_of, is_classifier_name, weights_of
from sklearn.model_selection import GridSearchCV
warnings.simplefilter("ignore")
report = {}
for name in ("classifier", "estimator-reg"):
    X, y = data_for(name, n=90)
    backends = ("sequential", "threading", "multiprocessing", "loky")
    for backend in backends if name == "classifier" else backends[:2]:
        model = estimator_of(
            name, hidden_layer_sizes=(6,), max_iter=30, random_state=0,
            early_stopping=True, n_iter_no_change=2, learning_rate_init=0.05)
        before = sorted(vars(model)), repr(model)
        with joblib.parallel_config(backend):
            search = GridSearchCV(model, {"alpha": [0.0, 0.1, 1.0]}, cv=2, n_jobs=2)
            search.fit(X, y)
        assert (sorted(vars(model)), repr(model)) == before, "the search changed it"
        best = search.best_estimator_
        raw = b"".join(w.tobytes() for w in weights_of(best))
        report[f"{name} {backend}"] = [
            search.cv_results_["mean_test_score"].tolist(), search.best_params_,
            best.n_iter_, best.validation_scores_, hashlib.sha256(raw).hexdigest()]
print(json.dumps(report))
"""


def test_a_parallel_search_with_early_stopping():
    """scikit-learn PR #12122: it crashed, as fits changed the estimator they shared."""
    report = run_python(SEARCH)
    assert len(report) == 6
    for case, found in report.items():
        alone = report[f"{case.split()[0]} sequential"]
        assert len(alone[0]) == 3
        assert 2 < alone[2] < 30  # it did stop early
        assert found == alone, case
