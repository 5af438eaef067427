"""Many mini-batches in one call: what Python calls once per epoch or slice of one.

The serial and the parallel twin hold integer arithmetic only. All that computes
with floats is reached by address, so both run the same machine code: same bits.
"""

import numba
import numpy as np

from . import forward, optimizers, row_pass, weight_pass
from . import layout as at
from ._jit import INT, Interface, array, doubles, inner, sparse_matrix, unit
from ._llvm import view
from .layout import FIRST_BLOCK, LAST_BLOCK, pack_parameters
from .mixing import mixed_weight, row_at

call_row_pass = row_pass.ROW_PASS.call
call_weight_pass = weight_pass.WEIGHT_PASS.call
call_predict_pass = forward.PREDICT_PASS.call

# (net, arena, hyper, weight, order, begin, rows)
BEGIN_BATCH = Interface(
    lambda F: (
        array(INT),
        array(F),
        doubles(),
        array(F, True),
        array(INT, True),
        INT,
        INT,
    ),
    7,
)
# (net, arena, hyper, rows)
END = Interface(lambda F: (array(INT), array(F), doubles(), INT), 4)
# (net, arena, hyper, X, columns, starts, Y, weight, order, first, last)
TRAIN = Interface(
    lambda F: (
        array(INT),
        array(F),
        doubles(),
        *sparse_matrix(F),
        array(F, True),
        array(F, True),
        array(INT, True),
        INT,
        INT,
    ),
    11,
)
# (net, arena, X, columns, starts, order, out, n)
PREDICT = Interface(
    lambda F: (
        array(INT),
        array(F),
        *sparse_matrix(F),
        array(INT, True),
        array(F),
        INT,
    ),
    8,
)
call_begin_step = optimizers.BEGIN_STEP.call
call_begin_batch = BEGIN_BATCH.call
call_end = END.call


@unit(BEGIN_BATCH)
def begin_batch(net, arena, hyper, weight, order, begin, rows):
    """Sum the batch's weights; if there are any, begin a step at its own rate."""
    total = 0.0
    if net[at.WEIGHTED] != 0:
        for r in range(rows):
            row = begin + r
            if order.size:
                row = order[row]
            total += np.float64(weight[row])
    else:
        total = float(rows)
    start_step(net, arena, hyper, begin, total)


@unit(BEGIN_BATCH)
def begin_deep_batch(net, arena, hyper, weight, order, begin, rows):
    """Do the same where rows are mixed, or their weights needed one by one.

    ROW_WEIGHT0 gets the rows' shares of the weight, and behind them the number of
    rows that the batch stands for: for an unbiased variance, a row of weight 2 is
    two rows, but a sum of weights below the number of rows tells only their ratios.
    """
    T = arena.dtype.type
    total, present = 0.0, 0.0
    shares = view(arena, net[at.ROW_WEIGHT0], rows + 1)
    for r in range(rows):
        place = begin + r
        w = T(1)
        if net[at.MIX] != 0:
            w = mixed_weight(net, arena, weight, order, place)
        elif net[at.WEIGHTED] != 0:
            w = weight[row_at(order, place)]
        shares[r] = w
        total += np.float64(w)
        present += 1.0 if w > T(0) else 0.0
    if total > 0.0:
        for r in range(rows):
            shares[r] = T(shares[r] / total)
    shares[rows] = T(max(total, present))
    start_step(net, arena, hyper, begin, total)


