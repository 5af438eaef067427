"""What the property tests draw: data, networks, and valid values of every parameter.

The profile "ci" draws the same examples in each run, so that it never flakes; "soak"
draws other ones in each run, and many more: ``FASTNN_HYPOTHESIS=soak``.
"""

import math
import os
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
from helpers import NAMES, estimator_of, is_classifier_name
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from fastnn import Activation
from fastnn.inputs.parameters import CONSTRAINTS, SCHEDULES
from fastnn.structure.variants import (
    ACTIVATIONS,
    CLASSIFICATION_LOSSES,
    OUTPUTS,
    REGRESSION_LOSSES,
    SOLVERS,
)

# What one example costs depends on whether a unit's code is loaded for the first time.
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "ci", derandomize=True, deadline=None, suppress_health_check=_QUIET
)
settings.register_profile("soak", deadline=None, suppress_health_check=_QUIET)
PROFILE = os.environ.get("FASTNN_HYPOTHESIS", "ci")
_FACTOR = {"ci": 1, "soak": 20}


def examples(n):
    """Return the decorator of a test that is to see n examples, or more in a soak."""
    profile = settings.get_profile(PROFILE)
    return settings(parent=profile, max_examples=n * _FACTOR[PROFILE])


# --- values of parameters -------------------------------------------------------------
# Ordinary values come more often than those at the ends of their ranges.
NUMBERS = (0.01, 0.1, 0.5, 1.0, 2.0, 1, 3, np.float32(0.25), np.int16(4))
ENDS = (1e-300, 1e-30, 1e-8, 1e8, 1e30, 1e300)
ALMOST_1 = (1 - 1e-6, 1 - 1e-9, float(np.nextafter(1, 0)))
BELOW_1 = (0.1, 0.5, 0.9, np.float32(0.25), 1e-8, 1e-300)

_above_0 = st.sampled_from(2 * NUMBERS + ENDS)
_at_least_0 = st.sampled_from((0, 0.0, *NUMBERS, *ENDS))
_share = st.sampled_from((0, 0.0, *BELOW_1, *ALMOST_1))
_count = st.sampled_from((1, 2, 5, np.int64(3), 10**30))


def squareplus(z):
    return 0.5 * (z + math.sqrt(z * z + 4))


def squareplus_slope(z):
    return 0.5 * (1 + z / math.sqrt(z * z + 4))


OWN = Activation(squareplus, squareplus_slope)
_activation = st.sampled_from([*sorted(ACTIVATIONS), OWN])
_losses = sorted({*CLASSIFICATION_LOSSES, *REGRESSION_LOSSES})


def _or_none(strategy):
    return st.one_of(st.none(), strategy)


def jitter(X, rng):
    """Move all rows a little: an augmentation."""
    return X + rng.normal(scale=0.1, size=X.shape[1]).astype(X.dtype)


VALID = {
    "activation": st.one_of(_activation, st.lists(_activation, max_size=3)),
    "solver": st.sampled_from(sorted(SOLVERS)),
    "alpha": _at_least_0,
    "batch_size": st.sampled_from(("auto", "full", 1, 2, 3, 7, 16, np.int32(5), 10**9)),
    "learning_rate": st.sampled_from(
        ("constant", "invscaling", "adaptive", *SCHEDULES)
    ),
    "learning_rate_init": _above_0,
    "power_t": _at_least_0,
    "max_iter": st.integers(1, 4),
    "shuffle": st.booleans(),
    "random_state": st.sampled_from((0, 7, np.int64(3), 2**32 - 1, None)),
    "tol": _at_least_0,
    "verbose": st.sampled_from((False, 0, np.False_)),
    "warm_start": st.booleans(),
    "momentum": st.sampled_from((0, *BELOW_1, *ALMOST_1, 1)),
    "nesterovs_momentum": st.booleans(),
    "early_stopping": st.booleans(),
    "validation_fraction": _share,
    "beta_1": _share,
    "beta_2": _share,
    "epsilon": _above_0,
    "n_iter_no_change": st.sampled_from((1, 2, np.int64(4), 10**30, np.inf)),
    "max_fun": _count,
    "output_activation": st.sampled_from(["auto", *sorted({*OUTPUTS} - {"quantiles"})]),
    "l1_ratio": st.sampled_from((0, *BELOW_1, *ALMOST_1, 1)),
    "weight_decay": _or_none(_at_least_0),
    "max_norm": _or_none(_above_0),
    "dropout": st.one_of(_share, st.lists(_share, max_size=4)),
    "input_noise": _at_least_0,
    "mixup_alpha": _at_least_0,
    "augmentation": st.sampled_from((None, jitter)),
    "batch_norm": st.booleans(),
    "layer_norm": st.booleans(),
    "norm_epsilon": _above_0,
    "residual": st.booleans(),
    "weight_init": st.sampled_from(
        ("sklearn", "auto", "glorot", "he", "lecun", "orthogonal")
    ),
    "gradient_clip_norm": _or_none(_above_0),
    "gradient_clip_value": _or_none(_above_0),
    "decay_rate": st.sampled_from((*BELOW_1, *ALMOST_1, 1)),
    "decay_epochs": _above_0,
    "schedule_epochs": _or_none(_above_0),
    "warmup": _at_least_0,
    "dampening": _share,
    "rho": _share,
    "validation_metric": st.sampled_from(
        ("auto", "loss", "accuracy", "r2", "neg_log_loss", "neg_mean_squared_error")
    ),
    "target_loss": _or_none(st.sampled_from((-1e300, 0, 0.5, 1e300))),
    "ema_decay": _or_none(_share),
    "quantile": st.sampled_from((0.5, 0.01, [0.5], [0.1, 0.5, 0.9], 1e-300)),
    "huber_delta": _above_0,
    "tweedie_power": st.sampled_from((1, 1.0, 1.5, 2, np.float32(1.25), 1 + 1e-9)),
    "focal_gamma": _at_least_0,
    "dtype": st.sampled_from(("auto", "float32", "float64")),
    "n_threads": _or_none(_count),
    "loss": st.sampled_from(_losses),
    "label_smoothing": _share,
    "class_weight": st.sampled_from((None, "balanced", {0: 0.5}, {0: 2, 1: 0.0})),
}
assert CONSTRAINTS.keys() - VALID.keys() == {"hidden_layer_sizes"}

