"""Single kernels that go over numbers: activations, losses, solvers, masks, norms."""

import numpy as np
from fastnn.kernels import layout, noise, normalization, own, shuffling
from fastnn.kernels import layout as at

from fastnn.structure.architecture import Architecture
from fastnn.structure.network import Network
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import (
    ACTIVATIONS,
    CODED_LOSSES,
    LOSSES,
    OUTPUTS,
    SOLVERS,
    Activation,
)

from .measure import DTYPES, best_seconds


def _silu(z):
    return z * own.logistic(z)


def _silu_slope(z):
    s = own.logistic(z)
    return s * (1 + z * (1 - s))


# One of the library's, written as a user would write it.
OWN = Activation(own.forward_unit(_silu), own.backward_unit(_silu_slope), reads_z=True)
CASES = {**ACTIVATIONS, "own silu": OWN}


class Activations:
    """Nanoseconds per element, forward and backward."""

    params = (tuple(CASES), ("forward", "backward"), DTYPES)
    param_names = ("activation", "direction", "dtype")

    def track_element(self, name, direction, dtype):
        n = 4096
        arena = np.random.default_rng(0).standard_normal(2 * n).astype(dtype)
        kernel = getattr(CASES[name], direction)[dtype]
        places = (0, n, n) if direction == "backward" else (0, n)
        return best_seconds(lambda: kernel(arena, *places)) / n * 1e9

    track_element.unit = "ns"


class Losses:
    """Nanoseconds per row of a loss of raw outputs and its delta."""

    params = (
        (
            *((*ends, 1) for ends in LOSSES if "softmax" not in ends),
            *((*ends, 10) for ends in LOSSES if "softmax" in ends),
            *((*ends, 10, "coded") for ends in CODED_LOSSES),
        ),
        DTYPES,
    )
    param_names = ("loss, output and outputs", "dtype")

    def setup(self, case, dtype):
        value, output, k = case[:3]
        coded = len(case) > 3
        n, k = layout.GROUP, 3 if output == "quantiles" else k
        record = (CODED_LOSSES if coded else LOSSES)[value, output]
        net = np.zeros(at.HEADER, np.int64)
        net[at.N_OUTPUTS], net[at.N_TARGETS] = k, 1 if coded else k
        parameters = np.array([0.5, 0.7, 0.9], dtype)
        u0, l0, s0 = k * n, 2 * k * n, (2 * k + 2) * n
        arena = np.zeros(s0 + (k + 4) * n + parameters.size, dtype)
        arena[u0:l0] = 1  # a target that suits every loss
        net[at.LOSS_PARAMETERS0] = arena.size - parameters.size
        arena[-parameters.size :] = parameters
        if record.value is not None:
            net[at.LOSS_OUTPUT] = OUTPUTS[output].forward.address(np.dtype(dtype))
            back = OUTPUTS[output].backward.address(np.dtype(dtype))
            net[at.OUTPUT_BACKWARD] = back
            net[at.VALUE_LOSS] = record.value.address(np.dtype(dtype))
        self.kernel = record.unit[dtype]
        self.call = (net, arena, 0, u0, l0, s0, k, n)
        self.n = n

    def track_row(self, case, dtype):
        """Time outputs of 0; later calls see the deltas of the ones before."""
        outputs = self.call[1][: self.call[3]]

        def step():
            outputs[:] = 0
            self.kernel(*self.call)

        return best_seconds(step) / self.n * 1e9

    track_row.unit = "ns"


