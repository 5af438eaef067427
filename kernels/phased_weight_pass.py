"""The second half of a mini-batch where more than a solver changes the weights.

The twin of `weight_pass` with phases and a barrier between them::

    0  gradient of each tile; after the last block, penalties, clipping by value
    1  clipping by the norm of the whole gradient; solver
    2  bounds on the norms of columns
    3  running averages

A gradient's norm needs every tile's, and a column's norm every tile of the column.
The phases after the first run once a mini-batch. WEIGHT_PHASES ends them at the last
one that the network needs.
"""

from . import layout as at
from ._jit import inner, unit
from ._llvm import view
from .gradients import biases_of_tile, tile_gradient, weights_of_tile
from .layout import (
    FIRST_BLOCK,
    LAST_BLOCK,
    is_stopped,
    layer_field,
    panel_columns,
    transpose_tile,
)
from .normalization import NORM, add_norm_gradient, call_norm
from .penalties import (
    call_phase,
    clip_scale,
    finish_gradient,
    keep_orthant,
    scale_gradient,
)
from .weight_pass import WEIGHT_PASS, call_update


@inner
def stretch_of(net, tile, which):
    """Return where a tile's stretch of parameters starts, and its length.

    which : int
        0 for weights, or for the scale of a normalised layer; 1 for biases, or for
        its shift. A length of 0 means that there is none.
    """
    record = net[at.TILES] + tile * at.TILE
    if net[record + at.FIRST_ROW] < 0:
        layer, column = net[record + at.TILE_LAYER], net[record + at.COLUMN]
        field = at.SCALE0 if which == 0 else at.SHIFT0
        width = panel_columns(net, layer, column)
        return layer_field(net, layer, field) + column, width
    if which == 0:
        return weights_of_tile(net, tile)
    return biases_of_tile(net, tile)


@inner
def is_penalised(net, tile, which):
    """Return whether a stretch holds weights, which alone are penalised."""
    first = net[net[at.TILES] + tile * at.TILE + at.FIRST_ROW]
    return which == 0 and first >= 0


@unit(NORM)
def norm_gradient(net, arena, tile, stage, rows):
    """Add a block's gradient of a tile of scale and shift to G."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    column = net[record + at.COLUMN]
    width = panel_columns(net, layer, column)
    if stage & FIRST_BLOCK:
        for which in range(2):
            start, n = stretch_of(net, tile, which)
            zeros = view(arena, net[at.G0] + start, n)
            for i in range(n):
                zeros[i] = arena.dtype.type(0)
    add_norm_gradient(net, arena, layer, column, width, rows)


@inner
def gradient_phase(
    net, arena, hyper, X, columns, starts, order, begin, rows, stage, tile
):
    """Add a block's gradient to a tile's; after the last block, finish it."""
    if net[net[at.TILES] + tile * at.TILE + at.FIRST_ROW] < 0:
        call_norm(net[at.NORM_GRADIENT], net, arena, tile, stage, rows)
    else:
        tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile)
    if stage & LAST_BLOCK:
        arena[net[at.TILE_SUM0] + tile] = arena.dtype.type(0)
        arena[net[at.TILE_NORM0] + tile] = arena.dtype.type(0)
        for which in range(2):
            start, n = stretch_of(net, tile, which)
            penalised = is_penalised(net, tile, which)
            finish_gradient(net, arena, hyper, start, n, penalised, tile)


@inner
def update_phase(net, arena, hyper, scale, tile):
    """Let the solver change a tile, and refresh Wᵀ."""
    for which in range(2):
        start, n = stretch_of(net, tile, which)
        if n == 0:
            continue
        if scale != 1.0:
            scale_gradient(net, arena, start, n, scale)
        tile_sum = net[at.TILE_SUM0] + tile
        call_update(net[at.UPDATE], net, arena, hyper, start, n, 0, tile_sum)
        if hyper[at.PENALTY_1] > 0.0 and is_penalised(net, tile, which):
            keep_orthant(net, arena, start, n)
    record = net[at.TILES] + tile * at.TILE
    layer, first = net[record + at.TILE_LAYER], net[record + at.FIRST_ROW]
    if layer > 0 and first >= 0:
        last = net[record + at.LAST_ROW]
        transpose_tile(net, arena, layer, net[record + at.COLUMN], first, last)


@unit(WEIGHT_PASS)
def phased_weight_pass(
    net, arena, hyper, X, columns, starts, order, begin, rows, stage, phase, worker
):
    """Do a phase of a worker's tiles, panels or parameters.

    OUT: G, and after the last block P, slots, averages, Wᵀ and the tiles' sums.
    """
    if phase > 1:
        address = net[at.BOUND_NORMS] if phase == 2 else net[at.AVERAGE]
        if address != 0:
            call_phase(address, net, arena, hyper, worker)
        return
    scale = clip_scale(net, arena, hyper) if phase == 1 else 1.0
    shares = net[at.SHARES] + worker
    for tile in range(net[shares], net[shares + 1]):
        if is_stopped(net):
            break
        if phase == 0:
            gradient_phase(
                net,
                arena,
                hyper,
                X,
                columns,
                starts,
                order,
                begin,
                rows,
                stage,
                tile,
            )
        else:
            update_phase(net, arena, hyper, scale, tile)
