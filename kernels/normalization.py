"""Normalisation of a hidden layer's z, over a row's units or over the batch's rows.

::

    normed = (z - mean) / √(variance + epsilon)        y = scale · normed + shift

Over the batch, rows are coupled: means are taken column by column over all rows of
the mini-batch, in the order of the rows, by whoever owns the column; so the bits do
not depend on the number of workers. Rows count by their weights: w / Σ w lies at
ROW_WEIGHT0.

Sources: S. Ioffe and C. Szegedy, Batch normalization, ICML 2015 (algorithms 1 and
2); J. L. Ba et al., Layer normalization, 2016.
"""

import numpy as np

from . import layout as at
from ._jit import INT, Interface, array, inner, unit
from ._llvm import lanes, view
from .layout import is_stopped, layer_field

# The batch's statistics of a layer: rows of STRIDE numbers at STATISTICS0.
MEAN, INVERSE, DELTA_SUM, DELTA_NORMED_SUM, PARTIAL, N_STATISTICS = range(6)
# (net, arena, layer, first, rows), or (net, arena, phase, rows, worker) for columns
NORM = Interface(lambda F: (array(INT), array(F), INT, INT, INT), 5)
call_norm = NORM.call
# The newest batch counts at least this much in the population's statistics.
NEWEST = 0.1


@inner
def normalise_row(net, arena, layer, r):
    """Normalise a row of z over its units, in place; keep 1 / deviation."""
    T = arena.dtype.type
    n = layer_field(net, layer, at.FAN_OUT)
    Z = view(
        arena,
        layer_field(net, layer, at.NORMED0) + r * layer_field(net, layer, at.STRIDE),
        n,
    )
    total = T(0)
    for j in range(n):
        total += Z[j]
    mean = total / T(n)
    squares = T(0)
    for j in range(n):
        Z[j] -= mean
        squares += Z[j] * Z[j]
    epsilon = arena[net[at.CONSTANTS0] + at.NORM_EPSILON]
    inverse = T(1) / np.sqrt(squares / T(n) + epsilon)
    for j in range(n):
        Z[j] *= inverse
    arena[layer_field(net, layer, at.STATISTICS0) + r] = inverse


@inner
def scale_and_shift(net, arena, layer, r):
    """Write y = scale · normed + shift of a row where the activation reads it."""
    stride = layer_field(net, layer, at.STRIDE)
    width = layer_field(net, layer, at.WIDTH)
    normed = view(arena, layer_field(net, layer, at.NORMED0) + r * stride, width)
    Y = view(arena, layer_field(net, layer, at.KEPT0) + r * stride, width)
    scale = view(arena, net[at.P0] + layer_field(net, layer, at.SCALE0), width)
    shift = view(arena, net[at.P0] + layer_field(net, layer, at.SHIFT0), width)
    for j in range(width):
        Y[j] = scale[j] * normed[j] + shift[j]


@inner
def layer_norm_backward(net, arena, layer, r):
    """Turn a row's dloss/dy into dloss/dz; keep dloss/dy for the scale's gradient.

    With d = scale · dloss/dy:
    dz = (d - mean(d) - normed · mean(d · normed)) / deviation.
    """
    T = arena.dtype.type
    stride = layer_field(net, layer, at.STRIDE)
    n = layer_field(net, layer, at.FAN_OUT)
    D = view(arena, layer_field(net, layer, at.D0) + r * stride, n)
    kept = view(arena, layer_field(net, layer, at.NORM_DELTA0) + r * stride, n)
    normed = view(arena, layer_field(net, layer, at.NORMED0) + r * stride, n)
    scale = view(arena, net[at.P0] + layer_field(net, layer, at.SCALE0), n)
    total, product = T(0), T(0)
    for j in range(n):
        kept[j] = D[j]
        d = scale[j] * D[j]
        total += d
        product += d * normed[j]
    mean, slope = total / T(n), product / T(n)
    inverse = arena[layer_field(net, layer, at.STATISTICS0) + r]
    for j in range(n):
        D[j] = inverse * (scale[j] * D[j] - mean - normed[j] * slope)


@inner
def statistic(net, arena, layer, which, column, width):
    """Return a stretch of one of the batch's statistics."""
    stride = layer_field(net, layer, at.STRIDE)
    start = layer_field(net, layer, at.STATISTICS0) + which * stride + column
    return view(arena, start, width)


@inner
def own_columns(net, arena, layer, worker):
    """Return the first column of a worker's share, a multiple of a vector."""
    n = lanes(arena)
    vectors = layer_field(net, layer, at.WIDTH) // n
    return vectors * worker // net[at.N_WORKERS] * n


