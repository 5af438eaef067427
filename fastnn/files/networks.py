"""Fitted networks as records, and back, with all that training goes on from."""

from dataclasses import asdict, fields

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from ..learning.records import CURVES as CURVE_NAMES
from ..learning.records import SolverState
from ..structure import weights
from ..structure.architecture import Architecture
from ..structure.variants import ACTIVATIONS, OUTPUTS, SOLVERS
from .attributes import (
    COMMON,
    COUNT,
    CURVE,
    CURVE_OR_NONE,
    CURVES,
    REAL,
    REAL_OR_NONE,
    Attribute,
    check_features,
    decode_all,
    encode_all,
    is_count,
    is_real,
    need,
    saying_what_is_wrong,
    set_attributes,
)

_KINDS = ("binary", "multiclass", "multilabel-indicator")
_NUMBERS = [
    field.name
    for field in fields(SolverState)
    if field.name not in ("solver", "slots", "averaged")
]
# The weights go by the architecture, and are not in this table.
_DERIVED = {"_shared", "_dtype", "_architecture", *weights.PARAMETER_ATTRIBUTES}
_REQUIRED = {
    "n_features_in_",
    "n_outputs_",
    "n_layers_",
    "n_iter_",
    "t_",
    "out_activation_",
    "_optimizer",
    "_random_state",
}
_WAITED = "_no_improvement_count"
# All of these, or none (after L-BFGS; the last one may stand alone in old files).
_RECORDED = {
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "history_",
    _WAITED,
}


def _is_random_state(value):
    return value is None or isinstance(value, np.random.RandomState)


def _is_measured(value):
    return (
        type(value) is tuple
        and len(value) == 4
        and all(type(name) is str for name in value[:2])
        and type(value[2]) is tuple
        and all(map(is_real, value[2]))
        and (value[3] is None or type(value[3]) is str)
    )


def _encode_binarizer(binarizer, name, arrays):
    usual = (binarizer.neg_label, binarizer.pos_label, binarizer.sparse_output)
    if usual != (0, 1, False):
        raise ValueError(f"{name} cannot be stored: it has labels other than 0 and 1.")
    return [binarizer.y_type_, bool(binarizer.sparse_input_)]


def _decode_binarizer(value, name, source):
    need(type(value) is list and len(value) == 2, f"{name} has a value that cannot be")
    need(value[0] in _KINDS and type(value[1]) is bool, f"{name} cannot be")
    binarizer = LabelBinarizer()
    binarizer.y_type_, binarizer.sparse_input_ = value
    return binarizer


def _encode_solver(state, name, arrays):
    """Store what a solver needs to go on."""
    if state is None:
        return None
    arrays[f"{name}.slots"] = state.slots
    for i, vector in enumerate(state.averaged or ()):
        arrays[f"{name}.averaged.{i}"] = vector
    numbers = {key: getattr(state, key) for key in _NUMBERS}
    return {
        "solver": state.solver,
        "averaged": state.averaged is not None,
        **encode_all(numbers, dict.fromkeys(_NUMBERS, REAL), f"{name}.", arrays),
    }


def _decode_solver(record, name, source):
    if record is None:
        return None
    keys = {"solver", "averaged", *_NUMBERS}
    need(type(record) is dict and set(record) == keys, f"{name} has other parts")
    record = dict(record)
    solver, averages = record.pop("solver"), record.pop("averaged")
    need(type(solver) is str and solver in SOLVERS, f"{name} has an unknown solver")
    need(type(averages) is bool, f"{name} has a value that cannot be")
    known = dict.fromkeys(_NUMBERS, REAL)
    known["epochs"] = known["plateau_waits"] = COUNT
    numbers = decode_all(record, known, f"{name}.", source)
    rates = (numbers["rate"], numbers["rate_init"])
    need(all(0 <= rate < np.inf for rate in rates) and rates[1], f"{name} has no rate")
    shape, dtype = source.shape_and_dtype(f"{name}.slots") or ((), None)
    fits = len(shape) == 2 and shape[0] == SOLVERS[solver].n_slots
    need(fits and dtype in (np.float32, np.float64), f"{name} has other slots")
    slots = source.array(f"{name}.slots")
    # A square may have become infinite; what is no number would spoil all.
    need(not np.isnan(slots).any(), f"{name} has slots that are no numbers")
    averaged = None
    if averages:
        names = [f"{name}.averaged.{i}" for i in range(2)]
        for each in names:
            need(
                source.shape_and_dtype(each) == (shape[1:], dtype),
                f"{each} does not fit the slots",
            )
        averaged = tuple(map(source.array, names))
        need(all(np.isfinite(v).all() for v in averaged), f"{name} is not finite")
    return SolverState(solver, slots, averaged=averaged, **numbers)


