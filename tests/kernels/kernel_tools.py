"""Networks, data and calls shared by the kernels' tests."""

import functools
import itertools

import numba
import numpy as np
import pytest
import reference
from fastnn.kernels import _host, _jit, team, training
from fastnn.kernels import layout as at

from fastnn.structure.architecture import Architecture, plain
from fastnn.structure.network import Network, Rows
from fastnn.structure.plan import Plan, Training
from fastnn.structure.variants import CODED_LOSSES, LOSSES

JIT_DISABLED = _host.JIT_DISABLED
DTYPES = (np.dtype("float32"), np.dtype("float64"))
CANARY = 12345.0  # stands where a kernel must not write

BOUNDSCHECK = bool(numba.config.BOUNDSCHECK)
# Numba has no bounds checks in parallel code; without a compiler the parallel
# kernels run as loops and are tested as such.
needs_parallel = pytest.mark.skipif(
    BOUNDSCHECK, reason="bounds checks exclude parallel code"
)


@functools.cache
def from_python(helper):
    """Return a kernels' helper as a function that tests may call."""
    return helper if JIT_DISABLED else numba.njit(helper.py_func, **_jit.OPTIONS)


def few_or_many(few, many):
    """Return the larger number where kernels are compiled."""
    return few if JIT_DISABLED else many


def tolerance(dtype, float64=1e-12, float32=2e-4):
    """Return the relative error allowed, given the size of a result's terms.

    Sums of some hundred terms lose two or three digits of 16, or of 7.
    """
    return float64 if dtype == np.float64 else float32


def assert_close(got, want, dtype, float64=1e-12, float32=2e-4, name=""):
    """Compare with an error that is relative to the largest number."""
    want = np.asarray(want, float)
    bound = tolerance(dtype, float64, float32) * max(1.0, np.abs(want).max(initial=0))
    np.testing.assert_allclose(got, want, rtol=0, atol=bound, err_msg=name)


def random_theta(sizes, dtype, seed=0):
    """Parameters of the size that initial weights have."""
    rng = np.random.default_rng(seed)
    coefs = [
        rng.standard_normal((m, n)) / np.sqrt(m) for m, n in itertools.pairwise(sizes)
    ]
    intercepts = [0.3 * rng.standard_normal(n) for n in sizes[1:]]
    return reference.join(coefs, intercepts).astype(dtype)


