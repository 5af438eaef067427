"""The single neurons as estimators, and what they can and cannot learn."""

import itertools
import warnings

import numpy as np
import pytest
from helpers import assert_same_bits
from reference import neurons as reference
from sklearn import linear_model
from sklearn.base import clone
from sklearn.datasets import load_iris, make_blobs, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnn.neurons import HebbianNeuron, McCullochPittsNeuron, Perceptron

ignore_convergence = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"
)
DTYPES = ("float32", "float64")
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
AND, OR, XOR = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0]])
GATES = {"and": AND, "or": OR}


def failures(estimator):
    """Return the checks that cannot hold, with the reason."""
    if not isinstance(estimator, Perceptron):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": "a weight scales the step: a "
        "sample of weight 2 is not met twice (as scikit-learn says of its own)"
    }


@ignore_convergence
@parametrize_with_checks(
    [
        McCullochPittsNeuron(),
        McCullochPittsNeuron(activation="sign"),
        Perceptron(),
        Perceptron(activation="sign", tol=1e-3, shuffle=False),
        HebbianNeuron(),
        HebbianNeuron(activation="sign", max_iter=3, record=True),
    ],
    expected_failed_checks=failures,
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


# McCulloch and Pitts


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("gate", "bias"), [("and", -1.5), ("or", -0.5)])
def test_mcculloch_pitts_gates(gate, bias, dtype):
    X, y = CORNERS.astype(dtype), GATES[gate]
    for weights in ([1, 1], None):
        neuron = McCullochPittsNeuron(weights, bias).fit(X, y)
        assert neuron.predict(X).tolist() == y.tolist()
        assert neuron.score(X, y) == 1
        nets = neuron.decision_function(X)
        assert nets.dtype == dtype
        assert nets.tolist() == [bias, 1 + bias, 1 + bias, 2 + bias]
    answers = [reference.mcculloch_pitts([1, 1], bias, x) for x in X]
    assert neuron.outputs(X).tolist() == answers == y.tolist()
    neuron.set_params(activation="sign").fit(X, y)
    assert neuron.outputs(X).tolist() == (2 * y - 1).tolist()


def test_net_input_of_zero_is_high():
    neuron = McCullochPittsNeuron([1, -1]).fit(CORNERS, AND)
    assert neuron.decision_function([[1, 1]]).tolist() == [0]
    assert neuron.outputs([[1, 1]]).tolist() == [1]
    neuron.set_params(activation="sign")
    assert neuron.outputs([[1, 1]]).tolist() == [1]
    labels = np.array(["no", "yes"])
    neuron = McCullochPittsNeuron([1, 1], -1.5).fit(CORNERS, labels[AND])
    assert neuron.predict(CORNERS).tolist() == labels[AND].tolist()


def test_no_neuron_computes_xor():
    """No (w, b) can, on a grid or elsewhere.

    XOR asks for b < 0, w1 + b ≥ 0, w2 + b ≥ 0 and w1 + w2 + b < 0. The second and third
    add up to w1 + w2 + b ≥ -b > 0, which the fourth denies; with the classes exchanged
    likewise. The grid also holds every other function of two bits but XOR's opposite.
    """
    grid = np.linspace(-10, 10, 81)  # quarters: every net input is exact
    w1, w2, b = (g.ravel() for g in np.meshgrid(grid, grid, grid))
    nets = CORNERS @ np.stack([w1, w2]) + b
    codes = np.unique(np.array([8, 4, 2, 1]) @ (nets >= 0))
    found = {tuple(int(bit) for bit in f"{code:04b}") for code in codes}
    every = set(itertools.product((0, 1), repeat=4))
    assert found == every - {tuple(XOR), tuple(1 - XOR)}


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [[1, 2]], [1, np.nan], ["a", "b"]])
def test_unsuitable_weights(weights):
    neuron = McCullochPittsNeuron([1, 1], -1.5).fit(CORNERS, AND)
    neuron.set_params(weights=weights)
    before = dict(neuron.__dict__)
    with pytest.raises(ValueError, match=r"weights|could not convert"):
        neuron.fit(CORNERS, AND)
    assert neuron.__dict__ == before


# Rosenblatt


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["step", "sign"])
@pytest.mark.parametrize("gate", GATES)
def test_perceptron_learns_and_and_or(gate, activation, dtype):
    X, y = CORNERS.astype(dtype), GATES[gate]
    for seed in range(20):
        neuron = Perceptron(activation=activation, random_state=seed).fit(X, y)
        assert neuron.score(X, y) == 1
        assert neuron.errors_[-1] == 0
        assert 0 not in neuron.errors_[:-1]
        assert neuron.n_iter_ == len(neuron.errors_) < 20
        assert neuron.coef_.dtype == neuron.intercept_.dtype == dtype
        targets = y if activation == "step" else 2 * y - 1
        assert neuron.outputs(X).tolist() == targets.tolist()


