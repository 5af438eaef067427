"""What a course on neural networks teaches of optimizers and of when to stop.

Each optimizer's update is written down again from its formula and taken along the
gradients of `reference`; the library has to arrive at the same weights.
"""

import copy
import itertools

import numpy as np
import pytest
import reference
from helpers import ignore_convergence, make_data
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPEstimator

SIZES, ENDS = (4, 6, 1), ("squared_error", "identity")
N = 30
# At larger rates single samples under momentum throw the weights about, and rounding
# grows from step to step.
RATE, BETA, BETA_2, EPSILON = 0.01, 0.9, 0.99, 1e-3


def problem():
    """Return 30 samples with a target that a small network can learn."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N, SIZES[0]))
    return X, np.sin(X @ [1.0, -0.5, 0.3, 0.8])


def gradient(theta, X, y):
    """Return the gradient of mean ½ (ŷ - y)²."""
    return reference.backpropagate(theta, SIZES, "tanh", ENDS, X, y[:, None])[1]


def theta_of(net):
    return reference.join(net.coefs_, net.intercepts_).astype(float)


def network(**options):
    given = {
        "task": "regression",
        "activation": "tanh",
        "alpha": 0,
        "learning_rate_init": RATE,
        "dtype": "float64",
    }
    return MLPEstimator(SIZES[1:-1], **{**given, **options})


def batches_of(random, batch_size, n_epochs, shuffle=True):
    """Return the rows of every mini-batch, shuffled anew for every epoch."""
    batches = []
    for _ in range(n_epochs):
        order = np.arange(N)
        if shuffle:
            random.shuffle(order)
        batches += [order[i : i + batch_size] for i in range(0, N, batch_size)]
    return batches


# Optimizers: (theta, g, state, t) -> theta, where t counts from 1


def gradient_descent(w, g, state, t):
    return w - RATE * g


def averaged_momentum(w, g, state, t):
    state["v"] = BETA * state.get("v", 0) + (1 - BETA) * g
    return w - RATE * state["v"]


def classical_momentum(w, g, state, t):
    state["v"] = BETA * state.get("v", 0) - RATE * g
    return w + state["v"]


def rmsprop(w, g, state, t):
    state["v"] = BETA * state.get("v", 0) + (1 - BETA) * g**2
    return w - RATE * g / (np.sqrt(state["v"]) + EPSILON)


def moments(g, state, t):
    """Return Adam's averages, corrected for their start at 0."""
    state["m"] = BETA * state.get("m", 0) + (1 - BETA) * g
    state["v"] = BETA_2 * state.get("v", 0) + (1 - BETA_2) * g**2
    return state["m"] / (1 - BETA**t), state["v"] / (1 - BETA_2**t)


def adam(w, g, state, t):
    m, v = moments(g, state, t)
    return w - RATE * m / (np.sqrt(v) + EPSILON)


def adam_of_scikit_learn(w, g, state, t):
    """Adam with epsilon added to the root before it is corrected."""
    m, v = moments(g, state, t)
    return w - RATE * m / (np.sqrt(v) + EPSILON / np.sqrt(1 - BETA_2**t))


