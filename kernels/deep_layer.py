"""A hidden layer with all that it may have, forward and back.

::

    z = A_below · W + b                    products, into Z0
    y = norm(z)                            scale · normed + shift, into KEPT0
    a = f(y)                               KEPT0 holds y or f(y), what BACKWARD reads
    a = drop(a)                            only in training
    A = a + A_below, or a + A_below · V    short cut: identity or projection

Back, D being dloss/dA of the layer:

::

    D_below = D, or D · Vᵀ, or 0           what the short cut brings
    D = dloss/da, dloss/dy, dloss/dz       in place, one after the other
    D_below += D · Wᵀ

The first hidden layer has no short cut: its inputs are the data.
"""

from . import activations
from . import layout as at
from ._jit import INT, Interface, array, inner, unit
from ._llvm import view
from .forward import fill_rows, multiply_panels
from .layout import layer_field
from .noise import call_mask
from .normalization import call_norm, scale_and_shift

call_forward = activations.FORWARD.call
call_backward = activations.BACKWARD.call

# (net, arena, order, begin, layer, first, rows, training)
DEEP_LAYER = Interface(
    lambda F: (array(INT), array(F), array(INT, True), *([INT] * 5)), 8
)
call_layer = DEEP_LAYER.call


@inner
def linear(net, arena, layer, first, rows):
    """Put z = A_below · W + b of some rows at Z0."""
    stride = layer_field(net, layer, at.STRIDE)
    z0 = layer_field(net, layer, at.Z0) + first * stride
    a_stride = layer_field(net, layer, at.IN_STRIDE)
    a0 = layer_field(net, layer, at.IN0) + first * a_stride
    K = layer_field(net, layer, at.FAN_IN)
    fill_rows(arena, z0, stride, rows, net[at.P0] + layer_field(net, layer, at.B0))
    W = net[at.P0] + layer_field(net, layer, at.W0)
    N = layer_field(net, layer, at.FAN_OUT)
    multiply_panels(net, arena, z0, stride, a0, a_stride, W, rows, K, K, N)


@inner
def move_sparse(net, arena, first, rows):
    """Move the first layer's z, which the loading of sparse rows puts at A0, to Z0."""
    stride = layer_field(net, 0, at.STRIDE)
    source = layer_field(net, 0, at.A0)
    target = layer_field(net, 0, at.Z0)
    if source != target:
        copy(arena, target + first * stride, source + first * stride, rows * stride)


@inner
def copy(arena, target, source, n):
    """Copy n numbers within the arena."""
    A = view(arena, source, n)
    B = view(arena, target, n)
    for i in range(n):
        B[i] = A[i]


@inner
def activate(net, arena, layer, first, rows):
    """Normalised rows of one layer to its outputs, short cut and mask aside.

    NORMED0 holds normed numbers, or there is no normalisation and KEPT0 holds z.
    """
    stride = layer_field(net, layer, at.STRIDE)
    if net[at.NORM] != at.NO_NORM:
        for r in range(first, first + rows):
            scale_and_shift(net, arena, layer, r)
    n = rows * stride
    kept = layer_field(net, layer, at.KEPT0) + first * stride
    a0 = layer_field(net, layer, at.A0) + first * stride
    forward = layer_field(net, layer, at.FORWARD)
    if layer_field(net, layer, at.READS_Z) != 0:
        copy(arena, a0, kept, n)
        call_forward(forward, arena, a0, n)
    else:
        call_forward(forward, arena, kept, n)
        if kept != a0:
            copy(arena, a0, kept, n)


@inner
def drop_rows(net, arena, layer, start, order, begin, first, rows):
    """Apply the layer's mask to rows of A or of D."""
    share = layer_field(net, layer, at.DROP)
    if share > 0:
        stride = layer_field(net, layer, at.STRIDE)
        n = layer_field(net, layer, at.FAN_OUT)
        for r in range(first, first + rows):
            row = begin + r
            if order.size:
                row = order[row]
            place = start + r * stride
            call_mask(net[at.MASK], net, arena, place, n, share, layer, row)