def test_perceptron_never_learns_xor():
    for seed in range(10):
        neuron = Perceptron(random_state=seed, max_iter=300)
        with pytest.warns(ConvergenceWarning, match="linearly separable"):
            neuron.fit(CORNERS, XOR)
        assert neuron.n_iter_ == 300
        assert min(neuron.errors_) >= 1
        assert neuron.score(CORNERS, XOR) <= 0.75


def data(n, p, k, dtype="float64", seed=0):
    X, y = make_classification(
        n, p, n_informative=p, n_redundant=0, n_classes=k, random_state=seed
    )
    return X.astype(dtype), y


@ignore_convergence
@pytest.mark.parametrize("dtype", DTYPES)
def test_against_the_reference(dtype):
    X, y = data(60, 5, 2, dtype)
    weight = np.random.default_rng(0).integers(0, 3, 60)
    neuron = Perceptron(max_iter=4, random_state=3, learning_rate=0.5)
    neuron.fit(X, y, sample_weight=weight)
    random = np.random.RandomState(3)
    w, b, errors = np.zeros(5), 0.0, []
    for _ in range(4):
        order = random.permutation(60)
        w, b, wrong, _ = reference.rosenblatt(w, b, X, y, 0.5, weight, order)
        errors.append(wrong)
    assert neuron.errors_ == errors
    # Some hundred additions of numbers of size 1.
    bound = 1e-13 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(neuron.coef_, [w], atol=bound)
    np.testing.assert_allclose(neuron.intercept_, [b], atol=bound)


@ignore_convergence
def test_the_activation_changes_outputs_only():
    X, y = data(80, 4, 3)
    step, sign = (
        Perceptron(activation=name, random_state=0, max_iter=5).fit(X, y)
        for name in ("step", "sign")
    )
    assert_same_bits([step.coef_], [sign.coef_])
    assert step.outputs(X).shape == (80, 3)
    assert (sign.outputs(X) == 2 * step.outputs(X) - 1).all()


def fit_both(X, y, epochs, start=None, weight=None, **options):
    """Return our perceptron and scikit-learn's after epochs in the rows' order.

    scikit-learn learns from y·net ≤ 0, we take a net input of 0 for high. They differ
    only for a positive sample whose net input is exactly 0.
    """
    theirs = linear_model.Perceptron(
        shuffle=False, tol=None, max_iter=epochs, **options
    )
    ours = Perceptron(shuffle=False, max_iter=epochs, warm_start=True, **options)
    initial = {}
    if start is not None:
        # scikit-learn trains in the arrays that it is given.
        initial = {"coef_init": start[0].copy(), "intercept_init": start[1].copy()}
        ours.set_params(max_iter=1).fit(X, y).set_params(max_iter=epochs)
        ours.coef_, ours.intercept_ = start
    theirs.fit(X, y, sample_weight=weight, **initial)
    return ours.fit(X, y, sample_weight=weight), theirs


@ignore_convergence
@pytest.mark.parametrize("epochs", [1, 2, 5, 30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_same_as_scikit_learn(epochs, dtype):
    """The first sample is negative: at a net input of 0 both learn from it."""
    X, y = data(50, 4, 2, dtype)
    first = np.argsort(y, kind="stable")[:1]
    rows = np.append(first, np.delete(np.arange(50), first))
    ours, theirs = fit_both(X[rows], y[rows], epochs)
    # In float64 each step adds the same numbers; scikit-learn sums float32 in double.
    bound = 0 if dtype == "float64" else 1e-5
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=bound)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=bound)
    assert (ours.predict(X) == theirs.predict(X)).all()


@ignore_convergence
@pytest.mark.parametrize("epochs", [1, 7])
@pytest.mark.parametrize("options", [{}, {"class_weight": {0: 0.5, 1: 2, 2: 1}}])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_same_as_scikit_learn_from_given_weights(epochs, options, n_classes):
    X, y = data(60, 4, n_classes)
    rng = np.random.default_rng(1)
    k = 1 if n_classes == 2 else 3
    start = rng.standard_normal((k, 4)), rng.standard_normal(k)
    if options and n_classes == 2:
        options = {"class_weight": "balanced"}
    weight = rng.choice([0.0, 0.5, 1.0, 4.0], 60)  # of which every product is exact
    ours, theirs = fit_both(X, y, epochs, start, weight, **options)
    # Weights of classes make steps such as 1.0169: their products are rounded, once
    # here (fused with the addition) and twice there.
    bound = 1e-13 if options else 0
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=0, atol=bound)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=0, atol=bound)
    assert ours.coef_.shape == (k, 4)
    assert (ours.predict(X) == theirs.predict(X)).all()
    np.testing.assert_allclose(
        ours.decision_function(X), theirs.decision_function(X), rtol=0, atol=1e-12
    )


