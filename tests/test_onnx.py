"""ONNX models predict what the networks do that they come from."""

import dataclasses
import importlib
import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx_tools import (  # noqa: E402
    N_FEATURES,
    SIZES,
    STRUCTURES,
    assert_same,
    network,
    rows,
    run,
    targets_of,
)

import fastnn  # noqa: E402
from fastnn.onnx import functions, to_onnx  # noqa: E402
from fastnn.structure.variants import (  # noqa: E402
    ACTIVATIONS,
    CLASSIFICATION_LOSSES,
    OUTPUTS,
    REGRESSION_LOSSES,
)

DTYPES = ("float32", "float64")
CLASSIFIERS = [
    (kind, loss, output)
    for kind in ("binary", "multiclass", "multilabel", "one class")
    for loss, suitable in CLASSIFICATION_LOSSES.items()
    for output in suitable
    if loss in ("log_loss", "hinge") and (kind, output) != ("multilabel", "softmax")
]
REGRESSORS = [
    (kind, loss, output)
    for kind in ("regression", "regression-3")
    for loss in ("squared_error", "poisson")
    for output in REGRESSION_LOSSES[loss]
]


def test_every_activation_is_known():
    assert set(functions.ACTIVATIONS) == set(ACTIVATIONS)
    assert set(functions.OUTPUTS) == set(OUTPUTS)
    used = {output for *_, output in (*CLASSIFIERS, *REGRESSORS)}
    assert used | {"quantiles"} == set(OUTPUTS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_structures(activation, structure, dtype):
    """Values of a regressor, which no output activation squeezes together."""
    params = {"activation": activation, **STRUCTURES[structure]}
    model = network("regression", targets_of("regression-3"), dtype, **params)
    program = to_onnx(model)
    onnx.checker.check_model(program, full_check=True)
    X = rows(5).astype(dtype)
    assert_same(run(program, X)["variable"], model.predict(X), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_far_from_0(activation, dtype):
    """Where exponentials overflow, and tails lose their digits in other formulas."""
    y = targets_of("regression-3")
    params = {"activation": activation, "hidden_layer_sizes": (9,)}
    model = network("regression", y, dtype, **params)
    for scale in (5.0, 30.0, 1000.0):
        X = rows(6, scale).astype(dtype)
        assert_same(run(to_onnx(model), X)["variable"], model.predict(X), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_outputs_keep_their_digits(dtype):
    """A mean of 1e-6 is no 0: the error is relative to small predictions as well."""
    tolerance = {"float32": 1e-4, "float64": 1e-9}[dtype]
    for output in ("exp", "softplus"):
        params = {"loss": "poisson", "output_activation": output}
        model = network("regression", targets_of("regression"), dtype, **params)
        model.intercepts_[-1][:] = -12.0
        X = rows(7).astype(dtype)
        got, want = run(to_onnx(model), X)["variable"][:, 0], model.predict(X)
        assert want.max() < 1e-3
        np.testing.assert_allclose(got, want, rtol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "loss", "output"), REGRESSORS)
def test_regressors(kind, loss, output, dtype):
    """Two dimensions, also for one output."""
    params = {"loss": loss, "output_activation": output}
    model = network("regression", targets_of(kind), dtype, **params)
    X = rows(8).astype(dtype)
    got = run(to_onnx(model), X)
    assert list(got) == ["variable"]
    want = model.predict(X)
    assert_same(got["variable"], want.reshape(len(want), -1), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantiles(dtype):
    params = {"loss": "quantile", "quantile": [0.1, 0.5, 0.8, 0.9]}
    model = network("regression", targets_of("regression"), dtype, **params)
    assert model.out_activation_ == "quantiles"
    X = rows(9).astype(dtype)
    got = run(to_onnx(model), X)["variable"]
    assert_same(got, model.predict(X), dtype)
    assert (np.diff(got, axis=1) >= 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "loss", "output"), CLASSIFIERS)
def test_classifiers(kind, loss, output, dtype):
    """Labels are equal; so are probabilities, or the scores of a hinge loss."""
    params = {"loss": loss, "output_activation": output}
    model = network("classification", targets_of(kind), dtype, **params)
    X = rows(10).astype(dtype)
    got = run(to_onnx(model), X)
    np.testing.assert_array_equal(got["label"], model.predict(X))
    assert got["label"].dtype == np.int64
    if kind != "one class":
        assert len(np.unique(got["label"])) > 1
    if loss == "hinge":
        assert list(got) == ["label", "scores"]
        want = model.decision_function(X)
        assert_same(got["scores"], want.reshape(len(X), -1), dtype)
    else:
        assert list(got) == ["label", "probabilities"]
        assert_same(got["probabilities"], model.predict_proba(X), dtype)


LABELS = {
    "int8": (np.array([-3, 5, 100], np.int8), np.int64),
    "uint16": (np.array([3, 5, 60000], np.uint16), np.int64),
    "strings": (np.array(["cat", "dog", "żółw"]), object),
    "objects": (np.array(["cat", "dog", "rat"], object), object),
    "bool": (np.array([False, True, True]), np.int64),
    "float": (np.array([-1.0, 2.0, 3.0]), np.float64),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    """Integers become int64, strings stay strings."""
    values, dtype = LABELS[name]
    y = values[targets_of("multiclass") % 3]
    model = network("classification", y, "float32")
    X = rows(11).astype("float32")
    got, want = run(to_onnx(model), X)["label"], model.predict(X)
    assert got.dtype == dtype
    assert got.tolist() == want.tolist()
    assert len(set(got.tolist())) == len(np.unique(values))


def test_labels_that_cannot_be_exported():
    y = targets_of("binary")
    model = network("classification", y, "float32")
    model.classes_ = np.array([(1, 2), 3], object)
    with pytest.raises(NotImplementedError, match="labels of type int, tuple"):
        to_onnx(model)


def test_sparse_indicators():
    """Predictions are sparse if targets were; a model gives the same, dense."""
    y = sparse.csr_matrix(targets_of("multilabel"))
    model = network("classification", y, "float64")
    X = rows(12)
    want = model.predict(X)
    assert sparse.issparse(want)
    got = run(to_onnx(model), X)
    np.testing.assert_array_equal(got["label"], want.toarray())
    assert_same(got["probabilities"], model.predict_proba(X), "float64")


@pytest.mark.parametrize("structure", ["plain", "residual+batch"])
def test_without_hidden_layers_and_with_one(structure):
    for hidden in ((), (3,)):
        params = {"hidden_layer_sizes": hidden, **STRUCTURES[structure]}
        model = network("classification", targets_of("binary"), "float64", **params)
        X = rows(13)
        got = run(to_onnx(model), X)
        assert_same(got["probabilities"], model.predict_proba(X), "float64")


def test_an_activation_per_layer():
    params = {"activation": ["gelu", "sign", "elu"]}
    model = network("regression", targets_of("regression-3"), "float64", **params)
    X = rows(14)
    assert_same(run(to_onnx(model), X)["variable"], model.predict(X), "float64")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_trained_networks(name):
    """Of the drop-ins, with what training leaves behind."""
    y = targets_of("multiclass" if name == "MLPClassifier" else "regression-3")
    model = getattr(fastnn, name)((8, 8), max_iter=30, random_state=0)
    model.fit(rows(), y)
    X = rows(15)
    got = run(to_onnx(model), X)
    if name == "MLPRegressor":
        assert_same(got["variable"], model.predict(X), "float64")
        return
    assert_same(got["probabilities"], model.predict_proba(X), "float64")
    np.testing.assert_array_equal(got["label"], model.predict(X))


def test_weights_that_were_written():
    """The model has the weights of the moment, and stays as it is afterwards."""
    model = network("regression", targets_of("regression"), "float64")
    model.coefs_[0] = model.coefs_[0] * 2
    X = rows(16)
    program, want = to_onnx(model), model.predict(X)[:, None]
    model.coefs_[0][:] = 0
    assert_same(run(program, X)["variable"], want, "float64")


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_transformers(layer, dtype):
    y = targets_of("binary")
    model = network("classification", y, dtype, residual=True, layer_norm=True)
    transformer = fastnn.MLPTransformer(model, layer=layer)
    transformer.estimator_ = model
    X = rows(17).astype(dtype)
    got = run(to_onnx(transformer), X)
    assert got["variable"].shape == (len(X), SIZES[layer])
    assert_same(got["variable"], transformer.transform(X), dtype)


@pytest.mark.parametrize("opset", [13, 15, 18, 21])
def test_versions_of_operators(opset):
    params = {"activation": ["gelu", "mish", "elu"], "layer_norm": True}
    y = targets_of("multiclass")
    for dtype in DTYPES:
        model = network("classification", y, dtype, residual=True, **params)
        program = to_onnx(model, target_opset=opset)
        assert [(o.domain, o.version) for o in program.opset_import] == [("", opset)]
        onnx.checker.check_model(program, full_check=True)
        X = rows(18).astype(dtype)
        got = run(program, X)["probabilities"]
        assert_same(got, model.predict_proba(X), dtype)


def test_ends_of_the_versions():
    """The newest is written as well, and what lies beyond is refused."""
    model = network("classification", targets_of("binary"), "float32")
    newest = onnx.defs.onnx_opset_version()
    program = to_onnx(model, target_opset=newest)
    onnx.checker.check_model(program, full_check=True)
    assert to_onnx(model).opset_import[0].version == 17
    for bad in (12, newest + 1, "17", 17.0):
        with pytest.raises(
            ValueError, match=f"target_opset must .* from 13 to {newest}"
        ):
            to_onnx(model, target_opset=bad)


def test_input_of_the_model():
    for dtype, kind in (("float32", 1), ("float64", 11)):
        model = network("regression", targets_of("regression"), dtype)
        (entry,) = to_onnx(model).graph.input
        assert entry.name == "X"
        tensor = entry.type.tensor_type
        assert tensor.elem_type == kind
        assert tensor.shape.dim[1].dim_value == N_FEATURES


def test_what_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(fastnn.MLPClassifier())
    with pytest.raises(NotFittedError):
        to_onnx(fastnn.MLPTransformer())
    pipe = make_pipeline(StandardScaler(), fastnn.MLPClassifier())
    with pytest.raises(NotImplementedError, match=r"Pipeline cannot .* skl2onnx"):
        to_onnx(pipe)
    with pytest.raises(NotImplementedError, match="Perceptron cannot"):
        to_onnx(fastnn.Perceptron())


def test_unknown_functions_are_named():
    """What a later version adds is refused by name, not exported as another thing."""
    for field, value, match in (
        ("activations", ("tanh", "cube", "tanh"), "activation='cube'"),
        ("output", "arcsinh", "output_activation='arcsinh'"),
    ):
        model = network("regression", targets_of("regression"), "float64")
        model.coefs_ = [W.copy() for W in model.coefs_]
        known = model._architecture
        model._architecture = dataclasses.replace(known, **{field: value})
        with pytest.raises(NotImplementedError, match=match):
            to_onnx(model)


def test_without_the_package(monkeypatch):
    """The message names the extra."""
    for name in [name for name in sys.modules if name.startswith("fastnn.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(fastnn, "onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'numba-fastnn\[onnx\]'"):
        importlib.import_module("fastnn.onnx")
