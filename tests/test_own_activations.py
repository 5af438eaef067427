"""Activations of a user's own, through everything that a network does."""

import copy
import importlib
import math
import pickle
import sys

import joblib
import numba
import numpy as np
import pytest
import reference
from gradient_tools import PLAIN_CASE, SEEDS, check_gradient
from helpers import assert_same_bits, ignore_convergence, make_data, run_python
from numpy import take_along_axis
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


THREADS = """
    import json
    import numpy as np
    from helpers import force_threads
    from test_own_activations import SWISH, X, fitted
    calls = force_threads()
    one, two = (fitted(sizes=(40, 20), n_threads=n) for n in (1, 2))
    same = all((a == b).all() for a, b in zip(one.coefs_, two.coefs_))
    whole = two.predict_proba(X)
    alone = np.vstack([one.predict_proba(X[i : i + 1]) for i in range(len(X))])
    print(json.dumps([calls["parallel"], bool(same), bool((whole == alone).all())]))
"""


def test_any_number_of_threads_and_rows_gives_the_same_bits():
    parallel, same_weights, same_rows = run_python(THREADS)
    assert parallel > 0
    assert same_weights
    assert same_rows


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


FACTOR = 1.0
TABLE = np.array([2.0, 3.0])


def helper(z):
    return z * FACTOR


def by_a_global(z):
    return z * FACTOR, FACTOR


def by_an_array(z):
    return z * TABLE[0], TABLE[0]


def by_a_helper(z):
    return helper(z), FACTOR


def by_a_compiled_helper(z):
    return compiled_helper(z), FACTOR


compiled_helper = numba.njit(helper)


def change(monkeypatch, value):
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", value)
    TABLE[0] = value


def scaling(pair):
    """Return an activation of a function and its slope, which depend on a name."""
    take = numba.njit(pair)
    return Activation(lambda z: take(z)[0], lambda z: take(z)[1], name="scaled")


@pytest.mark.parametrize(
    "pair", [by_a_global, by_an_array, by_a_helper, by_a_compiled_helper]
)
def test_what_its_functions_refer_to_is_frozen(pair, monkeypatch):
    change(monkeypatch, 2.0)
    before, same = scaling(pair), scaling(pair)
    assert before == same
    scores = fitted(before, max_iter=1).predict_proba(X)
    change(monkeypatch, 3.0)
    after = scaling(pair)
    assert before != after
    for dtype in ("float32", "float64"):  # one of them is compiled only now
        a = np.ones(1, dtype)
        before._record.forward[np.dtype(dtype)](a, 0, 1)
        after._record.forward[np.dtype(dtype)](a, 0, 1)
        assert a == 6
    np.testing.assert_array_equal(scores, fitted(before, max_iter=1).predict_proba(X))
    with pytest.raises(pickle.PicklingError, match="has changed since it was made"):
        pickle.dumps(before)


def scaled_by(factor):
    return Activation(
        lambda z: factor * z, lambda z: factor, name="scaled", check=False
    )


def test_which_are_the_same():
    assert scaled_by(2.0) == scaled_by(2.0)
    assert scaled_by(2.0) != scaled_by(2)
    assert scaled_by(2.0) != scaled_by(-2.0)
    assert scaled_by(0.0) != scaled_by(-0.0)
    assert scaled_by((1.0, 2.0)[1]) == scaled_by(2.0)
    assert Activation(swish, swish_slope, name="another") != SWISH
    assert Activation(swish, swish_slope, init_like="relu") != SWISH


def of_math(z):
    return math.tanh(z)


def of_math_slope(z):
    return 1 - math.tanh(z) ** 2


def test_an_attribute_is_no_global(monkeypatch):
    """`math.tanh` has nothing to do with what is called tanh here."""
    own = Activation(of_math, of_math_slope)
    monkeypatch.setattr(sys.modules[__name__], "tanh", squareplus)
    assert own == Activation(of_math, of_math_slope)
    assert pickle.loads(pickle.dumps(own)) == own


