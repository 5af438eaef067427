"""What is done to a gradient before the solver, and to the parameters after it.

For a stretch of weights p with sums of gradients G over a mini-batch of weight w::

    g = (G + l2 · p) / w  plus the L1 penalty's, clipped at ± CLIP_VALUE     before
    p -= rate · DECAY · p                                                   before
    p = 0 where it would leave its orthant (L1)                             after

The L1 penalty has no derivative at 0. There its pseudo-gradient is taken, the shortest
of all subgradients, and a weight that a step would carry across 0 stops there: so
weights become exactly 0, with every solver, and stay until the gradient of the data
exceeds the penalty's.

Sources: G. Andrew and J. Gao, Scalable training of L1-regularized log-linear models,
ICML 2007 (pseudo-gradient and orthants); I. Loshchilov and F. Hutter, Decoupled weight
decay regularization, ICLR 2019; N. Srivastava et al., Dropout, JMLR 2014 (max-norm).
"""

import numpy as np

from . import layout as at
from ._jit import INT, Interface, array, doubles, inner, unit
from ._llvm import view
from .forward import scratch_of
from .layout import layer_field, panel_columns, transpose_tile
from .optimizers import UPDATE, call_update

# (net, arena, hyper, worker)
PHASE = Interface(lambda F: (array(INT), array(F), doubles(), INT), 4)
call_phase = PHASE.call


@inner
def finish_gradient(net, arena, hyper, start, n, penalised, tile):
    """Make the gradient of a stretch out of its sums, and decay its weights.

    Adds to TILE_SUM0 the stretch's penalty, twice and before division by the batch's
    weight, and to TILE_NORM0 its norm √Σ g², by way of float64: a gradient that is to
    be clipped may be so large that its square is no float32.
    """
    if penalised:
        add_penalties(net, arena, hyper, start, n, tile)
    T = arena.dtype.type
    G = view(arena, net[at.G0] + start, n)
    limit = T(hyper[at.CLIP_VALUE])
    scale = T(1.0 / hyper[at.WEIGHT_SUM])
    squares = 0.0
    for i in range(n):
        g = G[i] * scale
        g = limit if g > limit else g
        g = -limit if g < -limit else g
        G[i] = g
        squares += np.float64(g) * np.float64(g)
    before = np.float64(arena[net[at.TILE_NORM0] + tile])
    arena[net[at.TILE_NORM0] + tile] = T(np.sqrt(before * before + squares))


@inner
def add_penalties(net, arena, hyper, start, n, tile):
    """Add the penalties' gradients to G's sums; decay the weights themselves."""
    T = arena.dtype.type
    P = view(arena, net[at.P0] + start, n)
    G = view(arena, net[at.G0] + start, n)
    l2, keep = T(hyper[at.PENALTY_2]), T(1.0 - hyper[at.RATE] * hyper[at.DECAY])
    total = T(0)
    for i in range(n):
        p = P[i]
        total += l2 * (p * p)
        G[i] += l2 * p
    sum0 = net[at.TILE_SUM0] + tile
    arena[sum0] += total
    if hyper[at.PENALTY_1] > 0.0:
        call_update(net[at.ADD_L1], net, arena, hyper, start, n, 1, sum0)
    for i in range(n):
        P[i] *= keep


@unit(UPDATE)
def add_l1(net, arena, hyper, start, n, penalised, sum0):
    """Add the L1 penalty's pseudo-gradient, keep the orthant, and add 2 l1 Σ |p|."""
    T = arena.dtype.type
    P = view(arena, net[at.P0] + start, n)
    G = view(arena, net[at.G0] + start, n)
    orthant = view(arena, net[at.ORTHANT0] + start, n)
    l1 = T(hyper[at.PENALTY_1])
    zero, one = T(0), T(1)
    total = zero
    for i in range(n):
        p, g = P[i], G[i]
        total += abs(p)
        above = g - l1 if g > l1 else zero  # the pseudo-gradient at p = 0
        above = g + l1 if g < -l1 else above
        above = g if g != g else above  # a NaN is seen
        sign = one if p > zero else zero
        sign = -one if p < zero else sign
        inside = g + l1 * sign
        G[i] = inside if sign != zero else above
        away = -one if above > zero else zero
        away = one if above < zero else away
        orthant[i] = sign if sign != zero else away
    arena[sum0] += T(2) * l1 * total


