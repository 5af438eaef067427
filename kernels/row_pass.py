"""The first half of a mini-batch: rows forward to the loss and back.

Rows are independent of each other: no number is written by two workers, and each
is computed by the same operations in the same order however the rows are shared.
The bits do not depend on the number of workers.
"""

from . import activations, losses
from . import layout as at
from ._jit import INT, Interface, array, inner, sparse_matrix, unit
from ._llvm import view
from .forward import (
    call_load,
    call_transpose,
    multiply_panels,
    scratch_of,
    share_of_rows,
)
from .gradients import share_gradient
from .layout import is_stopped, layer_field

call_backward = activations.BACKWARD.call
call_loss = losses.LOSS.call

# (net, arena, X, columns, starts, Y, weight, order, begin, rows, phase, worker)
ROW_PASS = Interface(
    lambda F: (
        array(INT),
        array(F),
        *sparse_matrix(F),
        array(F, True),
        array(F, True),
        array(INT, True),
        INT,
        INT,
        INT,
        INT,
    ),
    12,
)
# (net, arena, Y, weight, order, begin, u0, w0, rows)
TARGETS = Interface(
    lambda F: (
        array(INT),
        array(F),
        array(F, True),
        array(F, True),
        array(INT, True),
        INT,
        INT,
        INT,
        INT,
    ),
    9,
)
call_targets = TARGETS.call


@unit(TARGETS)
def gather_targets(net, arena, Y, weight, order, begin, u0, w0, rows):
    """Copy the group's targets to U[c * GROUP + r] and weights to W[r].

    Beyond `rows`, targets are 1 and weights 0.
    """
    k = net[at.N_TARGETS]
    for r in range(at.GROUP):
        if r < rows:
            row = begin + r
            if order.size:
                row = order[row]
            for c in range(k):
                arena[u0 + c * at.GROUP + r] = Y[row * k + c]
            if net[at.WEIGHTED] != 0:
                arena[w0 + r] = weight[row]
        else:
            for c in range(k):
                arena[u0 + c * at.GROUP + r] = arena.dtype.type(1)
            arena[w0 + r] = arena.dtype.type(0)


@inner
def weigh_rows(net, arena, t0, l0, w0):
    """Multiply each row's delta and loss by its weight."""
    W = view(arena, w0, at.GROUP)
    L = view(arena, l0, at.GROUP)
    for r in range(at.GROUP):
        L[r] *= W[r]
    for c in range(net[at.N_OUTPUTS]):
        D = view(arena, t0 + c * at.GROUP, at.GROUP)
        for r in range(at.GROUP):
            D[r] *= W[r]


@inner
def loss_and_delta(net, arena, Y, weight, order, begin, first, rows, worker):
    """Replace the raw outputs of some rows by their delta and keep the losses.

    Padding columns are zero and stay so: they are copied to T and back.
    """
    last_layer = net[at.N_LAYERS] - 1
    stride = layer_field(net, last_layer, at.STRIDE)
    z0 = layer_field(net, last_layer, at.A0) + first * stride
    width = layer_field(net, last_layer, at.WIDTH)
    k = net[at.N_OUTPUTS]
    t0 = scratch_of(net, worker)
    u0 = t0 + stride * at.GROUP
    l0 = u0 + net[at.N_TARGETS] * at.GROUP
    for g in range(0, rows, at.GROUP):
        size = min(at.GROUP, rows - g)
        call_transpose(
            net[at.TRANSPOSE], arena, z0 + g * stride, stride, t0, at.GROUP, size, width
        )
        w0 = l0 + at.GROUP
        place = begin + first + g
        targets = net[at.TARGETS]
        call_targets(targets, net, arena, Y, weight, order, place, u0, w0, size)
        call_loss(net[at.LOSS], net, arena, t0, u0, l0, l0 + 2 * at.GROUP, k, at.GROUP)
        if net[at.WEIGHTED] != 0:
            weigh_rows(net, arena, t0, l0, w0)
        call_transpose(
            net[at.TRANSPOSE], arena, t0, at.GROUP, z0 + g * stride, stride, width, size
        )
        for r in range(size):
            arena[net[at.ROW_LOSS0] + first + g + r] = arena[l0 + r]


@inner
def backward_rows(net, arena, first, rows):
    """Take delta of rows from `first` on from the last layer to the first."""
    for layer in range(net[at.N_LAYERS] - 1, 0, -1):
        stride = layer_field(net, layer, at.STRIDE)
        d0 = layer_field(net, layer, at.D0) + first * stride
        stride_below = layer_field(net, layer - 1, at.STRIDE)
        below = layer_field(net, layer - 1, at.D0) + first * stride_below
        zeros = view(arena, below, rows * stride_below)
        for i in range(rows * stride_below):
            zeros[i] = arena.dtype.type(0)
        multiply_panels(
            net,
            arena,
            below,
            stride_below,
            d0,
            stride,
            layer_field(net, layer, at.T0),
            rows,
            layer_field(net, layer, at.FAN_OUT),
            layer_field(net, layer, at.T_ROWS),
            layer_field(net, layer, at.FAN_IN),
        )
        a0 = layer_field(net, layer - 1, at.A0) + first * stride_below
        address = layer_field(net, layer - 1, at.BACKWARD)
        call_backward(address, arena, a0, below, rows * stride_below)


@inner
def pass_rows(
    net, arena, X, columns, starts, Y, weight, order, begin, start, stop, worker
):
    """Take rows [start, stop) of a block forward and back, as many as a cache holds."""
    for first in range(start, stop, net[at.TILE_ROWS_MAX]):
        if is_stopped(net):
            break
        last = min(first + net[at.TILE_ROWS_MAX], stop)
        call_load(
            net[at.FORWARD_ROWS],
            net,
            arena,
            X,
            columns,
            starts,
            order,
            begin,
            first,
            last,
        )
        loss_and_delta(net, arena, Y, weight, order, begin, first, last - first, worker)
        backward_rows(net, arena, first, last - first)


@unit(ROW_PASS)
def row_pass(
    net, arena, X, columns, starts, Y, weight, order, begin, rows, phase, worker
):
    """Take a worker's rows of a block forward and back.

    Parameters
    ----------
    net, arena : see `layout`; OUT: activations, deltas and row losses
    X, columns, starts : dense or CSR rows, see `loading` and `sparse`
    Y : vector, row-major targets (n_rows, N_TARGETS)
    weight : vector of row weights; not read unless WEIGHTED
    order : vector of row numbers, or empty for the rows as they are
    begin : int, where the block starts in `order`
    rows : int, rows of the block
    phase : int, always 0 here
    worker : int
    """
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    pass_rows(
        net, arena, X, columns, starts, Y, weight, order, begin, start, stop, worker
    )


@unit(ROW_PASS)
def summing_row_pass(
    net, arena, X, columns, starts, Y, weight, order, begin, rows, phase, worker
):
    """Do the same by shares, and put each one's gradient into its own G."""
    n_shares, n_workers = net[at.N_SHARES], net[at.N_WORKERS]
    for share in range(
        worker * n_shares // n_workers, (worker + 1) * n_shares // n_workers
    ):
        start = share_of_rows(rows, share, n_shares)
        stop = share_of_rows(rows, share + 1, n_shares)
        pass_rows(
            net, arena, X, columns, starts, Y, weight, order, begin, start, stop, worker
        )
        share_gradient(net, arena, share, start, stop - start)
