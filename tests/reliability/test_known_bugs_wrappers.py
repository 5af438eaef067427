"""Inside scikit-learn's meta-estimators: bugs that other networks had.

A drop-in in a wrapper predicts what scikit-learn's own network in it predicts.
`docs/reliability_traps.md` lists the bugs with the projects and the reports.
"""

import numpy as np
import pytest
from helpers import (
    NAMES,
    WEIGHT_TOL,
    data_for,
    estimator_of,
    ignore_convergence,
    is_classifier_name,
    make_data,
    needs_weights,
    pair,
    recorded,
    weights_of,
)
from sklearn import ensemble, multiclass, multioutput
from sklearn import neural_network as sk
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import TunedThresholdClassifierCV, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils.validation import check_is_fitted

pytestmark = ignore_convergence

PARAMS = {"hidden_layer_sizes": (5,), "max_iter": 8, "random_state": 0}
PARAMS |= {"learning_rate_init": 0.02}

CLASSIFIERS = {
    "bagging": lambda m: ensemble.BaggingClassifier(m, 3, random_state=0),
    "stacking": lambda m: ensemble.StackingClassifier(
        [("net", m)], LogisticRegression(), cv=2
    ),
    "voting": lambda m: ensemble.VotingClassifier([("a", m)], voting="soft"),
    "calibration": lambda m: CalibratedClassifierCV(m, cv=2),
    "one against rest": multiclass.OneVsRestClassifier,
    "one against one": multiclass.OneVsOneClassifier,
    "self-training": SelfTrainingClassifier,
    "threshold": lambda m: TunedThresholdClassifierCV(m, cv=2, thresholds=9),
    "several outputs": multioutput.MultiOutputClassifier,
    "chain": multioutput.ClassifierChain,
}
REGRESSORS = {
    "bagging": lambda m: ensemble.BaggingRegressor(m, 3, random_state=0),
    "stacking": lambda m: ensemble.StackingRegressor([("net", m)], Ridge(), cv=2),
    "voting": lambda m: ensemble.VotingRegressor([("a", m)]),
    "several outputs": multioutput.MultiOutputRegressor,
    "chain": multioutput.RegressorChain,
    "transformed targets": lambda m: TransformedTargetRegressor(
        m, transformer=StandardScaler()
    ),
}
KIND = {
    ("threshold", True): "binary",
    ("several outputs", True): "multilabel",
    ("chain", True): "multilabel",
    ("several outputs", False): "multioutput",
    ("chain", False): "multioutput",
}
CASES = [(True, name) for name in CLASSIFIERS] + [(False, name) for name in REGRESSORS]


class WithMargins(sk.MLPClassifier):
    """scikit-learn's network with the raw outputs that ours has as well."""

    def decision_function(self, X):
        hidden = np.maximum(X @ self.coefs_[0] + self.intercepts_[0], 0)
        raw = hidden @ self.coefs_[1] + self.intercepts_[1]
        return raw[:, 0] if raw.shape[1] == 1 else raw


def data_of(classifies, wrapper):
    """Return the kind of targets that a wrapper takes, data, and targets to fit."""
    kind = KIND.get((wrapper, classifies), "multiclass" if classifies else "regression")
    X, y = make_data(kind)
    if wrapper == "self-training":  # some have no label yet
        return kind, X, y, np.where(np.arange(len(y)) % 5, y, -1)
    return kind, X, y, y


def wrap(classifies, wrapper, model):
    return (CLASSIFIERS if classifies else REGRESSORS)[wrapper](model)


@pytest.mark.parametrize(("classifies", "wrapper"), CASES)
def test_wrapped_as_scikit_learns_network(classifies, wrapper):
    """Skorch #972, #1078, #1119, #1128: targets' shapes, tags, `check_is_fitted`.

    Two wrappers prefer a `decision_function`, which scikit-learn's network lacks.
    """
    kind, X, _, y = data_of(classifies, wrapper)
    ours, theirs = pair(kind, **PARAMS)
    if wrapper in ("calibration", "one against one"):
        theirs = WithMargins(**PARAMS)
    results = []
    for model in (ours, theirs):
        wrapped = wrap(classifies, wrapper, model)
        recorded(wrapped.fit, X, y)
        assert not hasattr(model, "coefs_")  # a clone was fitted
        result = [wrapped.predict(X)]
        if hasattr(wrapped, "predict_proba"):
            result.append(np.asarray(wrapped.predict_proba(X)))
        results.append(result)
    assert len(results[0]) == len(results[1])
    assert results[0][0].dtype == results[1][0].dtype
    for got, want in zip(*results, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, **WEIGHT_TOL)