@inner
def keep_orthant(net, arena, start, n):
    """Set weights to 0 that have left their orthant."""
    T = arena.dtype.type
    P = view(arena, net[at.P0] + start, n)
    orthant = view(arena, net[at.ORTHANT0] + start, n)
    zero = T(0)
    for i in range(n):
        p = P[i]
        inside = p * orthant[i]
        P[i] = zero if inside <= zero else p


@inner
def clip_scale(net, arena, hyper):
    """Return what to multiply the whole gradient by so that its norm is allowed.

    Source: R. Pascanu et al., On the difficulty of training recurrent neural
    networks, ICML 2013.
    """
    if hyper[at.CLIP_NORM] <= 0.0:
        return 1.0
    squares = 0.0
    norms = view(arena, net[at.TILE_NORM0], net[at.N_TILES])
    for tile in range(net[at.N_TILES]):
        norm = np.float64(norms[tile])
        squares += norm * norm
    norm = np.sqrt(squares)
    return hyper[at.CLIP_NORM] / norm if norm > hyper[at.CLIP_NORM] else 1.0


@inner
def scale_gradient(net, arena, start, n, scale):
    """Multiply a stretch of the gradient."""
    G = view(arena, net[at.G0] + start, n)
    factor = arena.dtype.type(scale)
    for i in range(n):
        G[i] *= factor


@inner
def bound_norms(net, arena, hyper, layer, column, squares0):
    """Shorten the columns of a panel whose norm exceeds MAX_NORM.

    A column holds a unit's incoming weights. Σ w² of the columns is put at squares0.
    """
    T = arena.dtype.type
    K = layer_field(net, layer, at.FAN_IN)
    width = panel_columns(net, layer, column)
    start = net[at.P0] + layer_field(net, layer, at.W0) + column * K
    squares = view(arena, squares0, width)
    one, limit = T(1), T(hyper[at.MAX_NORM])
    for j in range(width):
        squares[j] = T(0)
    for k in range(K):
        W = view(arena, start + k * width, width)
        for j in range(width):
            squares[j] += W[j] * W[j]
    for j in range(width):
        norm = np.sqrt(squares[j])
        squares[j] = limit / norm if norm > limit else one
    for k in range(K):
        W = view(arena, start + k * width, width)
        for j in range(width):
            W[j] *= squares[j]
    if layer > 0:
        transpose_tile(net, arena, layer, column, 0, K)


@inner
def average(net, arena, hyper, first, last):
    """Move the running averages of parameters [first, last) towards them.

    The decay grows with the steps t as (1 + t) / (10 + t), up to AVERAGE_DECAY, so
    that the first weights are forgotten soon.

    Source: B. Polyak and A. Juditsky, Acceleration of stochastic approximation by
    averaging, 1992; the growing decay is TensorFlow's.
    """
    t = hyper[at.STEPS]
    decay = min(hyper[at.AVERAGE_DECAY], (1.0 + t) / (10.0 + t))
    share = arena.dtype.type(1.0 - decay)
    P = view(arena, net[at.P0] + first, last - first)
    A = view(arena, net[at.AVERAGE0] + first, last - first)
    for i in range(last - first):
        A[i] += share * (P[i] - A[i])


@unit(PHASE)
def bound_phase(net, arena, hyper, worker):
    """Bound the norms of a worker's panels: every N_WORKERS-th of them."""
    panel = 0
    for tile in range(net[at.N_TILES]):
        record = net[at.TILES] + tile * at.TILE
        if net[record + at.FIRST_ROW] == 0:
            if panel % net[at.N_WORKERS] == worker:
                layer, column = net[record + at.TILE_LAYER], net[record + at.COLUMN]
                scratch = scratch_of(net, worker)
                bound_norms(net, arena, hyper, layer, column, scratch)
            panel += 1


@unit(PHASE)
def average_phase(net, arena, hyper, worker):
    """Move the running averages of a worker's share of P."""
    n, n_workers = net[at.N_PACKED], net[at.N_WORKERS]
    first = n * worker // n_workers
    average(net, arena, hyper, first, n * (worker + 1) // n_workers)
