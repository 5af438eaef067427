"""What a network consists of, and what it takes: memory and operations."""

from dataclasses import dataclass

import numpy as np

from .. import threads
from ..inputs import objective, options, parameters, targets
from ..kernels import layout as at
from ..learning.preparation import check_parameters
from ..structure import weights
from ..structure.plan import Plan
from ..structure.variants import SOLVERS


@dataclass(frozen=True)
class LayerDescription:
    """A layer of weights and what follows it.

    Attributes
    ----------
    n_inputs, n_units : int
    activation : str
        Of the output layer, the output activation.
    norm : {"", "layer", "batch"}
        What its units are normalised over.
    shortcut : {"", "identity", "projection"}
        What is added to its outputs.
    n_weights, n_biases, n_others : int
        Numbers of parameters. The others are projections of short cuts, and scales,
        shifts, means and variances of normalisation, with its counts of batches.
    flops : int
        Operations of a row forward, see `Description`.
    """

    n_inputs: int
    n_units: int
    activation: str
    norm: str
    shortcut: str
    n_weights: int
    n_biases: int
    n_others: int
    flops: int


@dataclass(frozen=True)
class Description:
    """What a network consists of, and what it takes.

    Operations are the additions and multiplications of matrix products and biases,
    the bulk of the work: 2 · inputs · units of a layer forward, as much again for the
    gradient of its weights, and for what goes back to the layer below. Activations,
    the loss, normalisation and the solver's steps are not counted.

    Attributes
    ----------
    name : str
        The estimator's class.
    sizes : tuple of int
        Units per layer, input and output included.
    layers : tuple of LayerDescription
    dtype : str
        Of a network that is not fitted, "float64" if it follows X.
    n_weights, n_biases, n_others, n_params : int
        Numbers of parameters, and their sum; see `LayerDescription`.
    solver : str
    batch_size : int or None
        Rows of a mini-batch; 200 for "auto" while `n_samples` is not known. None where
        a mini-batch is all samples and `n_samples` is not known; then what depends on
        it is None as well.
    n_samples : int or None
        Rows of an epoch.
    weight_bytes : int
        Memory of the parameters.
    solver_bytes : int
        Memory of what the solver keeps between two steps. Of "lbfgs" that is SciPy's
        and not counted.
    arena_bytes : int or None
        Memory of a training step on dense rows: parameters, solver, gradients, and all
        that the rows of a mini-batch leave in every layer.
    flops_per_row : int
        Operations of a prediction.
    flops_per_training_row : int
        Forward and back.
    flops_per_batch : int or None
    flops_per_epoch : int or None
        None where `n_samples` is not known.
    n_threads : int or None
        That a mini-batch may use at most here.
    n_iter, loss : int, float or None
        Epochs trained and the last one's loss, once fitted.
    """

    name: str
    sizes: tuple
    layers: tuple
    dtype: str
    n_weights: int
    n_biases: int
    n_others: int
    n_params: int
    solver: str
    batch_size: int | None
    n_samples: int | None
    weight_bytes: int
    solver_bytes: int
    arena_bytes: int | None
    flops_per_row: int
    flops_per_training_row: int
    flops_per_batch: int | None
    flops_per_epoch: int | None
    n_threads: int | None
    n_iter: int | None = None
    loss: float | None = None

    def __str__(self):
        return "\n".join([*_table(self), "", *_figures(self)])

    __repr__ = __str__


class _Layout(Plan):
    """A plan without addresses of units: nothing is compiled for it."""

    def _set_units(self, header, layers, hidden):
        pass


def describe(estimator, n_features=None, n_outputs=None, n_samples=None):
    """Return the Description of an estimator; `BaseMLP.describe` documents it."""
    check_parameters(estimator)
    parameters.check_combinations(estimator)
    for name, value in (
        ("n_features", n_features),
        ("n_outputs", n_outputs),
        ("n_samples", n_samples),
    ):
        _check_count(name, value)
    if hasattr(estimator, "coefs_"):
        theta, architecture = weights.read(estimator)
        dtype, kind = theta.dtype, targets.kind_of(estimator)
        _check_ends(architecture, n_features, n_outputs)
    else:
        dtype, kind = _dtype(estimator), _kind(estimator, n_outputs)
        architecture = _planned(estimator, kind, n_features, n_outputs)
    if n_samples is None:
        n_samples = _samples_of_epoch(estimator)
    return _build(estimator, architecture, dtype, kind, n_samples)