@pytest.mark.parametrize(("classifies", "wrapper"), CASES)
def test_our_own_estimator_wrapped(classifies, wrapper):
    _, X, y, given = data_of(classifies, wrapper)
    name = "estimator-clf" if classifies else "estimator-reg"
    model = estimator_of(name, **{**PARAMS, "max_iter": 60})
    wrapped = wrap(classifies, wrapper, model).fit(X, given)
    assert wrapped.predict(X).shape == y.shape
    chance = np.unique(y, axis=0, return_counts=True)[1].max() / len(y)
    assert wrapped.score(X, y) > (chance if classifies else 0.3)


@needs_weights
@pytest.mark.parametrize("classifies", [True, False])
def test_boosting_as_with_scikit_learns_network(classifies):
    """It hands over weights of samples, which scikit-learn's network has since 1.7."""
    kind = "multiclass" if classifies else "regression"
    maker = ensemble.AdaBoostClassifier if classifies else ensemble.AdaBoostRegressor
    X, y = make_data(kind)
    predicted = []
    for model in pair(kind, **PARAMS):
        boosted = maker(model, n_estimators=3, random_state=0)
        predicted.append(recorded(boosted.fit, X, y)[0].predict(X))
    np.testing.assert_allclose(predicted[0], predicted[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_learning_curve_by_partial_fit(kind):
    """scikit-learn #22981: `classes` were passed to a regressor's `partial_fit`."""
    X, y = make_data(kind, n=120)
    curves = [
        recorded(
            learning_curve, model, X, y, exploit_incremental_learning=True, cv=3,
            train_sizes=[0.2, 0.6, 1.0],
        )[0]
        for model in pair(kind, **PARAMS)
    ]  # fmt: skip
    for got, want in zip(*curves, strict=True):
        assert got.shape[0] == 3
        np.testing.assert_allclose(got, want, **WEIGHT_TOL)


@pytest.mark.parametrize("name", ["estimator-clf", "estimator-reg"])
def test_a_learning_curve_of_our_own(name):
    X, y = data_for(name, n=120)
    sizes, train, test = learning_curve(
        estimator_of(name, **PARAMS), X, y, exploit_incremental_learning=True, cv=3,
        train_sizes=[0.2, 0.6, 1.0],
    )  # fmt: skip
    assert sizes.tolist() == [16, 48, 80]
    assert np.isfinite(train).all()
    assert np.isfinite(test).all()
    first = estimator_of(name, **PARAMS)
    options = {"classes": np.unique(y)} if is_classifier_name(name) else {}
    for rows in (slice(40, 56), slice(56, 88), slice(88, 120)):
        first.partial_fit(X[rows], y[rows], **options)
    if name == "estimator-reg":  # its folds are blocks: the first one tests
        assert test[2, 0] == pytest.approx(first.score(X[:40], y[:40]), rel=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_a_clone_of_a_fitted_network_is_not_fitted(name, solver):
    """Skorch #521: what was learnt was among the parameters, and clones had it."""
    X, y = data_for(name)
    model = estimator_of(name, **PARAMS, solver=solver).fit(X, y)
    copy = clone(model)
    assert vars(copy) == model.get_params()
    assert not any(key.endswith("_") for key in model.get_params())
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    with pytest.raises(NotFittedError):
        copy.predict(X)
    check_is_fitted(model)
    kept = weights_of(model)
    copy.set_params(random_state=1).fit(X, y)
    assert all((a == b).all() for a, b in zip(kept, weights_of(model), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_importance_by_permutation_in_a_pipeline(name):
    X, y = data_for(name)
    X[:, 3] = 0
    pipe = make_pipeline(
        StandardScaler(), estimator_of(name, **{**PARAMS, "max_iter": 60})
    )
    found = permutation_importance(pipe.fit(X, y), X, y, n_repeats=3, random_state=0)
    assert found.importances_mean[3] == 0
    assert found.importances_mean.max() > 0.02