def test_where_scikit_learn_differs():
    """A positive sample at a net input of 0: we are content, scikit-learn learns."""
    X, y = np.array([[1.0, 2.0], [3.0, 0.5]]), [1, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours, theirs = fit_both(X, y, 1)
    assert ours.errors_ == [1]
    assert ours.coef_.tolist() == [[-3, -0.5]]
    assert theirs.coef_.tolist() == [[-2, 1.5]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("n", "p", "k"), [(200, 2, 2), (300, 7, 2), (150, 33, 5)])
def test_an_epoch_without_mistakes_is_a_score_of_one(n, p, k, dtype):
    """What training saw is what prediction says, to the last bit of a net input."""
    n_converged = 0
    for seed in range(10):
        X, y = make_blobs(n, p, centers=k, center_box=(-30, 30), random_state=seed)
        neuron = Perceptron(random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            neuron.fit(X.astype(dtype), y)
        if neuron.errors_[-1] == 0:
            n_converged += 1
            assert neuron.score(X, y) == 1
            highs = neuron.outputs(X.astype(dtype))
            targets = y if k == 2 else y[:, None] == np.arange(k)
            assert (highs == targets).all()
    assert n_converged >= 5


@ignore_convergence
def test_epochs_one_by_one():
    X, y = data(60, 4, 3)
    whole = Perceptron(shuffle=False, max_iter=6).fit(X, y)
    parts = Perceptron(shuffle=False)
    for _ in range(6):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    warm = Perceptron(shuffle=False, max_iter=2, warm_start=True).fit(X, y)
    warm.set_params(max_iter=4).fit(X, y)
    for other in (parts, warm):
        assert_same_bits(
            [whole.coef_, whole.intercept_], [other.coef_, other.intercept_]
        )
    assert parts.errors_ == whole.errors_
    assert parts.n_iter_ == 6
    assert warm.errors_ == whole.errors_[2:]
    assert warm.n_iter_ == 4


def test_partial_fit_meets_classes_one_by_one():
    X, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    neuron = Perceptron(shuffle=False)
    for name in "abc":
        neuron.partial_fit(X[names == name], names[names == name], classes=list("abc"))
    assert neuron.classes_.tolist() == list("abc")
    assert neuron.coef_.shape == (3, 4)
    before = neuron.coef_.copy()
    with pytest.raises(ValueError, match="not in classes_"):
        neuron.partial_fit(X[:2], ["a", "d"])
    with pytest.raises(ValueError, match="not the same"):
        neuron.partial_fit(X, names, classes=["a", "b"])
    neuron.set_params(class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight"):
        neuron.partial_fit(X, names)
    assert neuron.classes_.tolist() == list("abc")
    assert (neuron.coef_ == before).all()
    with pytest.raises(ValueError, match="classes must be passed"):
        Perceptron().partial_fit(X, y)
    neuron.set_params(class_weight=None, warm_start=True)
    with pytest.raises(ValueError, match="warm_start"):
        neuron.fit(X[:100], names[:100])


@ignore_convergence
def test_weights_of_samples():
    X, y = data(50, 3, 2)
    some = np.arange(50) % 3 > 0
    neuron = Perceptron(shuffle=False, max_iter=5)
    left_out = clone(neuron).fit(X, y, sample_weight=some.astype(float))
    alone = clone(neuron).fit(X[some], y[some])
    assert_same_bits([left_out.coef_], [alone.coef_])
    assert left_out.errors_ == alone.errors_
    # As weights start at 0, a factor on every step scales them and nothing else.
    fourfold = clone(neuron).fit(X, y, sample_weight=np.full(50, 4.0))
    faster = clone(neuron).set_params(learning_rate=4.0).fit(X, y)
    assert_same_bits([fourfold.coef_], [faster.coef_])
    assert_same_bits([fourfold.coef_], [4 * clone(neuron).fit(X, y).coef_])
    for bad, message in ((-1.0, "negative"), (0.0, "zero")):
        with pytest.raises(ValueError, match=message):
            neuron.fit(X, y, sample_weight=np.full(50, bad))


def test_patience():
    """XOR: mistakes do not become fewer, so that patience ends training early."""
    neuron = Perceptron(shuffle=False, tol=0.0, n_iter_no_change=3).fit(CORNERS, XOR)
    errors = neuron.errors_
    best = int(np.argmin(errors))
    assert neuron.n_iter_ == len(errors) == best + 4 < 1000


@pytest.mark.parametrize(("scale", "rate"), [(1e30, 1e30), (1, 1e300)])
def test_overflow_is_an_error_and_keeps_the_model(scale, rate):
    X, y = CORNERS.astype("float32"), AND
    neuron, hebb = Perceptron(shuffle=False).fit(X, y), HebbianNeuron()
    before = neuron.coef_.copy()
    # Without a compiler the kernels compute with NumPy's scalars, which warn.
    with np.errstate(over="ignore", invalid="ignore"):
        for model in (neuron, hebb):
            model.set_params(learning_rate=rate)
            with pytest.raises(ValueError, match="learning_rate"):
                model.fit(X * np.float32(scale), y)
    assert (neuron.coef_ == before).all()
    assert not hasattr(hebb, "coef_")


# Hebb


@pytest.mark.parametrize("dtype", DTYPES)
def test_hebb_by_hand(dtype):
    X = np.array([[1, 1], [1, 0], [0, 1]], dtype)
    neuron = HebbianNeuron(learning_rate=0.1, record=True).fit(X, [1, 0, 0])
    tenth = np.dtype(dtype).type(0.1)
    want = [[0, 0], [tenth, tenth], [tenth, tenth], [tenth, tenth]]
    np.testing.assert_array_equal(neuron.coef_history_, np.array(want, dtype))
    assert neuron.coef_.tolist() == [[tenth, tenth]]
    # All corners answer 1, also (0, 0): its net input is 0, and step(0) is 1.
    assert neuron.decision_function(np.zeros((1, 2), dtype)).tolist() == [0]
    assert neuron.predict(CORNERS).tolist() == [1, 1, 1, 1]


def test_hebb_exercise():
    X, y = [[1, 0], [0, 1], [0, 0]], [1, 1, 0]
    neuron = HebbianNeuron(learning_rate=0.2).fit(X, y)
    assert neuron.coef_.tolist() == [[0.2, 0.2]]
    assert neuron.predict([[1, 1]]).tolist() == [1]
    assert not hasattr(neuron, "coef_history_")
    assert not hasattr(neuron, "intercept_")
    kept = clone(neuron).set_params(record=True).fit(X, y)
    assert kept.coef_history_.shape == (4, 2)
    assert not hasattr(kept.set_params(record=False).fit(X, y), "coef_history_")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("labels", "activation", "numbers"),
    [
        ([0, 1], "step", [0, 1]),
        ([0, 1], "sign", [0, 1]),
        ([-1, 1], "step", [-1, 1]),
        ([-1.0, 1.0], "sign", [-1, 1]),
        ([False, True], "sign", [0, 1]),
        ([1, 2], "step", [0, 1]),
        (["no", "yes"], "sign", [-1, 1]),
    ],
)
def test_hebb_against_the_reference(labels, activation, numbers, dtype):
    X, codes = data(30, 4, 2, dtype)
    y = np.array(labels)[codes]
    neuron = HebbianNeuron(
        learning_rate=0.3, max_iter=2, activation=activation, record=True
    ).fit(X, y)
    targets = np.array(numbers, float)[codes]
    want = reference.hebb(X.astype(float), targets, 0.3, epochs=2)
    bound = 1e-14 if dtype == "float64" else 1e-5  # 60 additions of size 1
    np.testing.assert_allclose(neuron.coef_history_, want, rtol=0, atol=bound)
    assert neuron.coef_history_[-1].tolist() == neuron.coef_[0].tolist()
    assert neuron.n_iter_ == 2
    high = neuron.decision_function(X) >= 0
    assert (neuron.predict(X) == np.array(labels)[high.astype(int)]).all()
    low = 0 if activation == "step" else -1
    assert neuron.outputs(X).tolist() == np.where(high, 1, low).tolist()


# All of them


@pytest.mark.parametrize(
    "neuron", [McCullochPittsNeuron(), Perceptron(), HebbianNeuron()], ids=repr
)
def test_bad_input(neuron):
    with pytest.raises(ValueError, match="1 class"):
        neuron.fit(CORNERS, np.ones(4))
    with pytest.raises(ValueError, match="NaN"):
        neuron.fit(CORNERS * np.nan, AND)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        neuron.fit(linear_model.Perceptron().fit(CORNERS, AND).sparsify().coef_, [1])
    with pytest.raises(InvalidParameterError, match="activation"):
        clone(neuron).set_params(activation="relu").fit(CORNERS, AND)
    if not isinstance(neuron, Perceptron):
        with pytest.raises(ValueError, match="Only binary"):
            neuron.fit(CORNERS, [0, 1, 2, 1])
    assert not hasattr(neuron, "coef_")


def test_assigned_weights_are_used():
    neuron = Perceptron().fit(CORNERS, OR)
    neuron.coef_, neuron.intercept_ = np.array([[1, 1]]), np.array([-1.5])
    assert neuron.predict(CORNERS).tolist() == AND.tolist()