def random_data(n, sizes, ends, dtype, seed=1):
    """X and targets that suit the loss, rounded to dtype."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, sizes[0])).astype(dtype)
    k = sizes[-1]
    if ends[1] == "softmax":
        Y = rng.integers(0, k, (n, 1))
    elif ends[1] == "logistic":
        Y = rng.integers(0, 2, (n, k))
    elif ends[1] == "exp":
        Y = rng.poisson(1.5, (n, k))
    else:
        Y = rng.standard_normal((n, k))
    return X, Y.astype(dtype)


SQUARED = ("squared_error", "identity")
SOFTMAX = ("log_loss", "softmax")
LOGISTIC = ("log_loss", "logistic")
POISSON = ("poisson", "exp")


class Net:
    """A network with its data, trained by the kernels alone.

    Parameters
    ----------
    sizes : tuple of int
    X, Y : arrays of dtype; X may be CSR
    weight : vector or None
    n_workers, batch_size : arguments of `Plan`
    structure : dict
        Further arguments of `Architecture`.
    options : further arguments of `Training`
    """

    def __init__(
        self,
        sizes,
        X,
        Y,
        ends=SQUARED,
        activation="tanh",
        weight=None,
        n_workers=1,
        batch_size=None,
        structure=None,
        **options,
    ):
        self.dtype = Y.dtype
        rows = Rows(X)
        architecture = plain(sizes, activation, ends[1])
        if structure or not isinstance(activation, str):
            names = architecture.activations
            if not isinstance(activation, str):
                names = tuple(activation)
            architecture = Architecture(sizes, names, ends[1], **(structure or {}))
        coded = ends in CODED_LOSSES and Y.shape[1] == 1 and sizes[-1] > 1
        options = {"solver": "lbfgs", "validates": True, **options}
        training_ = Training(
            loss=(CODED_LOSSES if coded else LOSSES)[ends],
            n_targets=Y.shape[1],
            weighted=weight is not None,
            **options,
        )
        plan = Plan(
            architecture,
            self.dtype,
            n_workers=n_workers,
            sparse=rows.sparse,
            batch_size=batch_size or rows.n,
            training=training_,
        )
        self.network = Network(plan, rows.n)
        self.rows, self.Y = rows, Y.reshape(-1)
        self.check_scratch()
        self.weight = np.empty(0, self.dtype) if weight is None else weight
        self.net, self.arena = self.network.net, self.network.arena
        self.hyper = self.network.hyper
        self.set_hyper(LOSS_SCALE=1.0, POWER_1=1.0, POWER_2=1.0, POWER_MU=1.0)
        self.set_hyper(MOMENTUM=0.9, RHO=0.9, CLIP_VALUE=np.inf)
        self.set_hyper(RATE=0.01, BETA_1=0.9, BETA_2=0.999, EPSILON=1e-8)
        self.set_hyper(TINY=float(np.finfo(self.dtype).tiny) * 8)
        if self.net[at.WEIGHT_PHASES] > 1:  # the pass finishes gradients itself
            self.hyper[at.ALPHA] = self.hyper[at.FINISHED] = 1.0

    def check_scratch(self):
        """Fail before a kernel can write beyond a worker's scratch."""
        net = self.network.net
        last = net[at.HEADER + (net[at.N_LAYERS] - 1) * at.LAYER :][: at.LAYER]
        used = (last[at.STRIDE] + net[at.N_TARGETS] + net[at.N_OUTPUTS] + 4) * at.GROUP
        assert used <= net[at.SCRATCH_SIZE], "the losses use more than the scratch"
        end = net[at.SCRATCH0] + net[at.N_WORKERS] * net[at.SCRATCH_SIZE]
        assert end <= self.network.arena.size

    def set_hyper(self, **values):
        """Set hyper-parameters by their names in `layout`."""
        for name, value in values.items():
            self.hyper[getattr(at, name)] = value
        if "RATE" in values:
            self.hyper[at.N_HYPER :] = values["RATE"]
        if "ALPHA" in values:
            self.hyper[at.L2] = values["ALPHA"]

    def set_theta(self, theta):
        """Put parameters into the arena."""
        self.network.set_parameters(np.asarray(theta, self.dtype))

    @property
    def theta(self):
        """The parameters now."""
        theta = np.empty(self.network.n_params, self.dtype)
        self.network.get_parameters(theta)
        return theta

    @property
    def gradient(self):
        """The gradient of the last batch, as `keep_gradient` leaves it."""
        theta = np.empty(self.network.n_params, self.dtype)
        self.network.get_gradient(theta)
        return theta

    def field(self, layer, name):
        """Return a number of a layer's record."""
        return int(self.net[at.HEADER + layer * at.LAYER + getattr(at, name)])

    def part(self, attribute, layer, values):
        """Return an array of parameters by its name, out of theta or a gradient."""
        return reference.split_parts(values, self.network.architecture)[
            attribute, layer
        ].astype(self.dtype)

    def rows_at(self, layer, name, n, width):
        """Return what the layout has of n rows of a layer; padding is left out."""
        stride, start = self.field(layer, "STRIDE"), self.field(layer, name)
        numbers = self.arena[start : start + n * stride].reshape(n, stride)
        return numbers[:, :width]

    def train(self, parallel=False, order=None, batches=None):
        """Train on an epoch, or on some of its batches; return the mean loss."""
        order = np.empty(0, np.int64) if order is None else order
        first, last = batches or (0, self.network.n_blocks())
        kernel = team.train_parallel if parallel else training.train_serial
        self.net[at.TRAIN_WORKER] = team.train_worker.address(self.dtype)
        self.set_hyper(LOSS_SUM=0.0, LOSS_COUNT=0.0)
        kernel[self.dtype](
            self.net,
            self.arena,
            self.hyper,
            *self.rows.arrays,
            self.Y,
            self.weight,
            order,
            first,
            last,
        )
        count = self.hyper[at.LOSS_COUNT]
        return self.hyper[at.LOSS_SUM] / count if count else 0.0

    def predict(self, parallel=False, order=None):
        """Return the outputs of all rows, or of those in order."""
        order = np.empty(0, np.int64) if order is None else order
        n, k = order.size or self.rows.n, self.network.architecture.sizes[-1]
        out = np.full((n + 2) * k, CANARY, self.dtype)
        kernel = training.predict_parallel if parallel else training.predict_serial
        kernel[self.dtype](
            self.net, self.arena, *self.rows.arrays, order, out[k : (n + 1) * k], n
        )
        assert (out[:k] == CANARY).all()
        assert (out[(n + 1) * k :] == CANARY).all()
        return out[k : (n + 1) * k].reshape(n, k)

    def padding(self, start):
        """Return the numbers of P, a slot or G that belong to no parameter."""
        n_packed = int(self.net[at.N_PACKED])
        used = np.zeros(n_packed, bool)
        arena = np.zeros_like(self.arena)
        ones = np.ones(self.network.n_params, self.dtype)
        at.pack[self.dtype](self.net, arena, ones, 0)
        used = arena[:n_packed] != 0
        assert used.sum() == ones.size
        return self.arena[start : start + n_packed][~used]


def random_parameters(architecture, dtype, seed=0):
    """Parameters of any architecture: scales near 1, variances above 0."""
    rng = np.random.default_rng(seed)
    parts = []
    for part in architecture.parts:
        numbers = rng.standard_normal(part.shape)
        if len(part.shape) == 2:
            numbers /= np.sqrt(part.shape[0])
        elif part.attribute in ("norm_scales_", "norm_variances_"):
            numbers = 1 + 0.3 * np.abs(numbers)
        elif part.attribute == "norm_counts_":
            numbers = np.zeros(1)
        parts.append(np.ravel(numbers))
    return np.concatenate(parts).astype(dtype)


def same_bits(left, right):
    """Return whether two arrays hold the same bits."""
    return left.dtype == right.dtype and left.tobytes() == right.tobytes()


def same_results(left, right):
    """Return whether two computations of the same thing left the same bits.

    Under bounds checks the compiler fuses a multiplication and an addition in some
    turns of a loop and not in others: then the last digits may differ.
    """
    if not BOUNDSCHECK:
        return same_bits(left, right)
    bound = 5e-6  # some digits of float32: losses are float64 for either type
    return left.dtype == right.dtype and np.allclose(left, right, bound, bound)