PLAIN = {"solver": "sgd", "nesterovs_momentum": False}
OF_ADAM = {"beta_1": BETA, "beta_2": BETA_2, "epsilon": EPSILON}
OPTIMIZERS = {
    "gradient descent": (gradient_descent, {**PLAIN, "momentum": 0}),
    "momentum, an average": (
        averaged_momentum,
        {**PLAIN, "momentum": BETA, "dampening": BETA},
    ),
    "momentum, classical": (classical_momentum, {**PLAIN, "momentum": BETA}),
    "rmsprop": (rmsprop, {"solver": "rmsprop", "rho": BETA, "epsilon": EPSILON}),
    "adam": (adam_of_scikit_learn, {"solver": "adam", **OF_ADAM}),
    "adamw": (adam, {"solver": "adamw", "weight_decay": 0, **OF_ADAM}),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", ["full", 1, 8])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_by_formula(name, batch_size, dtype):
    """Batch, stochastic and mini-batch gradient descent; all updates (lesson 5).

    Five epochs: 5, 150 or 20 updates. In batches of 8 the last one has 6 rows.
    """
    step, options = OPTIMIZERS[name]
    X, y = problem()
    random = np.random.RandomState(3)
    net = network(
        **options, batch_size=batch_size, random_state=random, dtype=dtype
    ).initialize(X, y)
    # The network draws from this stream; its twin tells what.
    twin, w, state = copy.deepcopy(random), theta_of(net), {}
    rows_per_batch = N if batch_size == "full" else batch_size
    for t, rows in enumerate(batches_of(twin, rows_per_batch, 5), start=1):
        w = step(w, gradient(w, X[rows], y[rows]), state, t)
    for _ in range(5):
        net.partial_fit(X, y)
    # Rounding of 150 updates at most: 6e-16 and 5e-7 were measured.
    bound = 1e-14 if dtype == "float64" else 5e-6
    np.testing.assert_allclose(theta_of(net), w, rtol=0, atol=bound)


@pytest.mark.parametrize("batch_size", [1, 8, N])
def test_nesterov_looks_one_step_ahead(batch_size):
    """The gradient is taken at w + μ v; then v = μ v - η g, w = w + v (lesson 5).

    The weights that the library holds are those that it looks at, w + μ v.
    """
    X, y = problem()
    random = np.random.RandomState(0)
    net = network(
        solver="sgd",
        momentum=BETA,
        nesterovs_momentum=True,
        batch_size=batch_size,
        random_state=random,
    ).initialize(X, y)
    w, v = theta_of(net), 0
    for rows in batches_of(copy.deepcopy(random), batch_size, 4):
        v = BETA * v - RATE * gradient(w + BETA * v, X[rows], y[rows])
        w = w + v
    for _ in range(4):
        net.partial_fit(X, y)
    np.testing.assert_allclose(theta_of(net), w + BETA * v, rtol=0, atol=1e-12)


def test_every_epoch_is_shuffled_anew():
    """Stochastic descent meets the samples in another order each epoch (lesson 5).

    Each epoch's order is the stream's next permutation, and no other arrives at the
    weights. Without shuffling they are met as they come.
    """
    X, y = problem()
    ends = {}
    for shuffle in (True, False):
        random = np.random.RandomState(1)
        net = network(solver="sgd", momentum=0, batch_size=1, shuffle=shuffle)
        net.set_params(random_state=random).initialize(X, y)
        batches = batches_of(copy.deepcopy(random), 1, 2, shuffle)
        first, second = np.ravel(batches[:N]), np.ravel(batches[N:])
        assert sorted(first) == sorted(second) == list(range(N))
        assert (first == second).all() != shuffle
        start = theta_of(net)
        ends[shuffle] = theta_of(net.partial_fit(X, y).partial_fit(X, y))
        for orders in itertools.product((first, second), repeat=2):
            w = start
            for row in np.concatenate(orders):
                w = w - RATE * gradient(w, X[[row]], y[[row]])
            right = not shuffle or (orders[0] is first and orders[1] is second)
            assert np.allclose(w, ends[shuffle], rtol=0, atol=1e-10) == right
    assert not np.allclose(ends[True], ends[False], rtol=0, atol=1e-6)


def test_the_two_forms_of_momentum():
    """An average of gradients is classical momentum at a rate of 1 - β (lesson 5)."""
    X, y = problem()
    ends = []
    for rate, dampening in ((0.1, BETA), (0.1 * (1 - BETA), 0)):
        net = network(**PLAIN, momentum=BETA, dampening=dampening, random_state=0)
        net.set_params(learning_rate_init=rate)
        for _ in range(10):
            net.partial_fit(X, y)
        ends.append(theta_of(net))
    np.testing.assert_allclose(*ends, rtol=0, atol=1e-13)


def test_where_adams_epsilon_stands():
    """Beside the root, where it is taught; under it in one text (lesson 5).

    `adamw` without decay has m̂ / (√v̂ + ε). In `adam`, as scikit-learn has it, ε is
    added before the correction. At the usual 1e-8 they differ where gradients are very
    small: after 40 steps by 3e-5 to 6e-3 of the rate, over 5 seeds.
    """
    X, y = problem()
    options = {"epsilon": 1e-8, "random_state": 0, "batch_size": 8}
    ends = []
    for solver in ("adam", "adamw"):
        net = network(solver=solver, weight_decay=0, **options)
        for _ in range(10):
            net.partial_fit(X, y)
        ends.append(theta_of(net))
    assert 0 < np.abs(ends[0] - ends[1]).max() < 0.05 * RATE


# When to stop


def test_stop_after_a_number_of_epochs():
    """Training ends after `max_iter` epochs and says so (lesson 5)."""
    X, y = problem()
    net = network(max_iter=7, tol=0, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(7\)"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) == 7


def test_stop_at_a_target_of_the_loss():
    """The first epoch whose loss is small enough is the last (lesson 5)."""
    X, y = problem()
    net = network(max_iter=2000, target_loss=0.01, random_state=0).fit(X, y)
    *before, last = net.loss_curve_
    assert last <= 0.01 < min(before)
    assert net.n_iter_ == len(net.loss_curve_) < 2000
    assert net.loss_ == last


@pytest.mark.parametrize("patience", [1, 5])
def test_stop_without_improvement(patience):
    """Epochs that gain less than `tol` over the best use up the patience (lesson 5)."""
    X, y = problem()
    options = {"tol": 1e-3, "n_iter_no_change": patience, "max_iter": 2000}
    net = network(**options, random_state=0).fit(X, y)
    best, waited = np.inf, []
    for loss in net.loss_curve_:
        stalled = loss > best - 1e-3
        waited.append(waited[-1] + 1 if stalled and waited else int(stalled))
        best = min(best, loss)
    assert waited[-1] == patience + 1 > max(waited[:-1])


def test_stop_when_the_validation_loss_rises():
    """Noise is learnt by heart: training loss falls, validation loss turns (lesson 5).

    Over 6 seeds it turns after 3 to 7 epochs, and ends at 1.7 to 3.1 times its lowest
    if nothing stops training.
    """
    rng = np.random.default_rng(0)
    X, X_val = rng.standard_normal((40, 10)), rng.standard_normal((400, 10))
    y = X[:, 0] + 2 * rng.standard_normal(40)
    y_val = X_val[:, 0] + 2 * rng.standard_normal(400)
    options = {
        "task": "regression",
        "max_iter": 300,
        "learning_rate_init": 0.01,
        "validation_metric": "loss",
        "tol": 0,
        "random_state": 0,
    }
    given = {"X_val": X_val, "y_val": y_val}
    stopped = MLPEstimator((50,), early_stopping=True, **options).fit(X, y, **given)
    net = MLPEstimator((50,), n_iter_no_change=np.inf, **options)
    with pytest.warns(ConvergenceWarning):
        net.fit(X, y, **given)
    curve = np.array(net.history_["validation_loss"])
    assert net.history_["loss"][-1] < 0.01 * net.history_["loss"][0]
    assert curve[-1] > 1.3 * curve.min()
    n = stopped.n_iter_
    assert n < 300
    np.testing.assert_array_equal(stopped.history_["validation_loss"], curve[:n])
    # Its patience of 10 epochs ran out in the eleventh after the best.
    assert n - 1 - np.argmin(curve[:n]) == 11
    assert -stopped.best_validation_score_ == curve[:n].min()


@ignore_convergence
def test_batch_sizes_give_more_or_fewer_updates():
    """An epoch is n / batch_size updates: smaller batches learn in fewer epochs.

    Lesson 5. Losses after 20 epochs over 5 seeds: 0.45 to 0.57 with one sample a batch,
    0.72 to 0.82 with 20, 1.30 to 1.41 with all.
    """
    X, y = make_data("multiclass", n=200)
    for seed in range(3):
        losses = []
        for batch_size in (1, 20, "full"):
            net = MLPEstimator(
                (10,),
                solver="sgd",
                momentum=0,
                learning_rate_init=0.05,
                batch_size=batch_size,
                max_iter=20,
                random_state=seed,
            ).fit(X, y)
            losses.append(net.loss_)
            assert net.t_ == 20 * 200
        assert losses[0] + 0.1 < losses[1] < losses[2] - 0.3
