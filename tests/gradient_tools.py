"""Networks of every kind, as the library and as the reference compute them.

A case says what a network has, by factor; see FACTORS.
"""

from dataclasses import dataclass

import numpy as np
import reference
from scipy import sparse

from fastnn import MLPEstimator
from fastnn.learning import randomness
from fastnn.learning.lbfgs import Function
from fastnn.learning.preparation import prepare
from fastnn.structure.variants import CLASSIFICATION_LOSSES, LOSSES, REGRESSION_LOSSES

N, N_FEATURES, SEEDS = 11, 4, 3
FLOAT64 = np.dtype("float64")
SEED, EPOCH = 123456789, 2**40 + 77  # of masks, noise and mixtures

SMOOTH = ("identity", "logistic", "tanh", "gelu", "silu", "mish", "softplus")
KINKED = ("relu", "leaky_relu", "elu", "selu")  # elu: its second derivative
STEPS = ("step", "sign")
ACTIVATIONS = (*SMOOTH, *KINKED, *STEPS)
SOLVERS = (
    *("sgd", "rmsprop", "adam", "adamw", "nadam"),
    *("amsgrad", "adagrad", "lion", "lbfgs"),
)
CLASSES = ("binary", "multiclass", "multilabel")
KINDS = (*CLASSES, "regression", "regression-3", "quantiles")
QUANTILES = ("quantile", "quantiles")
LEVELS = (0.1, 0.35, 0.8)
STRUCTURES = {
    "plain": {},
    "layer": {"layer_norm": True},
    "batch": {"batch_norm": True},
    "identity": {"residual": True},
    "projection": {"residual": True},
    "identity+layer": {"residual": True, "layer_norm": True},
    "identity+batch": {"residual": True, "batch_norm": True},
    "projection+layer": {"residual": True, "layer_norm": True},
    "projection+batch": {"residual": True, "batch_norm": True},
}
PENALTIES = {"": (0.0, 0.0), "l2": (0.7, 0.0), "l1": (0.5, 1.0), "elastic": (0.6, 0.4)}
FACTORS = {
    "ends": tuple(LOSSES),
    "activation": (*ACTIVATIONS, "mixed"),
    "structure": tuple(STRUCTURES),
    "kind": KINDS,
    "depth": (0, 1, 2, 3, 4),
    "penalty": tuple(PENALTIES),
    "dropout": ("", "hidden", "inputs"),
    "class_weight": ("", "balanced", "dict"),
    "weights": (False, True),
    "noise": (False, True),
    "mixup": (False, True),
    "smoothing": (False, True),
    "csr": (False, True),
}


def suits(ends, kind):
    """Return whether a loss and an output activation go with such targets."""
    if ends == QUANTILES or kind == "quantiles":
        return ends == QUANTILES and kind == "quantiles"
    loss, output = ends
    if kind in CLASSES:
        possible = output in CLASSIFICATION_LOSSES.get(loss, ())
        return possible and not (kind == "multilabel" and output == "softmax")
    return output in REGRESSION_LOSSES.get(loss, ())


def allowed(case):
    """Return whether the levels of a case, or of a part of one, go together."""
    get = case.get
    depth, ends, kind = get("depth"), get("ends"), get("kind")
    structure = get("structure", "plain")
    mixes = get("mixup") or get("smoothing")
    relabels = get("smoothing") or get("class_weight")
    rules = (
        ends and kind and not suits(ends, kind),
        ends and ends[0] == "hinge" and mixes,
        ends and relabels and not any(suits(ends, word) for word in CLASSES),
        kind and relabels and kind not in CLASSES,
        depth == 0 and get("activation", "identity") != "identity",
        depth == 0 and structure != "plain",
        depth == 0 and get("dropout") == "hidden",
        depth == 1 and get("activation") == "mixed",
        depth == 1 and STRUCTURES[structure].get("residual"),
        get("csr") and (get("noise") or get("mixup") or get("dropout") == "inputs"),
    )
    return not any(rules)


PLAIN_CASE = {
    **{factor: levels[0] for factor, levels in FACTORS.items()},
    "ends": ("squared_error", "identity"),
    "kind": "regression-3",
    "activation": "tanh",
    "depth": 2,
}


def name_of(case):
    """Return a short name of a case."""
    words = ["/".join(case["ends"]), case["kind"], case["activation"]]
    words += [case["structure"], str(case["depth"]), case["penalty"]]
    words += [f"dropout-{case['dropout']}" if case["dropout"] else ""]
    words += [case["class_weight"]]
    names = ("weights", "noise", "mixup", "smoothing", "csr")
    words += [name for name in names if case[name]]
    return "-".join(filter(None, words))


