"""One mini-batch: a pass over rows, then a pass over weights.

::

    row pass      rows are independent         load -> forward through all layers
                                               -> loss and delta -> back
    weight pass   parameters are independent   dW = Aᵀ·delta over the whole batch
                                               -> penalty -> solver -> Wᵀ

No number is written by two workers in one pass, and each is computed by the same
operations in the same order however the work is shared: the bits do not depend on
the number of workers.
"""

from . import activations, losses, optimizers, products
from . import layout as at
from ._host import TILE_ROWS
from ._jit import INT, Interface, array, doubles, inner, sparse_matrix, unit
from ._llvm import lanes, view
from .layout import layer_field, panel_columns, transpose_tile
from .loading import LOAD
from .transposition import TRANSPOSE_MATRIX

call_product = products.ACCUMULATE.call
call_forward = activations.FORWARD.call
call_backward = activations.BACKWARD.call
call_loss = losses.LOSS.call
call_output = losses.OUTPUT.call
call_load = LOAD.call
call_transpose = TRANSPOSE_MATRIX.call
call_update = optimizers.UPDATE.call

# (net, arena, X, columns, starts, Y, weight, order, begin, rows, worker)
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
    ),
    11,
)
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
# (net, arena, hyper, X, columns, starts, order, begin, rows, stage, worker)
WEIGHT_PASS = Interface(
    lambda F: (
        array(INT),
        array(F),
        doubles(),
        *sparse_matrix(F),
        array(INT, True),
        INT,
        INT,
        INT,
        INT,
    ),
    11,
)
FIRST_BLOCK, LAST_BLOCK = 1, 2  # bits of `stage`


@inner
def share_of_rows(rows, worker, n_workers):
    """Return the first row of a worker, a multiple of the product's tile."""
    chunk = (rows + n_workers - 1) // n_workers
    chunk = (chunk + TILE_ROWS - 1) // TILE_ROWS * TILE_ROWS
    return min(rows, worker * chunk)


@inner
def multiply_panels(net, arena, c0, cs, a0, acs, b0, rows, K, panel_rows, N):
    """Add A·B to C, B packed in panels of `panel_rows` rows."""
    n = lanes(arena)
    padded = (N + n - 1) // n * n
    panel = net[at.PANEL]
    for column in range(0, padded, panel):
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
    a_stride = net[at.INPUT_STRIDE]
    a0 = net[at.INPUT0] + first * a_stride
    for layer in range(n_layers):
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
        a0 = z0
        a_stride = stride


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
def gather_targets(net, arena, Y, order, begin, u0, rows):
    """Copy the group's targets to U[c * GROUP + r]; beyond `rows` they are 1."""
    k = net[at.N_TARGETS]
    for r in range(at.GROUP):
        if r < rows:
            row = begin + r
            if order.size:
                row = order[row]
            for c in range(k):
                arena[u0 + c * at.GROUP + r] = Y[row * k + c]
        else:
            for c in range(k):
                arena[u0 + c * at.GROUP + r] = arena.dtype.type(1)


@inner
def weigh_rows(net, arena, weight, order, begin, t0, l0, w0, rows):
    """Multiply each row's delta and loss by its weight."""
    W = view(arena, w0, at.GROUP)
    for r in range(at.GROUP):
        W[r] = arena.dtype.type(0)
    for r in range(rows):
        row = begin + r
        if order.size:
            row = order[row]
        W[r] = weight[row]
    L = view(arena, l0, at.GROUP)
    for r in range(at.GROUP):
        L[r] *= W[r]
    for c in range(net[at.N_OUTPUTS]):
        D = view(arena, t0 + c * at.GROUP, at.GROUP)
        for r in range(at.GROUP):
            D[r] *= W[r]


@inner
def scratch_of(net, worker):
    """Return where a worker's scratch starts.

    ::

        T [STRIDE · GROUP] | U [targets · GROUP] | L | W | S S
    """
    return net[at.SCRATCH0] + worker * net[at.SCRATCH_SIZE]


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
        gather_targets(net, arena, Y, order, begin + first + g, u0, size)
        call_loss(net[at.LOSS], arena, t0, u0, l0, l0 + 2 * at.GROUP, k, at.GROUP)
        if net[at.WEIGHTED] != 0:
            weigh_rows(
                net,
                arena,
                weight,
                order,
                begin + first + g,
                t0,
                l0,
                l0 + at.GROUP,
                size,
            )
        call_transpose(
            net[at.TRANSPOSE], arena, t0, at.GROUP, z0 + g * stride, stride, width, size
        )
        for r in range(size):
            arena[net[at.ROW_LOSS0] + first + g + r] = arena[l0 + r]


