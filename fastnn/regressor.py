"""`MLPRegressor`: scikit-learn's, compiled."""

from typing import ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from .base import BaseMLP, store
from .inputs.parameters import without
from .structure.variants import REGRESSION_LOSSES


class MLPRegressor(RegressorMixin, BaseMLP):
    """Multi-layer perceptron regressor.

    The same as :class:`sklearn.neural_network.MLPRegressor`: parameters, fitted
    attributes, warnings, and the same numbers for the same `random_state`. Only
    `hidden_layer_sizes` may be positional. More can be asked for, all of it off by
    default. `learning_rate` takes scikit-learn's schedules for "sgd" only, as there.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer.

    loss : str, default="squared_error"
        What is minimised, as in :class:`MLPEstimator`; but as in scikit-learn,
        "squared_error" reports the mean over the outputs and follows the gradient of
        their sum.

    activation, solver, alpha, batch_size, learning_rate, learning_rate_init, \
power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun
        As in :class:`MLPEstimator`, and as in scikit-learn.

    output_activation, quantile, huber_delta, tweedie_power, l1_ratio, \
weight_decay, max_norm, dropout, input_noise, mixup_alpha, augmentation, \
batch_norm, layer_norm, norm_epsilon, residual, weight_init, \
gradient_clip_norm, gradient_clip_value, dampening, rho, decay_rate, \
decay_epochs, schedule_epochs, warmup, validation_metric, target_loss, \
ema_decay
        As in :class:`MLPEstimator`; scikit-learn's networks have no such parameters,
        and left alone they change nothing.

    dtype : {"auto", "float32", "float64"}, default="auto"
        Numbers that the network computes with. "auto" follows X, as scikit-learn
        does; "float32" is about twice as fast.

    n_threads : int or None, default=None
        Threads at most. None lets the amount of work decide. Results are the
        same, bit for bit, for any number.

    Attributes
    ----------
    coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, \
best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, \
n_features_in_, feature_names_in_, history_, shortcut_coefs_, norm_scales_, \
norm_shifts_, norm_means_, norm_variances_, norm_counts_
        As in :class:`MLPEstimator`.

    See Also
    --------
    MLPClassifier : The same for classification.
    MLPEstimator : The same network with all options, float32 by default, and
        exact continuation.
    sklearn.neural_network.MLPRegressor : The original.

    Notes
    -----
    `warm_start` and `partial_fit` behave as in scikit-learn: `warm_start` keeps the
    weights and begins with a new solver, and an integer `random_state` seeds each
    call again.

    Differences: the first non-finite loss stops training with an error, and a
    fit that fails leaves the estimator as it was; an interrupt keeps the last
    whole epoch and is raised again; negative weights, and negative targets of
    the Poisson loss, are refused.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastnn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> net = MLPRegressor(max_iter=2000, tol=0.1, random_state=1).fit(X, y)
    >>> round(net.score(X, y), 2)
    1.0
    >>> net.predict(X).shape
    (200,)

    Several quantiles are several outputs, which never cross:

    >>> net = MLPRegressor(
    ...     (16,), loss="quantile", quantile=[0.1, 0.9], tol=0.1, random_state=1
    ... )
    >>> low, high = net.fit(X, y).predict(X).T
    >>> bool((low <= high).all())
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **without("focal_gamma"),
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
    }
    _continues = False
    task = "regression"
    score = BaseMLP.score  # RegressorMixin's does not know of several quantiles

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        loss="squared_error",
        activation="relu",
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        output_activation="auto",
        quantile=0.5,
        huber_delta=1.0,
        tweedie_power=1.5,
        l1_ratio=0.0,
        weight_decay=None,
        max_norm=None,
        dropout=0.0,
        input_noise=0.0,
        mixup_alpha=0.0,
        augmentation=None,
        batch_norm=False,
        layer_norm=False,
        norm_epsilon=1e-5,
        residual=False,
        weight_init="sklearn",
        gradient_clip_norm=None,
        gradient_clip_value=None,
        dampening=0.0,
        rho=0.9,
        decay_rate=0.5,
        decay_epochs=20,
        schedule_epochs=None,
        warmup=0,
        validation_metric="auto",
        target_loss=None,
        ema_decay=None,
        dtype="auto",
        n_threads=None,
    ):
        store(self, locals())
