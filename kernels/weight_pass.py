"""The second half of a mini-batch: gradient, penalty and solver, tile by tile.

Weights are independent of each other once the deltas are known: a tile's gradient
is summed over the whole batch, in the order of the rows, and the solver changes the
tile while it is in the cache. The bits do not depend on who works on which tile.
"""

from . import layout as at
from . import optimizers
from ._jit import INT, Interface, array, doubles, inner, sparse_matrix, unit
from .gradients import biases_of_tile, tile_gradient, weights_of_tile
from .layout import LAST_BLOCK, is_stopped, transpose_tile

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


@inner
def update_tile(net, arena, hyper, tile):
    """Let the solver change a tile's weights, and its biases, and refresh Wᵀ."""
    tile_sum = net[at.TILE_SUM0] + tile
    solver = net[at.UPDATE]
    start, n = weights_of_tile(net, tile)
    call_update(solver, net, arena, hyper, start, n, 1, tile_sum)
    start, n = biases_of_tile(net, tile)
    if n > 0:
        call_update(solver, net, arena, hyper, start, n, 0, tile_sum)
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    if layer > 0:
        first, last = net[record + at.FIRST_ROW], net[record + at.LAST_ROW]
        transpose_tile(net, arena, layer, net[record + at.COLUMN], first, last)


@unit(WEIGHT_PASS)
def weight_pass(
    net, arena, hyper, X, columns, starts, order, begin, rows, stage, phase, worker
):
    """Add a block's gradient to a worker's tiles; after the last block, update.

    OUT: G, and after the last block P, slots, Wᵀ and the tiles' Σ w².
    """
    shares = net[at.SHARES] + worker
    for tile in range(net[shares], net[shares + 1]):
        if is_stopped(net):
            break
        tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile)
        if stage & LAST_BLOCK:
            update_tile(net, arena, hyper, tile)
