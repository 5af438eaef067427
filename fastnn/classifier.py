"""`MLPClassifier`: scikit-learn's, compiled."""

from typing import ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from .base import BaseMLP, store
from .inputs.parameters import CLASS_WEIGHT, LABEL_SMOOTHING, without
from .structure.variants import CLASSIFICATION_LOSSES


class MLPClassifier(ClassifierMixin, BaseMLP):
    """Multi-layer perceptron classifier.

    The same as :class:`sklearn.neural_network.MLPClassifier`: parameters, fitted
    attributes, warnings, and the same numbers for the same `random_state`. Only
    `hidden_layer_sizes` may be positional. More can be asked for, all of it off by
    default. `learning_rate` takes scikit-learn's schedules for "sgd" only, as there.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer.

    activation, solver, alpha, batch_size, learning_rate, learning_rate_init, \
power_t, max_iter, shuffle, random_state, tol, verbose, warm_start, momentum, \
nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun
        As in :class:`MLPEstimator`, and as in scikit-learn.

    loss : str, default="log_loss"
        What is minimised: one of those for classification in :class:`MLPEstimator`.

    output_activation, huber_delta, focal_gamma, class_weight, label_smoothing, \
l1_ratio, weight_decay, max_norm, dropout, input_noise, mixup_alpha, \
augmentation, batch_norm, layer_norm, norm_epsilon, residual, weight_init, \
gradient_clip_norm, gradient_clip_value, dampening, rho, decay_rate, \
decay_epochs, schedule_epochs, warmup, validation_metric, target_loss, ema_decay
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
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, \
best_validation_score_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, \
n_features_in_, feature_names_in_, history_, shortcut_coefs_, norm_scales_, \
norm_shifts_, norm_means_, norm_variances_, norm_counts_
        As in :class:`MLPEstimator`.

    See Also
    --------
    MLPRegressor : The same for regression.
    MLPEstimator : The same network with all options, float32 by default, and
        exact continuation.
    sklearn.neural_network.MLPClassifier : The original.

    Notes
    -----
    `warm_start` and `partial_fit` behave as in scikit-learn: `warm_start` keeps the
    weights and begins with a new solver, and an integer `random_state` seeds each
    call again.

    Differences: the first non-finite loss stops training with an error, and a
    fit that fails leaves the estimator as it was; an interrupt keeps the last
    whole epoch and is raised again; negative weights are refused; with one class
    `predict_proba` has one column.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = MLPClassifier((16,), learning_rate_init=0.03, random_state=1)
    >>> clf.fit(X, y).predict(X[:3])
    array([0, 0, 0])
    >>> clf.score(X, y) > 0.95
    True
    >>> clf.predict_proba(X[:1]).round(1)
    array([[1., 0., 0.]])
    >>> clf.predict_log_proba(X[:3]).argmax(axis=1)
    array([0, 0, 0])
    >>> clf.decision_function(X).shape  # before softmax
    (150, 3)
    >>> clf.transform(X).shape  # what the hidden layer makes of X
    (150, 16)

    In pieces, and without training:

    >>> clf = MLPClassifier((16,), random_state=1)
    >>> [W.shape for W in clf.initialize(X, y).coefs_]
    [(4, 16), (16, 3)]
    >>> for rows in (slice(0, 75), slice(75, 150)):
    ...     clf = clf.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
    >>> clf.t_
    150
    """

    _parameter_constraints: ClassVar[dict] = {
        **without("quantile", "tweedie_power"),
        "loss": [StrOptions(set(CLASSIFICATION_LOSSES))],
        "class_weight": CLASS_WEIGHT,
        "label_smoothing": LABEL_SMOOTHING,
    }
    _continues = False
    task = "classification"

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
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
        loss="log_loss",
        output_activation="auto",
        huber_delta=1.0,
        focal_gamma=2.0,
        class_weight=None,
        label_smoothing=0.0,
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

    score = BaseMLP.score  # ClassifierMixin's would follow damaged labels

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # ClassifierMixin resets it.
        tags.classifier_tags.multi_label = tags.target_tags.multi_output
        return tags
