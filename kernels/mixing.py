"""Rows of a mini-batch mixed with one another: inputs, targets and weights.

Each row is mixed with the next one in the order, λ of the one and 1 - λ of the other;
the last row of a mini-batch with its first. The order is shuffled, so the next row
is a random one. λ lies at LAMBDA0, one number for each place in the epoch's order.

Source: H. Zhang et al., mixup: beyond empirical risk minimization, ICLR 2018.
"""

from . import layout as at
from ._jit import inner, unit
from ._llvm import view
from .loading import LOAD
from .row_pass import TARGETS


@inner
def row_at(order, place):
    """Return the row at a place of the order."""
    if order.size:
        return order[place]
    return place


@inner
def partner_of(net, order, place):
    """Return the row that the row at a place of the order is mixed with."""
    batch = place // net[at.BATCH] * net[at.BATCH]
    after = place + 1
    if after == min(batch + net[at.BATCH], net[at.N_ROWS]):
        after = batch
    return row_at(order, after)


@inner
def mixed_weight(net, arena, weight, order, place):
    """Return the weight of a mixed row; 1 without weights."""
    T = arena.dtype.type
    if net[at.WEIGHTED] == 0:
        return T(1)
    share = arena[net[at.LAMBDA0] + place]
    own, other = weight[row_at(order, place)], weight[partner_of(net, order, place)]
    return share * own + (T(1) - share) * other


@unit(LOAD)
def mix_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Replace the inputs of rows [first, last) by λ x + (1 - λ) x'."""
    T = arena.dtype.type
    width = starts[0]
    for r in range(first, last):
        partner = partner_of(net, order, begin + r)
        source = view(X, partner * width, width)
        target = view(arena, net[at.INPUT0] + r * net[at.INPUT_STRIDE], width)
        share = arena[net[at.LAMBDA0] + begin + r]
        if share == T(1):  # sums are made in any order: x + (x' - x') may be another x
            continue
        rest = T(1) - share
        for j in range(width):
            target[j] = share * target[j] + rest * source[j]


@unit(TARGETS)
def mixed_targets(net, arena, Y, weight, order, begin, u0, w0, rows):
    """Put mixed targets in U and weights in W, as `gather_targets` puts plain ones.

    A row stands for λ w of its own target and (1 - λ) w' of the other's.
    """
    T = arena.dtype.type
    k = net[at.N_TARGETS]
    for r in range(at.GROUP):
        arena[w0 + r] = T(0)
        for c in range(k):
            arena[u0 + c * at.GROUP + r] = T(1)
    for r in range(rows):
        place = begin + r
        row, partner = row_at(order, place), partner_of(net, order, place)
        total = mixed_weight(net, arena, weight, order, place)
        share = arena[net[at.LAMBDA0] + place]
        if share == T(1):
            partner = row
        if net[at.WEIGHTED] != 0:
            share = share * weight[row] / total if total > T(0) else T(0)
        arena[w0 + r] = total
        for c in range(k):
            mixed = share * Y[row * k + c] + (T(1) - share) * Y[partner * k + c]
            arena[u0 + c * at.GROUP + r] = mixed
