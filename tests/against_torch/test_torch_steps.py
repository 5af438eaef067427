"""Steps of whole networks beside PyTorch's: see `test_torch_networks`.

Solvers, penalties, decay, clipping, bounds, averages and schedules.
"""

import numpy as np
import pytest
from torch_tools import (
    BATCH,
    BETAS,
    BOUND,
    DEEP,
    DESCENT,
    EPOCHS,
    N_BATCHES,
    N_ROWS,
    SCALED_BATCH_BOUND,
    TORCH_BETAS,
    F,
    Twin,
    assert_trained_alike,
    cross_entropy,
    data,
    gradient_descent,
    in_double,
    initialised,
    normed,
    torch,
)


@pytest.fixture(autouse=True)
def _in_double():
    with in_double():
        yield


MOMENTUM = {"solver": "sgd", "momentum": 0.8}

# name: the estimator's parameters, PyTorch's solver and its options
SOLVERS = {
    "plain": ({**MOMENTUM, "momentum": 0.0}, torch.optim.SGD, {}),
    "momentum": (
        {**MOMENTUM, "nesterovs_momentum": False},
        torch.optim.SGD,
        {"momentum": 0.8},
    ),
    "nesterov": (MOMENTUM, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    "rmsprop": (
        {"solver": "rmsprop", "rho": 0.95, "epsilon": 1e-6},
        torch.optim.RMSprop,
        {"alpha": 0.95, "eps": 1e-6},
    ),
    # As in scikit-learn, epsilon is added to the root of the moment before its
    # correction. With next to none that makes no difference; and no unit of a smooth
    # network has a gradient that is as small.
    "adam": (
        {"solver": "adam", **BETAS, "epsilon": 1e-15},
        torch.optim.Adam,
        {**TORCH_BETAS, "eps": 1e-15},
    ),
    "nadam": ({"solver": "nadam", **BETAS}, torch.optim.NAdam, TORCH_BETAS),
    "amsgrad": (
        {"solver": "amsgrad", **BETAS},
        torch.optim.Adam,
        {**TORCH_BETAS, "amsgrad": True},
    ),
    "adagrad": (
        {"solver": "adagrad", "epsilon": 1e-10},
        torch.optim.Adagrad,
        {"eps": 1e-10},
    ),
}


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("name", SOLVERS)
def test_solvers(name, alpha):
    """With and without an L2 penalty, which is divided by each batch's own size."""
    params, kind, options = SOLVERS[name]
    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        lambda twin: kind(twin.parameters(), lr=0.02, **options),
        hidden_layer_sizes=(8, 6),
        activation="tanh",
        learning_rate_init=0.02,
        alpha=alpha,
        **params,
    )


@pytest.mark.parametrize("norm", ["", "layer", "batch"])
@pytest.mark.parametrize("given", [None, 0.3])
def test_adamw_decays_weights_alone(given, norm):
    """Biases and normalisation do not decay; without a word the decay is 0.01."""
    decay = 0.01 if given is None else given

    def solver(twin):
        groups = [
            {"params": twin.matrices(), "weight_decay": decay},
            {"params": twin.others(), "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.02, **TORCH_BETAS)

    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        solver,
        bound=SCALED_BATCH_BOUND if norm == "batch" else BOUND,
        activation="tanh",
        solver="adamw",
        learning_rate_init=0.02,
        weight_decay=given,
        **normed(norm),
        **DEEP,
        **BETAS,
    )


@pytest.mark.parametrize("name", ["plain", "momentum", "rmsprop", "adagrad"])
def test_l1_penalty_away_from_0(name):
    """Where it has a derivative: for one epoch, in which no weight gets to 0."""
    params, kind, options = SOLVERS[name]
    params = {"activation": "tanh", "margin": 0.3, "max_iter": 1, **DEEP, **params}
    start = Twin(initialised(*data("multiclass")[:2], **params))
    _, twin = assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        lambda twin: kind(twin.parameters(), lr=0.01, **options),
        alpha=0.5,
        l1_ratio=0.7,
        learning_rate_init=0.01,
        **params,
    )
    for new, old in zip(twin.matrices(), start.matrices(), strict=True):
        assert (new * old > 0).all()