class Optimizers:
    """Nanoseconds per parameter of an update, penalty included."""

    params = (tuple(SOLVERS), DTYPES)
    param_names = ("solver", "dtype")

    def track_parameter(self, name, dtype):
        n, solver = 4096, SOLVERS[name]
        net = np.zeros(at.HEADER, np.int64)
        place = (1 + solver.n_slots) * n
        net[[at.N_PACKED, at.P0, at.SLOT0, at.G0]] = n, 0, n, place
        arena = np.random.default_rng(0).random(place + n + 16).astype(dtype)
        hyper = np.full(at.N_HYPER, 1e-3)
        hyper[at.GRADIENT_SCALE] = 1 / 200
        hyper[[at.BETA_1, at.BETA_2, at.RHO]] = 0.9, 0.999, 0.9
        hyper[at.TINY] = np.finfo(dtype).tiny * 8
        kernel = solver.update[dtype]
        call = (net, arena, hyper, 0, n, 1, place + n)
        return best_seconds(lambda: kernel(*call)) / n * 1e9

    track_parameter.unit = "ns"


class Noise:
    """Nanoseconds per number of a mask of dropout, for rows of some lengths."""

    params = ((16, 256, 4096), DTYPES)
    param_names = ("units", "dtype")

    def track_mask(self, n, dtype):
        net = np.zeros(at.HEADER, np.int64)
        arena = np.ones(n, dtype)
        kernel = noise.drop[dtype]
        call = (net, arena, 0, n, 2**31, 0, 5)

        def step():
            arena[:] = 1  # or they would double with every call
            kernel(*call)

        return best_seconds(step) / n * 1e9

    track_mask.unit = "ns"


class Normalization:
    """Nanoseconds per number of a normalised layer: rows, columns, and back."""

    params = (("layer", "batch"), (64, 256), DTYPES)
    param_names = ("norm", "units", "dtype")

    def setup(self, norm, units, dtype):
        architecture = Architecture((4, units, 2), ("tanh",), "identity", norm)
        step = Training(LOSSES["squared_error", "identity"], "lbfgs", 2)
        self.rows = 200
        plan = Plan(
            architecture, dtype, n_workers=1, sparse=False, batch_size=self.rows,
            training=step,
        )  # fmt: skip
        network = Network(plan, self.rows)
        net, arena = network.net, network.arena
        start = net[at.ROW_WEIGHT0]
        arena[start : start + self.rows] = 1 / self.rows
        arena[start + self.rows] = self.rows
        start = net[at.HEADER + at.NORMED0]
        size = self.rows * net[at.HEADER + at.STRIDE]
        arena[start : start + size] = np.random.default_rng(0).random(size)
        self.size, self.call = size, (net, arena)

    def _nanoseconds(self, unit, dtype, *arguments):
        kernel = unit[dtype]
        seconds = best_seconds(lambda: kernel(*self.call, *arguments))
        return seconds / self.size * 1e9

    def track_forward(self, norm, units, dtype):
        unit = getattr(normalization, f"{norm}_norm_rows")
        return self._nanoseconds(unit, dtype, 0, 0, self.rows)

    def track_backward(self, norm, units, dtype):
        unit = getattr(normalization, f"{norm}_norm_rows_backward")
        return self._nanoseconds(unit, dtype, 0, 0, self.rows)

    def track_statistics(self, norm, units, dtype):
        """Time sums over the batch's rows; layer normalisation has none."""
        if norm == "layer":
            return 0.0
        unit = normalization.batch_norm_columns
        return self._nanoseconds(unit, dtype, 1, self.rows, 0)

    track_forward.unit = track_backward.unit = track_statistics.unit = "ns"


class Permutation:
    """Nanoseconds per row of an epoch's order, beside NumPy's own shuffle."""

    params = ((150, 1797, 60_000), ("fastnn", "numpy"))
    param_names = ("rows", "library")

    def track_row(self, n, library):
        random_state, order = np.random.RandomState(0), np.arange(n)
        words = random_state.get_state()
        stream = np.append(words[1], words[2]).astype(np.int64)
        kernel = shuffling.shuffle["float32"]
        calls = {
            "fastnn": lambda: kernel(stream, order, n),
            "numpy": lambda: random_state.shuffle(order),
        }
        return best_seconds(calls[library]) / n * 1e9

    track_row.unit = "ns"
