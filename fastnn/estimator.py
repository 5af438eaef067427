"""`MLPEstimator`: the whole neural network as one scikit-learn estimator."""

from typing import ClassVar

from sklearn.utils._param_validation import StrOptions

from .base import BaseMLP, store
from .inputs.parameters import ALL_LOSSES, CLASS_WEIGHT, CONSTRAINTS, LABEL_SMOOTHING


class MLPEstimator(BaseMLP):
    """Multi-layer perceptron for classification or regression, compiled.

    Parameters
    ----------
    hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer. An empty tuple means no hidden layer: linear or
        logistic regression.

    task : {"classification", "regression"}, default="classification"
        What is learnt. Decides the estimator's type, and with it stratification in
        cross-validation and the default scorer.

    activation : str, Activation or list of them, default="relu"
        Activation of the hidden layers: one, or a list with one per layer, of
        "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu",
        "silu", "mish", "softplus", "step" and "sign", or an `Activation` of your own.
        The derivative of the last two names is 0; they are trained as if it was 1 for
        inputs from -1 to 1 ("straight through").

    loss : str, default="auto"
        What is minimised, as a mean over samples. "auto" is "log_loss" for
        classification and "squared_error" for regression. For both:
        "squared_error" (½ Σ (y - ŷ)² over the outputs), "absolute_error", "huber",
        "log_cosh"; for classification "log_loss" (cross-entropy), "focal" [3]_,
        "hinge"; for regression "quantile", "poisson", "gamma" and "tweedie" (half the
        deviances), and "log_loss" for targets from 0 to 1.

    solver : str, default="adam"
        "sgd" (gradient descent with momentum), "rmsprop", "adam" [1]_,
        "adamw" [4]_, "nadam", "amsgrad", "adagrad", "lion" [5]_, or "lbfgs", a
        quasi-Newton method over all samples at once.

    alpha : float, default=0.0001
        Strength of the penalty
        ``alpha * (½ (1 - l1_ratio) Σ W² + l1_ratio Σ |W|)``. It is divided by the
        batch's weight, as in scikit-learn.

    batch_size : int, "auto" or "full", default="auto"
        Samples per mini-batch; "auto" is min(200, n_samples), "full" all samples.

    learning_rate : str, default="constant"
        Schedule of the rate: "constant"; "invscaling", divided by
        (samples seen + 1) ** power_t after each epoch; "adaptive", divided by 5 each
        time the patience is used up; "step", times `decay_rate` every
        `decay_epochs`; "exponential", the same smoothly; "cosine", to 0 over
        `schedule_epochs`; "one_cycle" [2]_, up from 1/25 in the first 30 % and down
        to almost 0; "plateau", times `decay_rate` when half of `n_iter_no_change`
        epochs, or `decay_epochs` if that is less, have brought no improvement.

    learning_rate_init : float, default=0.001
        Initial learning rate; the highest one of "one_cycle".

    power_t : float, default=0.5
        Exponent of "invscaling".

    max_iter : int, default=200
        Epochs of one call of `fit` at most; iterations for "lbfgs".

    shuffle : bool, default=True
        Whether to shuffle the samples in each epoch.

    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, validation split, shuffling, masks and noise.

    tol : float, default=1e-4
        An epoch that does not gain this much counts as no improvement.

    verbose : bool, default=False
        Whether to print a line per epoch.

    warm_start : bool, default=False
        Whether `fit` goes on from the weights, solver state and random stream of
        the call before.

    momentum : float, default=0.9
        Momentum of "sgd".

    nesterovs_momentum : bool, default=True
        Whether "sgd" uses Nesterov's form of momentum.

    early_stopping : bool, default=False
        Whether to stop when the score on validation samples no longer improves,
        and restore the best weights.

    validation_fraction : float, default=0.1
        Fraction of the samples that early stopping sets aside, unless `fit` is given
        validation samples.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay of the averages of the gradient and its square ("adam" and its kin),
        or of the step and the gradient ("lion", for which 0.9 and 0.99 are usual).

    epsilon : float, default=1e-8
        Added to the root in the denominator of the solvers that have one; in "adam"
        before the bias of the root is corrected, as in scikit-learn, else after.

    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.

    max_fun : int, default=15000
        Evaluations of the loss that "lbfgs" may make.

    output_activation : str, default="auto"
        "auto" is what goes with the loss: "identity" for numbers, "logistic" for two
        classes and several labels, "softmax" for several classes, "exp" for
        "poisson", "gamma" and "tweedie". Or one of "identity", "logistic", "softmax",
        "tanh", "exp", "softplus", where it suits the loss.

    quantile : float or list of float, default=0.5
        Levels of the "quantile" loss. Several levels give several outputs, which
        never cross.

    huber_delta : float, default=1.0
        Error at which the "huber" loss turns from a square to a line.

    tweedie_power : float, default=1.5
        Power of the variance, from 1 (Poisson) to 2 (Gamma).

    focal_gamma : float, default=2.0
        How much the "focal" loss turns from samples that are right already.

    class_weight : dict, "balanced", list of dict or None, default=None
        Weights of the classes, multiplied with `sample_weight`; a list has one dict
        per label. "balanced" counts samples, whatever their weights.

    label_smoothing : float, default=0.0
        Labels of 1 become 1 - label_smoothing, the k - 1 others share the rest.

    l1_ratio : float, default=0.0
        Share of the L1 penalty. Weights become exactly 0 under it.

    weight_decay : float or None, default=None
        Decoupled weight decay: weights are multiplied by 1 - rate * weight_decay
        before each step. None is 0.01 for "adamw", else 0.

    max_norm : float or None, default=None
        Upper bound on the norm of the weights that lead to a unit; those of a short
        cut's projection are bounded by themselves.

    dropout : float or list of float, default=0.0
        Share of units dropped in training [6]_: of the hidden layers; a list has
        one number for the inputs and one per hidden layer.

    input_noise : float, default=0.0
        Standard deviation of normal noise added to the inputs in training.

    mixup_alpha : float, default=0.0
        Parameter of the beta distribution that pairs of samples are mixed
        with [7]_. A sample of weight 0 is mixed with none.

    augmentation : callable or None, default=None
        ``augmentation(X, rng)`` is called before each epoch with a copy of the
        training samples and a NumPy Generator, and returns what to train on, of the
        same shape.

    batch_norm, layer_norm : bool, default=False
        Whether hidden layers are normalised before their activation: over the
        samples of the mini-batch [8]_, with averages over the batches for
        predictions, or over the layer's units. A last mini-batch of a single sample
        teaches `batch_norm` next to nothing: choose a `batch_size` that leaves more.

    norm_epsilon : float, default=1e-5
        Added to the variances of normalisation.

    residual : bool, default=False
        Whether hidden layers but the first add their inputs to their outputs; by a
        learnt projection where the numbers of units differ.

    weight_init : str, default="sklearn"
        Initial weights: "sklearn" (Glorot's, as scikit-learn has it), "glorot" [9]_,
        "he" [10]_, "lecun", "orthogonal", or "auto", which goes by each layer's
        activation.

    gradient_clip_norm, gradient_clip_value : float or None, default=None
        Upper bound on the norm of the whole gradient, and on its entries.

    dampening : float, default=0.0
        Share of the gradient that "sgd" leaves out of its velocity. As large as
        `momentum` it makes the velocity an exponential average.

    rho : float, default=0.9
        Decay of the average of "rmsprop".

    decay_rate, decay_epochs : float, default=0.5, 20
        Of "step", "exponential" and "plateau", see `learning_rate`.

    schedule_epochs : float or None, default=None
        Epochs that "cosine" and "one_cycle" go over; None is `max_iter`.

    warmup : float, default=0
        Epochs over which the rate rises to the schedule's.

    validation_metric : "auto", "loss", str or callable, default="auto"
        What is watched on validation samples: accuracy or R², the loss, or a scorer
        of scikit-learn's. The first three count samples by their classes' weights as
        well; a scorer gets the sample weights alone.

    target_loss : float or None, default=None
        Training loss at which training stops.

    ema_decay : float or None, default=None
        Decay of a running average of the weights, which is what `coefs_` holds. It
        grows with the steps t as (1 + t) / (10 + t) up to this value. Training goes
        on from the weights themselves, not from their average.

    dtype : {"auto", "float32", "float64"}, default="float32"
        Numbers that the network computes with. "auto" follows X.

    n_threads : int or None, default=None
        Threads at most. None lets the amount of work decide. Results are the
        same, bit for bit, for any number.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (fan_in, fan_out)
        Weights. May be assigned or written into: the next `predict` or
        `partial_fit` starts from what they hold.
    intercepts_ : list of ndarray of shape (fan_out,)
        Biases, likewise.
    shortcut_coefs_, norm_scales_, norm_shifts_, norm_means_, norm_variances_, \
norm_counts_ : list
        Projections of short cuts and arrays of normalisation, one per hidden layer,
        None where a layer has none; only if the network has such layers.
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        Class labels, for classification.
    loss_ : float
        Loss of the last epoch, penalty included.
    loss_curve_ : list of float
        Loss of every epoch (not for "lbfgs").
    history_ : dict of lists of float
        "loss", "validation_loss", "validation_score" and "learning_rate" of every
        epoch; NaN where nothing was measured (not for "lbfgs", as all that follows
        epochs).
    best_loss_ : float or None
        Lowest loss of an epoch; None with early stopping.
    validation_scores_ : list of float or None
        Score on the validation samples after each epoch, with early stopping.
    best_validation_score_ : float or None
        The best of them.
    n_iter_ : int
        Epochs trained.
    t_ : int
        Samples seen.
    n_layers_, n_outputs_ : int
        Layers, input and output included; units of the output layer.
    out_activation_ : str
        Activation of the output layer.
    n_features_in_ : int
        Features seen during `fit`.
    feature_names_in_ : ndarray of str
        Their names, if X had string column names.

    See Also
    --------
    MLPClassifier, MLPRegressor : The same network with scikit-learn's defaults.
    MLPTransformer : Hidden activations as features.
    fastnn.inspection.diagnose : What is likely to be wrong with a network.

    Notes
    -----
    Training continues exactly: `fit` with ``max_iter=20``, or with 12 and then 8
    under ``warm_start=True``, or 20 calls of `partial_fit` on the same samples,
    give the same weights bit for bit, also with a pickle in between. That is so
    while nothing stops training: early stopping returns to the best weights at the
    end of each call, and a patience that is used up ends every call after it. Give
    "cosine" and "one_cycle" their `schedule_epochs` then. "lbfgs" begins anew from
    the weights. What `dtype` and `random_state` say counts when the network is
    initialised.

    A fit that fails leaves the estimator as it was. An interrupt keeps the last
    whole epoch, and is raised again.

    References
    ----------
    .. [1] D. Kingma and J. Ba, "Adam: A method for stochastic optimization", 2014.
    .. [2] L. Smith and N. Topin, "Super-convergence", 2018.
    .. [3] T.-Y. Lin et al., "Focal loss for dense object detection", 2017.
    .. [4] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019.
    .. [5] X. Chen et al., "Symbolic discovery of optimization algorithms", 2023.
    .. [6] N. Srivastava et al., "Dropout", JMLR 15, 2014.
    .. [7] H. Zhang et al., "mixup: Beyond empirical risk minimization", 2018.
    .. [8] S. Ioffe and C. Szegedy, "Batch normalization", 2015.
    .. [9] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", 2010.
    .. [10] K. He et al., "Delving deep into rectifiers", 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPEstimator
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPEstimator((16,), learning_rate_init=0.03, random_state=0)
    >>> net.fit(X, y).predict(X[:3])
    array([0, 0, 0])

    Training goes on exactly where it stopped:

    >>> other = MLPEstimator((16,), learning_rate_init=0.03, random_state=0)
    >>> for _ in range(5):
    ...     other = other.partial_fit(X, y, classes=[0, 1, 2])
    >>> other.loss_curve_ == net.loss_curve_[:5]
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **CONSTRAINTS,
        "task": [StrOptions({"classification", "regression"})],
        "loss": [StrOptions({"auto", *ALL_LOSSES})],
        "class_weight": CLASS_WEIGHT,
        "label_smoothing": LABEL_SMOOTHING,
    }

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        *,
        task="classification",
        activation="relu",
        loss="auto",
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
        dtype="float32",
        n_threads=None,
    ):
        store(self, locals())
