"""What else is asked of a network: rows' losses, and the outputs of hidden layers."""

from . import layout as at
from . import losses
from ._jit import INT, Interface, array, unit
from ._llvm import view
from .forward import PREDICT_PASS, call_load, call_output, scratch_of, share_of_rows
from .layout import is_stopped, layer_field

call_loss = losses.LOSS.call

# (net, arena, Z, Y, L, n)
EVALUATE = Interface(
    lambda F: (array(INT), array(F), array(F), array(F, True), array(F), INT), 6
)


@unit(EVALUATE)
def evaluate(net, arena, Z, Y, L, n):
    """Write the losses of n rows to L and turn their raw outputs Z into outputs.

    Z : vector, IN and OUT, row-major (n, N_OUTPUTS)
    Y : vector, row-major (n, N_TARGETS)
    L : vector, OUT, (n,)
    """
    T = arena.dtype.type
    k, k_targets = net[at.N_OUTPUTS], net[at.N_TARGETS]
    t0 = scratch_of(net, 0)
    u0 = t0 + layer_field(net, net[at.N_LAYERS] - 1, at.STRIDE) * at.GROUP
    l0 = u0 + k_targets * at.GROUP
    s0 = l0 + 2 * at.GROUP
    for g in range(0, n, at.GROUP):
        size = min(at.GROUP, n - g)
        group = view(arena, t0, k * at.GROUP)
        for i in range(k * at.GROUP):
            group[i] = T(0)
        for i in range(k_targets * at.GROUP):
            arena[u0 + i] = T(1)
        for r in range(size):
            for c in range(k):
                group[c * at.GROUP + r] = Z[(g + r) * k + c]
            for c in range(k_targets):
                arena[u0 + c * at.GROUP + r] = Y[(g + r) * k_targets + c]
        call_loss(net[at.LOSS], net, arena, t0, u0, l0, s0, k, at.GROUP)
        for r in range(size):
            L[g + r] = arena[l0 + r]
            for c in range(k):
                group[c * at.GROUP + r] = Z[(g + r) * k + c]
        call_output(net[at.OUTPUT], arena, t0, s0, k, at.GROUP)
        for r in range(size):
            for c in range(k):
                Z[(g + r) * k + c] = group[c * at.GROUP + r]


@unit(PREDICT_PASS)
def hidden_pass(net, arena, X, columns, starts, order, out, begin, rows, worker):
    """Write the outputs of layer HIDDEN for a worker's share of a block's rows."""
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    stride = layer_field(net, net[at.HIDDEN], at.STRIDE)
    k = layer_field(net, net[at.HIDDEN], at.FAN_OUT)
    a0 = layer_field(net, net[at.HIDDEN], at.A0)
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
        for r in range(first, last):
            A = view(arena, a0 + r * stride, k)
            row = view(out, (begin + r) * k, k)
            for c in range(k):
                row[c] = A[c]