@inner
def weighted_sums(net, arena, layer, column, width, rows, which, about):
    """Sum w · (z - about) ** power over the rows; power is 1 for the mean.

    about : int
        0 to sum z, 1 to sum (z - mean)².

    Rows are added up in groups, and the groups' sums then: the error grows with the
    number of groups, not of rows.
    """
    T = arena.dtype.type
    stride = layer_field(net, layer, at.STRIDE)
    z0 = layer_field(net, layer, at.NORMED0) + column
    total = statistic(net, arena, layer, which, column, width)
    partial = statistic(net, arena, layer, PARTIAL, column, width)
    mean = statistic(net, arena, layer, MEAN, column, width)
    for j in range(width):
        total[j] = T(0)
    for g in range(0, rows, at.GROUP):
        if is_stopped(net):
            break
        for j in range(width):
            partial[j] = T(0)
        for r in range(g, min(g + at.GROUP, rows)):
            w = arena[net[at.ROW_WEIGHT0] + r]
            Z = view(arena, z0 + r * stride, width)
            if about == 0:
                for j in range(width):
                    partial[j] += w * Z[j]
            else:
                for j in range(width):
                    d = Z[j] - mean[j]
                    partial[j] += w * d * d
        for j in range(width):
            total[j] += partial[j]


@inner
def batch_statistics(net, arena, layer, rows, worker):
    """Compute mean and 1 / deviation of a worker's columns over the batch."""
    T = arena.dtype.type
    column = own_columns(net, arena, layer, worker)
    width = own_columns(net, arena, layer, worker + 1) - column
    for about in range(2):  # one call in a loop: it is compiled once
        which = MEAN if about == 0 else INVERSE
        weighted_sums(net, arena, layer, column, width, rows, which, about)
    inverse = statistic(net, arena, layer, INVERSE, column, width)
    learn_population(net, arena, layer, column, width, rows)
    epsilon = arena[net[at.CONSTANTS0] + at.NORM_EPSILON]
    for j in range(width):
        inverse[j] = T(1) / np.sqrt(inverse[j] + epsilon)


@inner
def learn_population(net, arena, layer, column, width, rows):
    """Add the batch's statistics to the population's.

    The plain mean over the first ten batches, then a running one. The variance is
    the unbiased one, m / (m - 1) times the batch's; a batch of one row has none, and
    changes nothing. Every worker reads the count of batches, and `count_batch`
    changes it when all have.
    """
    T = arena.dtype.type
    m = effective_rows(net, arena, rows)
    if m <= T(1):
        return
    count = arena[net[at.P0] + layer_field(net, layer, at.COUNT0)]
    share = max(T(NEWEST), T(1) / (count + T(1)))
    keep = T(1) - share  # 0 for the first batch: what was there before is forgotten
    correction = m / (m - T(1))
    mean = statistic(net, arena, layer, MEAN, column, width)
    variance = statistic(net, arena, layer, INVERSE, column, width)
    start = net[at.P0] + column
    means = view(arena, start + layer_field(net, layer, at.MEAN0), width)
    variances = view(arena, start + layer_field(net, layer, at.VARIANCE0), width)
    for j in range(width):
        means[j] = keep * means[j] + share * mean[j]
        variances[j] = keep * variances[j] + share * (correction * variance[j])


@inner
def effective_rows(net, arena, rows):
    """Return how many rows a batch stands for: 1 / ROW_WEIGHT0 of a row of weight 1.

    ROW_WEIGHT0 has rows' weights divided by their sum, and behind them that sum, or
    the number of rows that have a weight if that is larger.
    """
    return arena[net[at.ROW_WEIGHT0] + rows]


@inner
def count_batch(net, arena, layer, rows):
    """Count a batch for the population's statistics."""
    T = arena.dtype.type
    if effective_rows(net, arena, rows) > T(1):
        place = net[at.P0] + layer_field(net, layer, at.COUNT0)
        arena[place] = min(arena[place] + T(1), T(1.0 / NEWEST))


@inner
def use_batch(net, arena, layer, r):
    """Normalise a row of z by the batch's statistics, in place."""
    stride = layer_field(net, layer, at.STRIDE)
    width = layer_field(net, layer, at.WIDTH)
    Z = view(arena, layer_field(net, layer, at.NORMED0) + r * stride, width)
    mean = statistic(net, arena, layer, MEAN, 0, width)
    inverse = statistic(net, arena, layer, INVERSE, 0, width)
    for j in range(width):
        Z[j] = (Z[j] - mean[j]) * inverse[j]


@inner
def use_population(net, arena, layer, r):
    """Normalise a row of z by the population's statistics, in place."""
    stride = layer_field(net, layer, at.STRIDE)
    width = layer_field(net, layer, at.WIDTH)
    Z = view(arena, layer_field(net, layer, at.NORMED0) + r * stride, width)
    means = view(arena, net[at.P0] + layer_field(net, layer, at.MEAN0), width)
    variances = view(arena, net[at.P0] + layer_field(net, layer, at.VARIANCE0), width)
    epsilon = arena[net[at.CONSTANTS0] + at.NORM_EPSILON]
    for j in range(width):
        Z[j] = (Z[j] - means[j]) / np.sqrt(variances[j] + epsilon)