def hidden_sizes(case):
    """Return the hidden layers' units; equal ones for short cuts without weights."""
    if case["structure"].startswith("identity"):
        return (5, 5, 5, 5)[: case["depth"]]
    return (5, 9, 4, 6)[: case["depth"]]


def activations_of(case, seed):
    """Return one activation per hidden layer."""
    if case["activation"] != "mixed":
        return (case["activation"],) * case["depth"]
    names = (*SMOOTH, *KINKED)
    first = 4 * seed + case["depth"]  # 4 further on: some read z, others f(z)
    return tuple(names[(first + 4 * i) % len(names)] for i in range(case["depth"]))


def parameters_of(ends, seed):
    """Return the loss's parameter of a seed: the estimator's, and as a tuple."""
    values = {
        "huber": ("huber_delta", (0.5, 1.0, 2.0)),
        "quantile": ("quantile", (0.3, 0.5, 0.9)),
        "tweedie": ("tweedie_power", (1.0, 1.5, 2.0)),
        "focal": ("focal_gamma", (2.0, 0.0, 0.7)),
    }
    if ends == QUANTILES:
        return {"quantile": list(LEVELS)}, LEVELS
    if ends[0] not in values:
        return {}, ()
    name, choices = values[ends[0]]
    return {name: choices[seed]}, (choices[seed],)


EPSILONS = (1e-5, 1e-3, 0.1)
SMOOTHING, NOISE, MIXUP, DROPOUT = 0.15, 0.3, 0.4, (0.25, 0.3, 0.2, 0.4, 0.1)
CLASS_WEIGHTS = {0: 0.5, 1: 2.0, 2: 1.25}


def estimator_of(case, seed):
    """Return the estimator that asks for a case's network."""
    loss, output = case["ends"]
    alpha, l1_ratio = PENALTIES[case["penalty"]]
    activation = case["activation"]
    params = dict(STRUCTURES[case["structure"]], norm_epsilon=EPSILONS[seed])
    params |= parameters_of(case["ends"], seed)[0]
    if case["kind"] in CLASSES:
        params["label_smoothing"] = SMOOTHING if case["smoothing"] else 0.0
        of_class = CLASS_WEIGHTS
        if case["kind"] == "multilabel":
            of_class = [{0: 1.0, 1: CLASS_WEIGHTS[c]} for c in range(3)]
        choices = {"": None, "balanced": "balanced", "dict": of_class}
        params["class_weight"] = choices[case["class_weight"]]
    if case["kind"] == "binary" and case["class_weight"] == "dict":
        params["class_weight"] = {c: CLASS_WEIGHTS[c] for c in range(2)}
    if case["dropout"]:
        shares = DROPOUT[: case["depth"] + 1]
        params["dropout"] = shares if case["dropout"] == "inputs" else (0, *shares[1:])
    return MLPEstimator(
        hidden_sizes(case),
        task="classification" if case["kind"] in CLASSES else "regression",
        activation=list(activations_of(case, seed))
        if activation == "mixed"
        else activation,
        loss=loss,
        output_activation="auto" if case["ends"] == QUANTILES else output,
        alpha=alpha,
        l1_ratio=l1_ratio,
        input_noise=NOISE if case["noise"] else 0.0,
        mixup_alpha=MIXUP if case["mixup"] else 0.0,
        solver="lbfgs",
        dtype="float64",
        n_threads=1,
        **params,
    )


def targets_of(case, rng):
    """Return y; every class occurs."""
    kind, loss = case["kind"], case["ends"][0]
    if kind == "multiclass":
        return np.arange(N) % 3
    if kind == "binary":
        return np.arange(N) % 2
    if kind == "multilabel":
        return np.vstack([np.eye(3), np.ones((1, 3)), rng.integers(0, 2, (N - 4, 3))])
    shape = (N, 3) if kind == "regression-3" else N
    if loss == "poisson":
        return rng.poisson(1.5, shape).astype(float)
    if loss in ("gamma", "tweedie"):
        return 0.1 + rng.exponential(1.5, shape)
    return rng.random(shape) if loss == "log_loss" else rng.standard_normal(shape)


def encoded(case, y):
    """Return the reference's name of the loss, and its targets."""
    loss, output = case["ends"]
    kind, mixes = case["kind"], case["mixup"] or case["smoothing"]
    Y = np.asarray(y, float).reshape(N, -1)
    excluding = kind in ("binary", "multiclass") and output == "softmax"
    if kind == "multiclass" and loss == "hinge" and output == "identity":
        return ("hinge_multiclass", output), Y
    if excluding and loss == "log_loss" and not mixes:
        return case["ends"], Y
    if kind == "multiclass" or excluding:
        Y = np.eye(2 if kind == "binary" else 3)[y]
    if case["smoothing"]:
        others = Y.shape[1] - 1 if kind != "multilabel" and Y.shape[1] > 1 else 1
        Y = np.where(Y == 1, 1 - SMOOTHING, SMOOTHING / others)
    return ("log_loss_dense" if excluding and loss == "log_loss" else loss, output), Y