def _check_count(name, value):
    is_count = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if value is not None and not (is_count and 0 < value < 2**31):
        raise ValueError(
            f"{name} must be an integer from 1 on, below 2³¹, or None; got {value!r}."
        )


def _check_ends(architecture, n_features, n_outputs):
    """Raise if numbers are given that the fitted network contradicts."""
    ends = architecture.sizes[0], architecture.sizes[-1]
    names = ("n_features", "n_outputs")
    for name, given, known in zip(names, (n_features, n_outputs), ends, strict=True):
        if given not in (None, known):
            raise ValueError(
                f"{name}={given} contradicts the fitted network, which has {known}; "
                "leave it out, or describe a clone."
            )


def _dtype(estimator):
    """Return the dtype of a network that is not fitted; "auto" is float64 mostly."""
    name = "float64" if estimator.dtype == "auto" else estimator.dtype
    return np.dtype(name)


def _kind(estimator, n_outputs):
    """Return the kind of targets: of several classes, that they exclude each other."""
    if estimator._is_regressor():
        return "regression"
    return "binary" if n_outputs == 1 else "multiclass"


def _planned(estimator, kind, n_features, n_outputs):
    """Return the architecture that a network will have, or raise."""
    given = {"n_features": n_features, "n_outputs": n_outputs}
    missing = [name for name, value in given.items() if value is None]
    if missing:
        raise ValueError(
            f"This {type(estimator).__name__} is not fitted: describe needs "
            f"{' and '.join(missing)}, for example describe(n_features=784, "
            "n_outputs=10)."
        )
    aim = _objective(estimator, kind, n_outputs)
    if aim.n_outputs != n_outputs:
        raise ValueError(
            f"n_outputs={n_outputs}, but loss, output_activation and quantile make "
            f"{aim.n_outputs} outputs."
        )
    return options.architecture_of(estimator, n_features, aim)


def _objective(estimator, kind, n_outputs):
    """Return the objective of a network with so many outputs."""
    n_targets = 2 if kind == "binary" else n_outputs
    quantile = kind == "regression" and estimator._loss_name() == "quantile"
    if quantile and np.size(estimator.quantile) > 1:  # an output for each level
        n_targets = 1
    return objective.resolve(estimator, kind, n_targets)


def _samples_of_epoch(estimator):
    """Return the rows that past epochs had, or None if that cannot be told."""
    epochs = len(getattr(estimator, "loss_curve_", ()))
    if not epochs or estimator.t_ % epochs:
        return None
    return estimator.t_ // epochs


def _batch_size(estimator, n_samples):
    """Return the rows of a mini-batch, or None if all are and nobody knows how many."""
    if estimator.solver == "lbfgs" or estimator.batch_size == "full":
        return n_samples
    size = 200 if estimator.batch_size == "auto" else estimator.batch_size
    return int(size if n_samples is None else min(size, n_samples))


def _plan(estimator, architecture, dtype, kind, batch_size, n_samples):
    """Return the plan of a fit, as far as its memory depends on it."""
    aim = _objective(estimator, kind, architecture.sizes[-1])
    n_targets = aim.n_outputs
    if aim.codes or aim.output == "quantiles":
        n_targets = 1
    step = options.training_of(
        estimator, aim, _Rows(n_targets, n_samples or batch_size), architecture.n_hidden
    )
    n_threads = threads.count(
        estimator.n_threads, 6.0 * architecture.n_params * batch_size
    )
    return _Layout(
        architecture,
        dtype,
        n_workers=n_threads,
        sparse=False,
        batch_size=batch_size,
        training=step,
    )


class _Rows:
    """Stands in for the data of a fit: dense rows without weights."""

    weight = validation = None

    def __init__(self, n_targets, n_train):
        self.Y, self.n_train = np.empty((0, n_targets)), n_train


