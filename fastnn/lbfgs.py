"""L-BFGS: SciPy's solver on the kernels' loss and gradient over all rows."""

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from . import threads
from .kernels import layout as at
from .network import Network, Plan, count_parameters
from .training import EpochKernel, set_loss_scale


class Objective:
    """Loss and gradient over all rows as functions of the parameters.

    Parameters
    ----------
    estimator : MLPEstimator
    problem : Problem
    sizes : tuple of int
    ends : tuple of str
        Loss and output activation.
    dtype : numpy dtype
    """

    def __init__(self, estimator, problem, sizes, ends, dtype):
        n = problem.n_train
        flops = 6.0 * count_parameters(sizes) * n
        plan = Plan(
            sizes,
            estimator.activation,
            ends[1],
            dtype,
            n_workers=threads.count(estimator.n_threads, flops),
            sparse=problem.rows.sparse,
            batch_size=n,
            loss=ends[0],
            solver="lbfgs",
            weighted=problem.weight is not None,
        )
        self.network = Network(plan, n)
        self._kernel = EpochKernel(self.network)
        self.loss = np.inf
        self.network.hyper[[at.ALPHA, at.L2]] = estimator.alpha
        set_loss_scale(self.network, estimator, problem.Y)
        weight = problem.weight
        if weight is None:
            weight = np.empty(0, dtype)
        self._data = (*problem.rows.arrays, problem.Y.reshape(-1), weight)

    def __call__(self, theta):
        """Return the loss, penalty included, and its gradient in float64."""
        network, hyper = self.network, self.network.hyper
        network.set_parameters(theta.astype(network.dtype))
        self._kernel(*self._data, _ALL_ROWS)
        gradient = np.empty(network.n_params, network.dtype)
        network.get_gradient(gradient)
        self.loss = float(hyper[at.LOSS_SUM] / hyper[at.LOSS_COUNT])
        return self.loss, gradient.astype(np.float64)


_ALL_ROWS = np.empty(0, np.int64)


def minimize(objective, theta, estimator, last):
    """Run L-BFGS and return theta, the loss and the number of iterations.

    last : dict
        Gets the latest iterate, its loss and its number, for the case of an
        interrupt.
    """
    options = {
        "maxfun": estimator.max_fun,
        "maxiter": estimator.max_iter,
        "gtol": estimator.tol,
        **_print_options(estimator.verbose),
    }

    def remember(x):
        n_iter = last.get("n_iter", 0) + 1
        last.update({"x": x.copy(), "loss": objective.loss, "n_iter": n_iter})

    result = scipy.optimize.minimize(
        objective,
        theta.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=remember,
        options=options,
    )
    n_iter = _check_optimize_result("lbfgs", result, estimator.max_iter)
    return result.x.astype(theta.dtype), float(result.fun), n_iter


def _print_options(verbose):
    """Return SciPy's printing option where SciPy still has one."""
    version = tuple(int(part) for part in scipy.__version__.split(".")[:2])
    if version >= (1, 15):
        return {}
    return {"iprint": 1 if verbose is True or verbose >= 1 else -1}