@inner
def delta_sums(net, arena, layer, rows, worker):
    """Sum dloss/dy and dloss/dy · normed of a worker's columns over the batch.

    They are the gradients of shift and scale, and what `batch_norm_backward` needs.
    """
    T = arena.dtype.type
    column = own_columns(net, arena, layer, worker)
    width = own_columns(net, arena, layer, worker + 1) - column
    stride = layer_field(net, layer, at.STRIDE)
    d0 = layer_field(net, layer, at.D0) + column
    z0 = layer_field(net, layer, at.NORMED0) + column
    total = statistic(net, arena, layer, DELTA_SUM, column, width)
    product = statistic(net, arena, layer, DELTA_NORMED_SUM, column, width)
    for j in range(width):
        total[j] = T(0)
        product[j] = T(0)
    for g in range(0, rows, at.GROUP):
        if is_stopped(net):
            break
        for r in range(g, min(g + at.GROUP, rows)):
            D = view(arena, d0 + r * stride, width)
            normed = view(arena, z0 + r * stride, width)
            for j in range(width):
                total[j] += D[j]
                product[j] += D[j] * normed[j]


@inner
def batch_norm_backward(net, arena, layer, r):
    """Turn a row's dloss/dy into dloss/dz, mean and variance being functions of z.

    dz = scale / deviation · (d - w Σ d - w · normed · Σ d · normed), with d = dloss/dy
    and the row's share w of the batch's weight (1 / m without weights).
    """
    stride = layer_field(net, layer, at.STRIDE)
    width = layer_field(net, layer, at.WIDTH)
    D = view(arena, layer_field(net, layer, at.D0) + r * stride, width)
    normed = view(arena, layer_field(net, layer, at.NORMED0) + r * stride, width)
    scale = view(arena, net[at.P0] + layer_field(net, layer, at.SCALE0), width)
    inverse = statistic(net, arena, layer, INVERSE, 0, width)
    total = statistic(net, arena, layer, DELTA_SUM, 0, width)
    product = statistic(net, arena, layer, DELTA_NORMED_SUM, 0, width)
    w = arena[net[at.ROW_WEIGHT0] + r]
    for j in range(width):
        d = D[j] - w * (total[j] + normed[j] * product[j])
        D[j] = scale[j] * inverse[j] * d


@inner
def add_norm_gradient(net, arena, layer, column, width, rows):
    """Add a block's gradients of scale and shift to G."""
    stride = layer_field(net, layer, at.STRIDE)
    start = net[at.G0] + column
    scale = view(arena, start + layer_field(net, layer, at.SCALE0), width)
    shift = view(arena, start + layer_field(net, layer, at.SHIFT0), width)
    if net[at.NORM] == at.BATCH_NORM:
        total = statistic(net, arena, layer, DELTA_SUM, column, width)
        product = statistic(net, arena, layer, DELTA_NORMED_SUM, column, width)
        for j in range(width):
            scale[j] += product[j]
            shift[j] += total[j]
        return
    d0 = layer_field(net, layer, at.NORM_DELTA0) + column
    z0 = layer_field(net, layer, at.NORMED0) + column
    for r in range(rows):
        D = view(arena, d0 + r * stride, width)
        normed = view(arena, z0 + r * stride, width)
        for j in range(width):
            scale[j] += D[j] * normed[j]
            shift[j] += D[j]


@unit(NORM)
def layer_norm_rows(net, arena, layer, first, rows):
    """Normalise rows over their units."""
    for r in range(first, first + rows):
        normalise_row(net, arena, layer, r)


@unit(NORM)
def layer_norm_rows_backward(net, arena, layer, first, rows):
    """Take rows back through the normalisation over their units."""
    for r in range(first, first + rows):
        layer_norm_backward(net, arena, layer, r)


@unit(NORM)
def batch_norm_rows(net, arena, layer, first, rows):
    """Normalise rows by the batch's statistics."""
    for r in range(first, first + rows):
        use_batch(net, arena, layer, r)


@unit(NORM)
def population_norm_rows(net, arena, layer, first, rows):
    """Normalise rows by the population's statistics."""
    for r in range(first, first + rows):
        use_population(net, arena, layer, r)


@unit(NORM)
def batch_norm_rows_backward(net, arena, layer, first, rows):
    """Take rows back through the normalisation by the batch's statistics."""
    for r in range(first, first + rows):
        batch_norm_backward(net, arena, layer, r)


@unit(NORM)
def batch_norm_columns(net, arena, phase, rows, worker):
    """Sum a worker's columns over the batch: statistics, or deltas on the way back."""
    n_hidden = net[at.N_LAYERS] - 1
    if phase < 2 * n_hidden:
        batch_statistics(net, arena, phase // 2, rows, worker)
        return
    layer = n_hidden - 1 - (phase - 2 * n_hidden - 1) // 2
    delta_sums(net, arena, layer, rows, worker)
    if worker == 0:
        count_batch(net, arena, layer, rows)