# Values that suit each other and train: for what is to hold of every fit that succeeds.
TAME = {
    "activation": _activation,
    "solver": st.sampled_from(sorted({*SOLVERS} - {"lbfgs"})),
    "alpha": st.sampled_from((0.0, 1e-4, 0.1)),
    "l1_ratio": st.sampled_from((0.0, 0.5, 1.0)),
    "batch_size": st.sampled_from(("auto", "full", 2, 3, 7, 16)),
    "learning_rate": st.sampled_from(
        ("constant", "invscaling", "adaptive", *SCHEDULES)
    ),
    "warmup": st.sampled_from((0, 2.5)),
    "shuffle": st.booleans(),
    "dropout": st.sampled_from((0.0, 0.3)),
    "input_noise": st.sampled_from((0.0, 0.1)),
    "mixup_alpha": st.sampled_from((0.0, 0.4)),
    "augmentation": st.sampled_from((None, jitter)),
    "layer_norm": st.booleans(),
    "residual": st.booleans(),
    "weight_init": VALID["weight_init"],
    "weight_decay": st.sampled_from((None, 0.01)),
    "max_norm": st.sampled_from((None, 1.0)),
    "gradient_clip_norm": st.sampled_from((None, 0.5)),
    "gradient_clip_value": st.sampled_from((None, 0.1)),
    "ema_decay": st.sampled_from((None, 0.9)),
    "dtype": st.sampled_from(("float32", "float64")),
}
RANDOM = ("dropout", "input_noise", "mixup_alpha", "augmentation")
NEEDS_DENSE = ("input_noise", "mixup_alpha", "augmentation")


# --- data -----------------------------------------------------------------------------
@dataclass
class Case:
    """A network and what it is to be fitted on.

    Attributes
    ----------
    name : str, as `helpers.estimator_of` has it
    params : dict
    X, y, weight : as given to `fit`
    """

    name: str
    params: dict
    X: object
    y: np.ndarray
    weight: np.ndarray | None = None
    notes: dict = field(default_factory=dict)

    def make(self, **changes):
        """Return the estimator, not fitted."""
        return estimator_of(self.name, **{**self.params, **changes})

    def fitted(self, **changes):
        """Return the fitted estimator."""
        return quietly(self.make(**changes).fit, self.X, self.y, self.weight)

    def first(self):
        """Return what a first `partial_fit` needs besides."""
        several = np.ndim(self.y) > 1
        if not is_classifier_name(self.name):
            return {}
        return {"classes": np.arange(self.y.shape[1]) if several else np.unique(self.y)}

    def but(self, **changes):
        """Return the same case with other data."""
        return replace(self, **changes)

    def __repr__(self):
        """Short: hypothesis prints it where a property fails."""
        X = self.X
        form = type(X).__name__ if sparse.issparse(X) else "dense"
        weight = "weights" if self.weight is not None else "no weights"
        return (
            f"Case({self.name}, X {X.shape} {X.dtype} {form}, "
            f"y {np.shape(self.y)}, {weight}, {self.params}, {self.notes})"
        )

    def _repr_pretty_(self, printer, cycle):
        """Be as short where IPython's protocol is asked, as hypothesis does."""
        printer.text(repr(self))


