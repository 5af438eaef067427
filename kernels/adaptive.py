"""Solvers that scale each parameter's step by the past of its gradient.

All have the interface of `optimizers`, and g is the gradient as written there. A
mean that decays is set to 0 below hyper[TINY] (see `adam`); comparisons are written
so that a NaN passes through them.
"""

import numpy as np

from ._jit import inner, unit
from ._llvm import view
from .layout import (
    BETA_1,
    BETA_2,
    EPSILON,
    G0,
    GRADIENT_SCALE,
    N_PACKED,
    P0,
    POWER_1,
    POWER_2,
    POWER_MU,
    RATE,
    RHO,
    ROOT_SCALE,
    SLOT0,
    STEP_SIZE,
    STEP_SIZE_2,
    STEPS,
    TINY,
)
from .optimizers import BEGIN_STEP, UPDATE, penalty_rate

# Nadam's momentum rises from about beta_1 / 2 to beta_1 as 0.96 ** (t · DECAY) falls.
MOMENTUM_BASE, MOMENTUM_DECAY = 0.96, 0.004
MOMENTUM_RATIO = MOMENTUM_BASE**MOMENTUM_DECAY


@unit(UPDATE)
def rmsprop(net, arena, hyper, start, n, penalised, sum0):
    """RMSprop: the step is divided by the root of a decaying mean of squares.

    v = rho v + (1 - rho) g²;   p -= rate · g / (√v + epsilon)

    Source: T. Tieleman and G. Hinton, Lecture 6.5, Neural networks for machine
    learning, 2012; epsilon stands outside the root, as in PyTorch.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    V = view(arena, net[SLOT0] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    rho, c = T(hyper[RHO]), T(1.0 - hyper[RHO])
    rate, epsilon = T(hyper[RATE]), T(hyper[EPSILON])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        v = rho * V[i] + c * (g * g)
        v = zero if v < tiny else v
        V[i] = v
        P[i] -= rate * g / (np.sqrt(v) + epsilon)


@unit(UPDATE)
def adam(net, arena, hyper, start, n, penalised, sum0):
    """Adam with the bias correction in the step size, as scikit-learn has it.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;
    p -= rate · √(1 - b2ᵗ) / (1 - b1ᵗ) · m / (√v + epsilon)

    Moments of dead units decay into denormal numbers, which are ten times slower
    to compute with: below hyper[TINY] they become 0.

    Source: D. Kingma and J. Ba, Adam: a method for stochastic optimization, 2014.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    M = view(arena, net[SLOT0] + start, n)
    V = view(arena, net[SLOT0] + net[N_PACKED] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    b1, c1 = T(hyper[BETA_1]), T(1.0 - hyper[BETA_1])
    b2, c2 = T(hyper[BETA_2]), T(1.0 - hyper[BETA_2])
    step, epsilon = T(hyper[STEP_SIZE]), T(hyper[EPSILON])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        m = b1 * M[i] + c1 * g
        m = zero if abs(m) < tiny else m
        v = b2 * V[i] + c2 * (g * g)
        v = zero if v < tiny else v
        M[i] = m
        V[i] = v
        P[i] -= step * m / (np.sqrt(v) + epsilon)


@unit(UPDATE)
def adam_corrected(net, arena, hyper, start, n, penalised, sum0):
    """Adam with both moments corrected, as in the paper and in PyTorch.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;
    p -= rate / (1 - b1ᵗ) · m / (√(v / (1 - b2ᵗ)) + epsilon)

    It differs from `adam` in what epsilon is added to. AdamW takes this step after
    its weights have decayed.

    Sources: as `adam`, Algorithm 1; I. Loshchilov and F. Hutter, Decoupled weight
    decay regularization, ICLR 2019.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    M = view(arena, net[SLOT0] + start, n)
    V = view(arena, net[SLOT0] + net[N_PACKED] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    b1, c1 = T(hyper[BETA_1]), T(1.0 - hyper[BETA_1])
    b2, c2 = T(hyper[BETA_2]), T(1.0 - hyper[BETA_2])
    step, epsilon = T(hyper[STEP_SIZE]), T(hyper[EPSILON])
    root_scale = T(hyper[ROOT_SCALE])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        m = b1 * M[i] + c1 * g
        m = zero if abs(m) < tiny else m
        v = b2 * V[i] + c2 * (g * g)
        v = zero if v < tiny else v
        M[i] = m
        V[i] = v
        P[i] -= step * m / (root_scale * np.sqrt(v) + epsilon)


@unit(UPDATE)
def nadam(net, arena, hyper, start, n, penalised, sum0):
    """Adam with Nesterov's look ahead; the momentum changes from step to step.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;
    p -= (a m + c g) / (√(v / (1 - b2ᵗ)) + epsilon), with a and c of `begin_nadam`

    Source: T. Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop
    2016, in PyTorch's form.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    M = view(arena, net[SLOT0] + start, n)
    V = view(arena, net[SLOT0] + net[N_PACKED] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    b1, c1 = T(hyper[BETA_1]), T(1.0 - hyper[BETA_1])
    b2, c2 = T(hyper[BETA_2]), T(1.0 - hyper[BETA_2])
    step_m, step_g = T(hyper[STEP_SIZE]), T(hyper[STEP_SIZE_2])
    root_scale, epsilon = T(hyper[ROOT_SCALE]), T(hyper[EPSILON])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        m = b1 * M[i] + c1 * g
        m = zero if abs(m) < tiny else m
        v = b2 * V[i] + c2 * (g * g)
        v = zero if v < tiny else v
        M[i] = m
        V[i] = v
        P[i] -= (step_m * m + step_g * g) / (root_scale * np.sqrt(v) + epsilon)


@unit(UPDATE)
def amsgrad(net, arena, hyper, start, n, penalised, sum0):
    """Adam whose second moment never falls: its largest value so far counts.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  top = max(top, v);
    p -= rate / (1 - b1ᵗ) · m / (√(top / (1 - b2ᵗ)) + epsilon)

    Source: S. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond,
    ICLR 2018, with Adam's corrections, as in PyTorch.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    M = view(arena, net[SLOT0] + start, n)
    V = view(arena, net[SLOT0] + net[N_PACKED] + start, n)
    TOP = view(arena, net[SLOT0] + 2 * net[N_PACKED] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    b1, c1 = T(hyper[BETA_1]), T(1.0 - hyper[BETA_1])
    b2, c2 = T(hyper[BETA_2]), T(1.0 - hyper[BETA_2])
    step, epsilon = T(hyper[STEP_SIZE]), T(hyper[EPSILON])
    root_scale = T(hyper[ROOT_SCALE])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        m = b1 * M[i] + c1 * g
        m = zero if abs(m) < tiny else m
        v = b2 * V[i] + c2 * (g * g)
        v = zero if v < tiny else v
        top = TOP[i]
        top = top if v < top else v
        M[i] = m
        V[i] = v
        TOP[i] = top
        P[i] -= step * m / (root_scale * np.sqrt(top) + epsilon)


@unit(UPDATE)
def adagrad(net, arena, hyper, start, n, penalised, sum0):
    """AdaGrad: the step is divided by the root of the sum of all squares so far.

    s += g²;   p -= rate · g / (√s + epsilon)

    The sum only grows; a square below hyper[TINY] counts as 0, so that the sum is
    never denormal.

    Source: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods for
    online learning and stochastic optimization, JMLR 12, 2011.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    S = view(arena, net[SLOT0] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    rate, epsilon = T(hyper[RATE]), T(hyper[EPSILON])
    tiny, zero = T(hyper[TINY]), T(0)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        square = g * g
        square = zero if square < tiny else square
        s = S[i] + square
        S[i] = s
        P[i] -= rate * g / (np.sqrt(s) + epsilon)


@unit(UPDATE)
def lion(net, arena, hyper, start, n, penalised, sum0):
    """Lion: every parameter moves by the rate, or not at all.

    u = sign(b1 m + (1 - b1) g), sign(0) = 0;   p -= rate · u;
    m = b2 m + (1 - b2) g

    Source: X. Chen et al., Symbolic discovery of optimization algorithms, NeurIPS
    2023.
    """
    T = arena.dtype.type
    alpha = penalty_rate(arena, hyper, net[P0] + start, n, penalised, sum0)
    P = view(arena, net[P0] + start, n)
    G = view(arena, net[G0] + start, n)
    M = view(arena, net[SLOT0] + start, n)
    scale = T(hyper[GRADIENT_SCALE])
    b1, c1 = T(hyper[BETA_1]), T(1.0 - hyper[BETA_1])
    b2, c2 = T(hyper[BETA_2]), T(1.0 - hyper[BETA_2])
    rate = T(hyper[RATE])
    tiny, zero, one = T(hyper[TINY]), T(0), T(1)
    for i in range(n):
        g = (G[i] + alpha * P[i]) * scale
        old = M[i]
        c = b1 * old + c1 * g
        u = one if c > zero else c  # neither test holds for a NaN, which stays
        u = -one if c < zero else u
        m = b2 * old + c2 * g
        m = zero if abs(m) < tiny else m
        M[i] = m
        P[i] -= rate * u


@inner
def count_step(hyper):
    """Count a step, and raise the powers of both betas with it."""
    hyper[STEPS] += 1.0
    hyper[POWER_1] *= hyper[BETA_1]
    hyper[POWER_2] *= hyper[BETA_2]


@unit(BEGIN_STEP)
def begin_adam(net, arena, hyper):
    """Count a step; correct the step size for the moments' start at zero."""
    count_step(hyper)
    hyper[STEP_SIZE] = (
        hyper[RATE] * np.sqrt(1.0 - hyper[POWER_2]) / (1.0 - hyper[POWER_1])
    )


@unit(BEGIN_STEP)
def begin_corrected(net, arena, hyper):
    """Count a step; leave each moment's correction.

    STEP_SIZE = rate / (1 - b1ᵗ);   ROOT_SCALE = 1 / √(1 - b2ᵗ)
    """
    count_step(hyper)
    hyper[STEP_SIZE] = hyper[RATE] / (1.0 - hyper[POWER_1])
    hyper[ROOT_SCALE] = 1.0 / np.sqrt(1.0 - hyper[POWER_2])


@unit(BEGIN_STEP)
def begin_nadam(net, arena, hyper):
    """Count a step; leave the sizes of its two parts.

    mu(t) = b1 (1 - ½ · 0.96^(0.004 t));   Π = mu(1) mu(2) ... mu(t);
    STEP_SIZE = rate · mu(t + 1) / (1 - Π · mu(t + 1)), for the first moment;
    STEP_SIZE_2 = rate · (1 - mu(t)) / (1 - Π), for the gradient
    """
    count_step(hyper)
    decay = MOMENTUM_BASE ** (MOMENTUM_DECAY * hyper[STEPS])
    mu = hyper[BETA_1] * (1.0 - 0.5 * decay)
    mu_next = hyper[BETA_1] * (1.0 - 0.5 * decay * MOMENTUM_RATIO)
    hyper[POWER_MU] *= mu
    product_next = hyper[POWER_MU] * mu_next
    hyper[STEP_SIZE] = hyper[RATE] * mu_next / (1.0 - product_next)
    hyper[STEP_SIZE_2] = hyper[RATE] * (1.0 - mu) / (1.0 - hyper[POWER_MU])
    hyper[ROOT_SCALE] = 1.0 / np.sqrt(1.0 - hyper[POWER_2])
