"""Search spaces that suit an estimator and its data."""

from collections.abc import Mapping

import numpy as np
from scipy.stats import loguniform
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from ._candidates import final_of, is_supported, prefix_of

_RATES = {"sgd": (1e-3, 1.0), "lion": (1e-5, 1e-2)}
_WIDEST, _NARROWEST = 512, 8


def suggest_space(estimator, X, y):
    """Return distributions of an estimator's hyper-parameters that suit the data.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        The network, or a pipeline that ends in one; X is then what the pipeline gets,
        and is taken to have about as many columns as the network gets.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    Returns
    -------
    dict
        For `RandomizedSearchCV`, or for `suggest`. Names are those of `set_params`:

        * "hidden_layer_sizes": for each width w of W, W/2 and W/4, one layer of w
          units, and two of w and w/2. W is the power of two next to twice the number
          of features and outputs; it is halved while a layer of it has more than 10
          weights per sample; and it is from 8 to 512. Widths below 8 are left out.
        * "activation": "relu", "tanh", "gelu" and "silu".
        * "alpha": log-uniform from 1e-7 to 1e-1.
        * "learning_rate_init": log-uniform from 1e-4 to 1e-1; for "sgd" from 1e-3 to 1,
          for "lion" from 1e-5 to 1e-2. Not for "lbfgs".
        * "batch_size": the powers of two from 16 to an eighth of the samples, at most
          1024; "auto" if there is none. Not for "lbfgs".

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import suggest_space
    >>> space = suggest_space(MLPClassifier(), *load_iris(return_X_y=True))
    >>> space["hidden_layer_sizes"]
    [(8,), (8, 4), (16,), (16, 8)]
    >>> space["batch_size"]
    [16]
    """
    if not is_supported(estimator):
        raise TypeError(
            "suggest_space needs one of this package's networks, or a Pipeline that "
            f"ends in one; got {type(estimator).__name__}."
        )
    network = final_of(estimator)
    n_samples, n_features = _num_samples(X), _n_columns(X)
    space = {
        "hidden_layer_sizes": _layers(n_samples, n_features + _n_outputs(network, y)),
        "activation": ["relu", "tanh", "gelu", "silu"],
        "alpha": loguniform(1e-7, 1e-1),
    }
    if network.solver != "lbfgs":
        rates = _RATES.get(network.solver, (1e-4, 1e-1))
        space["learning_rate_init"] = loguniform(*rates)
        powers = (2**k for k in range(4, 11))
        space["batch_size"] = [b for b in powers if 8 * b <= n_samples] or ["auto"]
    prefix = prefix_of(estimator)
    return {prefix + name: values for name, values in space.items()}


def suggest(trial, space):
    """Let a trial of Optuna choose from a space.

    Parameters
    ----------
    trial : optuna.Trial
        What the objective is called with.
    space : dict
        As `suggest_space` returns it: lists, and frozen distributions of SciPy's that
        are "loguniform", "uniform" or "randint".

    Returns
    -------
    dict
        For `set_params`. What Optuna cannot keep as a choice, such as a tuple, it
        knows by its text.

    Examples
    --------
    >>> import optuna
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import cross_val_score
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import suggest
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"hidden_layer_sizes": [(4,), (8,)], "learning_rate_init": [0.03, 0.1]}
    >>> def objective(trial):
    ...     network = MLPClassifier(tol=1e-2, random_state=0)
    ...     network.set_params(**suggest(trial, space))
    ...     return cross_val_score(network, X, y).mean()
    >>> study = optuna.create_study(direction="maximize")
    >>> study.enqueue_trial({"hidden_layer_sizes": "(4,)", "learning_rate_init": 0.1})
    >>> study.optimize(objective, n_trials=1)
    >>> study.best_value > 0.8
    True
    """
    if not isinstance(space, Mapping):
        raise TypeError(f"space must be a dict; got {space!r}.")
    return {name: _choose(trial, name, values) for name, values in space.items()}


def _choose(trial, name, values):
    """Return one parameter's value."""
    if not hasattr(values, "rvs"):
        if isinstance(values, str | Mapping) or not np.iterable(values):
            raise TypeError(
                f"{name} needs a list of values or a distribution; got {values!r}."
            )
        values = list(values)
        if all(v is None or isinstance(v, (bool, int, float, str)) for v in values):
            return trial.suggest_categorical(name, values)
        by_text = {str(value): value for value in values}
        return by_text[trial.suggest_categorical(name, list(by_text))]
    kind = getattr(getattr(values, "dist", None), "name", None)
    if kind in ("loguniform", "reciprocal", "uniform", "randint"):
        low, high = values.support()
        if not low <= high:
            raise ValueError(f"{name} has a distribution without values.")
        if kind == "randint":
            return trial.suggest_int(name, int(low), int(high))
        log = kind != "uniform"
        return trial.suggest_float(name, float(low), float(high), log=log)
    raise ValueError(
        f"{name} has a distribution that Optuna has no word for ({values!r}); use a "
        "list, or SciPy's loguniform, uniform or randint."
    )


def _n_columns(X):
    return X.shape[1] if hasattr(X, "shape") else np.shape(X)[1]


def _n_outputs(network, y):
    """Return the number of outputs, one for two classes."""
    shape = np.shape(y)
    if len(shape) > 1 and shape[1] > 1:
        return shape[1]
    if not is_classifier(network):
        return 1
    n_classes = len(np.unique(np.asarray(y)))
    return n_classes if n_classes > 2 else 1


def _layers(n_samples, n_ends):
    """Return sizes of hidden layers for so many features and outputs."""
    width = 2 ** round(np.log2(2 * n_ends))
    while width > _NARROWEST and width * n_ends > 10 * n_samples:
        width //= 2
    width = int(min(max(width, _NARROWEST), _WIDEST))
    widths = [w for w in (width // 4, width // 2, width) if w >= _NARROWEST]
    return [layers for w in widths for layers in ((w,), (w, w // 2))]