def quietly(call, *args, **kwargs):
    """Call without the warnings that say how training ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call(*args, **kwargs)


def rows(rng, n, p, dtype, poverty):
    """Return X: plain, or with a constant and a repeated column, or equal rows."""
    X = rng.standard_normal((n, p)).astype(dtype)
    if poverty == "columns":
        X[:, 0] = 3
        X[:, -1] = X[:, p // 2]
    elif poverty == "equal rows":
        X[:] = X[0]
    return X


def in_form(X, form):
    """Return X in a form that users may have it in."""
    if form == "Fortran":
        return np.asfortranarray(X)
    if form == "strided":
        return np.repeat(X, 2, axis=0)[::2]
    if form in ("csr", "csc"):
        return getattr(sparse, f"{form}_matrix")(np.where(np.abs(X) < 0.7, 0, X))
    return X


def targets(rng, n, kind, loss=None):
    """Return y that suits a loss; every class occurs if there are rows enough."""
    if kind in ("one class", "binary", "multiclass", "many classes"):
        k = {"one class": 1, "binary": 2, "multiclass": 3, "many classes": n}[kind]
        return rng.permutation(np.arange(n) % k)
    if kind == "multilabel":
        return rng.randint(0, 2, (n, 3))
    shape = n if kind == "regression" else (n, 3)
    if loss in ("poisson", "gamma", "tweedie"):
        return rng.exponential(1.0, shape) + 0.01
    return (
        rng.random_sample(shape) if loss == "log_loss" else rng.standard_normal(shape)
    )


def sample_weight(rng, n, how):
    """Return weights of samples, not all zero, or None."""
    if how == "none":
        return None
    if how == "whole":
        weight = rng.randint(0, 4, n).astype(float)
        weight[rng.randint(n)] = 2
        return weight
    return rng.uniform(0.2, 2.0, n)


KINDS = {
    True: ("binary", "multiclass", "multilabel"),
    False: ("regression", "several"),
}
POOR_KINDS = {
    True: (*KINDS[True], "one class", "many classes"),
    False: KINDS[False],
}
FORMS = ("dense", "dense", "Fortran", "strided", "csr", "csc")
hidden = st.lists(st.integers(1, 40), max_size=3).map(tuple)
seeds = st.integers(0, 2**32 - 1)


def some_of(names, most):
    """Draw names without bias; lists of hypothesis's own length are short ones."""
    count = st.integers(0, most)
    return count.flatmap(
        lambda k: st.lists(st.sampled_from(names), min_size=k, max_size=k, unique=True)
    )


@st.composite
def wild_cases(draw):
    """Any data, and any valid values for up to twelve parameters."""
    name = draw(st.sampled_from(NAMES))
    known = estimator_of(name).get_params()
    keys = sorted(known.keys() & VALID.keys())
    chosen = draw(some_of(keys, 12))
    params = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": draw(hidden)}
    params |= {key: draw(VALID[key]) for key in chosen}
    rng = np.random.RandomState(draw(seeds))
    n, p = rng.randint(1, 41), rng.randint(1, 21)
    kind = draw(st.sampled_from(POOR_KINDS[is_classifier_name(name)]))
    poverty = draw(st.sampled_from(("plain", "plain", "columns", "equal rows")))
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    X = in_form(rows(rng, n, p, dtype, poverty), draw(st.sampled_from(FORMS)))
    y = targets(rng, n, kind, params.get("loss"))
    weight = sample_weight(rng, n, draw(st.sampled_from(("none", "whole", "any"))))
    return Case(name, params, X, y, weight, {"kind": kind, "poverty": poverty})


@st.composite
def cases(draw, names=NAMES, without=(), forms=FORMS, weights=True, **fixed):
    """Networks that train: up to eight parameters with values that go together.

    Nothing stops them before `max_iter`. What is in `fixed` is not drawn.
    """
    name = draw(st.sampled_from(names))
    chosen = draw(some_of(sorted(TAME.keys() - {*without} - fixed.keys()), 8))
    params = {"hidden_layer_sizes": draw(hidden), "max_iter": 3, "random_state": 3}
    params |= {"tol": 0.0, "n_iter_no_change": 10**6, "schedule_epochs": 9}
    params |= {"dtype": "float64", "learning_rate_init": 0.01}
    params |= {key: draw(TAME[key]) for key in chosen}
    rng = np.random.RandomState(draw(seeds))
    # Fewer rows than a batch would make `fit` warn that it is clipped.
    n, p = rng.randint(16, 41), rng.randint(1, 21)
    if "batch_norm" not in without and not params.get("layer_norm"):
        params["batch_norm"] = draw(st.sampled_from((False, False, True)))
    form = draw(st.sampled_from(forms))
    if form in ("csr", "csc"):
        params = {key: v for key, v in params.items() if key not in NEEDS_DENSE}
    kind = draw(st.sampled_from(KINDS[is_classifier_name(name)]))
    params["loss"] = loss = draw(st.sampled_from(losses_of(kind, params)))
    if loss == "quantile" and kind == "regression" and draw(st.booleans()):
        params["quantile"] = [0.1, 0.5, 0.9]
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    X = in_form(rows(rng, n, p, dtype, "plain"), form)
    y = targets(rng, n, kind, loss)
    how = draw(st.sampled_from(("none", "any"))) if weights else "none"
    params |= fixed
    return Case(name, params, X, y, sample_weight(rng, n, how), {"kind": kind})


def losses_of(kind, params):
    """Return the losses that go with a kind of targets and with parameters."""
    if kind in KINDS[False]:
        return sorted(REGRESSION_LOSSES)
    losses = {*CLASSIFICATION_LOSSES}
    return sorted(losses - {"hinge"} if params.get("mixup_alpha") else losses)
