"""The second half of a mini-batch: gradient, penalty and solver, tile by tile.

Weights are independent of each other once the deltas are known: a tile's gradient
is summed over the whole batch, in the order of the rows, and the solver changes the
tile while it is in the cache. The bits do not depend on who works on which tile.
"""

from . import layout as at
from . import optimizers
from ._jit import INT, Interface, array, doubles, inner, sparse_matrix, unit
from ._llvm import view
from .forward import call_load, call_product
from .layout import layer_field, panel_columns, transpose_tile

call_update = optimizers.UPDATE.call

# (net, arena, hyper, X, columns, starts, order, begin, rows, stage, phase, worker)
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
        INT,
    ),
    12,
)
FIRST_BLOCK, LAST_BLOCK = 1, 2  # bits of `stage`


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
    biased = first == 0 and layer_field(net, layer, at.B0) >= 0
    if stage & FIRST_BLOCK:
        zeros = view(arena, g0, (last - first) * width)
        for i in range((last - first) * width):
            zeros[i] = arena.dtype.type(0)
        if biased:
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
        a_stride = layer_field(net, layer, at.IN_STRIDE)
        a0 = layer_field(net, layer, at.IN0)
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
    if biased:
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
    net, arena, hyper, X, columns, starts, order, begin, rows, stage, phase, worker
):
    """Add a block's gradient to a worker's tiles; after the last block, update.

    OUT: G, and after the last block P, slots, Wᵀ and the tiles' Σ w².
    """
    shares = net[at.SHARES] + worker
    for tile in range(net[shares], net[shares + 1]):
        tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile)
        if stage & LAST_BLOCK:
            update_tile(net, arena, hyper, tile)