def test_l1_penalty_makes_zeros():
    """At 0 the shortest subgradient counts, and no step crosses 0; all by hand."""
    l1 = 4.0
    kept = {}

    def hooks(twin, solver):
        def shorten(step):
            rows = N_ROWS % BATCH if step % N_BATCHES == 0 else BATCH
            for W in twin.matrices():  # autograd's derivative of |W| at 0 is 0
                at_0 = torch.where(W == 0, W.grad, 0.0)
                shorter = at_0.sign() * F.relu(at_0.abs() - l1 / rows)
                W.grad += shorter - at_0
                kept[W] = torch.where(W == 0, -shorter.sign(), W.sign()).detach()

        def stop_at_0(step):
            with torch.no_grad():
                for W in twin.matrices():
                    W[W * kept[W] <= 0] = 0.0

        return {"before_step": shorten, "after_step": stop_at_0}

    _, twin = assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        gradient_descent,
        hooks=hooks,
        activation="tanh",
        alpha=l1,
        l1_ratio=1.0,
        **DEEP,
        **DESCENT,
    )
    zeros = torch.cat([(W == 0).double().ravel() for W in twin.matrices()])
    assert 0.1 < zeros.mean() < 0.9


@pytest.mark.parametrize("limit", [0.02, 1e3])
@pytest.mark.parametrize("norm", ["", "layer", "batch"])
def test_clipping_by_norm(norm, limit):
    """The norm of the whole gradient, penalty, biases and normalisation included.

    PyTorch divides by the norm plus 1e-6: a limit that is as much larger undoes it.
    The second limit is never reached.
    """
    norms = []

    def hooks(twin, solver):
        def clip(step):
            parameters = list(twin.parameters())
            total = torch.nn.utils.clip_grad_norm_(parameters, torch.inf).item()
            norms.append(total)
            if total > limit:
                exact = limit * (total + 1e-6) / total
                torch.nn.utils.clip_grad_norm_(parameters, exact)

        return {"before_step": clip}

    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        lambda twin: gradient_descent(twin, rate=0.5),
        hooks=hooks,
        activation="tanh",
        alpha=0.3,
        gradient_clip_norm=limit,
        **normed(norm),
        **DEEP,
        **{**DESCENT, "learning_rate_init": 0.5},
    )
    assert 0.02 < min(norms) <= max(norms) < 1e3


def test_clipping_by_value():
    """Entry by entry, the penalty's part included; a third or so of them are cut."""
    shares = []

    def hooks(twin, solver):
        def clip(step):
            gradient = torch.cat([p.grad.ravel() for p in twin.parameters()])
            shares.append((gradient.abs() > 0.02).double().mean().item())
            torch.nn.utils.clip_grad_value_(twin.parameters(), 0.02)

        return {"before_step": clip}

    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        gradient_descent,
        hooks=hooks,
        activation="tanh",
        alpha=0.3,
        layer_norm=True,
        gradient_clip_value=0.02,
        **DEEP,
        **DESCENT,
    )
    assert 0.1 < min(shares) <= max(shares) < 0.9


def test_bounded_norms():
    """Of the weights into each unit, after each step; output and projection included.

    `torch.renorm` adds 1e-7 to the norm it divides by, so this is by hand.
    """
    cut = []

    def hooks(twin, solver):
        def bound(step):
            with torch.no_grad():
                for W in twin.matrices():
                    norms = W.norm(dim=1, keepdim=True)
                    cut.append((norms > 0.7).double().mean().item())
                    W *= torch.where(norms > 0.7, 0.7 / norms, 1.0)

        return {"after_step": bound}

    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        gradient_descent,
        hooks=hooks,
        activation="tanh",
        max_norm=0.7,
        **DEEP,
        **DESCENT,
    )
    assert 0.1 < np.mean(cut) < 0.9


