"""Classes whose outputs come to the same number: the raw outputs tell them apart."""

import numpy as np
import pytest
from helpers import ignore_convergence

from fastnn import MLPClassifier, MLPEstimator

pytestmark = ignore_convergence

X = np.random.RandomState(0).standard_normal((90, 3))
Y = np.arange(90) % 3
# All near 1, all near 0 (and 0 in float32), a mixture, and none near either.
BIASES = [(20, 30, -5), (-150, -120, -200), (90, -110, 91), (0.3, -0.2, 0.1)]


def probabilities(z):
    """Return σ(z) / Σ σ(z) by logarithms, in float64."""
    log = -np.logaddexp(0.0, -np.asarray(z, np.float64))
    p = np.exp(log - log.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def saturated(kind, biases, dtype, output="logistic", **options):
    loss = "hinge" if output == "tanh" else "log_loss"
    options = {"hidden_layer_sizes": (), **options}
    model = kind(
        output_activation=output, loss=loss, dtype=dtype, max_iter=1, **options
    ).fit(X, Y)
    model.coefs_[-1][...] = 0
    model.intercepts_[-1][...] = biases
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPEstimator])
def test_labels_and_probabilities(kind, biases, dtype):
    model = saturated(kind, biases, dtype)
    assert set(model.predict(X)) == {int(np.argmax(biases))}
    p = model.predict_proba(X)
    assert p.dtype == dtype
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=8 * eps)
    # An error of z is one of exp(z): as many roundings as z has units.
    rtol = (8 + 2 * np.abs(biases).max()) * eps
    expected = np.tile(probabilities(biases), (len(X), 1))
    np.testing.assert_allclose(p, expected, rtol=rtol, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("biases", [(20, 30, -5), (-30, -20, -40)])
def test_tanh(biases):
    model = saturated(MLPEstimator, biases, "float32", "tanh")
    assert set(model.predict(X)) == {int(np.argmax(biases))}
    assert not hasattr(model, "predict_proba")


def test_samples_of_probabilities():
    model = saturated(
        MLPEstimator, BIASES[1], "float32", hidden_layer_sizes=(4,), dropout=0.5
    )
    p = model.predict_proba_samples(X, 5, random_state=0)
    expected = np.broadcast_to(probabilities(BIASES[1]), p.shape)
    np.testing.assert_allclose(p, expected, rtol=1e-4, atol=1e-37)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("biases", BIASES)
def test_onnx(biases, dtype):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx_tools import run

    from fastnn.onnx import to_onnx

    model = saturated(MLPClassifier, biases, dtype)
    found = run(to_onnx(model), X.astype(dtype))
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_allclose(
        found["probabilities"], model.predict_proba(X), rtol=1e-4, atol=1e-37
    )


@pytest.mark.parametrize("output", ["logistic", "tanh"])
def test_the_score_of_validation_is_that_of_predict(output):
    """Wide inputs drive the outputs of many rows to their limits."""
    wide = X * 1e4
    model = MLPEstimator(
        (),
        loss="log_loss" if output == "logistic" else "hinge",
        output_activation=output,
        early_stopping=True,
        max_iter=1,
        dtype="float32",
        random_state=0,
    ).fit(wide, Y, X_val=wide, y_val=Y)
    Z = model.decision_function(wide)
    assert ((np.sort(Z, axis=1)[:, 1:] > 100).all(axis=1)).mean() > 0.1  # two at 1
    assert model.validation_scores_ == [model.score(wide, Y)]
