"""Gradients of weights, tile by tile: Aᵀ·delta, and Σ delta for the biases.

Who sums a gradient decides what crosses from core to core. Either each worker sums a
part of the weights over all rows, and reads the activations of the others' rows; or
each sums all weights over its own rows, and they add up their sums afterwards. A
network has N_SHARES of rows, however many workers there are, and the sums of shares
are added in their order: the bits do not depend on the number of workers. A batch of
several shares is one block::

    N_SHARES = 1     rows of all workers  ->  tiles of one worker
    N_SHARES > 1     rows of a share      ->  its own G, all tiles
                     tiles of a worker    <-  G of share 0 + G of share 1 + ...
"""

from . import layout as at
from ._jit import inner
from ._llvm import view
from .forward import call_load, call_product
from .layout import is_stopped, layer_field, panel_columns


@inner
def weights_of_tile(net, tile):
    """Return where a tile's weights start in P, and their number."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    column = net[record + at.COLUMN]
    first, last = net[record + at.FIRST_ROW], net[record + at.LAST_ROW]
    width = panel_columns(net, layer, column)
    start = layer_field(net, layer, at.W0) + first * width
    start += column * layer_field(net, layer, at.FAN_IN)
    return start, (last - first) * width


@inner
def biases_of_tile(net, tile):
    """Return where the biases start in P that go with a tile, and their number."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    b0 = layer_field(net, layer, at.B0)
    if net[record + at.FIRST_ROW] != 0 or b0 < 0:
        return 0, 0
    column = net[record + at.COLUMN]
    return b0 + column, panel_columns(net, layer, column)


@inner
def fill_zeros(arena, start, n):
    """Set n numbers to zero."""
    zeros = view(arena, start, n)
    for i in range(n):
        zeros[i] = arena.dtype.type(0)


@inner
def add_products(net, arena, tile, base, first, rows):
    """Add Aᵀ·delta of rows from `first` on to a tile of the gradient at `base`."""
    record = net[at.TILES] + tile * at.TILE
    layer = net[record + at.TILE_LAYER]
    column = net[record + at.COLUMN]
    width = panel_columns(net, layer, column)
    stride = layer_field(net, layer, at.STRIDE)
    d0 = layer_field(net, layer, at.D0) + first * stride + column
    start, _ = weights_of_tile(net, tile)
    if layer > 0 or net[at.SPARSE] == 0:
        a_stride = layer_field(net, layer, at.IN_STRIDE)
        a0 = layer_field(net, layer, at.IN0) + first * a_stride
        call_product(
            net[at.PRODUCT],
            arena,
            base + start,
            width,
            a0 + net[record + at.FIRST_ROW],
            1,
            a_stride,
            d0,
            stride,
            net[record + at.LAST_ROW] - net[record + at.FIRST_ROW],
            rows,
            width,
        )
    start, n = biases_of_tile(net, tile)
    if n > 0:
        gb = base + start
        ones = net[at.ONES0]
        call_product(
            net[at.PRODUCT], arena, gb, width, ones, 0, 0, d0, stride, 1, rows, width
        )


@inner
def clear_tile(net, arena, tile, base):
    """Set a tile of the gradient at `base` to zero, with its biases."""
    start, n = weights_of_tile(net, tile)
    fill_zeros(arena, base + start, n)
    start, n = biases_of_tile(net, tile)
    fill_zeros(arena, base + start, n)


@inner
def share_gradient(net, arena, share, first, rows):
    """Put the gradient of a share's rows into the share's own G."""
    base = net[at.G0] + share * net[at.N_PACKED]
    for tile in range(net[at.N_TILES]):
        if is_stopped(net):
            break
        clear_tile(net, arena, tile, base)
        add_products(net, arena, tile, base, first, rows)


@inner
def add_shares(net, arena, start, n):
    """Add the shares' sums of a stretch to the first one's."""
    G = view(arena, net[at.G0] + start, n)
    for share in range(1, net[at.N_SHARES]):
        part = view(arena, net[at.G0] + share * net[at.N_PACKED] + start, n)
        for i in range(n):
            G[i] += part[i]


@inner
def tile_gradient(net, arena, X, columns, starts, order, begin, rows, stage, tile):
    """Add a block's gradient to a tile of G, or the shares' sums."""
    if net[at.N_SHARES] > 1:
        start, n = weights_of_tile(net, tile)
        add_shares(net, arena, start, n)
        start, n = biases_of_tile(net, tile)
        add_shares(net, arena, start, n)
        return
    if stage & at.FIRST_BLOCK:
        clear_tile(net, arena, tile, net[at.G0])
    if net[at.SPARSE] != 0 and net[net[at.TILES] + tile * at.TILE + at.TILE_LAYER] == 0:
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
    add_products(net, arena, tile, net[at.G0], 0, rows)
