"""Rows forward through all layers, for training and for prediction."""

from . import activations, losses, products
from . import layout as at
from ._host import TILE_ROWS
from ._jit import INT, Interface, array, inner, sparse_matrix, unit
from ._llvm import lanes, view
from .layout import is_stopped, layer_field
from .loading import LOAD
from .transposition import TRANSPOSE_MATRIX

call_product = products.ACCUMULATE.call
call_forward = activations.FORWARD.call
call_output = losses.OUTPUT.call
call_load = LOAD.call
call_transpose = TRANSPOSE_MATRIX.call

# (net, arena, X, columns, starts, order, out, begin, rows, worker)
PREDICT_PASS = Interface(
    lambda F: (
        array(INT),
        array(F),
        *sparse_matrix(F),
        array(INT, True),
        array(F),
        INT,
        INT,
        INT,
    ),
    10,
)

# (net, arena, theta, X, columns, starts, order, out, n)
PREDICT_WITH = Interface(
    lambda F: (
        array(INT),
        array(F),
        array(F, True),
        *sparse_matrix(F),
        array(INT, True),
        array(F),
        INT,
    ),
    9,
)


@inner
def share_of_rows(rows, worker, n_workers):
    """Return the first row of a worker, a multiple of the product's tile."""
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    return min(rows, worker * tiles // n_workers * TILE_ROWS)


@inner
def multiply_panels(net, arena, c0, cs, a0, acs, b0, rows, K, panel_rows, N):
    """Add A·B to C, B packed in panels of `panel_rows` rows."""
    n = lanes(arena)
    padded = (N + n - 1) // n * n
    panel = net[at.PANEL]
    for column in range(0, padded, panel):
        if is_stopped(net):
            break
        width = min(panel, padded - column)
        call_product(
            net[at.PRODUCT],
            arena,
            c0 + column,
            cs,
            a0,
            acs,
            1,
            b0 + column * panel_rows,
            width,
            rows,
            K,
            width,
        )


@inner
def fill_rows(arena, z0, stride, rows, source):
    """Copy the row at `source` to each of `rows` rows."""
    bias = view(arena, source, stride)
    for r in range(rows):
        Z = view(arena, z0 + r * stride, stride)
        for j in range(stride):
            Z[j] = bias[j]


@unit(LOAD)
def forward_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Load rows [first, last) and take them to the last layer's raw outputs."""
    rows = last - first
    n_layers = net[at.N_LAYERS]
    call_load(net[at.LOAD], net, arena, X, columns, starts, order, begin, first, last)
    for layer in range(n_layers):
        a_stride = layer_field(net, layer, at.IN_STRIDE)
        a0 = layer_field(net, layer, at.IN0) + first * a_stride
        K = layer_field(net, layer, at.FAN_IN)
        stride = layer_field(net, layer, at.STRIDE)
        z0 = layer_field(net, layer, at.A0) + first * stride
        if layer > 0 or net[at.SPARSE] == 0:
            bias = net[at.P0] + layer_field(net, layer, at.B0)
            fill_rows(arena, z0, stride, rows, bias)
            W = net[at.P0] + layer_field(net, layer, at.W0)
            N = layer_field(net, layer, at.FAN_OUT)
            multiply_panels(net, arena, z0, stride, a0, a_stride, W, rows, K, K, N)
        if layer < n_layers - 1:
            address = layer_field(net, layer, at.FORWARD)
            call_forward(address, arena, z0, rows * stride)


@inner
def scratch_of(net, worker):
    """Return where a worker's scratch starts.

    ::

        T [STRIDE · GROUP] | U [targets · GROUP] | L | W | S S
    """
    return net[at.SCRATCH0] + worker * net[at.SCRATCH_SIZE]


@inner
def write_outputs(net, arena, out, begin, first, last, worker):
    """Write the outputs of rows [first, last) of the block to `out`."""
    last_layer = net[at.N_LAYERS] - 1
    stride = layer_field(net, last_layer, at.STRIDE)
    z0 = layer_field(net, last_layer, at.A0)
    k = net[at.N_OUTPUTS]
    t0 = scratch_of(net, worker)
    s0 = t0 + (stride + net[at.N_TARGETS] + 2) * at.GROUP
    for g in range(first, last, at.GROUP):
        size = min(at.GROUP, last - g)
        call_transpose(
            net[at.TRANSPOSE], arena, z0 + g * stride, stride, t0, at.GROUP, size, k
        )
        call_output(net[at.OUTPUT], arena, t0, s0, k, at.GROUP)
        for r in range(size):
            row = view(out, (begin + g + r) * k, k)
            for c in range(k):
                row[c] = arena[t0 + c * at.GROUP + r]


@unit(PREDICT_PASS)
def predict_pass(net, arena, X, columns, starts, order, out, begin, rows, worker):
    """Write the outputs of a worker's share of a block's rows.

    out : vector, OUT, row-major (n_rows, N_OUTPUTS)
    """
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
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
        write_outputs(net, arena, out, begin, first, last, worker)
