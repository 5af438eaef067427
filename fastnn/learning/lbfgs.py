"""L-BFGS: SciPy's solver on the kernels' loss and gradient over all rows."""

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from .. import interrupts, threads
from ..inputs import options
from ..kernels import layout as at
from ..structure import weights
from ..structure.network import Network
from ..structure.plan import Plan
from .epochs import EpochKernel


class Function:
    """Loss and gradient over all rows as functions of the parameters.

    Parameters
    ----------
    estimator : MLPEstimator
    problem : Problem
    architecture : Architecture
    objective : Objective
    dtype : numpy dtype

    Attributes
    ----------
    penalised : vector of bool, (n_params,)
        Which parameters are weights.
    """

    def __init__(self, estimator, problem, architecture, objective, dtype):
        n = problem.n_train
        options.check_batch(architecture, n)
        flops = 6.0 * architecture.n_params * n
        plan = Plan(
            architecture,
            dtype,
            n_workers=threads.count(estimator.n_threads, flops),
            sparse=problem.rows.sparse,
            batch_size=n,
            training=options.training_of(
                estimator, objective, problem, architecture.n_hidden
            ),
        )
        self.network = Network(plan, n)
        self._kernel = EpochKernel(self.network)
        self.loss = np.inf
        self._place = None  # that the network's parameters are from, if it is known
        options.set_constants(self.network, estimator, objective)
        options.set_hyper(self.network, estimator, objective)
        weight = problem.weight
        if weight is None:
            weight = np.empty(0, dtype)
        Y = options.training_targets(estimator, objective, problem.Y)
        self._data = (*problem.rows.arrays, Y.reshape(-1), weight)
        self.penalised = np.concatenate(
            [np.full(part.size, len(part.shape) == 2) for part in architecture.parts]
        )

    def __call__(self, theta):
        """Return the loss, penalty included, and its gradient in float64."""
        interrupts.check()
        network, hyper = self.network, self.network.hyper
        self._place = None
        network.set_parameters(cast(self._forget_batches(theta), network.dtype))
        self._kernel(*self._data, _ALL_ROWS)
        if network.architecture.norm == "batch":
            self._place = theta.copy()
        gradient = np.empty(network.n_params, network.dtype)
        network.get_gradient(gradient)
        self.loss = float(hyper[at.LOSS_SUM] / hyper[at.LOSS_COUNT])
        return self.loss, gradient.astype(np.float64)

    def finish(self, theta):
        """Return theta with the population's statistics of batch normalisation.

        They are no parameters of the loss, so the solver does not know them. They come
        from the last evaluation, if that was here.
        """
        if self.network.architecture.norm != "batch":
            return theta
        if self._place is None or not np.array_equal(self._place, theta):
            self(theta)
        result = np.empty(self.network.n_params, self.network.dtype)
        self.network.get_parameters(result)
        return result

    def _forget_batches(self, theta):
        """Return theta as if no batch had been seen for the population's statistics."""
        architecture = self.network.architecture
        if architecture.norm != "batch":
            return theta
        theta = theta.copy()
        for count in weights.views(theta, architecture)["norm_counts_"]:
            count[:] = 0
        return theta


_ALL_ROWS = np.empty(0, np.int64)


class Split:
    """A function with an L1 penalty as a smooth one of twice as many parameters.

    Weights are differences of two numbers that must not be negative, and the penalty
    is their sum::

        theta = u - v,   Σ |theta| = Σ u + v       at every minimum u or v is 0

    Parameters
    ----------
    function : Function
        Its penalty is taken over.
    """

    def __init__(self, function):
        hyper = function.network.hyper
        self.function = function
        self.rate = float(hyper[at.PENALTY_1])
        hyper[at.PENALTY_1] = 0.0

    @property
    def loss(self):
        """The last loss, penalty included."""
        return self._loss

    def parts(self, theta):
        """Return u and v of parameters; those without a penalty are u alone."""
        penalised = self.function.penalised
        u = np.where(penalised, np.maximum(theta, 0), theta)
        return np.concatenate([u, np.maximum(-theta[penalised], 0)])

    def join(self, parts):
        """Return the parameters that u and v stand for."""
        penalised = self.function.penalised
        theta = parts[: penalised.size].copy()
        theta[penalised] -= parts[penalised.size :]
        return theta

    def excess(self, parts):
        """Return what the loss has too much while the solver is not at a minimum.

        Where u and v are both positive, their sum is more than their difference.
        """
        n = self.function.penalised.size
        both = np.minimum(parts[:n][self.function.penalised], parts[n:])
        rate = self.rate / self.function.network.hyper[at.WEIGHT_SUM]
        return 2.0 * rate * float(both.sum())

    def bounds(self):
        """Return the lower bounds of u and v."""
        penalised = self.function.penalised
        lower = np.where(penalised, 0.0, -np.inf)
        lower = np.concatenate([lower, np.zeros(penalised.sum())])
        return scipy.optimize.Bounds(lower, np.inf)

    def __call__(self, parts):
        """Return the loss and its gradient."""
        penalised = self.function.penalised
        loss, gradient = self.function(self.join(parts))
        rate = self.rate / self.function.network.hyper[at.WEIGHT_SUM]
        sums = parts[: penalised.size][penalised] + parts[penalised.size :]
        self._loss = loss + rate * float(sums.sum())
        gradient_v = rate - gradient[penalised]
        gradient[penalised] += rate
        return self._loss, np.concatenate([gradient, gradient_v])


def minimize(function, theta, estimator, last):
    """Run L-BFGS and return theta, the loss and the number of iterations.

    last : dict
        Gets the latest iterate's parameters, its loss and its number, for the case of
        an interrupt.
    """
    options_ = {
        "maxfun": estimator.max_fun,
        "maxiter": estimator.max_iter,
        "gtol": estimator.tol,
        **_print_options(estimator.verbose),
    }
    target, start, bounds, join = function, theta.astype(np.float64), None, np.copy
    excess = _no_excess
    if function.network.hyper[at.PENALTY_1] > 0:
        target = Split(function)
        start, bounds, join = target.parts(start), target.bounds(), target.join
        excess = target.excess

    def remember(x):
        n_iter = last.get("n_iter", 0) + 1
        loss, theta = target.loss - excess(x), function.finish(join(x))
        last.update({"theta": theta, "loss": loss, "n_iter": n_iter})

    result = scipy.optimize.minimize(
        target,
        start,
        method="L-BFGS-B",
        jac=True,
        bounds=bounds,
        callback=remember,
        options=options_,
    )
    n_iter = _check_optimize_result("lbfgs", result, estimator.max_iter)
    theta = cast(function.finish(join(result.x)), theta.dtype)
    return theta, float(result.fun) - excess(result.x), n_iter


def _no_excess(x):
    return 0.0


def cast(theta, dtype):
    """Return theta in the network's dtype, in which some of it may be infinite."""
    with np.errstate(over="ignore"):
        return theta.astype(dtype)


def _print_options(verbose):
    """Return SciPy's printing option where SciPy still has one."""
    version = tuple(int(part) for part in scipy.__version__.split(".")[:2])
    if version >= (1, 15):
        return {}
    return {"iprint": 1 if verbose is True or verbose >= 1 else -1}