def _build(estimator, architecture, dtype, kind, n_samples):
    """Return the Description of an architecture under an estimator's parameters."""
    layers = tuple(_layer(architecture, i) for i in range(architecture.n_layers))
    forward = sum(layer.flops for layer in layers)
    training = 3 * forward - layers[0].flops  # nothing goes back to the inputs
    batch_size, plan = _batch_size(estimator, n_samples), None
    if batch_size is not None:
        plan = _plan(estimator, architecture, dtype, kind, batch_size, n_samples)
    weight_bytes = architecture.n_params * dtype.itemsize
    return Description(
        name=type(estimator).__name__,
        sizes=architecture.sizes,
        layers=layers,
        dtype=dtype.name,
        n_weights=sum(layer.n_weights for layer in layers),
        n_biases=sum(layer.n_biases for layer in layers),
        n_others=sum(layer.n_others for layer in layers),
        n_params=architecture.n_params,
        solver=estimator.solver,
        batch_size=batch_size,
        n_samples=n_samples,
        weight_bytes=weight_bytes,
        solver_bytes=SOLVERS[estimator.solver].n_slots * weight_bytes,
        arena_bytes=None if plan is None else plan.arena_size * dtype.itemsize,
        flops_per_row=forward,
        flops_per_training_row=training,
        flops_per_batch=None if batch_size is None else training * batch_size,
        flops_per_epoch=None if n_samples is None else training * n_samples,
        n_threads=None if plan is None else int(plan.net[at.N_WORKERS]),
        n_iter=getattr(estimator, "n_iter_", None),
        loss=getattr(estimator, "loss_", None),
    )


def _layer(architecture, i):
    """Return the LayerDescription of a layer of weights."""
    n_inputs, n_units = architecture.sizes[i : i + 2]
    is_hidden = i < architecture.n_hidden
    counts = {"coefs_": 0, "intercepts_": 0}
    n_others = n_matrices = 0
    for part in architecture.parts:
        if part.layer == i:
            n_matrices += len(part.shape) == 2
            if part.attribute in counts:
                counts[part.attribute] = part.size
            else:
                n_others += part.size
    return LayerDescription(
        n_inputs=n_inputs,
        n_units=n_units,
        activation=str(
            architecture.activations[i] if is_hidden else architecture.output
        ),
        norm=architecture.norm if is_hidden else "",
        shortcut=architecture.shortcut(i),
        n_weights=counts["coefs_"],
        n_biases=counts["intercepts_"],
        n_others=n_others,
        flops=2 * n_inputs * n_units * n_matrices,
    )


_HEAD = (
    *("layer", "inputs", "units", "activation", "structure"),
    *("weights", "biases", "others", "flops per row"),
)
_TEXTS = ("layer", "activation", "structure")


def _table(d):
    """Return the lines of a table with a line per layer and one of sums."""
    lines = [_HEAD]
    for i, layer in enumerate(d.layers, 1):
        name = "output" if i == len(d.layers) else f"hidden {i}"
        norm = f"{layer.norm} norm" if layer.norm else ""
        shortcut = f"{layer.shortcut} short cut" if layer.shortcut else ""
        structure = ", ".join(filter(None, (norm, shortcut)))
        counts = (layer.n_weights, layer.n_biases, layer.n_others, layer.flops)
        ends = (layer.n_inputs, layer.n_units)
        lines.append((name, *ends, layer.activation, structure, *counts))
    sums = (d.n_weights, d.n_biases, d.n_others, d.flops_per_row)
    lines.append(("sum", "", "", "", "", *sums))
    cells = [[f"{v:,}" if isinstance(v, int) else v for v in line] for line in lines]
    used = [j for j in range(len(_HEAD)) if any(line[j] for line in cells[1:])]
    widths = [max(len(line[j]) for line in cells) for j in range(len(_HEAD))]
    title = (
        f"{d.name} {'-'.join(map(str, d.sizes))}, {d.dtype}, {d.n_params:,} parameters"
    )
    texts = [
        "  ".join(
            line[j].ljust(widths[j]) if _HEAD[j] in _TEXTS else line[j].rjust(widths[j])
            for j in used
        ).rstrip()
        for line in cells
    ]
    return [title, "", *texts]


def _figures(d):
    """Return lines about memory, work and training."""

    def show(value, unit=""):
        return "unknown without n_samples" if value is None else f"{value:,}{unit}"

    figures = {
        "memory of the weights": show(d.weight_bytes, " bytes"),
        f"memory of the solver ({d.solver})": show(d.solver_bytes, " bytes"),
        "memory of a training step": show(d.arena_bytes, " bytes"),
        "work to train on a row": show(d.flops_per_training_row, " flops"),
        "rows of a mini-batch": show(d.batch_size),
        "work of a mini-batch": show(d.flops_per_batch, " flops"),
        "rows of an epoch": show(d.n_samples),
        "work of an epoch": show(d.flops_per_epoch, " flops"),
        "threads at most": show(d.n_threads),
    }
    if d.n_iter is not None:
        figures["epochs trained"] = show(d.n_iter)
    if d.loss is not None:
        figures["loss"] = f"{d.loss:.6g}"
    width = max(map(len, figures))
    return [f"{name.ljust(width)}  {value}" for name, value in figures.items()]