KNOWN = {
    **COMMON,
    "n_outputs_": Attribute(lambda value: is_count(value, 1)),
    "n_layers_": Attribute(lambda value: is_count(value, 2)),
    "n_iter_": COUNT,
    "t_": COUNT,
    "out_activation_": Attribute(lambda value: type(value) is str and value in OUTPUTS),
    "loss_": REAL,
    "loss_curve_": CURVE,
    "best_loss_": REAL_OR_NONE,
    "validation_scores_": CURVE_OR_NONE,
    "best_validation_score_": REAL_OR_NONE,
    "history_": CURVES,
    "_no_improvement_count": COUNT,
    "_label_binarizer": Attribute(
        lambda value: True, _encode_binarizer, _decode_binarizer
    ),
    "_random_state": Attribute(_is_random_state),
    "_split_seed": Attribute(lambda value: value is None or is_count(value)),
    "_noise_seed": COUNT,
    "_quantiles": Attribute(
        lambda value: type(value) is tuple and all(map(is_real, value))
    ),
    "_measured": Attribute(_is_measured),
    "_optimizer": Attribute(lambda value: True, _encode_solver, _decode_solver),
}


def encode(network, found, prefix, arrays):
    """Return the record of a network's fitted state, None if it has none.

    Parameters
    ----------
    network : BaseMLP
    found : dict
        Its attributes without the parameters.
    prefix : str
        Before the names of arrays.
    arrays : dict
        Gets the arrays.

    Raises
    ------
    TypeError, ValueError
        If something cannot be stored, or if the weights are not finite.
    """
    if "coefs_" not in found:
        return encode_all(found, COMMON, prefix, arrays) or None
    theta, architecture = weights.read(network)
    if not np.isfinite(theta).all():
        raise ValueError("coefs_, intercepts_ and the like must be finite to be saved.")
    if not all(isinstance(name, str) for name in architecture.activations):
        raise TypeError(
            "An activation of one's own cannot be stored in a model file, which holds "
            "no code; use pickle, which runs what it loads."
        )
    found = {name: value for name, value in found.items() if name not in _DERIVED}
    if not network._continues and found["_random_state"] is network.random_state:
        found["_random_state"] = None  # the very same, and so it shall be
    record = encode_all(found, KNOWN, prefix, arrays)
    with saying_what_is_wrong(network):
        _check(network, found, architecture)
    record["_architecture"] = {
        **asdict(architecture),
        "sizes": [int(size) for size in architecture.sizes],
        "activations": [str(name) for name in architecture.activations],
    }
    record["_dtype"] = theta.dtype.name
    lists = weights.views(theta, architecture)
    for part in architecture.parts:
        array = lists[part.attribute][part.layer]
        arrays[f"{prefix}{part.attribute}.{part.layer}"] = array
    return record


def decode(network, record, prefix, source):
    """Give a network its fitted state, or raise ModelFileError.

    Parameters
    ----------
    network : BaseMLP
        With its parameters.
    record : dict or None
        What `encode` returned.
    prefix : str
    source : Unpacked
    """
    if record is None or "_architecture" not in record:
        state = decode_all(record or {}, COMMON, prefix, source)
        set_attributes(network, state)
        return
    record = dict(record)
    architecture = _architecture(record.pop("_architecture"))
    dtype = record.pop("_dtype", None)
    need(dtype in ("float32", "float64"), "_dtype is none")
    state = decode_all(record, KNOWN, prefix, source)
    if set(state) & _RECORDED == {_WAITED}:
        del state[_WAITED]
    _check(network, state, architecture)
    theta = _theta(architecture, np.dtype(dtype), prefix, source)
    if state["_random_state"] is None:
        same = isinstance(network.random_state, np.random.RandomState)
        need(same and not network._continues, "_random_state is missing")
        state["_random_state"] = network.random_state
    set_attributes(network, state)
    weights.Shared(theta, architecture).publish(network)


