"""Who may end long work: Ctrl-C on the main thread, a permit that is withdrawn."""

import _thread
import itertools
import threading
import time

import numpy as np
import pytest
from fastnn.kernels import layout as at
from helpers import assert_same_bits, ignore_convergence, make_data, weights_of

from fastnn import MLPClassifier, MLPEstimator, interrupts, prediction, thresholds
from fastnn.learning import epochs, lbfgs, randomness
from fastnn.learning.randomness import Bookmark
from fastnn.neurons import HebbianNeuron, Perceptron
from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Network
from fastnn.structure.plan import Plan


def table():
    return np.zeros(at.HEADER, np.int64)


def wait_for_stop(net, seconds=30.0):
    """Return whether somebody has the kernels leave off."""
    end = time.monotonic() + seconds
    while not net[at.STOP] and time.monotonic() < end:
        time.sleep(0.001)
    return bool(net[at.STOP])


def in_a_thread(work):
    """Return what `work` returns, or what it raises, in another thread."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_the_main_thread_waits_for_another_one():
    net, places = table(), []
    net[at.STOP] = 1  # an interrupt from before

    def work():
        places.append((threading.current_thread(), int(net[at.STOP])))
        return "done"

    assert interrupts.stoppable(net, work) == "done"
    assert places[0][0] is not threading.main_thread()
    assert places[0][1] == 0


def test_ctrl_c_stops_the_kernels_and_is_raised_when_they_have_ended():
    net, stops = table(), []

    def work():
        _thread.interrupt_main()
        stops.append(wait_for_stop(net))

    with pytest.raises(KeyboardInterrupt):
        interrupts.stoppable(net, work)
    assert stops == [True]


def test_another_thread_without_a_permit_does_its_work_itself():
    net = table()
    thread, outcome = in_a_thread(
        lambda: interrupts.stoppable(net, threading.current_thread)
    )
    thread.join()
    assert outcome == [thread]


def test_a_permit_that_is_withdrawn_stops_the_kernels_of_its_threads():
    """Those of others go on."""
    permit, begun = interrupts.Permit(), threading.Barrier(3)
    mine, others = table(), table()

    def work(net, seconds, given):
        interrupts.permit.set(given)

        def wait():
            begun.wait()
            return wait_for_stop(net, seconds)

        return interrupts.stoppable(net, wait)

    threads = [
        in_a_thread(lambda: work(mine, 30.0, permit)),
        in_a_thread(lambda: work(others, 0.2, interrupts.Permit())),
    ]
    begun.wait()
    assert permit()
    permit.withdraw()
    for thread, _ in threads:
        thread.join()
    assert not permit()
    assert isinstance(threads[0][1][0], KeyboardInterrupt)
    assert threads[1][1] == [False]
    assert mine[at.STOP] == 1
    mine[at.STOP] = 0
    permit.withdraw()  # it has forgotten the tables
    assert mine[at.STOP] == 0


def test_a_permit_that_was_withdrawn_before():
    permit, net = interrupts.Permit(), table()
    permit.withdraw()

    def work():
        interrupts.permit.set(permit)
        return interrupts.stoppable(net, lambda: wait_for_stop(net))

    thread, outcome = in_a_thread(work)
    thread.join()
    assert isinstance(outcome[0], KeyboardInterrupt)
    assert net[at.STOP] == 1


def test_who_is_asked():
    """A permit may be any function; short work does not ask."""
    interrupts.check()
    token = interrupts.permit.set(lambda: False)
    try:
        with interrupts.heeded(False):
            interrupts.check()
        with interrupts.heeded(True), pytest.raises(KeyboardInterrupt):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    finally:
        interrupts.permit.reset(token)
    interrupts.check()


class Counted(np.random.RandomState):
    """A stream that counts its permutations."""

    drawn = 0

    def shuffle(self, order):
        self.drawn += 1
        super().shuffle(order)


@pytest.mark.parametrize("n_rows", [1, 7, 700])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_a_bookmark_goes_back_to_the_end_of_an_epoch(n_rows, ahead, monkeypatch):
    """As the twin does that draws everything again; but it draws little."""
    monkeypatch.setattr(randomness, "_DRAWN_AGAIN", 3500)
    n_epochs, stream, twin = 60, Counted(3), np.random.RandomState(3)
    bookmark = Bookmark(stream, n_rows)
    for epoch in range(1, n_epochs + 1):
        stream.shuffle(np.arange(n_rows))
        bookmark.move(epoch, lambda state: state.get_state(legacy=False))
    for _ in range(ahead):  # an epoch that was begun
        stream.shuffle(np.arange(n_rows))
    stream.drawn = 0
    bookmark.go_back(n_epochs)
    assert stream.drawn * n_rows <= 3500 + n_rows
    for _ in range(n_epochs):
        twin.shuffle(np.arange(n_rows))
    assert stream.random_sample() == twin.random_sample()


def network_of(sizes, batch_size, n_rows):
    """Return a network with tables for so many rows, without training's units."""
    architecture = Architecture(sizes, ("relu",) * (len(sizes) - 2), "softmax")
    plan = Plan(
        architecture, np.float32, n_workers=1, sparse=False, batch_size=batch_size
    )
    return Network(plan, n_rows)


