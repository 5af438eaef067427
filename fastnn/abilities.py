"""Which methods an estimator has, by its parameters: conditions for `available_if`."""


def is_classifier(estimator):
    """Return whether classes are learnt."""
    return not estimator._is_regressor()


def is_regressor(estimator):
    """Return whether numbers are learnt."""
    return estimator._is_regressor()


def gives_probabilities(estimator):
    """Return whether outputs are probabilities, or raise AttributeError saying why."""
    if estimator._is_regressor():
        return False
    fitted = getattr(estimator, "out_activation_", None)
    if fitted in ("identity", "tanh") or (
        fitted is None and estimator._loss_name() == "hinge"
    ):
        raise AttributeError(
            "predict_proba is not available when loss='hinge': its outputs are "
            "margins. Use loss='log_loss', or calibrate with CalibratedClassifierCV."
        )
    return True


def is_stochastic(estimator):
    """Return whether training goes by mini-batches, or raise AttributeError."""
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic"
            f" optimizers. {estimator.solver} is not stochastic."
        )
    return True
