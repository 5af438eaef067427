"""Which compiled units a network uses: those that it needs, and no other."""

from ..kernels import (
    deep_layer,
    deep_pass,
    evaluation,
    forward,
    loading,
    mixing,
    noise,
    normalization,
    penalties,
    phased_weight_pass,
    products,
    row_pass,
    sparse,
    training,
    transposition,
    weight_pass,
)
from ..kernels import layout as at
from .variants import OUTPUTS, SOLVERS, activation_of


def units_of(architecture, step, is_sparse, phased, hidden):
    """Return the units by their fields in a network's table.

    Parameters
    ----------
    architecture : Architecture
    step : Training or None
    is_sparse : bool
    phased : bool
        Whether the weight pass has phases.
    hidden : int or None
        Hidden layer whose outputs are predicted.
    """
    predicts_deep = bool(architecture.norm) or architecture.residual
    units = {
        at.LOAD: sparse.load_sparse if is_sparse else loading.load_dense,
        at.PRODUCT: products.accumulate,
        at.TRANSPOSE: transposition.transpose,
        at.FORWARD_ROWS: forward.forward_rows,
    }
    if step is not None:
        units |= _units_of_training(architecture, step, is_sparse, phased)
    if step is None or step.validates:
        units[at.OUTPUT] = OUTPUTS[architecture.output].forward
        units[at.PREDICT_PASS] = forward.predict_pass
    if hidden is not None:
        units[at.PREDICT_PASS] = evaluation.hidden_pass
    if predicts_deep and (step is None or step.validates):
        units[at.FORWARD_ROWS] = deep_pass.deep_forward_rows
        units[at.DEEP_LAYER] = deep_layer.forward_layer
        if architecture.norm:
            units[at.NORM_PREDICTED] = _NORM_PREDICTED[architecture.norm]
    return units


_NORM_PREDICTED = {
    "layer": normalization.layer_norm_rows,
    "batch": normalization.population_norm_rows,
}
_NORM_TRAINED = {
    "layer": {
        at.NORM_ROWS: normalization.layer_norm_rows,
        at.NORM_BACK: normalization.layer_norm_rows_backward,
    },
    "batch": {
        at.NORM_ROWS: normalization.batch_norm_rows,
        at.NORM_BACK: normalization.batch_norm_rows_backward,
        at.NORM_COLUMNS: normalization.batch_norm_columns,
    },
}


def _units_of_training(architecture, step, is_sparse, phased):
    solver, loss = SOLVERS[step.solver], step.loss
    couples = couples_rows(architecture, step)
    units = {
        at.LOSS: loss.unit,
        at.TARGETS: mixing.mixed_targets if step.mixup else row_pass.gather_targets,
        at.BEGIN_STEP: solver.begin,
        at.UPDATE: solver.update,
        at.ROW_PASS: row_pass.row_pass,
        at.WEIGHT_PASS: weight_pass.weight_pass,
        at.BEGIN_BATCH: training.begin_deep_batch if couples else training.begin_batch,
        at.END_BLOCK: training.end_block,
        at.END_BATCH: training.end_batch,
        at.TRAIN_SERIAL: training.train_serial,
        at.TRAIN: training.train_serial,
    }
    if is_sparse:
        units[at.SPARSE_GRADIENT] = sparse.add_sparse_gradient
    if loss.value is not None:
        output = OUTPUTS[architecture.output]
        units[at.LOSS_OUTPUT] = output.forward
        units[at.VALUE_LOSS] = loss.value
        units[at.OUTPUT_BACKWARD] = output.backward
    if step.mixup:
        units[at.MIX] = mixing.mix_rows
    if step.input_noise or (step.dropout and step.dropout[0]):
        units[at.DISTURB] = noise.disturb_rows
    if is_deep(architecture, step):
        units[at.ROW_PASS] = deep_pass.deep_row_pass
        units[at.DEEP_LAYER] = deep_layer.forward_layer
        units[at.DEEP_BACK] = deep_layer.backward_layer
        units |= _NORM_TRAINED.get(architecture.norm, {})
    if any(step.dropout):
        units[at.MASK] = noise.drop
    if phased:
        units[at.WEIGHT_PASS] = phased_weight_pass.phased_weight_pass
        units |= _units_of_phases(architecture, step)
    return units


def _units_of_phases(architecture, step):
    asked = {
        at.NORM_GRADIENT: (architecture.norm, phased_weight_pass.norm_gradient),
        at.ADD_L1: (step.l1, penalties.add_l1),
        at.BOUND_NORMS: (step.max_norm, penalties.bound_phase),
        at.AVERAGE: (step.average, penalties.average_phase),
    }
    return {field: unit for field, (use, unit) in asked.items() if use}


def couples_rows(architecture, step):
    """Return whether what happens to a row depends on the others of its batch."""
    return architecture.norm == "batch" or step.mixup


def is_deep(architecture, step):
    """Return whether rows need more than products and activations in training."""
    return bool(
        architecture.norm
        or architecture.residual
        or step.disturbs
        or any(activation_of(given).reads_z for given in architecture.activations)
    )
