"""Pipelines with networks, converted by skl2onnx."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

from onnx_tools import rows, run, targets_of  # noqa: E402

import fastnn  # noqa: E402
from fastnn.onnx import register  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = np.array(["cat", "cow", "dog", "rat"])
TARGETS = {
    "integers": targets_of("multiclass"),
    "strings": NAMES[targets_of("multiclass")],
    "booleans": targets_of("binary") > 0,
    "labels": targets_of("multilabel"),
}
ESTIMATORS = {"drop-in": fastnn.MLPClassifier, "estimator": fastnn.MLPEstimator}
# Networks of float64 in a pipeline of float32, and the other way round.
TYPES = [(x, dtype) for x in ("float32", "float64") for dtype in ("float32", "float64")]


def pipeline(network, X, y):
    return make_pipeline(StandardScaler(), network).fit(X, y)


def convert(model, X, **options):
    """Return the outputs of a converted model, without maps but where asked for."""
    options = {"zipmap": False, **options}
    program = skl2onnx.to_onnx(model, X[:1], options={id(last(model)): options})
    return run(program, X)


def last(model):
    return model[-1] if hasattr(model, "steps") else model


@pytest.mark.parametrize(("x_type", "dtype"), TYPES)
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("kind", TARGETS)
def test_classifiers(kind, name, x_type, dtype):
    """Labels are equal; numbers are of the pipeline's type."""
    X = rows().astype(x_type)
    network = ESTIMATORS[name]((6,), dtype=dtype, max_iter=3, random_state=0)
    model = pipeline(network, X, TARGETS[kind])
    got = convert(model, X)
    assert got["label"].tolist() == model.predict(X).tolist()
    p, want = got["probabilities"], model.predict_proba(X)
    assert p.dtype == np.dtype(x_type)
    exact = (x_type, dtype) == ("float64", "float64")
    np.testing.assert_allclose(p, want, rtol=0, atol=1e-12 if exact else 1e-5)


@pytest.mark.parametrize(("x_type", "dtype"), TYPES)
def test_regressors_and_transformers(x_type, dtype):
    X = rows().astype(x_type)
    bound = 1e-12 if (x_type, dtype) == ("float64", "float64") else 1e-5
    for cls, params in (
        (fastnn.MLPRegressor, {}),
        (fastnn.MLPEstimator, {"task": "regression"}),
    ):
        network = cls((6,), dtype=dtype, max_iter=3, random_state=0, **params)
        model = pipeline(network, X, targets_of("regression-3"))
        program = skl2onnx.to_onnx(model, X[:1])
        got, want = run(program, X)["variable"], model.predict(X)
        assert got.dtype == np.dtype(x_type)
        np.testing.assert_allclose(got, want, rtol=0, atol=bound)
    network = fastnn.MLPClassifier((6, 4), dtype=dtype, max_iter=3, random_state=0)
    model = make_pipeline(
        fastnn.MLPTransformer(network, layer=0), LogisticRegression()
    ).fit(X, TARGETS["integers"])
    got = convert(model, X)
    # LogisticRegression is converted to an operator of float32.
    want = model.predict_proba(X)
    np.testing.assert_allclose(got["probabilities"], want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_maps_of_probabilities(name):
    """skl2onnx's own form, which it gives unless told otherwise; for float32 only."""
    X = rows().astype("float32")
    network = ESTIMATORS[name]((6,), max_iter=3, random_state=0)
    model = pipeline(network, X, TARGETS["strings"])
    got = run(skl2onnx.to_onnx(model, X[:1]), X)
    assert got["output_label"].tolist() == model.predict(X).tolist()
    for probabilities, row in zip(
        got["output_probability"], model.predict_proba(X), strict=True
    ):
        assert list(probabilities) == list(NAMES)
        np.testing.assert_allclose(list(probabilities.values()), row, atol=1e-5)


def test_integers_go_in_as_they_are():
    X = (10 * rows()).astype(np.int64)
    network = fastnn.MLPClassifier((6,), max_iter=3, random_state=0)
    model = network.fit(X, TARGETS["integers"])
    got = convert(model, X)
    np.testing.assert_allclose(
        got["probabilities"], model.predict_proba(X), rtol=0, atol=1e-5
    )


def test_a_search_with_a_pipeline():
    X = rows().astype("float32")
    grid = {"mlpclassifier__alpha": [0.1, 0.2]}
    pipe = make_pipeline(StandardScaler(), fastnn.MLPClassifier((4,), max_iter=3))
    search = GridSearchCV(pipe, grid, cv=2).fit(X, TARGETS["integers"])
    got = run(skl2onnx.to_onnx(search, X[:1]), X)
    assert got["output_label"].tolist() == search.predict(X).tolist()


def test_scores_of_a_hinge_loss():
    """They are given as they are, but not as a map of probabilities."""
    X = rows()
    network = fastnn.MLPClassifier((6,), loss="hinge", max_iter=3, random_state=0)
    model = pipeline(network, X, TARGETS["booleans"])
    got = convert(model, X)
    want = model.decision_function(X)[:, None]
    np.testing.assert_allclose(got["probabilities"], want, rtol=0, atol=1e-12)
    with pytest.raises(NotImplementedError, match=r"hinge.*'zipmap': False"):
        skl2onnx.to_onnx(model, X[:1])


def test_the_document():
    """Its code runs as it stands there, the second block after the first."""
    path = Path(__file__).resolve().parents[1] / "docs" / "onnx.md"
    if not path.exists():
        pytest.skip("the documents are not installed")
    text = path.read_text(encoding="utf-8")
    codes = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(codes) == 2
    names: dict = {}
    for code, model in zip(codes, ("network", "pipe"), strict=True):
        exec(compile(code, "<document>", "exec"), names)
        X, label, probabilities = names["X"], names["label"], names["probabilities"]
        np.testing.assert_array_equal(label, names[model].predict(X))
        want = names[model].predict_proba(X)
        np.testing.assert_allclose(probabilities, want, rtol=0, atol=1e-5)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r"skl2onnx: pip install 'numba-fastnn\[onnx"):
        register()
