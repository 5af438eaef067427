"""Memory that compiled code asks for in a mini-batch: none.

Numba counts what its functions allocate. A call has some allocations of its own, a
record for each array that it gets; so two calls that differ in the number of their
mini-batches are compared.
"""

import numpy as np
from fastnn.kernels import layout as at
from fastnn.kernels import team, training
from numba.core.runtime import _nrt_python, rtsys

from fastnn import MLPEstimator
from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import LOSSES

from .bench_options import OPTIONS
from .measure import DTYPES
from .models import fit_quietly

BATCH, FEATURES = 50, 20
FEW, MANY = 4, 24  # mini-batches
KERNELS = {
    "train_serial": training.train_serial,
    "train_parallel": team.train_parallel,
}


def count_allocations(function):
    """Return how often Numba's functions asked for memory during a call."""
    before = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    try:
        start = rtsys.get_allocation_stats().alloc
        function()
        return rtsys.get_allocation_stats().alloc - start
    finally:
        if not before:
            _nrt_python.memsys_disable_stats()


def per_batch(run):
    """Return the allocations of a mini-batch; `run` takes how many to train on."""
    run(MANY)  # compiles
    few, many = (count_allocations(lambda n=n: run(n)) for n in (FEW, MANY))
    return (many - few) / (MANY - FEW)


class KernelAllocations:
    """Of the loops over mini-batches, called as the epoch loop calls them."""

    params = (tuple(KERNELS), DTYPES)
    param_names = ("kernel", "dtype")

    def setup(self, name, dtype):
        n = MANY * BATCH
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, FEATURES)).astype(dtype)
        Y = rng.standard_normal(n).astype(dtype)
        step = Training(LOSSES["squared_error", "identity"], "adam", 1)
        plan = Plan(
            Architecture((FEATURES, 64, 1), ("relu",), "identity"),
            dtype,
            n_workers=2,
            sparse=False,
            batch_size=BATCH,
            training=step,
        )
        network = Network(plan, n)
        hyper = network.hyper
        hyper[at.N_HYPER :] = 1e-3
        hyper[[at.BETA_1, at.BETA_2, at.EPSILON]] = 0.9, 0.999, 1e-8
        hyper[[at.POWER_1, at.POWER_2, at.LOSS_SCALE]] = 1.0
        order = rng.permutation(n)
        weight = np.empty(0, dtype)
        arrays = (*Rows(X).arrays, Y, weight, order)
        network.net[at.TRAIN_WORKER] = team.train_worker.address(np.dtype(dtype))
        self.call = (network.net, network.arena, hyper, *arrays)

    def track_per_batch(self, name, dtype):
        kernel = KERNELS[name][dtype]
        return per_batch(lambda n: kernel(*self.call, 0, n))

    track_per_batch.unit = "allocations"


class FitAllocations:
    """Of whole fits with each option, on one thread."""

    params = (tuple(OPTIONS),)
    param_names = ("option",)

    def track_per_batch(self, option):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((MANY * BATCH, FEATURES), dtype=np.float32)
        y = rng.integers(0, 3, len(X))
        params = {"max_iter": 1, "batch_size": BATCH, "random_state": 0}
        model = MLPEstimator((32, 32), **params, n_threads=1)
        model.set_params(**OPTIONS[option])
        return per_batch(lambda n: fit_quietly(model, X[: n * BATCH], y[: n * BATCH]))

    track_per_batch.unit = "allocations"
