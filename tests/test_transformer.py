"""Hidden activations as features: values, names, pipelines and searches."""

import pickle

import numpy as np
import pandas as pd
import pytest
from helpers import (
    NAMES,
    assert_same_bits,
    data_for,
    estimator_of,
    ignore_convergence,
    make_data,
    snapshot,
)
from reference import ACTIVATIONS
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor, MLPTransformer

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (7, 7, 4), "max_iter": 4, "batch_size": 16}
FAST |= {"random_state": 0, "learning_rate_init": 0.02}


def forward(model, X):
    """Return every hidden layer's outputs and the raw outputs, from the definition.

    z = A W + b;  y = norm(z);  a = f(y);  A = a + A, or a + A V, but for the first.
    """
    A, layers = np.asarray(X, float), []
    hidden = len(model.coefs_) - 1
    names = model.activation
    names = [names] * hidden if isinstance(names, str) else names
    for i in range(hidden):
        z = A @ model.coefs_[i] + model.intercepts_[i]
        if model.layer_norm:
            mean, variance = z.mean(axis=1, keepdims=True), z.var(axis=1, keepdims=True)
        elif model.batch_norm:
            mean, variance = model.norm_means_[i], model.norm_variances_[i]
        if model.layer_norm or model.batch_norm:
            z = (z - mean) / np.sqrt(variance + model.norm_epsilon)
            z = z * model.norm_scales_[i] + model.norm_shifts_[i]
        a = ACTIVATIONS[names[i]][0](z)
        if model.residual and i > 0:
            projections = getattr(model, "shortcut_coefs_", [None] * hidden)
            V = projections[i] if i < len(projections) else None
            a = a + (A if V is None else A @ V)
        A = a
        layers.append(A)
    return layers, A @ model.coefs_[-1] + model.intercepts_[-1]


NETWORKS = {
    "plain": {},
    "residual": {"residual": True},
    "batch_norm": {"batch_norm": True, "norm_epsilon": 0.01},
    "layer_norm": {"layer_norm": True},
    "batch_norm, residual": {"batch_norm": True, "residual": True},
    "layer_norm, residual": {
        "layer_norm": True, "residual": True, "activation": ["gelu", "tanh", "mish"],
    },
    "dropout and averages": {
        "residual": True, "dropout": [0.1, 0.2, 0.2, 0.2], "ema_decay": 0.5,
        "activation": "elu",
    },
}  # fmt: skip


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", NAMES)
def test_values_of_every_layer(name, network, dtype, form):
    X, y = data_for(name, n=60)
    model = estimator_of(name, **FAST, **NETWORKS[network], dtype=dtype).fit(X, y)
    layers, raw = forward(model, X.astype(dtype))
    # A few roundings per layer; float32's of numbers that are subtracted from a mean
    # lose two digits more.
    tol = {"rtol": 1e-9, "atol": 1e-11} if dtype == "float64" else {
        "rtol": 2e-4, "atol": 2e-5,
    }  # fmt: skip
    for i, expected in enumerate(layers):
        got = model.transform(form(X), i)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, **tol)
        again = model.transform(form(X), layer=i - len(layers))
        assert again.tobytes() == got.tobytes()
    got = getattr(model, "decision_function", model.predict)(X)
    np.testing.assert_allclose(got.reshape(raw.shape), raw, **tol)
    last = model.transform(form(X))
    assert last.tobytes() == model.transform(form(X), -1).tobytes()
    one_by_one = np.vstack([model.transform(form(X[i : i + 1])) for i in range(60)])
    assert one_by_one.tobytes() == last.tobytes()
    assert pickle.loads(pickle.dumps(model)).transform(form(X)).tobytes() == (
        last.tobytes()
    )


@pytest.mark.parametrize("name", NAMES)
def test_fit_transform_and_names(name):
    X, y = data_for(name, n=60)
    model = estimator_of(name, **FAST)
    with pytest.raises(NotFittedError):
        model.transform(X)
    with pytest.raises(NotFittedError):
        model.get_feature_names_out()
    out = model.fit_transform(X, y)
    assert out.tobytes() == model.transform(X).tobytes()
    prefix = type(model).__name__.lower()
    names = model.get_feature_names_out()
    np.testing.assert_array_equal(names, [f"{prefix}{i}" for i in range(4)])
    weight = np.linspace(0.1, 2, 60)
    weighted = clone(model).fit_transform(X, y, sample_weight=weight)
    assert weighted.tobytes() == clone(model).fit(X, y, weight).transform(X).tobytes()


@pytest.mark.parametrize("kind", ["pandas", "polars"])
@pytest.mark.parametrize("name", NAMES)
def test_containers(name, kind):
    X, y = data_for(name, n=60)
    model = estimator_of(name, **FAST).set_output(transform=kind)
    frame = model.fit_transform(X, y)
    assert list(frame.columns) == list(model.get_feature_names_out())
    plain = estimator_of(name, **FAST).fit(X, y)
    np.testing.assert_array_equal(frame.to_numpy(), plain.transform(X))
    # The names are the last layer's; another one has them where it is as wide.
    with pytest.raises(ValueError, match="MLPTransformer"):
        model.transform(X, 0)
    wrapper = MLPTransformer(model, layer=0).set_output(transform=kind).fit(X, y)
    frame = wrapper.transform(X)
    assert list(frame.columns) == [f"mlptransformer{i}" for i in range(7)]
    np.testing.assert_array_equal(frame.to_numpy(), plain.transform(X, 0))


