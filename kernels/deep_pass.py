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
from .deep_layer import call_layer, linear, move_sparse
from .forward import call_load, share_of_rows
from .layout import is_stopped
from .loading import LOAD
from .normalization import call_norm
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


@unit(LOAD)
def deep_forward_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Take rows [first, last) to the last layer's raw outputs, as in prediction."""
    n = last - first
    first_z(net, arena, X, columns, starts, order, begin, first, last, False)
    forward = net[at.DEEP_LAYER]
    for layer in range(net[at.N_LAYERS] - 1):
        call_layer(forward, net, arena, order, begin, layer, first, n, 0)


@unit(LOAD)
def masked_forward_rows(net, arena, X, columns, starts, order, begin, first, last):
    """Do the same with the masks of training: a row's outputs are drawn at random.

    NORM_ROWS must be what NORM_PREDICTED is, since no batch is there to normalise over.
    """
    n = last - first
    first_z(net, arena, X, columns, starts, order, begin, first, last, True)
    forward = net[at.DEEP_LAYER]
    for layer in range(net[at.N_LAYERS] - 1):
        call_layer(forward, net, arena, order, begin, layer, first, n, 1)


@unit(ROW_PASS)
def deep_row_pass(
    net, arena, X, columns, starts, Y, weight, order, begin, rows, phase, worker
):
    """Do a phase of a worker's share of a block's rows, or of their columns.

    ::

        phase   layers forward   loss   layers back
        0       all              yes    all                     without batch norm
        0       -                -      -                       with it
        2 i     i - 1            i = H  -                       up to i = H
        2 i     -                i = H  2 H - i                 from i = H on
    """
    n_hidden = net[at.N_LAYERS] - 1
    forward_first, forward_stop = 0, n_hidden
    middle, back_first, back_stop = 0, n_hidden, -1
    if net[at.NORM] == at.BATCH_NORM:
        if phase % 2 == 1:
            call_norm(net[at.NORM_COLUMNS], net, arena, phase, rows, worker)
            return
        middle = 2 * n_hidden
        forward_first = max(0, phase // 2 - 1)
        forward_stop = min(phase // 2, n_hidden)
        back_first = 2 * n_hidden - phase // 2
        back_stop = back_first - 1 if phase >= middle else back_first
    forward, back = net[at.DEEP_LAYER], net[at.DEEP_BACK]
    start = share_of_rows(rows, worker, net[at.N_WORKERS])
    stop = share_of_rows(rows, worker + 1, net[at.N_WORKERS])
    for first in range(start, stop, net[at.TILE_ROWS_MAX]):
        if is_stopped(net):
            break
        last = min(first + net[at.TILE_ROWS_MAX], stop)
        n = last - first
        if phase == 0:
            first_z(net, arena, X, columns, starts, order, begin, first, last, True)
        for layer in range(forward_first, forward_stop):
            call_layer(forward, net, arena, order, begin, layer, first, n, 1)
        if phase == middle:
            loss_and_delta(net, arena, Y, weight, order, begin, first, n, worker)
        for layer in range(back_first, back_stop, -1):
            call_layer(back, net, arena, order, begin, layer, first, n, 1)