@pytest.mark.parametrize(
    ("sizes", "batch_size", "n_rows", "fits"),
    [
        ((4, 10, 3), 50, 150, True),
        ((4, 3, 2), 1, 1000, True),
        ((4, 3, 2), 1, 500_000, False),  # calls take longer than rows
        ((20, 2000, 2000, 2), 1, 16, False),  # the solver's steps do
        ((1, 1000, 1), 200, 100_000, False),  # activations do
        ((500, 500, 10), 200, 10_000, False),
    ],
)
def test_which_epochs_are_one_call(sizes, batch_size, n_rows, fits):
    """Those that surely take some tens of milliseconds at most."""
    network = network_of(sizes, batch_size, n_rows)
    assert epochs.fits_in_a_call(network) == fits


@ignore_convergence
@pytest.mark.parametrize("make", [MLPClassifier, MLPEstimator])
def test_calls_of_many_epochs_last_as_long_as_the_last_ones_say(make, monkeypatch):
    """More or fewer epochs in a call change no bit."""
    X, y = make_data("multiclass", n=60)
    options = {"max_iter": 1000, "tol": 0.0, "n_iter_no_change": 10**6}
    found, lengths = [], []
    losses = epochs.WholeCalls.losses

    def counted(calls):
        lengths[-1].append(len(losses(calls)))
        return losses(calls)

    monkeypatch.setattr(epochs.WholeCalls, "losses", counted)
    for seconds in (60.0, 1e-9, 3e-4):
        monkeypatch.setattr(epochs, "_SECONDS_PER_CALL", seconds)
        lengths.append([])
        model = make((5,), batch_size=20, random_state=0, **options)
        found.append(model.fit(X, y))
    assert max(lengths[0]) > 1
    assert max(lengths[1][1:]) == 1
    assert [sum(lengths_) for lengths_ in lengths] == [1000] * 3
    for other in found[1:]:
        assert_same_bits(weights_of(other), weights_of(found[0]))
        assert other.loss_curve_ == found[0].loss_curve_


@ignore_convergence
def test_an_evaluation_after_one_that_was_stopped(monkeypatch):
    """It is not stopped, too."""
    X, y = make_data("binary", n=40)
    evaluate, found = lbfgs.Function.__call__, []

    def stopped_before(function, theta):
        function.network.net[at.STOP] = 1
        found.append(evaluate(function, theta)[0])
        return evaluate(function, theta)

    options = {"solver": "lbfgs", "max_iter": 5, "random_state": 0}
    usual = MLPClassifier((5,), **options).fit(X, y)
    monkeypatch.setattr(lbfgs.Function, "__call__", stopped_before)
    other = MLPClassifier((5,), **options).fit(X, y)
    assert len(found) >= 5
    assert_same_bits(weights_of(other), weights_of(usual))


@ignore_convergence
def test_the_last_iterate_is_kept_without_another_evaluation(monkeypatch):
    """Its population's statistics under batch normalisation are there already."""
    X, y = make_data("binary", n=40)
    evaluate, seen = lbfgs.Function.__call__, []

    def interrupted(function, theta):
        if len(seen) == limit:
            seen.append("interrupt")
            raise KeyboardInterrupt
        seen.append(theta)
        return evaluate(function, theta)

    monkeypatch.setattr(lbfgs.Function, "__call__", interrupted)
    options = {"solver": "lbfgs", "batch_norm": True, "random_state": 0}
    model, limit = MLPEstimator((5,), max_iter=50, **options), 8
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert seen[8:] == ["interrupt"]
    seen.clear()
    limit = 100
    whole = MLPEstimator((5,), max_iter=model.n_iter_, **options).fit(X, y)
    assert model.n_iter_ >= 3
    for before, after in itertools.pairwise(seen):
        assert not np.array_equal(before, after)
    assert_same_bits(weights_of(model), weights_of(whole))
    assert_same_bits(model.norm_means_, whole.norm_means_)


@ignore_convergence
def test_a_prediction_that_was_stopped_stops_no_other_one(monkeypatch):
    """Tables of equal networks are one, and other threads predict with it."""
    X, y = make_data("multiclass", n=50)
    model = MLPEstimator((8,), max_iter=2, random_state=0).fit(X, y)
    usual = model.predict_proba(X)
    monkeypatch.setattr(prediction, "_FLOPS_PER_CALL", 1.0)
    stopped = []

    def stop(net, work):
        net[at.STOP] = 1
        stopped.append(net)
        work()
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(interrupts, "stoppable", stop)
        with pytest.raises(TimeoutError):
            model.predict_proba(X)
    assert len(stopped) == 1
    monkeypatch.undo()
    assert_same_bits([model.predict_proba(X)], [usual])


@ignore_convergence
@pytest.mark.parametrize("shuffle", [False, True])
def test_single_neurons_work_in_parts(shuffle, monkeypatch):
    """With the same bits."""
    X, y = make_data("binary", n=60)
    makers = (
        lambda: Perceptron(shuffle=shuffle, max_iter=5, random_state=0),
        lambda: HebbianNeuron(max_iter=3, record=True),
    )
    for make in makers:
        found = []
        for numbers in (2**25, 100):
            monkeypatch.setattr(thresholds, "_NUMBERS_PER_CALL", numbers)
            parts = thresholds.parts_of(X)
            assert (len(parts) > 1) == (numbers == 100)
            neuron = make().fit(X, y)
            history = getattr(neuron, "coef_history_", neuron.coef_)
            found.append([neuron.coef_, history, neuron.decision_function(X)])
        assert_same_bits(found[0], found[1])