def _architecture(record):
    """Return an architecture, checked."""
    keys = {field.name for field in fields(Architecture)}
    need(type(record) is dict and set(record) == keys, "the architecture has no parts")
    sizes, names = record["sizes"], record["activations"]
    need(type(sizes) is list and type(names) is list, "the architecture has no layers")
    need(all(is_count(size, 1) for size in sizes), "a layer has no units")
    need(len(sizes) >= 2 and len(names) == len(sizes) - 2, "layers are missing")
    known = all(type(name) is str and name in ACTIVATIONS for name in names)
    need(known, "an activation is unknown")
    epsilon = record["norm_epsilon"]
    need(type(epsilon) is float and epsilon > 0, "norm_epsilon is not positive")
    sound = (
        record["norm"] in ("", "layer", "batch") and type(record["residual"]) is bool
    )
    need(sound and type(record["norm"]) is str, "the architecture is of no known kind")
    output = record["output"]
    need(type(output) is str and output in OUTPUTS, "an output activation is unknown")
    return Architecture(
        **{**record, "sizes": tuple(sizes), "activations": tuple(names)}
    )


def _theta(architecture, dtype, prefix, source):
    """Return all weights, each array's shape checked before any is allocated."""
    parts = {f"{prefix}{p.attribute}.{p.layer}": p for p in architecture.parts}
    for name, part in parts.items():
        declared = source.shape_and_dtype(name)
        need(
            declared == (part.shape, dtype),
            f"the array {name!r} is {declared}, but the architecture has {part.shape} "
            f"of {dtype}",
        )
    theta = np.empty(architecture.n_params, dtype)
    lists = weights.views(theta, architecture)
    for name, part in parts.items():
        out = lists[part.attribute][part.layer]
        array = source.array(name, out)
        if array is not out:  # of the other order of bytes
            out[...] = array
        need(np.isfinite(out).all(), f"the array {name!r} is not finite")
        positive = part.attribute in ("norm_variances_", "norm_counts_")
        need(not positive or (out >= 0).all(), f"the array {name!r} is negative")
    return theta


def _check(network, state, architecture):
    """Raise unless all parts fit each other."""
    need(set(state) >= _REQUIRED, f"it lacks {sorted(_REQUIRED - set(state))}")
    recorded = _RECORDED & set(state)
    need(recorded in (set(), _RECORDED), f"it lacks {sorted(_RECORDED - recorded)}")
    ends = (architecture.sizes[0], architecture.sizes[-1], len(architecture.sizes))
    numbers = (state["n_features_in_"], state["n_outputs_"], state["n_layers_"])
    need(ends == numbers, "the layers fit neither features nor outputs")
    need(
        state["out_activation_"] == architecture.output, "out_activation_ does not fit"
    )
    check_features(state)
    _check_labels(network, state)
    quantiles = state["out_activation_"] == "quantiles"
    if quantiles:
        need(len(state.get("_quantiles", ())) == ends[1], "_quantiles does not fit")
    if recorded:
        _check_records(state)


def _check_labels(network, state):
    """Raise unless labels fit the outputs; set the binarizer's."""
    has = {"classes_", "_label_binarizer"} & set(state)
    need(len(has) != 1, "classes_ or _label_binarizer is missing")
    if not has:
        need(network._is_regressor(), "classes_ is missing")
        return
    binarizer, n_classes = state["_label_binarizer"], len(state["classes_"])
    binarizer.classes_ = state["classes_"]
    n_outputs = state["n_outputs_"]
    if binarizer.y_type_ == "binary":
        need(n_classes <= 2 and n_outputs <= 2, "classes_ do not fit the outputs")
    else:
        need(n_classes == n_outputs, "classes_ do not fit the outputs")


def _check_records(state):
    """Raise unless the records of training fit each other."""
    history, n = state["history_"], len(state["loss_curve_"])
    need(set(history) == {"loss", *CURVE_NAMES}, "history_ has other curves")
    need(all(len(curve) == n for curve in history.values()), "history_ is of no length")
    validates = state["validation_scores_"] is not None
    none = (state["best_loss_"] is None, state["best_validation_score_"] is not None)
    need(none == (validates, validates), "the best loss and the scores do not fit")
