"""Gradients that vanish or explode, dead units, saturated units."""

import numpy as np

from . import _activity
from .findings import Finding

# A layer whose gradient, relative to its weights, is a thousandth of the output
# layer's: under plain gradient descent it needs a thousand steps for what that does in
# one, more than most trainings have epochs. In sound networks of a few layers the
# quotient lies between 0.1 and 10, which is what X. Glorot and Y. Bengio (AISTATS
# 2010) chose their initial weights for.
VANISHING = 1e-3
# A gradient a thousand times the weights: at the default rate of 0.001 one plain step
# replaces the weights. R. Pascanu et al., On the difficulty of training recurrent
# neural networks, 2013, describe what comes of it, and clipping as the remedy.
EXPLODING = 1e3
# Sound networks have some dead rectifiers, small ones up to a quarter of a layer, and
# lose no more than their share of it. A. Karpathy's notes of CS231n give 40 % as what
# rates that are too high bring about; with three quarters little is left of a layer.
DEAD, MOSTLY_DEAD = 0.4, 0.75
# Units that let a twentieth of the gradient through; half of a layer slows it by half.
SATURATED = 0.5


def vanishing_gradient(evidence):
    """Find layers that hardly get a gradient."""
    worst: dict = {}
    for moment, sizes in evidence.relative_gradients.items():
        if not (np.isfinite(sizes).all() and sizes[-1] > 0):
            continue
        for layer, quotient in zip(evidence.layers, sizes / sizes[-1], strict=True):
            if quotient < VANISHING and quotient < worst.get(layer, (1.0,))[0]:
                worst[layer] = (float(quotient), moment)
    if not worst:
        return
    quotient, moment = min(worst.values())
    names = [layer for layer in evidence.layers if layer in worst]
    yield Finding(
        "vanishing_gradient",
        "error",
        {"layers": names, "smallest_quotient": quotient, "moment": moment},
        f"The gradient vanishes: relative to the weights it is, {moment}, down to "
        f"{quotient:.1e} of the output layer's, in {_listed(names)}.",
        "Use activation='relu' (or 'gelu', 'silu') instead of one that saturates, "
        "weight_init='auto', fewer layers, residual=True, or batch_norm or layer_norm.",
    )


def exploding_gradient(evidence):
    """Find layers whose gradient is far larger than their weights."""
    for moment, sizes in evidence.relative_gradients.items():
        large = ~(sizes < EXPLODING)  # also what is not finite
        if not large.any():
            continue
        names = [
            name
            for name, is_large in zip(evidence.layers, large, strict=True)
            if is_large
        ]
        largest = float(np.max(np.where(np.isnan(sizes), np.inf, sizes)))
        yield Finding(
            "exploding_gradient",
            "error",
            {"layers": names, "largest": largest, "moment": moment},
            f"The gradient explodes: {moment} it is up to {largest:.1e} times the "
            f"weights, in {_listed(names)}.",
            "Scale inputs and targets first (StandardScaler, "
            "TransformedTargetRegressor); then gradient_clip_norm=1, batch_norm or "
            "layer_norm, a lower learning_rate_init.",
        )
        return


def dead_units(evidence):
    """Find rectifiers that no sample activates."""
    if evidence.activations is None:
        return
    shares = _per_layer(evidence, _activity.dead_share)
    found = {name: share for name, share in shares.items() if share >= DEAD}
    if not found:
        return
    worst = max(found.values())
    yield Finding(
        "dead_units",
        "error" if worst >= MOSTLY_DEAD else "warning",
        {"share": found},
        "Dead units, which no sample of the training activates: "
        + ", ".join(f"{share:.0%} of {name}" for name, share in found.items())
        + ".",
        "Lower learning_rate_init, scale the inputs, or use activation='leaky_relu', "
        "'elu' or 'gelu', which leave a gradient everywhere.",
    )


def saturated_units(evidence):
    """Find units that are stuck where their derivative vanishes."""
    if evidence.activations is None:
        return
    shares = _per_layer(evidence, _activity.saturated_share)
    found = {name: share for name, share in shares.items() if share >= SATURATED}
    if not found:
        return
    yield Finding(
        "saturated_units",
        "warning",
        {"share": found},
        "Saturated units, whose derivative is below a twentieth of its maximum: "
        + ", ".join(f"{share:.0%} of {name}" for name, share in found.items())
        + ".",
        "Scale the inputs, lower learning_rate_init, raise alpha, normalise "
        "(batch_norm, layer_norm), or use activation='relu'.",
    )


def _per_layer(evidence, measure):
    """Return a measure of the activations by the layer's name; NaN never counts."""
    triples = zip(
        evidence.layers,
        evidence.architecture.activations,
        evidence.activations,
        strict=False,
    )
    return {layer: measure(name, A) for layer, name, A in triples}


def _listed(names):
    """Return names as text, shortened in the middle."""
    if len(names) > 4:
        return f"{names[0]} to {names[-1]} ({len(names)} layers)"
    return ", ".join(names)


CHECKS = (vanishing_gradient, exploding_gradient, dead_units, saturated_units)
