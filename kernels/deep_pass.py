"""Rows forward and back through layers that are more than a product and f.

The twin of `forward` and `row_pass` for networks with normalisation, short cuts,
masks, noise, or an activation whose derivative needs z. Under batch normalisation a
pass has phases with a barrier between them, since each layer's statistics need all
rows of the batch::

    phase     0       1        2       3      ...   2H        2H+1     2H+2     ...
    rows      z of 0           z of 1               to loss            dz of H-1,
              |                |                    and back           back to H-2
    columns           mean of         mean of                 sums of
                      layer 0         layer 1                 layer H-1

with H hidden layers. Without it there is one phase: each row goes all the way.
"""

from . import layout as at
from ._jit import inner, unit
from .deep_layer import (
    activate,
    add_shortcut,
    backward_activation,
    begin_delta_below,
    drop_rows,
    linear,
    move_sparse,
    multiply_back,
    normalise_rows,
)
from .forward import call_load, share_of_rows
from .layout import layer_field
from .loading import LOAD
from .normalization import (
    batch_norm_backward,
    batch_statistics,
    count_batch,
    delta_sums,
    use_batch,
    use_population,
)
from .row_pass import ROW_PASS, loss_and_delta


@inner
def first_z(net, arena, X, columns, starts, order, begin, first, last, training):
    """Load rows [first, last) and put the first layer's z at Z0."""
    call_load(net[at.LOAD], net, arena, X, columns, starts, order, begin, first, last)
    if net[at.SPARSE] != 0:
        move_sparse(net, arena, first, last - first)
        return
    if training and net[at.MIX] != 0:
        call_load(
            net[at.MIX], net, arena, X, columns, starts, order, begin, first, last
        )
    if training and net[at.DISTURB] != 0:
        call_load(
            net[at.DISTURB], net, arena, X, columns, starts, order, begin, first, last
        )
    linear(net, arena, 0, first, last - first)


@inner
def finish_layer(net, arena, layer, order, begin, first, rows, training):
    """Take rows of a hidden layer from normed numbers, or z, to its outputs."""
    activate(net, arena, layer, first, rows)
    if training:
        a0 = layer_field(net, layer, at.A0)
        drop_rows(net, arena, layer, a0, order, begin, first, rows)
    add_shortcut(net, arena, layer, first, rows)


@inner
def start_back(net, arena, layer, order, begin, first, rows):
    """Take a hidden layer's D from dloss/dA to dloss/dy, and begin D below."""
    if layer > 0:
        begin_delta_below(net, arena, layer, first, rows)
    d0 = layer_field(net, layer, at.D0)
    drop_rows(net, arena, layer, d0, order, begin, first, rows)
    backward_activation(net, arena, layer, first, rows)


@unit(LOAD)
def deep_forward_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Take rows [first, last) to the last layer's raw outputs, as in prediction."""
    rows = last - first
    first_z(net, arena, X, columns, starts, order, begin, first, last, False)
    for layer in range(net[at.N_LAYERS] - 1):
        normalise_rows(net, arena, layer, first, rows)
        if net[at.NORM] == at.BATCH_NORM:
            for r in range(first, last):
                use_population(net, arena, layer, r)
        finish_layer(net, arena, layer, order, begin, first, rows, False)
        linear(net, arena, layer + 1, first, rows)


@inner
def to_loss_and_back(net, arena, Y, weight, order, begin, first, rows, worker):
    """Take raw outputs to the loss, and its gradient to the last hidden layer."""
    loss_and_delta(net, arena, Y, weight, order, begin, first, rows, worker)
    last_layer = net[at.N_LAYERS] - 1
    if last_layer > 0:
        begin_delta_below(net, arena, last_layer, first, rows)
        multiply_back(net, arena, last_layer, last_layer, first, rows)
        start_back(net, arena, last_layer - 1, order, begin, first, rows)


@inner
def one_phase(
    net, arena, X, columns, starts, Y, weight, order, begin, first, last, worker
):
    """Take rows [first, last) all the way forward and back."""
    rows = last - first
    first_z(net, arena, X, columns, starts, order, begin, first, last, True)
    for layer in range(net[at.N_LAYERS] - 1):
        normalise_rows(net, arena, layer, first, rows)
        finish_layer(net, arena, layer, order, begin, first, rows, True)
        linear(net, arena, layer + 1, first, rows)
    to_loss_and_back(net, arena, Y, weight, order, begin, first, rows, worker)
    for layer in range(net[at.N_LAYERS] - 2, 0, -1):
        multiply_back(net, arena, layer, layer, first, rows)
        start_back(net, arena, layer - 1, order, begin, first, rows)


@inner
def forward_phase(net, arena, order, begin, layer, first, rows):
    """Take rows from a layer's batch statistics to the next layer's z."""
    for r in range(first, first + rows):
        use_batch(net, arena, layer, r)
    finish_layer(net, arena, layer, order, begin, first, rows, True)
    linear(net, arena, layer + 1, first, rows)


@inner
def backward_phase(net, arena, order, begin, layer, first, rows):
    """Take rows from a layer's sums of deltas to the layer below."""
    for r in range(first, first + rows):
        batch_norm_backward(net, arena, layer, r)
    if layer > 0:
        multiply_back(net, arena, layer, layer, first, rows)
        start_back(net, arena, layer - 1, order, begin, first, rows)


@inner
def column_phase(net, arena, phase, rows, worker):
    """Sum a worker's columns over the batch: statistics, or deltas on the way back."""
    n_hidden = net[at.N_LAYERS] - 1
    if phase < 2 * n_hidden:
        batch_statistics(net, arena, phase // 2, rows, worker)
        return
    layer = n_hidden - 1 - (phase - 2 * n_hidden - 1) // 2
    delta_sums(net, arena, layer, rows, worker)
    if worker == 0:
        count_batch(net, arena, layer, rows)


@unit(ROW_PASS)
def deep_row_pass(
    net, arena, X, columns, starts, Y, weight, order, begin, rows, phase, worker
):
    """Do a phase of a worker's share of a block's rows, or of their columns."""
    n_hidden = net[at.N_LAYERS] - 1
    middle = 2 * n_hidden
    phased = net[at.NORM] == at.BATCH_NORM
    if phased and phase % 2 == 1:
        column_phase(net, arena, phase, rows, worker)
        return
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    for first in range(start, stop, net[at.TILE_ROWS_MAX]):
        last = min(first + net[at.TILE_ROWS_MAX], stop)
        n = last - first
        if not phased:
            one_phase(
                net,
                arena,
                X,
                columns,
                starts,
                Y,
                weight,
                order,
                begin,
                first,
                last,
                worker,
            )
        elif phase == 0:
            first_z(net, arena, X, columns, starts, order, begin, first, last, True)
        elif phase <= middle:
            forward_phase(net, arena, order, begin, phase // 2 - 1, first, n)
            if phase == middle:
                to_loss_and_back(net, arena, Y, weight, order, begin, first, n, worker)
        else:
            layer = n_hidden - 1 - (phase - middle - 2) // 2
            backward_phase(net, arena, order, begin, layer, first, n)