def weights_of(case, y, weight):
    """Return samples' weights times those of their classes, or None."""
    if not case["class_weight"]:
        return weight
    product = np.ones(N) if weight is None else weight.copy()
    for c, column in enumerate(np.reshape(y, (N, -1)).T):
        codes = column.astype(int)
        counts = np.bincount(codes)
        if case["class_weight"] == "balanced":
            product *= (N / (len(counts) * counts))[codes]
        elif case["kind"] == "multilabel":
            product *= np.where(codes == 1, CLASS_WEIGHTS[c], 1.0)
        else:
            product *= np.array([CLASS_WEIGHTS[code] for code in codes])
    return product


def disturbance_of(case):
    """Return the masks, the noise and the mixture of the epoch."""
    rows = np.arange(N)
    masks = ()
    if case["dropout"]:
        sizes = (N_FEATURES, *hidden_sizes(case))
        masks = [
            reference.mask(SEED, EPOCH, i - 1, rows, size, DROPOUT[i])
            for i, size in enumerate(sizes)
        ]
        masks[0] = masks[0] if case["dropout"] == "inputs" else None
    noise = partner = share = None
    if case["noise"]:
        noise = reference.input_noise(SEED, EPOCH, rows, N_FEATURES, NOISE)
    if case["mixup"]:
        partner, share = reference.mixup(SEED, EPOCH, MIXUP, N)
    return reference.Disturbance(masks, noise, partner, share)


@dataclass
class Known:
    """What the reference needs of a network besides theta."""

    sizes: tuple
    activations: tuple
    ends: tuple
    X: np.ndarray
    Y: np.ndarray
    weight: np.ndarray | None
    penalty: tuple
    parameters: tuple
    structure: reference.Structure
    disturbance: reference.Disturbance

    def arguments(self):
        """Return what the reference's loss and gradient take after theta."""
        alpha, l1_ratio = self.penalty
        return (
            self.sizes, self.activations, self.ends, self.X, self.Y, alpha, self.weight,
            l1_ratio, self.parameters, self.structure, self.disturbance,
        )  # fmt: skip

    def __call__(self, theta):
        """Return loss and gradient."""
        return reference.backpropagate(theta, *self.arguments())

    def loss(self, theta):
        """Return the loss alone, in a tuple."""
        return (reference.mean_loss(theta, *self.arguments()),)

    def trace(self, theta):
        """Return hidden steps, inputs and raw outputs of the last layer, targets."""
        return reference.trace(
            theta, self.sizes, self.activations, self.X, self.Y, self.weight,
            self.structure, self.disturbance,
        )  # fmt: skip


def near(values, kinks, gap=1e-3):
    """Return whether any value is near a kink."""
    return any((np.abs(values - kink) < gap).any() for kink in kinks)


def loss_is_near_a_kink(known, z, Y):
    """Return whether any output is near where its loss has no derivative."""
    (loss, output), parameters = known.ends, known.parameters
    p = reference.OUTPUTS[output](z)
    if loss in ("absolute_error", "quantile"):
        return near(p - Y, [0])
    if loss == "huber":
        return near(np.abs(p - Y), parameters)
    if loss == "hinge":
        return near((2 * Y - 1) * p, [1])
    if loss != "hinge_multiclass":
        return False
    own = np.take_along_axis(z, Y.astype(int), 1)
    rivals = np.where(reference.one_hot(Y, z.shape[1]) == 1, -np.inf, z)
    best = np.sort(rivals, axis=1)[:, ::-1]
    return near(1 + best[:, 0] - own[:, 0], [0]) or near(best[:, 0] - best[:, 1], [0])


def is_tame(known, theta):
    """Return whether differences of 1e-6 cross no kink, and divide by no tiny number.

    So z, or what a normalised layer makes of it, must not be near a kink of the
    activation, nor an output near one of the loss, and no deviation may be small.
    """
    steps, _, z, Y, _ = known.trace(theta)
    for step, name in zip(steps, known.activations, strict=True):
        if name in KINKED and near(step.y, [0]):
            return False
        if name in STEPS and near(step.y, [-1, 0, 1]):
            return False
        if step.deviation is not None and (step.deviation < 0.2).any():
            return False
    return not loss_is_near_a_kink(known, z, Y)


