"""Where the time of a mini-batch goes, against what the processor could do.

``python -m benchmarks.parts`` trains each workload's network by the kernels alone and
prints, per mini-batch:

* the floating-point operations of its matrix products, columns padded to whole vectors;
* the time on one thread and on two, and the rates that follow;
* the time on one thread without the weight pass, and without the row pass;
* the time that the same products take by ``np.dot``, on all cores and on one;
* the rate of products that stay in the first-level cache: what can be reached.

The ways of a workload are measured in turns, ``np.dot`` after them, and the best of
several rounds counts.
"""

import argparse
import itertools
import time

import numba
import numpy as np
from fastnn.kernels import _host, products, team, training
from fastnn.kernels import layout as at
from threadpoolctl import threadpool_limits

from fastnn.structure.architecture import plain
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import CODED_LOSSES, LOSSES

from .machine import describe_machine
from .tables import format_table
from .workloads import WORKLOADS, make_data

DTYPE = np.dtype("float32")
ENDS = {
    "squared": ("squared_error", "identity"),
    "logistic": ("log_loss", "logistic"),
    "softmax": ("log_loss", "softmax"),
}


class Trained:
    """A workload's network that trains by direct calls of the kernels."""

    def __init__(self, workload, n_workers):
        X, y = make_data(workload)
        ends = ENDS[workload.loss]
        coded = workload.loss == "softmax"
        step = Training((CODED_LOSSES if coded else LOSSES)[ends], "adam", 1)
        plan = Plan(
            plain(workload.layer_sizes, workload.activation, ends[1]),
            DTYPE,
            n_workers=n_workers,
            sparse=False,
            batch_size=workload.batch,
            training=step,
        )
        self.network = network = Network(plan, len(X))
        rng = np.random.default_rng(0)
        theta = rng.standard_normal(network.n_params).astype(DTYPE) / 20
        network.set_parameters(theta)
        hyper = network.hyper
        hyper[at.N_HYPER :] = 1e-6
        hyper[[at.BETA_1, at.BETA_2, at.EPSILON]] = 0.9, 0.999, 1e-8
        hyper[[at.POWER_1, at.POWER_2, at.LOSS_SCALE]] = 1.0
        network.net[at.TRAIN_WORKER] = team.train_worker.address(DTYPE)
        arrays = (*Rows(X).arrays, y.astype(DTYPE), np.empty(0, DTYPE))
        self._call = (network.net, network.arena, hyper, *arrays)
        self._order = rng.permutation(len(X))
        # A batch of these workloads is one block.
        self.n_batches = min(network.n_blocks(), max(2, int(2e9 / _flops(workload))))

    def seconds(self, kernel, **fields):
        """Return the time of a mini-batch, with some fields of the table changed."""
        net = self.network.net
        before = {name: net[getattr(at, name)] for name in fields}
        for name, value in fields.items():
            net[getattr(at, name)] = value
        start = time.perf_counter()
        kernel[DTYPE](*self._call, self._order, 0, self.n_batches)
        seconds = time.perf_counter() - start
        for name, value in before.items():
            net[getattr(at, name)] = value
        return seconds / self.n_batches


def _padded(n):
    return _host.round_up(n, _host.lanes_of(DTYPE.itemsize))


def _products(workload):
    """Return (M, K, N) of every product of a mini-batch, N padded."""
    sizes, rows = workload.layer_sizes, workload.batch
    shapes = []
    for i, (m, n) in enumerate(itertools.pairwise(sizes)):
        shapes += [(rows, m, _padded(n)), (m, rows, _padded(n))]
        if i > 0:
            shapes.append((rows, n, _padded(m)))
    return shapes


def _flops(workload):
    return 2.0 * sum(m * k * n for m, k, n in _products(workload))


def dot_seconds(workload, n_threads):
    """Return a function that times the same products by ``np.dot``, warm."""
    rng = np.random.default_rng(0)
    triples = []
    for m, k, n in _products(workload):
        A = rng.standard_normal((m, k), dtype=DTYPE)
        B = rng.standard_normal((k, n), dtype=DTYPE)
        triples.append((A, B, np.empty((m, n), DTYPE)))

    def run():
        with threadpool_limits(n_threads, "blas"):
            start = time.perf_counter()
            for A, B, C in triples:
                np.dot(A, B, out=C)
            return time.perf_counter() - start

    return run


def peak():
    """Return the rate of one core's products on operands in the nearest cache."""
    rows, depth, width = _host.TILE_ROWS * 4, 64, _host.panel_width(DTYPE.itemsize)
    arena = np.ones(rows * depth + depth * width + rows * width, DTYPE)
    b0 = rows * depth
    c0 = b0 + depth * width
    kernel = products.accumulate[DTYPE]
    sizes = (arena, c0, width, 0, depth, 1, b0, width, rows, depth, width)
    flops, best = 2.0 * rows * depth * width, np.inf
    for _ in range(2000):
        start = time.perf_counter()
        kernel(*sizes)
        best = min(best, time.perf_counter() - start)
    start = time.perf_counter()  # the call itself, with nothing to do
    for _ in range(2000):
        kernel(*sizes[:-3], 0, depth, width)
    return flops / (best - (time.perf_counter() - start) / 2000)


def measure(workload, n_rounds):
    """Return the best seconds per mini-batch of each way."""
    one, two = Trained(workload, 1), Trained(workload, 2)
    ways = {
        "1 thread": lambda: one.seconds(training.train_serial),
        "2 threads": lambda: two.seconds(team.train_parallel),
        "rows only": lambda: one.seconds(training.train_serial, WEIGHT_PHASES=0),
        "weights only": lambda: one.seconds(training.train_serial, ROW_PHASES=0),
    }
    # Afterwards, since a BLAS keeps its threads busy for a while after each call.
    dots = {
        "np.dot, 1": dot_seconds(workload, 1),
        "np.dot, all": dot_seconds(workload, None),
    }
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
    best = dict.fromkeys((*ways, *dots), np.inf)
    for group in (ways, dots):
        for _ in range(n_rounds):
            for name, way in group.items():
                best[name] = min(best[name], way())
    return best


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts")
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    rows = []
    for name in options.workloads:
        workload = WORKLOADS[name]
        flops = _flops(workload)
        best = measure(workload, options.rounds)
        rates = [flops / best[way] / 1e9 for way in ("1 thread", "2 threads")]
        ratio = best["1 thread"] / best["2 threads"]
        rows.append(
            [name, f"{flops / 1e6:.3g}"]
            + [f"{1e6 * best[way]:.4g}" for way in best]
            + [f"{rate:.0f}" for rate in rates]
            + [f"{ratio:.2f}"]
        )
    heads = ["µs per mini-batch", "Mflop", "1 thread", "2 threads", "rows only"]
    heads += ["weights only", "np.dot, 1", "np.dot, all", "GF/s, 1", "GF/s, 2", "2 / 1"]
    print(format_table(heads, rows))
    print(f"products in the nearest cache, one core: {peak() / 1e9:.0f} GF/s")
    print("\n".join(describe_machine()))


if __name__ == "__main__":
    main()
