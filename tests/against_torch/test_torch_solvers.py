"""Solvers beside PyTorch's: the same gradients, the same parameters, in float64."""

import copy

import numpy as np
import pytest
import reference
from fastnn.kernels import adaptive, optimizers
from fastnn.kernels import layout as at

torch = pytest.importorskip("torch")

STEPS, SIZE, RATE, PENALTY = 50, 23, 0.02, 0.1
BETAS = {"BETA_1": 0.8, "BETA_2": 0.95, "EPSILON": 1e-6}
TORCH_BETAS = {"betas": (0.8, 0.95), "eps": 1e-6}


@pytest.fixture(autouse=True)
def _torch_in_double():
    """NAdam keeps the product of its momenta in PyTorch's default type, float32.

    That alone would make a difference of 1e-9.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


class Kernel:
    """A unit and its begin unit on one stretch of parameters.

    Parameters
    ----------
    unit, begin : units
    theta : vector
    n_slots : int
    hyper : numbers by name
    """

    def __init__(self, unit, begin, theta, n_slots, **hyper):
        n = self.n = theta.size
        self.unit, self.begin = unit[theta.dtype], begin[theta.dtype]
        self.net = np.zeros(at.HEADER, np.int64)
        self.net[at.SLOT0], self.net[at.G0] = n, n * (1 + n_slots)
        self.net[at.N_PACKED] = n
        self.sum0 = n * (2 + n_slots)
        self.arena = np.zeros(self.sum0 + 1)
        self.arena[:n] = theta
        self.hyper = np.zeros(at.N_HYPER)
        starts = {"GRADIENT_SCALE": 1.0, "POWER_1": 1.0, "POWER_2": 1.0}
        for name, value in {**starts, "POWER_MU": 1.0, **hyper}.items():
            self.hyper[getattr(at, name)] = value
        self.hyper[at.TINY] = np.finfo(float).tiny * 8

    def step(self, g):
        """Take a step and return the parameters."""
        self.begin(self.net, self.arena, self.hyper)
        g0 = self.net[at.G0]
        self.arena[g0 : g0 + self.n] = g
        self.unit(self.net, self.arena, self.hyper, 0, self.n, 1, self.sum0)
        return self.arena[: self.n].copy()


# name: (unit, begin, slots, hyper-parameters), the reference, PyTorch's solver
CASES = {
    "sgd": (
        (optimizers.sgd, optimizers.begin_plain, 1, {"MOMENTUM": 0.8}),
        reference.SGD(RATE, 0.8, False),
        (torch.optim.SGD, {"momentum": 0.8}),
    ),
    "no-momentum": (
        (optimizers.sgd, optimizers.begin_plain, 1, {"NESTEROV": 1.0}),
        reference.SGD(RATE, 0.0),
        (torch.optim.SGD, {}),
    ),
    "nesterov": (
        (optimizers.sgd, optimizers.begin_plain, 1, {"MOMENTUM": 0.8, "NESTEROV": 1.0}),
        reference.SGD(RATE, 0.8, True),
        (torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    ),
    "dampening": (
        (
            optimizers.sgd,
            optimizers.begin_plain,
            1,
            {"MOMENTUM": 0.8, "DAMPENING": 0.3},
        ),
        reference.SGD(RATE, 0.8, False, 0.3),
        (torch.optim.SGD, {"momentum": 0.8, "dampening": 0.3}),
    ),
    "rmsprop": (
        (
            adaptive.rmsprop,
            optimizers.begin_plain,
            1,
            {"RHO": 0.95, "EPSILON": 1e-6},
        ),
        reference.RMSprop(RATE, 0.95, 1e-6),
        (torch.optim.RMSprop, {"alpha": 0.95, "eps": 1e-6}),
    ),
    "adam_corrected": (
        (adaptive.adam_corrected, adaptive.begin_corrected, 2, BETAS),
        reference.AdamCorrected(RATE, 0.8, 0.95, 1e-6),
        (torch.optim.Adam, TORCH_BETAS),
    ),
    "nadam": (
        (adaptive.nadam, adaptive.begin_nadam, 2, BETAS),
        reference.NAdam(RATE, 0.8, 0.95, 1e-6),
        (torch.optim.NAdam, {**TORCH_BETAS, "momentum_decay": 0.004}),
    ),
    "amsgrad": (
        (adaptive.amsgrad, adaptive.begin_corrected, 3, BETAS),
        reference.AMSGrad(RATE, 0.8, 0.95, 1e-6),
        (torch.optim.Adam, {**TORCH_BETAS, "amsgrad": True}),
    ),
    "adagrad": (
        (adaptive.adagrad, optimizers.begin_plain, 1, {"EPSILON": 1e-10}),
        reference.AdaGrad(RATE, 1e-10),
        (torch.optim.Adagrad, {"eps": 1e-10}),
    ),
}


def torch_solver(kind, theta, **options):
    """Return PyTorch's parameter and solver.

    PyTorch's first velocity is the whole gradient, without dampening; ours starts
    at 0 and dampens from the first step on. A velocity of 0 from before makes
    PyTorch do the same.
    """
    parameter = torch.nn.Parameter(torch.tensor(theta))
    solver = kind([parameter], lr=RATE, **options)
    if options.get("dampening"):
        solver.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return parameter, solver


def gradients(theta_size):
    """Return gradients of many sizes, with some that are 0 for a while."""
    rng = np.random.default_rng(0)
    G = rng.standard_normal((STEPS, theta_size)) * 10.0 ** rng.uniform(
        -4, 1, theta_size
    )
    G[10:20, ::3] = 0.0
    G[:, 0] = 0.0
    return G


@pytest.mark.parametrize("penalty", [0.0, PENALTY])
@pytest.mark.parametrize("name", CASES)
def test_steps_equal_those_of_torch(name, penalty):
    """After every one of 50 steps, to 1e-12: differences are rounding alone."""
    (unit, begin, n_slots, hyper), _, (kind, options) = CASES[name]
    theta = np.random.default_rng(1).standard_normal(SIZE)
    hyper = {"RATE": RATE, "L2": penalty, **hyper}
    kernel = Kernel(unit, begin, theta, n_slots, **hyper)
    parameter, solver = torch_solver(kind, theta, weight_decay=penalty, **options)
    for g in gradients(SIZE):
        parameter.grad = torch.tensor(g)
        solver.step()
        np.testing.assert_allclose(
            kernel.step(g), parameter.detach().numpy(), rtol=1e-12, atol=1e-12
        )
    assert not np.allclose(parameter.detach().numpy()[1:], theta[1:], atol=1e-3)


@pytest.mark.parametrize("name", CASES)
def test_references_equal_torch(name):
    """What the kernels are compared with elsewhere is right as well."""
    _, twin, (kind, options) = CASES[name]
    twin = copy.copy(twin)  # it has a state
    theta = np.random.default_rng(1).standard_normal(SIZE)
    parameter, solver = torch_solver(kind, theta, **options)
    for g in gradients(SIZE):
        parameter.grad = torch.tensor(g)
        solver.step()
        theta = twin.step(theta, g)
    np.testing.assert_allclose(
        theta, parameter.detach().numpy(), rtol=1e-12, atol=1e-12
    )


def test_adamw_without_decay_takes_the_corrected_step():
    """AdamW's own decay comes before the step; without it nothing else differs."""
    theta = np.random.default_rng(1).standard_normal(SIZE)
    kernel = Kernel(
        adaptive.adam_corrected, adaptive.begin_corrected, theta, 2, RATE=RATE, **BETAS
    )
    parameter, solver = torch_solver(
        torch.optim.AdamW, theta, weight_decay=0.0, **TORCH_BETAS
    )
    for g in gradients(SIZE):
        parameter.grad = torch.tensor(g)
        solver.step()
        np.testing.assert_allclose(
            kernel.step(g), parameter.detach().numpy(), rtol=1e-12, atol=1e-12
        )
