"""Training on several threads: one parallel region, and barriers of its own.

Each worker goes through all mini-batches and waits for the others twice in each::

    worker 0   begin | rows | barrier | losses, weights | barrier | end | begin ...
    worker 1         | rows | barrier | weights         | barrier |     rows ...

A barrier is a flag for each worker that the others watch: one crossing from core to
core, some 0.1 µs where they share a cache, where a parallel region costs several µs.
"""

import numba

from . import layout as at
from ._atomic import add, give_way, load, relax, replace, store
from ._jit import INT, Interface, inner, unit
from .layout import FIRST_BLOCK, LAST_BLOCK
from .training import (
    TRAIN,
    call_begin_batch,
    call_end,
    call_row_pass,
    call_weight_pass,
    place_of_block,
    stage_of,
)

# TRAIN's arguments and worker
WORK = Interface(lambda F: (*TRAIN.arguments(F), INT), 12)
call_train = TRAIN.call
call_work = WORK.call

# The meeting's record, at SYNC in net. Flags lie two cache lines apart: processors
# fetch lines in pairs.
STATE, ARRIVED, FLAG = 0, 1, 16
GAP = 16
OPEN, TOGETHER, ALONE = range(3)
# Turns of waiting: for all to come, a few milliseconds; before the processor is given
# to others, some 0.1 ms.
PATIENCE = 200_000
SPINS = 5_000


def size_of(n_workers):
    """Return how many numbers of `net` a meeting takes."""
    return FLAG + GAP * n_workers


@inner
def open_meeting(net):
    """Set the record to the start of a call."""
    sync = net[at.SYNC]
    net[sync + STATE] = OPEN
    net[sync + ARRIVED] = 0
    for worker in range(net[at.N_WORKERS]):
        net[sync + FLAG + GAP * worker] = 0


@inner
def meet(net):
    """Wait for all workers; return TOGETHER, ALONE, or OPEN for a late one.

    Numba may run two workers one after the other on one thread, if it has fewer than
    were asked for. So the first one waits a while, then does the work of all; late
    ones find nothing left to do.
    """
    sync = net[at.SYNC]
    if add(net, sync + ARRIVED, 1) == net[at.N_WORKERS] - 1:
        if replace(net, sync + STATE, OPEN, TOGETHER) == OPEN:
            return TOGETHER
        return OPEN
    for _ in range(PATIENCE):
        if load(net, sync + STATE) != OPEN:
            break
        relax()
    state = replace(net, sync + STATE, OPEN, ALONE)
    if state == OPEN:
        return ALONE
    return TOGETHER if state == TOGETHER else OPEN


@inner
def barrier(net, worker, turn):
    """Wait until all workers have come to this turn; return the next one."""
    flags = net[at.SYNC] + FLAG
    store(net, flags + GAP * worker, turn)
    for other in range(net[at.N_WORKERS]):
        spins = 0
        while load(net, flags + GAP * other) < turn:
            relax()
            spins += 1
            if spins > SPINS:
                give_way()
    return turn + 1


@inner
def begin_together(net, arena, hyper, weight, order, begin, rows, worker, turn):
    """Have worker 0 begin a batch; return the next turn."""
    if worker == 0:
        call_begin_batch(
            net[at.BEGIN_BATCH], net, arena, hyper, weight, order, begin, rows
        )
    if net[at.BATCH_FIRST] != 0:
        turn = barrier(net, worker, turn)
    return turn


# fmt: off
@inner
def train_together(
    net, arena, hyper, X, columns, starts, Y, weight, order, first, last, worker
):
    """Do a worker's part of blocks [first, last), in step with the others.

    Worker 0 also does what is done once: the numbers in `hyper` that it changes are
    read by the others in the weight pass only, between two barriers, or else
    BATCH_FIRST has them wait.
    """
    turn = 1
    for index in range(first, last):
        begin, rows, block = place_of_block(net, index)
        size = min(net[at.BLOCK], rows - block)
        stage = stage_of(block, size, rows)
        start = begin + block
        if stage & FIRST_BLOCK:
            turn = begin_together(
                net, arena, hyper, weight, order, begin, rows, worker, turn
            )
        if net[at.BATCH_FIRST] != 0 and not hyper[at.WEIGHT_SUM] > 0.0:
            turn = barrier(net, worker, turn)
            continue
        for phase in range(net[at.ROW_PHASES]):
            call_row_pass(
                net[at.ROW_PASS], net, arena, X, columns, starts, Y, weight, order,
                start, size, phase, worker,
            )
            turn = barrier(net, worker, turn)
        if worker == 0:
            call_end(net[at.END_BLOCK], net, arena, hyper, size)
        phases = net[at.WEIGHT_PHASES] if stage & LAST_BLOCK else 1
        for phase in range(phases):
            call_weight_pass(
                net[at.WEIGHT_PASS], net, arena, hyper, X, columns, starts, order,
                start, size, stage, phase, worker,
            )
            turn = barrier(net, worker, turn)
        if worker == 0 and stage & LAST_BLOCK:
            call_end(net[at.END_BATCH], net, arena, hyper, rows)


@unit(WORK)
def train_worker(
    net, arena, hyper, X, columns, starts, Y, weight, order, first, last, worker
):
    """Train with the others if they come, alone if nobody does."""
    state = meet(net)
    if state == TOGETHER:
        train_together(
            net, arena, hyper, X, columns, starts, Y, weight, order, first, last,
            worker,
        )
    elif state == ALONE:
        call_train(
            net[at.TRAIN_SERIAL], net, arena, hyper, X, columns, starts, Y, weight,
            order, first, last,
        )
# fmt: on


@unit(TRAIN, parallel=True)
def train_parallel(
    net, arena, hyper, X, columns, starts, Y, weight, order, first, last
):
    """Train on blocks [first, last): the twin of `train_serial` on threads."""
    open_meeting(net)
    for worker in numba.prange(net[at.N_WORKERS]):
        call_work(
            net[at.TRAIN_WORKER],
            net,
            arena,
            hyper,
            X,
            columns,
            starts,
            Y,
            weight,
            order,
            first,
            last,
            INT(worker),
        )
