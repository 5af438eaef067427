"""Learning-rate schedules, by hand and beside PyTorch's."""

import copy
import inspect

import numpy as np
import pytest
from helpers import ignore_convergence, make_data

from fastnn import MLPClassifier
from fastnn.learning import schedules
from fastnn.learning.schedules import Plateau, factors

HORIZON, N_BATCHES = 12, 7


def whole(name, n_epochs=HORIZON, n_batches=N_BATCHES, **options):
    """Return the factors of all mini-batches of several epochs."""
    options = {"horizon": HORIZON, **options}
    parts = [factors(name, e, n_batches, **options) for e in range(n_epochs)]
    return np.concatenate(parts)


def torch_rates(kind, n_steps, **options):
    """Return the rates of a scheduler of PyTorch's for an initial rate of 1."""
    torch = pytest.importorskip("torch")
    parameter = torch.nn.Parameter(torch.zeros(1))
    solver = torch.optim.SGD([parameter], lr=1.0)
    scheduler = getattr(torch.optim.lr_scheduler, kind)(solver, **options)
    rates = []
    for _ in range(n_steps):
        rates.append(solver.param_groups[0]["lr"])
        solver.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize("name", schedules.SHAPES)
@pytest.mark.parametrize("n_batches", [1, 2, 5])
def test_every_schedule_gives_one_number_per_mini_batch(name, n_batches):
    for epoch in (0, 1, 11, 12, 1000, 0.5):
        got = factors(name, epoch, n_batches, horizon=HORIZON, warmup=1.5)
        assert got.shape == (n_batches,)
        assert got.dtype == np.float64
        assert np.isfinite(got).all()
        assert (got >= 0).all()
        assert (got <= 1 + 1e-15).all()


@pytest.mark.parametrize("name", ["constant", "adaptive", "invscaling", "plateau"])
def test_constant_schedules(name):
    np.testing.assert_array_equal(whole(name), 1.0)


@pytest.mark.parametrize("name", schedules.SHAPES)
def test_an_epoch_can_be_cut_anywhere(name):
    """A fraction of an epoch is a place in it: what follows is the same."""
    options = {"horizon": 3, "warmup": 1.3, "decay_epochs": 0.7}
    both = whole(name, 2, 4, **options)
    later = factors(name, 0.5, 4, **options)
    np.testing.assert_allclose(later, both[2:6], rtol=1e-15)


def test_by_hand():
    step = factors("step", 2, 4, horizon=9, decay_rate=0.1, decay_epochs=1.25)
    np.testing.assert_allclose(step, [0.1, 0.1, 0.01, 0.01], rtol=1e-15)
    exponential = factors("exponential", 1, 2, horizon=9, decay_rate=4, decay_epochs=1)
    np.testing.assert_allclose(exponential, [4, 8], rtol=1e-15)
    cosine = factors("cosine", 0, 4, horizon=1)  # cos 45° = √½
    want = [1, 0.5 + 0.5 * np.sqrt(0.5), 0.5, 0.5 - 0.5 * np.sqrt(0.5)]
    np.testing.assert_allclose(cosine, want, rtol=1e-14)
    np.testing.assert_array_equal(factors("cosine", 1, 3, horizon=1), 0)


def test_a_step_is_due_in_spite_of_rounding():
    """0.3 / 0.1 is 2.9999999999999996."""
    got = factors("step", 0, 10, horizon=1, decay_rate=0.5, decay_epochs=0.1)
    np.testing.assert_array_equal(got, 0.5 ** np.arange(10))


def test_defaults():
    """Half the rate every twenty epochs, and no warm-up."""
    assert factors("step", 19.5, 1, horizon=1)[0] == 1.0
    assert factors("step", 20, 1, horizon=1)[0] == 0.5
    assert factors("exponential", 20, 1, horizon=1)[0] == 0.5
    defaults = inspect.signature(factors).parameters
    assert defaults["warmup"].default == 0.0


def test_warmup_by_hand():
    got = factors("constant", 0, 4, horizon=9, warmup=1.25)
    np.testing.assert_allclose(got, [0.2, 0.4, 0.6, 0.8], rtol=1e-15)
    got = factors("constant", 1, 4, horizon=9, warmup=1.25)
    np.testing.assert_array_equal(got, 1.0)
    # less than a mini-batch: nothing to warm
    np.testing.assert_array_equal(factors("constant", 0, 4, horizon=9, warmup=0.1), 1)


@pytest.mark.parametrize("name", schedules.SHAPES)
def test_warmup_multiplies_any_schedule(name):
    rise = np.minimum(1, np.arange(1, HORIZON * N_BATCHES + 1) / (3 * N_BATCHES))
    np.testing.assert_allclose(whole(name, warmup=3), rise * whole(name), rtol=1e-13)