MODULE = """
from fastnn.activations import logistic
SCALE = 2.0
def f(z):
    return SCALE * z * logistic(z)
def slope(z):
    s = logistic(z)
    return SCALE * s * (1 + z * (1 - s))
"""
READER = """
    import pickle, sys
    sys.path.insert(0, sys.argv[1])
    with open(sys.argv[1] + "/net.pickle", "rb") as file:
        net, X = pickle.load(file)
    assert net.activation.name == "f"
    print(net.predict_proba(X).tolist())
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make a module of a user's, which other processes can import."""
    (tmp_path / "module_of_own.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("module_of_own")
    del sys.modules["module_of_own"]


def test_a_pickle_is_read_by_another_process(tmp_path, module):
    net = fitted(Activation(module.f, module.slope))
    (tmp_path / "net.pickle").write_bytes(pickle.dumps((net, X)))
    found = run_python(READER, args=[tmp_path])
    np.testing.assert_array_equal(found, net.predict_proba(X))


def test_a_pickle_of_functions_that_were_changed_is_refused(module, monkeypatch):
    """And a cache that goes by the hash of parameters takes them for others."""
    before = Activation(module.f, module.slope)
    text, known = pickle.dumps(before), joblib.hash(before)
    assert joblib.hash(Activation(module.f, module.slope)) == known
    monkeypatch.setattr(module, "SCALE", 3.0)
    assert joblib.hash(Activation(module.f, module.slope)) != known
    with pytest.raises(pickle.UnpicklingError, match="not what they were"):
        pickle.loads(text)
    monkeypatch.setattr(module, "f", 3)
    with pytest.raises(pickle.UnpicklingError, match="no longer functions"):
        pickle.loads(text)


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
    net.set_params(activation="relu")  # it predicts by what was fitted
    with pytest.raises(TypeError, match="activation of one's own cannot be stored"):
        net.save(tmp_path / "net.fastnn")
    assert not list(tmp_path.iterdir())
    pytest.importorskip("onnx")
    from fastnn import onnx

    with pytest.raises(NotImplementedError, match=r"Activation\(name='swish'\) cannot"):
        onnx.to_onnx(net)


def test_initial_weights():
    """Those of the activation that it is said to be like."""
    rectifier = (lambda z: z if z > 0 else 0.0, lambda z: 1.0 if z > 0 else 0.0)
    for like in ("relu", "tanh", "logistic"):
        own = Activation(*rectifier, name="own", init_like=like)
        assert own.init_like == like
        for scheme in ("auto", "sklearn", "orthogonal"):
            nets = (
                MLPClassifier((9,), activation=a, weight_init=scheme, **SMALL)
                for a in (own, like)
            )
            got, want = (net.initialize(X, Y).coefs_ for net in nets)
            np.testing.assert_array_equal(got[0], want[0])
    with pytest.raises(ValueError, match="init_like must be one of"):
        Activation(*rectifier, name="own", init_like="own")


def test_nothing_of_it_can_be_assigned():
    for name in ("name", "function", "derivative", "init_like"):
        with pytest.raises(AttributeError):
            setattr(SWISH, name, "relu")


LIST = [1.0]
_FLAT, _GET = "flat", getattr
_TAKE = "not use 'take_along_axis', which is not known to keep to the memory"


def raises(z):
    assert z < 100
    return z


def for_ever(z):
    return for_ever(z - 1) if z > 0 else z


def generates(z):
    yield z


def with_default(z, a=2.0):
    return a * z


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
        ((swish, lambda z, w: z), ValueError, r"it takes \(z, w\)"),
        ((swish, lambda z, w=1: z), ValueError, r"must take one number and nothing"),
        ((swish, lambda *z: z), ValueError, r"must take one number and nothing"),
        ((swish, lambda: 1.0), ValueError, r"must take one number and nothing"),
        ((lambda z: np.sin(z) / z, swish), ValueError, "at z = 0.000 it gives nan"),
        ((raises, swish), ValueError, "'raises' must not raise"),
        ((lambda z: raises(z), swish), ValueError, "'raises' must not raise"),
        ((for_ever, swish), ValueError, "'for_ever' must not call itself"),
        ((generates, swish), ValueError, "'generates' must be a plain function"),
        ((lambda z: z * LIST[0], swish), ValueError, "'LIST' must be a number, an arr"),
        ((lambda z: z * sys.maxsize, swish), ValueError, "'sys' must be a number"),
        ((lambda z: with_default(z), swish), ValueError, "must have no default values"),
        ((lambda z: z + 2 ** -int(z), swish), ValueError, "mean in compiled code what"),
        (
            (swish, lambda z: z + (1 << int(z + 70))),
            ValueError,
            "derivative must mean in",
        ),
        ((lambda z: np.where(z > 0, z, 0), swish), ValueError, "np.where makes arrays"),
        ((lambda z: z * TABLE.flat[int(z)], swish), ValueError, "not use 'flat'"),
        ((lambda z: z * getattr(TABLE, _FLAT)[9], swish), ValueError, "use 'getattr'"),
        ((lambda z: z * _GET(TABLE, _FLAT)[9], swish), ValueError, "use 'getattr'"),
        ((lambda z: z * take_along_axis(TABLE, TABLE, 0)[9], swish), ValueError, _TAKE),
        ((lambda z: np.take_along_axis(TABLE, TABLE, 0)[9], swish), ValueError, _TAKE),
        ((lambda z: np.random.default_rng() * z, swish), ValueError, "'default_rng'"),
    ],
)
def test_what_is_no_activation(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        Activation(*arguments)
    assert "Numba" not in str(caught.value)
    assert "Activation" not in str(caught.value.__cause__)


SMALLEST = -(2**63)


def quotient(z, other):
    return (int(z * 0) + SMALLEST) // other


def divided_arrays(z):
    a = np.array([int(z * 0) + SMALLEST])
    a = a // np.array([int(z * 0 - 1)])
    return float(a[0])


def remaining(z):
    k = int(z * 0) + SMALLEST
    k %= int(z * 0 - 1)
    return float(k)


@pytest.mark.parametrize(
    "function",
    [
        remaining,
        divided_arrays,
        lambda z: z + np.mod(np.int64(z * 1e30), np.int64(z * 0 - 1)),
        lambda z: z + math.gcd(int(z * 0) + SMALLEST, int(z * 0 - 1)),
        lambda z: z + (int(z * 0) + SMALLEST) // int(z * 0 - 1),
        lambda z: z + (int(z * 0) + SMALLEST) // -1,
        lambda z: z + divmod(int(z * 0) + SMALLEST, int(z * 0 - 1))[0],
        lambda z: z + quotient(z, int(z * 0 - 1)),
        lambda z: z + quotient(z, z > 1e9),
    ],
)
def test_a_division_that_would_end_the_process_is_refused(function):
    """The smallest integer's by -1 is a fault of the processor's."""
    with pytest.raises(ValueError, match="it divides integers by // or %"):
        Activation(function, swish_slope, check=False)


def added_up(z):
    a = np.zeros(4096)
    a += TABLE
    return z + a[5]


def added_into(z):
    a = np.zeros(4096)
    np.add(TABLE, TABLE, a)
    return z + a[5]


@pytest.mark.parametrize("function", [added_up, added_into])
def test_changes_of_arrays_as_a_whole_are_refused(function):
    """The compiler reads as far as the one that is changed goes."""
    with pytest.raises(ValueError, match="it has an array changed as a whole"):
        Activation(function, swish_slope, check=False)


def test_other_divisions_are_allowed():
    def periodic(z):
        return z % 2.0 + z // 3 + TABLE[int(abs(z)) % 2] + int(z) // 4

    own = Activation(periodic, lambda z: 1.0, check=False)
    net = fitted(own, sizes=(9,))
    Z = X @ net.coefs_[0] + net.intercepts_[0]
    whole = np.trunc(Z).astype(int)
    expected = Z % 2 + Z // 3 + TABLE[np.abs(whole) % 2] + whole // 4
    np.testing.assert_allclose(net.transform(X), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["relu", "", 3, ["swish"], "$x$", "\n"])
def test_names(name):
    with pytest.raises(ValueError, match=r"^name must "):
        Activation(swish, swish_slope, name=name)


def test_a_name_that_is_not_set_yet():
    def early(z):
        return late(z)

    with pytest.raises(ValueError, match="'late' has no value yet"):
        Activation(early, early)
    late = swish
    assert early(0.0) == 0


def test_a_derivative_of_another_function_is_for_those_who_ask():
    own = Activation(jumps, lambda z: 1.0 if abs(z) <= 1 else 0.0, check=False)
    net = fitted(own, max_iter=20)
    assert net.loss_curve_[-1] < net.loss_curve_[0]
    assert set(np.unique(net.transform(X))) == {0, 1}


RAISES = """
    import json
    import numpy as np
    from helpers import force_threads
    from test_own_activations import SWISH, X, Y, fitted
    from fastnn import Activation
    table = np.arange(3.0)  # a function reads beyond it, which is an IndexError
    own = Activation(lambda z: z + table[int(z * z)], lambda z: 1.0, name="own",
                     check=False)
    net = fitted(sizes=(40,), n_threads=2)
    calls, before = force_threads(), [W.copy() for W in net.coefs_]
    net.set_params(activation=own, learning_rate_init=1.0, max_iter=50)
    try:
        net.fit(X, Y)
        text = ""
    except ValueError as error:
        text = str(error)
    kept = all((W == old).all() for W, old in zip(net.coefs_, before))
    print(json.dumps([calls["parallel"], text, bool(kept)]))
"""


def test_a_function_that_fails_ends_a_fit_with_an_error():
    """On several threads: none of them waits for one that has left."""
    parallel, text, kept = run_python(RAISES)
    assert parallel > 0
    assert "The loss became nan in epoch" in text
    assert kept


def test_a_loop_that_waits_for_a_nan_to_get_small_is_never_entered():
    def halved_until_small(z):
        a = z
        while not abs(a) < 1:
            a *= 0.5
        return a

    own = Activation(halved_until_small, lambda z: 1.0, check=False)
    net = fitted(own)
    with pytest.raises(ValueError, match="The loss became"):
        fitted(own, solver="sgd", learning_rate_init=1e300, momentum=0)
    assert np.isfinite(net.predict_proba(X)).all()


def test_a_plain_function_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"fastnn\.activations\.Activation"):
        MLPClassifier(activation=swish).fit(X, Y)
    with pytest.raises(ValueError, match="or an Activation"):
        MLPClassifier((4, 3), activation=[SWISH, swish]).fit(X, Y)