@unit(ROW_PASS)
def row_pass(net, arena, X, columns, starts, Y, weight, order, begin, rows, worker):
    """Take a worker's share of a block's rows forward and back.

    Parameters
    ----------
    net, arena : see `layout`; OUT: activations, deltas and row losses
    X, columns, starts : dense or CSR rows, see `loading` and `sparse`
    Y : vector, row-major targets (n_rows, N_TARGETS)
    weight : vector of row weights; not read unless WEIGHTED
    order : vector of row numbers, or empty for the rows as they are
    begin : int, where the block starts in `order`
    rows : int, rows of the block
    worker : int
    """
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    for first in range(start, stop, net[at.TILE_ROWS_MAX]):
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


@unit(PREDICT_PASS)
def predict_pass(net, arena, X, columns, starts, order, out, begin, rows, worker):
    """Write the outputs of a worker's share of a block's rows.

    out : vector, OUT, row-major (n_rows, N_OUTPUTS)
    """
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    last_layer = net[at.N_LAYERS] - 1
    stride = layer_field(net, last_layer, at.STRIDE)
    k = net[at.N_OUTPUTS]
    t0 = scratch_of(net, worker)
    s0 = t0 + (stride + net[at.N_TARGETS] + 2) * at.GROUP
    for first in range(start, stop, net[at.TILE_ROWS_MAX]):
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
        z0 = layer_field(net, last_layer, at.A0)
        for g in range(first, last, at.GROUP):
            size = min(at.GROUP, last - g)
            call_transpose(
                net[at.TRANSPOSE],
                arena,
                z0 + g * stride,
                stride,
                t0,
                at.GROUP,
                size,
                k,
            )
            call_output(net[at.OUTPUT], arena, t0, s0, k, at.GROUP)
            for r in range(size):
                row = view(out, (begin + g + r) * k, k)
                for c in range(k):
                    row[c] = arena[t0 + c * at.GROUP + r]


@inner
def tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile):
    """Add Aᵀ·delta of a block to a tile of G, and Σ delta to the biases' G."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    column = net[record + at.COLUMN]
    first, last = net[record + at.FIRST_ROW], net[record + at.LAST_ROW]
    K = layer_field(net, layer, at.FAN_IN)
    width = panel_columns(net, layer, column)
    stride = layer_field(net, layer, at.STRIDE)
    d0 = layer_field(net, layer, at.D0) + column
    g0 = net[at.G0] + layer_field(net, layer, at.W0) + column * K + first * width
    gb = net[at.G0] + layer_field(net, layer, at.B0) + column
    if stage & FIRST_BLOCK:
        zeros = view(arena, g0, (last - first) * width)
        for i in range((last - first) * width):
            zeros[i] = arena.dtype.type(0)
        if first == 0:
            zeros = view(arena, gb, width)
            for i in range(width):
                zeros[i] = arena.dtype.type(0)
    if layer == 0 and net[at.SPARSE] != 0:
        call_load(
            net[at.SPARSE_GRADIENT],
            net,
            arena,
            X,
            columns,
            starts,
            order,
            begin,
            rows,
            tile,
        )
    else:
        a_stride = net[at.INPUT_STRIDE]
        a0 = net[at.INPUT0]
        if layer > 0:
            a_stride = layer_field(net, layer - 1, at.STRIDE)
            a0 = layer_field(net, layer - 1, at.A0)
        call_product(
            net[at.PRODUCT],
            arena,
            g0,
            width,
            a0 + first,
            1,
            a_stride,
            d0,
            stride,
            last - first,
            rows,
            width,
        )
    if first == 0:
        ones = net[at.ONES0]
        call_product(
            net[at.PRODUCT], arena, gb, width, ones, 0, 0, d0, stride, 1, rows, width
        )


@inner
def update_tile(net, arena, hyper, tile):
    """Let the solver change a tile's weights, and its biases, and refresh Wᵀ."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    column = net[record + at.COLUMN]
    first, last = net[record + at.FIRST_ROW], net[record + at.LAST_ROW]
    width = panel_columns(net, layer, column)
    start = (
        layer_field(net, layer, at.W0)
        + column * layer_field(net, layer, at.FAN_IN)
        + first * width
    )
    tile_sum = net[at.TILE_SUM0] + tile
    solver = net[at.UPDATE]
    n = (last - first) * width
    call_update(solver, net, arena, hyper, start, n, 1, tile_sum)
    if first == 0:
        start = layer_field(net, layer, at.B0) + column
        call_update(solver, net, arena, hyper, start, width, 0, tile_sum)
    if layer > 0:
        transpose_tile(net, arena, layer, column, first, last)


@unit(WEIGHT_PASS)
def weight_pass(
    net, arena, hyper, X, columns, starts, order, begin, rows, stage, worker
):
    """Add a block's gradient to a worker's tiles; after the last block, update.

    OUT: G, and after the last block P, slots, Wᵀ and the tiles' Σ w².
    """
    shares = net[at.SHARES] + worker
    for tile in range(net[shares], net[shares + 1]):
        tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile)
        if stage & LAST_BLOCK:
            update_tile(net, arena, hyper, tile)
