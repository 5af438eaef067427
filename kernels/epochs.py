"""Many epochs in one call: what a small network's fit spends its time on otherwise.

Nothing is decided here but when to come back: the Python layer goes through the same
losses again, and records and decides by itself.
"""

import numpy as np

from . import layout as at
from ._jit import INT, Interface, array, doubles, inner, sparse_matrix, unit
from ._llvm import view
from .shuffling import permute
from .training import TRAIN

call_train = TRAIN.call

# (net, arena, hyper, X, columns, starts, Y, weight, orders, stream, log)
EPOCHS = Interface(
    lambda F: (
        array(INT),
        array(F),
        doubles(),
        *sparse_matrix(F),
        array(F, True),
        array(F, True),
        array(INT),
        array(INT),
        doubles(),
    ),
    11,
)

# The head of a log, in float64; the epochs' mean losses follow.
(
    DONE,  # epochs
    MOST,  # epochs to train
    N_BLOCKS,  # of an epoch
    SHUFFLES,
    ONWARD,  # 1: an epoch shuffles the order of the one before, 0: the first one
    TOL,
    PATIENCE,  # epochs without an improvement by TOL that are borne
    BEST,  # loss so far
    STALLED,  # epochs without improvement so far
    TARGET,  # loss to stop at
    LOSSES,
) = range(11)


@inner
def next_order(net, orders, stream, log):
    """Draw an epoch's order of rows.

    ::

        orders = [ the rows' own order | the current one ]
    """
    n = net[at.N_ROWS]
    own, current = view(orders, 0, n), view(orders, n, n)
    if log[ONWARD] == 0.0:
        for i in range(n):
            current[i] = own[i]
    permute(stream, current, n)


@inner
def is_over(log, loss):
    """Return whether training may end with this epoch's loss, and count patience."""
    if not np.isfinite(loss) or loss <= log[TARGET]:
        return True
    log[STALLED] = log[STALLED] + 1.0 if loss > log[BEST] - log[TOL] else 0.0
    log[BEST] = min(log[BEST], loss)
    return log[STALLED] > log[PATIENCE]


@unit(EPOCHS)
def run_epochs(net, arena, hyper, X, columns, starts, Y, weight, orders, stream, log):
    """Train for MOST epochs, or until the losses ask for a decision.

    Parameters
    ----------
    net, arena, hyper : see `layout`; OUT: everything in the arena, sums in hyper.
        TRAIN says whether workers share each epoch.
    X, columns, starts, Y, weight : see `training`
    orders : vector of int64, (2 · N_ROWS), OUT
    stream : vector of int64, OUT, see `shuffling`
    log : vector of float64, OUT
    """
    n = net[at.N_ROWS]
    last = INT(log[N_BLOCKS])
    going = True
    while going and log[DONE] < log[MOST]:
        if log[SHUFFLES] != 0.0:
            next_order(net, orders, stream, log)
        hyper[at.LOSS_SUM] = 0.0
        hyper[at.LOSS_COUNT] = 0.0
        call_train(
            net[at.TRAIN],
            net,
            arena,
            hyper,
            X,
            columns,
            starts,
            Y,
            weight,
            view(orders, n, n),
            0,
            last,
        )
        loss = 0.0
        if hyper[at.LOSS_COUNT] != 0.0:
            loss = hyper[at.LOSS_SUM] / hyper[at.LOSS_COUNT]
        log[LOSSES + INT(log[DONE])] = loss
        log[DONE] += 1.0
        going = not is_over(log, loss)
