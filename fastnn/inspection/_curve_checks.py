"""What the curve of the loss says: rate too high, too low, or stopped too soon."""

import numpy as np

from .findings import Finding

# A trained epoch that ends with twice the loss of untrained weights: steps overshoot.
WORSE_THAN_UNTRAINED = 2.0
# The loss ends above its lowest value by this share of all it had gained.
RISEN = 0.25
# Zigzag: in the second half at least a quarter of the epochs rise, by this share of
# the loss itself and of what training has gained. Mini-batches alone make the mean
# over an epoch vary by far less, as do dropout and noise.
RISING_EPOCHS, ZIGZAG_OF_LOSS, ZIGZAG_OF_GAIN = 0.25, 0.02, 0.05
# Steady: nearly every epoch falls, the last quarter by at least this share of the
# first quarter's fall, so that no end is in sight; and all of it is little.
STEADY_EPOCHS, STEADY_SHARE, LITTLE_GAIN = 0.9, 0.5, 0.5
# Still falling at the last epoch: this share of the loss over the last tenth of the
# epochs, or ten of them if that is more.
STILL_FALLING = 0.01
# Curves shorter than this say nothing about their shape.
FEWEST_EPOCHS = 8


def learning_rate_too_high(evidence):
    """Find a loss that rises or zigzags."""
    curve = evidence.loss_curve
    if not curve.size:
        if evidence.trained:
            evidence.not_judged.append(
                "the curve of the loss (solver='lbfgs' records none)"
            )
        return
    start = evidence.initial_probe.loss(evidence.initial_probe.theta)
    low = float(curve.min())
    gain = max(start, curve[0]) - low
    numbers = {"untrained_loss": float(start), "lowest_loss": low}
    reasons = []
    if np.isfinite(start) and curve[0] > WORSE_THAN_UNTRAINED * start:
        reasons.append(
            f"the first epoch's loss ({curve[0]:.3g}) is above that of untrained "
            f"weights ({start:.3g})"
        )
    end = float(np.median(curve[-max(1, len(curve) // 10) :]))
    if end - low > RISEN * gain:
        reasons.append(f"the loss ends at {end:.3g}, above its lowest of {low:.3g}")
    rises, reason = _zigzag(curve, gain)
    numbers |= rises
    reasons += reason
    if reasons:
        rate = float(evidence.network.learning_rate_init)
        yield Finding(
            "learning_rate_too_high",
            "error" if len(reasons) > 1 else "warning",
            {**numbers, "learning_rate_init": rate},
            f"The learning rate ({rate:g}) looks too high: {'; '.join(reasons)}.",
            "Lower learning_rate_init by tens, raise batch_size, use "
            "learning_rate='cosine' or 'plateau', or gradient_clip_norm=1.",
        )


def _zigzag(curve, gain):
    """Return numbers on the later epochs that rise, and a reason if they are large."""
    if len(curve) < FEWEST_EPOCHS:
        return {}, []
    half = curve[len(curve) // 2 :]
    rises = np.maximum(np.diff(half), 0.0)
    share, mean = float(np.mean(rises > 0)), float(rises.mean())
    numbers = {"rising_epochs": share, "mean_rise": mean}
    large = mean > max(ZIGZAG_OF_LOSS * half.mean(), ZIGZAG_OF_GAIN * gain)
    if share < RISING_EPOCHS or not large:
        return numbers, []
    text = (
        f"the loss rises in {share:.0%} of the later epochs, by {mean:.2g} on average"
    )
    return numbers, [f"{text} over all of them"]


def _ran_out(evidence):
    """Return whether training ended because of `max_iter`."""
    network = evidence.network
    return evidence.trained and network.n_iter_ >= network.max_iter


def _is_steady(curve):
    """Return whether a curve falls nearly everywhere, as much at its end as before."""
    if len(curve) < FEWEST_EPOCHS:
        return False
    steps = -np.diff(curve)
    quarter = max(1, len(steps) // 4)
    return bool(
        np.mean(steps > 0) >= STEADY_EPOCHS
        and steps[-quarter:].sum() >= STEADY_SHARE * steps[:quarter].sum()
        and curve[-1] > (1 - LITTLE_GAIN) * curve[0]
    )


def learning_rate_too_low(evidence):
    """Find a loss that falls steadily and by little."""
    curve = evidence.loss_curve
    if not _is_steady(curve):  # max_iter may have ended it, or tol
        return
    rate = float(evidence.network.learning_rate_init)
    fall = float((curve[0] - curve[-1]) / curve[0] / (len(curve) - 1))
    yield Finding(
        "learning_rate_too_low",
        "warning",
        {"learning_rate_init": rate, "fall_per_epoch": fall},
        f"The learning rate ({rate:g}) looks too low: the loss falls steadily, by "
        f"{fall:.2%} per epoch, and ends at {curve[-1] / curve[0]:.0%} of the first "
        "epoch's.",
        "Raise learning_rate_init by tens (fastnn.model_selection.learning_rate_range "
        "finds a rate), or lower batch_size, which takes more steps per epoch.",
    )


def not_converged(evidence):
    """Find a training that was stopped while the loss still fell."""
    curve = evidence.loss_curve
    n = max(10, len(curve) // 10)
    if not _ran_out(evidence) or len(curve) <= n or _is_steady(curve):
        return
    fall = float(curve[-n - 1] - curve[-1])
    network = evidence.network
    share = fall / max(abs(float(curve[-n - 1])), np.finfo(float).tiny)
    if share < STILL_FALLING or fall < n * network.tol:
        return
    yield Finding(
        "not_converged",
        "warning",
        {"max_iter": int(network.max_iter), "fall": fall, "share": share},
        f"Training stopped at max_iter={network.max_iter} while the loss was falling: "
        f"by {share:.1%} over the last {n} epochs.",
        "Raise max_iter, or go on with warm_start=True; early_stopping=True ends "
        "training when it no longer pays.",
    )


CHECKS = (learning_rate_too_high, learning_rate_too_low, not_converged)