def test_pandas_keeps_the_index():
    X, y = data_for("classifier", n=60)
    frame = pd.DataFrame(X, index=np.arange(60)[::-1]).add_prefix("x")
    net = MLPTransformer(MLPClassifier(**FAST)).set_output(transform="pandas")
    out = net.fit(frame, y).transform(frame)
    assert (out.index == frame.index).all()
    np.testing.assert_array_equal(net.feature_names_in_, frame.columns)
    assert net.n_features_in_ == 7
    with pytest.raises(ValueError, match="feature names"):
        net.transform(frame[frame.columns[::-1]])


@pytest.mark.parametrize("layer", [3, -4, 1.5, 0.0, "last", None, [0]])
def test_layers_that_do_not_exist(layer):
    X, y = data_for("classifier", n=60)
    model = MLPClassifier(**FAST).fit(X, y)
    with pytest.raises(ValueError, match="layer must be an integer from -3 to 2"):
        model.transform(X, layer)
    wrapper = MLPTransformer(MLPClassifier(**FAST)).fit(X, y)
    before = snapshot(wrapper.estimator_)
    with pytest.raises(ValueError, match="layer"):
        wrapper.set_params(layer=layer).fit(X, y)
    assert snapshot(wrapper.estimator_) == before


def test_a_network_without_hidden_layers():
    X, y = data_for("classifier", n=60)
    model = MLPClassifier((), max_iter=2).fit(X, y)
    for call in (lambda: model.transform(X), model.get_feature_names_out,
                 lambda: MLPTransformer(MLPClassifier(())).fit(X, y)):  # fmt: skip
        with pytest.raises(ValueError, match="no hidden layer"):
            call()


@pytest.mark.parametrize("maker", [MLPClassifier, MLPEstimator])
def test_in_a_pipeline_and_a_search(maker):
    X, y = make_data("multiclass", n=120)
    network = MLPTransformer(maker(**{**FAST, "max_iter": 20}))
    pipe = make_pipeline(StandardScaler(), network, LogisticRegression())
    grid = {
        "mlptransformer__layer": [0, -1],
        "mlptransformer__estimator__alpha": [1e-4, 10.0],
        "mlptransformer__estimator__residual": [False, True],
    }
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) > 1
    assert search.best_score_ > 0.4
    best = clone(pipe).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(
        best.predict_proba(X), search.best_estimator_.predict_proba(X)
    )
    names = pipe.fit(X, y)[:-1].get_feature_names_out()
    np.testing.assert_array_equal(names, [f"mlptransformer{i}" for i in range(4)])
    copy = pickle.loads(pickle.dumps(pipe))
    assert copy.predict_proba(X).tobytes() == pipe.predict_proba(X).tobytes()


def test_the_estimator_itself_in_the_middle_of_a_pipeline():
    X, y = make_data("multiclass", n=120)
    pipe = make_pipeline(MLPEstimator(**FAST), LogisticRegression()).fit(X, y)
    assert pipe[-1].n_features_in_ == 4
    assert pipe.predict(X).shape == (120,)


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_a_clone(name):
    """The network that was given stays as it is; fit arguments reach the clone."""
    X, y = data_for(name, n=60)
    network, weight = estimator_of(name, **FAST), np.linspace(0.1, 2, 60)
    wrapper = MLPTransformer(network).fit(
        X, y, sample_weight=weight, X_val=X[:9], y_val=y[:9]
    )
    assert not hasattr(network, "coefs_")
    direct = estimator_of(name, **FAST).fit(X, y, weight)
    assert_same_bits(wrapper.estimator_, direct)
    assert len(wrapper.estimator_.history_["validation_score"]) == 4
    out = wrapper.transform(X)
    np.testing.assert_array_equal(out, direct.transform(X))
    for form in (sparse.csr_matrix, sparse.coo_matrix, sparse.csc_array):
        sparsely = clone(wrapper).fit(form(X), y, sample_weight=weight)
        np.testing.assert_allclose(
            sparsely.transform(form(X)), out, rtol=2e-3, atol=2e-4
        )


def test_defaults_and_wrong_estimators():
    X, y = data_for("classifier", n=60)
    wrapper = MLPTransformer().fit(X, y)
    assert type(wrapper.estimator_) is MLPClassifier
    assert wrapper.transform(X).shape == (60, 100)
    with pytest.raises(NotFittedError):
        MLPTransformer().transform(X)
    with pytest.raises(NotFittedError):
        MLPTransformer().get_feature_names_out()
    assert not hasattr(MLPTransformer(), "n_features_in_")
    for wrong in (LogisticRegression(), "MLPClassifier", MLPClassifier, 3):
        with pytest.raises(ValueError, match="'estimator' parameter"):
            MLPTransformer(wrong).fit(X, y)
    wrapper.set_params(estimator=MLPRegressor(alpha=-1.0))
    before = snapshot(wrapper.estimator_)
    with pytest.raises(ValueError, match="'alpha' parameter"):
        wrapper.fit(X, y)
    assert snapshot(wrapper.estimator_) == before
    text = repr(MLPTransformer(MLPRegressor((3,), batch_norm=True), layer=0))
    assert eval(text).get_params(deep=False).keys() == {"estimator", "layer"}
    assert "batch_norm=True" in text
