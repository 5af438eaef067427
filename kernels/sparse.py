"""A first layer that reads CSR rows where they are and never makes them dense.

X, columns and starts are CSR's data, indices (sorted within a row) and indptr.
"""

from ._jit import inner, unit
from ._llvm import view
from .layout import (
    A0,
    B0,
    COLUMN,
    D0,
    FAN_IN,
    FAN_OUT,
    FIRST_ROW,
    G0,
    LAST_ROW,
    P0,
    PANEL,
    STRIDE,
    TILE,
    TILES,
    W0,
    layer_field,
    panel_columns,
)
from .loading import LOAD


@unit(LOAD)
def load_sparse(net, arena, X, columns, starts, order, begin, first, last):
    """Put z = b + Σ x·W[column] of rows [first, last) where the layer's output goes.

    The cost goes with the non-zeros: each adds one row of every panel of W.
    """
    K = layer_field(net, 0, FAN_IN)
    stride = layer_field(net, 0, STRIDE)
    base = net[P0] + layer_field(net, 0, W0)
    bias = view(arena, net[P0] + layer_field(net, 0, B0), stride)
    for r in range(first, last):
        row = begin + r
        if order.size:
            row = order[row]
        z0 = layer_field(net, 0, A0) + r * stride
        Z = view(arena, z0, stride)
        for j in range(stride):
            Z[j] = bias[j]
        for column in range(0, layer_field(net, 0, FAN_OUT), net[PANEL]):
            width = panel_columns(net, 0, column)
            Z = view(arena, z0 + column, width)
            for i in range(starts[row], starts[row + 1]):
                x = X[i]
                W = view(arena, base + column * K + columns[i] * width, width)
                for j in range(width):
                    Z[j] += x * W[j]


@inner
def first_at_least(columns, start, stop, value):
    """Return the first i in [start, stop) with columns[i] >= value, else stop."""
    while start < stop:
        middle = (start + stop) // 2
        if columns[middle] < value:
            start = middle + 1
        else:
            stop = middle
    return start


@unit(LOAD)
def add_sparse_gradient(net, arena, X, columns, starts, order, begin, rows, tile):
    """Add Xᵀ·delta to a tile of the first layer's gradient.

    The tile owns features [FIRST_ROW, LAST_ROW): of each row's sorted columns it
    finds its own by bisection, so tiles do not write to each other's numbers and
    every sum runs in the order of the rows.
    """
    record = net[TILES] + tile * TILE
    column = net[record + COLUMN]
    first, last = net[record + FIRST_ROW], net[record + LAST_ROW]
    width = panel_columns(net, 0, column)
    stride = layer_field(net, 0, STRIDE)
    base = net[G0] + layer_field(net, 0, W0) + column * layer_field(net, 0, FAN_IN)
    for r in range(rows):
        row = begin + r
        if order.size:
            row = order[row]
        stop = starts[row + 1]
        D = view(arena, layer_field(net, 0, D0) + r * stride + column, width)
        i = first_at_least(columns, starts[row], stop, first)
        while i < stop and columns[i] < last:
            x = X[i]
            G = view(arena, base + columns[i] * width, width)
            for j in range(width):
                G[j] += x * D[j]
            i += 1
