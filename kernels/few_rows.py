"""Predictions for a few rows, from the parameters as users see them.

Packing the weights of a small network takes longer than a row's way through it. So
for a few rows the products read them where they are, row-major::

    theta = [ W0 | W1 | ... | b0 | b1 | ... ]

in the same tiles, and so with the same bits, as the products of many rows.
"""

from . import layout as at
from ._host import TILE_VECTORS
from ._jit import inner, unit
from ._llvm import lanes, view
from .forward import PREDICT_WITH, call_forward, call_load, write_outputs
from .layout import layer_field
from .products import flat1, flat2, flat4


@inner
def begin_row(arena, z0, theta, b0, n, width):
    """Write n biases to z, and zeros behind them up to `width`."""
    z = view(arena, z0, width)
    bias = view(theta, b0, n)
    for j in range(n):
        z[j] = bias[j]
    for j in range(n, width):
        z[j] = arena.dtype.type(0)


@inner
def multiply_row(arena, z0, stride, a0, theta, w0, b0, K, N):
    """Let z be a·W + b.

    ::

        N = 100, 16 lanes:   | 4 vectors of W | 2 vectors |    |
                                                  | vector |   ends where the row does

    A layer narrower than a vector is computed with what lies behind its rows in
    theta; those numbers go to the padding of z, which nobody reads.
    """
    step = lanes(arena)
    begin_row(arena, z0, theta, b0, N, stride)
    column = 0
    while column + TILE_VECTORS * step <= N:
        flat4(arena, z0 + column, 0, a0, 0, 1, theta, w0 + column, N, K)
        column += TILE_VECTORS * step
    if column + 2 * step <= N:
        flat2(arena, z0 + column, 0, a0, 0, 1, theta, w0 + column, N, K)
        column += 2 * step
    while column < N:
        column = max(0, min(column, N - step))
        if column > 0:  # some of these are done: begin again
            begin_row(arena, z0 + column, theta, b0 + column, step, step)
        flat1(arena, z0 + column, 0, a0, 0, 1, theta, w0 + column, N, K)
        column += step


@unit(PREDICT_WITH)
def predict_few(net, arena, theta, X, columns, starts, order, out, n):
    """Write the outputs of n rows, one after the other.

    The network has dense inputs, and layers of products and activations only. Where
    a layer is narrower than a vector, theta holds a vector's numbers from the
    beginning of the last row of its W on.
    """
    n_layers = net[at.N_LAYERS]
    biases = 0
    for layer in range(n_layers):
        K = layer_field(net, layer, at.FAN_IN)
        biases += K * layer_field(net, layer, at.FAN_OUT)
    for row in range(n):
        call_load(net[at.LOAD], net, arena, X, columns, starts, order, row, 0, 1)
        w0, b0 = 0, biases
        for layer in range(n_layers):
            K = layer_field(net, layer, at.FAN_IN)
            N = layer_field(net, layer, at.FAN_OUT)
            z0 = layer_field(net, layer, at.A0)
            a0 = layer_field(net, layer, at.IN0)
            stride = layer_field(net, layer, at.STRIDE)
            multiply_row(arena, z0, stride, a0, theta, w0, b0, K, N)
            if layer < n_layers - 1:
                call_forward(layer_field(net, layer, at.FORWARD), arena, z0, stride)
            w0 += K * N
            b0 += N
        write_outputs(net, arena, out, row, 0, 1, 0)