@inner
def start_step(net, arena, hyper, begin, total):
    """Set what a step depends on, and let the solver count it."""
    hyper[at.RATE] = hyper[at.N_HYPER + begin // net[at.BATCH]]
    hyper[at.WEIGHT_SUM] = total
    hyper[at.DATA_LOSS] = 0.0
    if total > 0.0:
        hyper[at.GRADIENT_SCALE] = 1.0 if hyper[at.FINISHED] != 0.0 else 1.0 / total
        call_begin_step(net[at.BEGIN_STEP], net, arena, hyper)


@unit(END)
def end_block(net, arena, hyper, rows):
    """Add the block's row losses, in the order of the rows."""
    L = view(arena, net[at.ROW_LOSS0], rows)
    total = 0.0
    for r in range(rows):
        total += np.float64(L[r])
    hyper[at.DATA_LOSS] += total


@unit(END)
def end_batch(net, arena, hyper, rows):
    """Add the batch's loss, penalty included, to the epoch's.

    loss = LOSS_SCALE · Σ w loss / Σ w + ½ alpha Σ W² / Σ w, with the weights W
    before the step, as scikit-learn has it.
    """
    squares = 0.0
    if hyper[at.ALPHA] != 0.0:
        S = view(arena, net[at.TILE_SUM0], net[at.N_TILES])
        for tile in range(net[at.N_TILES]):
            squares += S[tile]
    loss = hyper[at.LOSS_SCALE] * hyper[at.DATA_LOSS] + 0.5 * hyper[at.ALPHA] * squares
    loss /= hyper[at.WEIGHT_SUM]
    count = hyper[at.WEIGHT_SUM] if hyper[at.COUNT_BY_WEIGHT] != 0.0 else float(rows)
    hyper[at.LOSS_SUM] += loss * count
    hyper[at.LOSS_COUNT] += count


@inner
def place_of_block(net, index):
    """Return where a block's batch begins, its rows, and where the block begins.

    ::

        batch:      |      0      |      1      |   2  (the rest)
        index:      | 0 | 1 | 2 | | 3 | 4 | 5 | | 6 | 7 |
    """
    begin = index // net[at.N_BLOCKS] * net[at.BATCH]
    rows = min(net[at.BATCH], net[at.N_ROWS] - begin)
    return begin, rows, index % net[at.N_BLOCKS] * net[at.BLOCK]


@inner
def stage_of(block, block_rows, rows):
    """Return the bits FIRST_BLOCK and LAST_BLOCK of a block of the batch."""
    stage = 0
    if block == 0:
        stage |= FIRST_BLOCK
    if block + block_rows >= rows:
        stage |= LAST_BLOCK
    return stage


@unit(TRAIN)
def train_serial(net, arena, hyper, X, columns, starts, Y, weight, order, first, last):
    """Train on blocks [first, last) of the epoch, on the calling thread.

    A mini-batch is one block, unless its activations would take too much memory.

    Parameters
    ----------
    net, arena : see `layout`; OUT: everything in the arena
    hyper : vector of float64; OUT: steps, and the sums of the losses
    X, columns, starts : dense or CSR rows
    Y, weight : vectors, targets and row weights
    order : vector of row numbers, or empty for the rows as they are
    first, last : int, blocks
    """
    for index in range(first, last):
        begin, rows, block = place_of_block(net, index)
        size = min(net[at.BLOCK], rows - block)
        stage = stage_of(block, size, rows)
        start = begin + block
        if stage & FIRST_BLOCK:
            call_begin_batch(
                net[at.BEGIN_BATCH], net, arena, hyper, weight, order, begin, rows
            )
        if hyper[at.WEIGHT_SUM] > 0.0:
            for phase in range(net[at.ROW_PHASES]):
                for worker in range(net[at.N_WORKERS]):
                    call_row_pass(
                        net[at.ROW_PASS],
                        net,
                        arena,
                        X,
                        columns,
                        starts,
                        Y,
                        weight,
                        order,
                        start,
                        size,
                        phase,
                        worker,
                    )
            phases = net[at.WEIGHT_PHASES] if stage & LAST_BLOCK else 1
            for phase in range(phases):
                for worker in range(net[at.N_WORKERS]):
                    call_weight_pass(
                        net[at.WEIGHT_PASS],
                        net,
                        arena,
                        hyper,
                        X,
                        columns,
                        starts,
                        order,
                        start,
                        size,
                        stage,
                        phase,
                        worker,
                    )
            call_end(net[at.END_BLOCK], net, arena, hyper, size)
            if stage & LAST_BLOCK:
                call_end(net[at.END_BATCH], net, arena, hyper, rows)


@inner
def predict_rows(net, arena, X, columns, starts, order, out, n):
    """Write the outputs of n rows, a block at a time."""
    for begin in range(0, n, net[at.BLOCK]):
        size = min(net[at.BLOCK], n - begin)
        for worker in range(net[at.N_WORKERS]):
            call_predict_pass(
                net[at.PREDICT_PASS],
                net,
                arena,
                X,
                columns,
                starts,
                order,
                out,
                begin,
                size,
                worker,
            )


@unit(PREDICT)
def predict_serial(net, arena, X, columns, starts, order, out, n):
    """Write the outputs of n rows to `out`, row-major, on the calling thread."""
    predict_rows(net, arena, X, columns, starts, order, out, n)


@unit(forward.PREDICT_WITH)
def predict_with(net, arena, theta, X, columns, starts, order, out, n):
    """Take over parameters, see `layout.pack`, and write the outputs of n rows.

    In one call, since for a row that is what takes the time.
    """
    pack_parameters(net, arena, theta, net[at.P0])
    predict_rows(net, arena, X, columns, starts, order, out, n)


@unit(PREDICT, parallel=True)
def predict_parallel(net, arena, X, columns, starts, order, out, n):
    """Write the outputs of n rows: the twin of `predict_serial` on threads."""
    for begin in range(0, n, net[at.BLOCK]):
        size = min(net[at.BLOCK], n - begin)
        for worker in numba.prange(net[at.N_WORKERS]):
            call_predict_pass(
                net[at.PREDICT_PASS],
                net,
                arena,
                X,
                columns,
                starts,
                order,
                out,
                begin,
                size,
                INT(worker),
            )