@inner
def add_shortcut(net, arena, layer, first, rows):
    """Add the layer's inputs, or their projection, to its outputs."""
    shortcut = layer_field(net, layer, at.SHORTCUT)
    if shortcut == 0:
        return
    stride = layer_field(net, layer, at.STRIDE)
    a0 = layer_field(net, layer, at.A0) + first * stride
    in_stride = layer_field(net, layer, at.IN_STRIDE)
    in0 = layer_field(net, layer, at.IN0) + first * in_stride
    if shortcut == 1:
        A = view(arena, a0, rows * stride)
        below = view(arena, in0, rows * stride)
        for i in range(rows * stride):
            A[i] += below[i]
        return
    V = net[at.P0] + layer_field(net, shortcut, at.W0)
    K = layer_field(net, layer, at.FAN_IN)
    N = layer_field(net, layer, at.FAN_OUT)
    multiply_panels(net, arena, a0, stride, in0, in_stride, V, rows, K, K, N)


@inner
def multiply_back(net, arena, layer, matrix, first, rows):
    """Add D · Wᵀ of a layer, W being its weights or its projection, to D below."""
    stride = layer_field(net, layer, at.STRIDE)
    below_stride = layer_field(net, layer - 1, at.STRIDE)
    multiply_panels(
        net,
        arena,
        layer_field(net, layer - 1, at.D0) + first * below_stride,
        below_stride,
        layer_field(net, layer, at.D0) + first * stride,
        stride,
        layer_field(net, matrix, at.T0),
        rows,
        layer_field(net, matrix, at.FAN_OUT),
        layer_field(net, matrix, at.T_ROWS),
        layer_field(net, matrix, at.FAN_IN),
    )


@inner
def begin_delta_below(net, arena, layer, first, rows):
    """Start D of the layer below with what the short cut brings.

    A projection's gradient needs dloss/dA later, when D holds dloss/dz: it is kept.
    """
    stride = layer_field(net, layer, at.STRIDE)
    d0 = layer_field(net, layer, at.D0) + first * stride
    below_stride = layer_field(net, layer - 1, at.STRIDE)
    below = layer_field(net, layer - 1, at.D0) + first * below_stride
    shortcut = layer_field(net, layer, at.SHORTCUT)
    if shortcut == 1:
        copy(arena, below, d0, rows * stride)
        return
    zeros = view(arena, below, rows * below_stride)
    for i in range(rows * below_stride):
        zeros[i] = arena.dtype.type(0)
    if shortcut > 1:
        kept = layer_field(net, shortcut, at.D0) + first * stride
        copy(arena, kept, d0, rows * stride)
        multiply_back(net, arena, layer, shortcut, first, rows)


@inner
def backward_activation(net, arena, layer, first, rows):
    """Turn dloss/da of some rows into dloss/dy."""
    stride = layer_field(net, layer, at.STRIDE)
    call_backward(
        layer_field(net, layer, at.BACKWARD),
        arena,
        layer_field(net, layer, at.KEPT0) + first * stride,
        layer_field(net, layer, at.D0) + first * stride,
        rows * stride,
    )


@unit(DEEP_LAYER)
def forward_layer(net, arena, order, begin, layer, first, rows, training):
    """Take rows of a hidden layer from z to its outputs, and to the next layer's z.

    training : int
        1 if masks apply and NORM_ROWS normalises; 0 for NORM_PREDICTED and no masks.
    """
    if net[at.NORM] != at.NO_NORM:
        address = net[at.NORM_ROWS] if training else net[at.NORM_PREDICTED]
        call_norm(address, net, arena, layer, first, rows)
    activate(net, arena, layer, first, rows)
    if training:
        a0 = layer_field(net, layer, at.A0)
        drop_rows(net, arena, layer, a0, order, begin, first, rows)
    add_shortcut(net, arena, layer, first, rows)
    linear(net, arena, layer + 1, first, rows)


@unit(DEEP_LAYER)
def backward_layer(net, arena, order, begin, layer, first, rows, training):
    """Take rows from a layer's dloss/dy, or delta, to dloss/dy of the layer below.

    Under batch normalisation the sums over the batch are known by now.
    """
    if layer == net[at.N_LAYERS] - 1:
        if layer > 0:
            begin_delta_below(net, arena, layer, first, rows)
    elif net[at.NORM] != at.NO_NORM:
        call_norm(net[at.NORM_BACK], net, arena, layer, first, rows)
    if layer == 0:
        return
    below = layer - 1
    multiply_back(net, arena, layer, layer, first, rows)
    if below > 0:
        begin_delta_below(net, arena, below, first, rows)
    d0 = layer_field(net, below, at.D0)
    drop_rows(net, arena, below, d0, order, begin, first, rows)
    backward_activation(net, arena, below, first, rows)
