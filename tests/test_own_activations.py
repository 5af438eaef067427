"""Activations of a user's own, through everything that a network does."""

import copy
import math
import pickle
import sys

import numpy as np
import pytest
import reference
from gradient_tools import PLAIN_CASE, SEEDS, check_gradient
from helpers import assert_same_bits, ignore_convergence, make_data, run_python
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fastnn.model_selection
from fastnn import Activation, MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.activations import exp, logistic, tanh

pytestmark = ignore_convergence


def swish(z):
    return z * logistic(z)


def swish_slope(z):
    s = logistic(z)
    return s * (1 + z * (1 - s))


def squareplus(z):
    return 0.5 * (z + math.sqrt(z * z + 4))


def squareplus_slope(z):
    return 0.5 * (1 + z / math.sqrt(z * z + 4))


SWISH = Activation(swish, swish_slope)
SQUAREPLUS = Activation(squareplus, squareplus_slope)
X, Y = make_data("multiclass")
SMALL = {"max_iter": 3, "random_state": 0, "dtype": "float64"}


def fitted(activation=SWISH, cls=MLPClassifier, sizes=(9, 6), **params):
    return cls(sizes, activation=activation, **{**SMALL, **params}).fit(X, Y)


@pytest.mark.parametrize("structure", ["plain", "layer", "batch", "identity+layer"])
@pytest.mark.parametrize("own", [SWISH, SQUAREPLUS], ids=str)
def test_gradient(own, structure, monkeypatch):
    """Of every parameter, in its layers and in those below."""
    plain = {SWISH: "silu", SQUAREPLUS: None}[own]
    numpy_pair = (
        lambda z: 0.5 * (z + np.sqrt(z * z + 4)),
        lambda z: 0.5 * (1 + z / np.sqrt(z * z + 4)),
    )
    pair = reference.ACTIVATIONS[plain] if plain else numpy_pair
    monkeypatch.setitem(reference.ACTIVATIONS, own, pair)
    case = {**PLAIN_CASE, "activation": own, "structure": structure}
    for seed in range(SEEDS):
        check_gradient(case, seed)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "sgd", "dropout": 0.2},
        {"batch_norm": True, "residual": True, "sizes": (6, 6, 6)},
        {"solver": "lbfgs"},
        {"early_stopping": True},
        {"dtype": "float32"},
    ],
    ids=str,
)
def test_a_twin_of_one_of_the_librarys_trains_the_same(params):
    own, known = fitted(**params), fitted("silu", **params)
    wide = own.coefs_[0].dtype == np.float64
    tolerance = {"rtol": 1e-7, "atol": 1e-9} if wide else {"rtol": 1e-3, "atol": 1e-4}
    for got, want in zip(own.coefs_, known.coefs_, strict=True):
        np.testing.assert_allclose(got, want, **tolerance)
    np.testing.assert_allclose(
        own.predict_proba(X), known.predict_proba(X), rtol=1e-3, atol=1e-6
    )
    assert own.get_params()["activation"] is SWISH


def test_one_layers_own():
    mixed, known = fitted([SWISH, "tanh"]), fitted(["silu", "tanh"])
    np.testing.assert_allclose(mixed.loss_curve_, known.loss_curve_, rtol=1e-9)
    net = fitted(["tanh", SWISH])
    H = net.transform(X)
    Z = np.tanh(X @ net.coefs_[0] + net.intercepts_[0])
    Z = Z @ net.coefs_[1] + net.intercepts_[1]
    np.testing.assert_allclose(H, Z / (1 + np.exp(-Z)), rtol=1e-10, atol=1e-12)


def test_any_number_of_threads_and_rows_gives_the_same_bits():
    one, two = fitted(n_threads=1), fitted(n_threads=2)
    assert_same_bits(one, two)
    whole = one.predict_proba(X)
    alone = np.vstack([one.predict_proba(X[i : i + 1]) for i in range(9)])
    np.testing.assert_array_equal(whole[:9], alone)


def test_continued_training_is_the_same():
    at_once = fitted(cls=MLPEstimator, max_iter=4)
    net = fitted(cls=MLPEstimator, max_iter=2, warm_start=True)
    net = pickle.loads(pickle.dumps(net))
    assert_same_bits(at_once, net.fit(X, Y))


def test_what_it_is():
    assert str(SWISH) == f"{SWISH}" == SWISH.name == "swish"
    assert repr(SWISH) == "Activation(name='swish')"
    assert "activation=Activation(name='swish')" in repr(MLPRegressor(activation=SWISH))
    assert SWISH != SQUAREPLUS
    assert SWISH != "swish"
    for same in (copy.deepcopy(SWISH), pickle.loads(pickle.dumps(SWISH))):
        assert same == SWISH
        assert hash(same) == hash(SWISH)
        assert same._record.forward.address(
            np.dtype("f8")
        ) == SWISH._record.forward.address("f8")
    assert clone(MLPClassifier(activation=[SWISH, "relu"])).activation[0] is SWISH
    assert (exp(0.0), tanh(0.0), logistic(0.0)) == (1, 0, 0.5)


def scaled_by(factor):
    return Activation(lambda z: factor * z, lambda z: factor, name="scaled")