def test_one_cycle_by_hand():
    """20 mini-batches: the top is number 5, the end number 19."""
    got = whole("one_cycle", 5, 4, horizon=5)
    assert got[0] == pytest.approx(1 / 25, rel=1e-14)
    assert got[5] == 1.0
    assert got.argmax() == 5
    assert got[12] == pytest.approx(0.5 * (1 + 1 / 250000), rel=1e-14)
    assert got[19] == pytest.approx(1 / 250000, rel=1e-9)
    assert (np.diff(got[:6]) > 0).all()
    assert (np.diff(got[5:]) < 0).all()
    after = factors("one_cycle", 7, 4, horizon=5)
    np.testing.assert_allclose(after, 1 / 250000, rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_cycle_of_few_mini_batches_starts_at_the_top(n):
    got = whole("one_cycle", n, 1, horizon=n)
    assert got[0] == 1.0
    assert (np.diff(got) < 0).all()


# Products of hundreds of rounded factors are off by some 1e-14 in PyTorch.
TORCH_ERROR = 1e-12


@pytest.mark.parametrize("decay_epochs", [1, 2, 5])
def test_step_equals_torch(decay_epochs):
    got = whole("step", decay_rate=0.3, decay_epochs=decay_epochs)
    size = decay_epochs * N_BATCHES
    want = torch_rates("StepLR", got.size, step_size=size, gamma=0.3)
    np.testing.assert_allclose(got, want, rtol=TORCH_ERROR)


def test_exponential_equals_torch():
    got = whole("exponential", decay_rate=0.3, decay_epochs=2)
    gamma = 0.3 ** (1 / (2 * N_BATCHES))
    want = torch_rates("ExponentialLR", got.size, gamma=gamma)
    np.testing.assert_allclose(got, want, rtol=TORCH_ERROR)


def test_cosine_equals_torch():
    got = whole("cosine")
    want = torch_rates("CosineAnnealingLR", got.size, T_max=got.size)
    np.testing.assert_allclose(got, want, rtol=0, atol=TORCH_ERROR)


@pytest.mark.parametrize(("n_epochs", "n_batches"), [(12, 7), (200, 1), (5, 1), (1, 4)])
def test_one_cycle_equals_torch(n_epochs, n_batches):
    got = whole("one_cycle", n_epochs, n_batches, horizon=n_epochs)
    options = {"max_lr": 1.0, "total_steps": got.size, "pct_start": 0.3}
    options["cycle_momentum"] = False
    options["div_factor"], options["final_div_factor"] = 25.0, 1e4
    # one step of the scheduler after the last would be an error
    want = torch_rates("OneCycleLR", got.size - 1, **options)
    np.testing.assert_allclose(got[:-1], want, rtol=TORCH_ERROR)


def test_warmup_equals_torch():
    got = whole("constant", warmup=3)
    n = 3 * N_BATCHES
    want = torch_rates("LinearLR", got.size, start_factor=1 / n, total_iters=n - 1)
    np.testing.assert_allclose(got, want, rtol=TORCH_ERROR)


def cuts(plateau, values):
    """Return after which values the rate was cut."""
    return [i for i, value in enumerate(values) if plateau.update(value)]


def test_plateau_cuts_after_patience():
    plateau = Plateau(0.5, 3, 0.1)
    assert cuts(plateau, [5, 4, 3, 3, 3, 3, 3, 3, 3, 3]) == [5, 8]
    assert plateau.factor == 0.25
    assert plateau.waited == 1


def test_plateau_wants_more_than_tol():
    assert cuts(Plateau(0.5, 2, 1.0), [10, 8.5, 7, 5.5, 4]) == []
    assert cuts(Plateau(0.5, 2, 1.0), [10, 9, 8, 7, 6]) == [2, 4]
    assert cuts(Plateau(0.5, 3, 0.0), [1, 1, 1, 0.5, 1, 1, 1]) == [3 + 3]


def test_plateau_forgets_the_best_at_a_cut():
    """After the cut at 3 the best is 3, and 2.9 improves on it though 1 was lower."""
    plateau = Plateau(0.5, 2, 0.0)
    assert cuts(plateau, [1, 2, 3, 2.9, 2.8, 2.7]) == [2]
    assert (plateau.best, plateau.waited) == (2.7, 0)


def test_plateau_has_a_lower_bound():
    plateau = Plateau(0.1, 1, 0.0)
    assert len(cuts(plateau, np.ones(50))) == 8
    assert plateau.factor == pytest.approx(1e-8, rel=1e-12)
    assert not plateau.update(1.0)
    plateau = Plateau(0.001, 1, 0.0)
    assert len(cuts(plateau, np.ones(50))) == 3
    assert plateau.factor == 1e-8


def test_plateau_takes_nan_as_no_improvement():
    plateau = Plateau(0.5, 2, 0.0)
    assert cuts(plateau, [1, np.nan, np.nan]) == [2]
    assert not plateau.update(5.0)
    assert plateau.best == 5.0


def test_a_copied_plateau_goes_on_alike():
    values = np.random.default_rng(0).random(200)
    plateau = Plateau(0.9, 4, 0.01)
    cuts(plateau, values[:100])
    twin = copy.copy(plateau)
    assert all(isinstance(value, int | float) for value in vars(plateau).values())
    later = cuts(plateau, values[100:])
    assert later
    assert cuts(twin, values[100:]) == later
    assert twin == plateau


@ignore_convergence
def test_a_power_of_a_narrow_type():
    """A NumPy number of two bytes is 4.0, also where 20 to its power needs more."""
    X, y = make_data("binary", n=400, p=3)
    wide, narrow = (
        MLPClassifier(
            (3,), solver="sgd", learning_rate="invscaling", power_t=power, max_iter=2,
            random_state=0,
        ).fit(X, y)
        for power in (4.0, np.int16(4))
    )  # fmt: skip
    assert wide.loss_curve_ == narrow.loss_curve_
