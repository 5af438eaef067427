"""Numbers that stop being finite in the middle of training, whoever made them so."""

import os

import numpy as np
import pytest
from helpers import (
    NAMES,
    data_for,
    error_of,
    estimator_of,
    ignore_convergence,
    outputs,
    run_python,
    snapshot,
    weights_of,
)

from fastnn.learning.training import Trainer

pytestmark = ignore_convergence

FAST = {"hidden_layer_sizes": (6,), "max_iter": 6, "random_state": 0, "batch_size": 20}


@pytest.mark.parametrize("epochs_seen", [False, True])
@pytest.mark.parametrize("route", ["fit", "warm_start", "partial_fit"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lion"])
@pytest.mark.parametrize("name", NAMES)
def test_nan_planted_while_training(name, solver, route, epochs_seen, monkeypatch):
    """Training stops at once, and the model from before is there, to the bit."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **FAST, solver=solver, verbose=False).fit(X, y)
    before, predicted = snapshot(model), outputs(model, X)
    calls, original = [], Trainer.__call__

    def planting(trainer):
        calls.append(1)
        planted = len(calls) == (1 if route == "partial_fit" else 2)
        if planted:
            trainer._live()[1] = np.nan
            trainer.network.refresh()
        original(trainer)

    monkeypatch.setattr(Trainer, "__call__", planting)
    if epochs_seen or route != "partial_fit":
        # What changes between epochs has Python see each of them.
        model.set_params(learning_rate="exponential" if epochs_seen else "constant")
        monkeypatch.setattr(Trainer, "_sees_each_epoch", lambda self: True)
    model.set_params(warm_start=route == "warm_start", max_iter=10**6, tol=0.0)
    train = model.partial_fit if route == "partial_fit" else model.fit
    with pytest.raises(ValueError, match=r"non-finite.*epoch"):
        train(X, y)
    assert len(calls) == (1 if route == "partial_fit" else 2)
    assert snapshot(model) == before
    np.testing.assert_array_equal(outputs(model, X), predicted)


@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("name", NAMES)
def test_a_rate_of_a_thousand(name, solver):
    """A finite model, or the error that names the rate: nothing else."""
    X, y = data_for(name, n=60, p=5)
    model = estimator_of(name, **FAST, solver=solver).fit(X, y)
    before = snapshot(model)
    model.set_params(learning_rate_init=1e3, max_iter=200)
    error = error_of(model.fit, X, y)
    if error is None:
        assert all(np.isfinite(w).all() for w in weights_of(model))
        assert np.isfinite(model.loss_curve_).all()
    else:
        assert "learning rate 1000" in str(error)
        assert snapshot(model) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_an_augmentation_that_spoils_rows(name, value):
    X, y = data_for(name, n=60, p=5)
    calls = []

    def spoil(X, random_state):
        calls.append(1)
        X = X.copy()
        if len(calls) == 3:
            X[7, 2] = value
        return X

    model = estimator_of(name, **FAST).fit(X, y)
    before = snapshot(model)
    model.set_params(augmentation=spoil)
    with pytest.raises(ValueError, match=r"augmentation|non-finite"):
        model.fit(X, y)
    assert len(calls) == 3
    assert snapshot(model) == before


@pytest.mark.parametrize("name", NAMES)
def test_weights_made_nan_between_calls(name):
    """`fit` that goes on, and lbfgs, notice as `partial_fit` does."""
    X, y = data_for(name, n=60, p=5)
    for params in ({"warm_start": True}, {"warm_start": True, "solver": "lbfgs"}):
        model = estimator_of(name, **FAST, **params).fit(X, y)
        model.coefs_[0][1, 1] = np.nan
        with pytest.raises(ValueError, match="non-finite"):
            model.fit(X, y)
        model.set_params(warm_start=False).fit(X, y)  # anew
        assert all(np.isfinite(w).all() for w in weights_of(model))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_while_another_thread_trains():
    """The child has its own locks: it trains, predicts and ends."""
    code = """
    import hashlib, json, os, threading, time, warnings
    import numpy as np
    from helpers import estimator_of, force_threads, make_data, weights_of
    warnings.simplefilter("ignore")
    X, y = make_data("multiclass", n=401, p=20)
    def work(n_threads=2):
        model = estimator_of("estimator-clf", hidden_layer_sizes=(31, 9), max_iter=3,
                             random_state=0, n_threads=n_threads).fit(X, y)
        arrays = [*weights_of(model), model.predict_proba(X)]
        return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()
    force_threads()
    expected, stop = work(), threading.Event()
    def train():
        while not stop.is_set():
            work(1)
    trainer = threading.Thread(target=train)
    trainer.start()
    found = []
    for _ in range(4):
        time.sleep(0.01)
        receive, send = os.pipe()
        child = os.fork()
        if not child:
            os.write(send, work().encode())
            os._exit(0)
        os.close(send)
        with os.fdopen(receive) as file:
            found.append(file.read())
        assert os.waitpid(child, 0)[1] == 0
    stop.set()
    trainer.join()
    print(json.dumps([set(found) == {expected}, work() == expected]))
    """
    assert run_python(code) == [True, True]