def test_what_its_functions_refer_to_is_frozen(monkeypatch):
    def by_a_global(z):
        return z * FACTOR

    def slope(z):
        return FACTOR

    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 2.0)
    before = Activation(by_a_global, slope, name="scaled")
    scores = fitted(before, max_iter=1).predict_proba(X)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3.0)
    after = Activation(by_a_global, slope, name="scaled")
    assert before != after
    for dtype in ("float32", "float64"):  # one of them is compiled only now
        a = np.ones(1, dtype)
        before._record.forward[np.dtype(dtype)](a, 0, 1)
        after._record.forward[np.dtype(dtype)](a, 0, 1)
        assert a == 6
    np.testing.assert_array_equal(scores, fitted(before, max_iter=1).predict_proba(X))
    with pytest.raises(pickle.PicklingError, match="has changed since it was made"):
        pickle.dumps(before)
    assert scaled_by(2.0) == scaled_by(2.0)
    assert scaled_by(2.0) != scaled_by(2)
    assert scaled_by(2.0) != scaled_by(-2.0)


FACTOR = 1.0

MODULE = """
from fastnn.activations import Activation, logistic
def f(z):
    return z * logistic(z)
def slope(z):
    s = logistic(z)
    return s * (1 + z * (1 - s))
"""
READER = """
    import pickle, sys
    sys.path.insert(0, sys.argv[1])
    with open(sys.argv[1] + "/net.pickle", "rb") as file:
        net, X = pickle.load(file)
    assert net.activation.name == "f"
    print(net.predict_proba(X).tolist())
"""


def test_a_pickle_is_read_by_another_process(tmp_path, monkeypatch):
    (tmp_path / "module_of_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import module_of_own

    net = fitted(Activation(module_of_own.f, module_of_own.slope))
    (tmp_path / "net.pickle").write_bytes(pickle.dumps((net, X)))
    found = run_python(READER, args=[tmp_path])
    np.testing.assert_array_equal(found, net.predict_proba(X))


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("cls", [GridSearchCV, fastnn.model_selection.GridSearchCV])
def test_searches_choose_among_them(cls, n_jobs):
    """Also in other processes, to which these functions are sent by value."""
    double = Activation(lambda z: 2 * z, lambda z: 2, name="double")
    half = Activation(lambda z: 0.5 * z, lambda z: 0.5, name="half")
    grid = {"activation": ["silu", SWISH, double, half]}
    search = cls(MLPClassifier((9,), **SMALL), grid, cv=2, n_jobs=n_jobs).fit(X, Y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] == scores[1]
    assert scores[2] != scores[3]
    want = GridSearchCV(MLPClassifier((9,), **SMALL), grid, cv=2).fit(X, Y)
    np.testing.assert_array_equal(scores, want.cv_results_["mean_test_score"])
    assert [str(a) for a in search.cv_results_["param_activation"]] == [
        *("silu", "swish", "double", "half")
    ]


def test_reports_name_it():
    net = fitted(sizes=(3,), cls=MLPRegressor)
    assert net.describe().layers[0].activation == "swish"
    text = fastnn.inspection.export_text(net, X[:1])
    assert "Hidden layer 1 (swish)" in text


def test_files_without_code_refuse_it(tmp_path):
    net = fitted()
    with pytest.raises(TypeError, match="activation cannot be stored in a model file"):
        net.save(tmp_path / "net.fastnn")
    assert not list(tmp_path.iterdir())
    pytest.importorskip("onnx")
    from fastnn import onnx

    with pytest.raises(NotImplementedError, match=r"Activation\(name='swish'\) cannot"):
        onnx.to_onnx(net)


def jumps(z):
    return 1.0 if z > 0.3 else 0.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.tanh, swish), TypeError, "function must be a function of one number"),
        ((swish, "relu"), TypeError, "derivative must be a function of one number"),
        ((swish, swish), ValueError, "derivative must be that of function: at z = "),
        ((jumps, swish), ValueError, "derivative must be that of function"),
        ((lambda z: math.log(z), swish), ValueError, "must give a finite number"),
        ((swish, lambda z: z / 0), ValueError, "derivative must give a finite number"),
        ((lambda z: [z], swish), ValueError, "The function '<lambda>' cannot be com"),
        ((swish, lambda z: "a"), ValueError, "The derivative of 'swish' cannot be com"),
        ((swish, lambda z, w: z), ValueError, "function takes 2 arguments"),
    ],
)
def test_what_is_no_activation(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        Activation(*arguments)
    assert "Numba" not in str(caught.value)
    assert "Activation" not in str(caught.value.__cause__)


@pytest.mark.parametrize("name", ["relu", "", 3, ["swish"]])
def test_names(name):
    with pytest.raises(ValueError, match="name must be a text that no activation"):
        Activation(swish, swish_slope, name=name)


def test_a_derivative_of_another_function_is_for_those_who_ask():
    own = Activation(jumps, lambda z: 1.0 if abs(z) <= 1 else 0.0, check=False)
    net = fitted(own, max_iter=20)
    assert net.loss_curve_[-1] < net.loss_curve_[0]
    assert set(np.unique(net.transform(X))) == {0, 1}


def test_a_function_that_raises_ends_a_fit_with_an_error():
    """On several threads: none of them waits for one that has left."""

    def raises(z):
        if z > 2:
            raise ValueError("too large")
        return z

    own = Activation(raises, lambda z: 1.0, check=False)
    net = fitted()
    before = [W.copy() for W in net.coefs_]
    net.set_params(activation=own, learning_rate_init=1.0, n_threads=2, max_iter=50)
    with pytest.raises(ValueError, match="The loss became nan in epoch"):
        net.fit(X, Y)
    for W, old in zip(net.coefs_, before, strict=True):
        np.testing.assert_array_equal(W, old)


def test_a_plain_function_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"fastnn\.activations\.Activation"):
        MLPClassifier(activation=swish).fit(X, Y)
    with pytest.raises(ValueError, match="or an Activation"):
        MLPClassifier((4, 3), activation=[SWISH, swish]).fit(X, Y)