def draw_theta(known, rng):
    """Return parameters that give outputs within ±3 and have no weight near 0."""
    sizes, structure = known.sizes, known.structure
    shapes = reference.shapes(sizes, structure)
    arrays = {}
    for key, shape in shapes.items():
        values = 0.7 * rng.standard_normal(shape)
        values = np.copysign(np.maximum(np.abs(values), 0.02), values)
        positive = key[0] in ("scale", "variance", "count")
        arrays[key] = 0.3 + np.abs(values) if positive else values
    last = ("W", len(sizes) - 2)
    below = known.trace(reference.theta_of(arrays, sizes, structure))[1]
    arrays[last] = arrays[last] * min(1, 3 / np.abs(below @ arrays[last]).max())
    return reference.theta_of(arrays, sizes, structure)


def known_of(case, seed, y, X, weight):
    """Return what the reference needs."""
    ends, Y = encoded(case, y)
    n_outputs = {"regression": 1, "binary": 2 if ends[1] == "softmax" else 1}
    structure = STRUCTURES[case["structure"]]
    norm = "batch" if structure.get("batch_norm") else ""
    norm = "layer" if structure.get("layer_norm") else norm
    return Known(
        sizes=(N_FEATURES, *hidden_sizes(case), n_outputs.get(case["kind"], 3)),
        activations=activations_of(case, seed),
        ends=ends,
        X=X,
        Y=Y,
        weight=weights_of(case, y, weight),
        penalty=PENALTIES[case["penalty"]],
        parameters=parameters_of(case["ends"], seed)[1],
        structure=reference.Structure(
            norm, EPSILONS[seed], structure.get("residual", False)
        ),
        disturbance=disturbance_of(case),
    )


def make(case, seed):
    """Return the reference's function, a tame theta, X, y and samples' weights."""
    for attempt in range(200):
        rng = np.random.default_rng([seed, attempt])
        X = rng.standard_normal((N, N_FEATURES))
        if case["csr"]:
            X[rng.random(X.shape) < 0.6] = 0
        y = targets_of(case, rng)
        weight = None
        if case["weights"]:
            weight = np.where(np.arange(N) % 4 == 1, 0.0, rng.random(N))
        known = known_of(case, seed, y, X, weight)
        theta = draw_theta(known, rng)
        if is_tame(known, theta):
            return known, theta, X, y, weight
    raise AssertionError(f"no attempt keeps away from kinks: {name_of(case)}")


def library_function(case, seed, X, y, weight, dtype=FLOAT64):
    """Return the library's function of the same network, of the frozen epoch."""
    estimator = estimator_of(case, seed).set_params(dtype=dtype.name)
    data = sparse.csr_matrix(X) if case["csr"] else X
    problem, architecture, objective, _ = prepare(estimator, data, y, weight, False)
    function = Function(estimator, problem, architecture, objective, dtype)
    randomness.set_epoch(function.network, SEED, EPOCH, estimator.mixup_alpha)
    return function


def check_gradient(case, seed):
    """Compare the gradient with central differences and with the reference's.

    The loss is rounded to 1e-16 of itself, which the division by 2e-6 makes 1e-10;
    the third derivative adds 1e-12 times itself. 1e-8 of the largest entries leaves a
    digit or two, where a wrong formula is wrong in the first. The reference does some
    hundred roundings in another order.
    """
    known, theta, *data = make(case, seed)
    function = library_function(case, seed, *data)
    assert function.network.n_params == theta.size
    loss, gradient = function(theta)
    size = max(1.0, np.abs(gradient).max(), abs(loss))
    want_loss, want = known(theta)
    np.testing.assert_allclose(loss, want_loss, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(gradient, want, rtol=0, atol=1e-13 * size)
    which = differentiable(known)
    differences = reference.central_differences(function, theta)
    np.testing.assert_allclose(
        gradient[which], differences[which], rtol=0, atol=1e-8 * size
    )
    population = where(known, lambda name, _: name in ("mean", "variance", "count"))
    assert population.any() == (known.structure.norm == "batch")
    assert not gradient[population].any()
    assert not differences[population].any()


def where(known, wanted):
    """Return where in theta arrays with ``wanted(name, layer)`` are, as bools."""
    shapes = reference.shapes(known.sizes, known.structure)
    parts = [np.full(shape, wanted(*key)).ravel() for key, shape in shapes.items()]
    return np.concatenate(parts)


def differentiable(known):
    """Return which parameters the loss has a derivative in, as a vector of bool.

    With step and sign, whose derivative is another function's, those of the last
    layer; differences in the others say nothing of the gradient that is wanted.
    """
    steps = set(known.activations) & set(STEPS)
    last = len(known.sizes) - 2
    return where(known, lambda name, layer: not steps or layer == last)