@pytest.mark.parametrize("norm", ["", "layer", "batch"])
@pytest.mark.parametrize("decay", [0.3, 0.99])
def test_averaged_weights(decay, norm):
    """PyTorch's averaged model, its decay growing as ours: (1 + t) / (10 + t).

    PyTorch takes the first model as it is; ours averages from the initial weights on.
    The statistics of batch normalisation are averaged as well ("use_buffers").
    The smaller decay is reached in step 3, the larger one never.
    """

    def hooks(twin, solver):
        average = torch.optim.swa_utils.AveragedModel(twin, use_buffers=True)
        average.n_averaged.fill_(1)

        def update(step):
            now = min(decay, (1 + step) / (10 + step))
            average.multi_avg_fn = torch.optim.swa_utils.get_ema_multi_avg_fn(now)
            average.update_parameters(twin)

        return {"after_step": update, "averaged": average.module}

    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        gradient_descent,
        hooks=hooks,
        activation="tanh",
        ema_decay=decay,
        **normed(norm),
        **DEEP,
        **DESCENT,
    )


SCHEDULERS = torch.optim.lr_scheduler
TOTAL = EPOCHS * N_BATCHES
# name: the estimator's parameters, and PyTorch's scheduler, stepped after each batch
SCHEDULES = {
    "cosine": (
        {"learning_rate": "cosine"},
        lambda solver: SCHEDULERS.CosineAnnealingLR(solver, T_max=TOTAL),
    ),
    "cosine over other epochs": (
        {"learning_rate": "cosine", "schedule_epochs": 7},
        lambda solver: SCHEDULERS.CosineAnnealingLR(solver, T_max=7 * N_BATCHES),
    ),
    "one cycle": (
        {"learning_rate": "one_cycle"},
        lambda solver: SCHEDULERS.OneCycleLR(
            solver,
            max_lr=0.05,
            total_steps=TOTAL,
            cycle_momentum=False,
        ),
    ),
    "step": (
        {"learning_rate": "step", "decay_rate": 0.3, "decay_epochs": 1},
        lambda solver: SCHEDULERS.StepLR(solver, step_size=N_BATCHES, gamma=0.3),
    ),
    "exponential": (
        {"learning_rate": "exponential", "decay_rate": 0.3, "decay_epochs": 2},
        lambda solver: SCHEDULERS.ExponentialLR(
            solver, gamma=0.3 ** (1 / (2 * N_BATCHES))
        ),
    ),
    "warm-up": (
        {"warmup": 2},
        lambda solver: SCHEDULERS.LinearLR(
            solver,
            start_factor=1 / (2 * N_BATCHES),
            total_iters=2 * N_BATCHES - 1,
        ),
    ),
    "warm-up and cosine": (
        {"learning_rate": "cosine", "warmup": 1},
        lambda solver: SCHEDULERS.ChainedScheduler(
            [
                SCHEDULERS.LinearLR(
                    solver, start_factor=1 / N_BATCHES, total_iters=N_BATCHES - 1
                ),
                SCHEDULERS.CosineAnnealingLR(solver, T_max=TOTAL),
            ]
        ),
    ),
}


@pytest.mark.parametrize("solver", ["sgd", "adamw"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, solver):
    """Stepped after each mini-batch; AdamW's decay follows the rate.

    Without momentum: our velocity has the rate in it, as scikit-learn's, PyTorch's has
    not, which makes a difference as soon as the rate changes.
    """
    params, scheduler_of = SCHEDULES[name]

    def torch_solver(twin):
        if solver == "sgd":
            return gradient_descent(twin)
        groups = [
            {"params": twin.matrices(), "weight_decay": 0.3},
            {"params": twin.others(), "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.05, **TORCH_BETAS)

    def hooks(twin, solver):
        scheduler = scheduler_of(solver)
        return {"after_step": lambda step: step < TOTAL and scheduler.step()}

    ours = DESCENT if solver == "sgd" else {"solver": "adamw", "weight_decay": 0.3}
    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        torch_solver,
        hooks=hooks,
        hidden_layer_sizes=(7,),
        activation="tanh",
        **{**BETAS, **ours, **params, "learning_rate_init": 0.05},
    )
