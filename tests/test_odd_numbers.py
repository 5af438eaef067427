"""Parameters that are numbers, but none that a float can hold: an error names them."""

from fractions import Fraction
from numbers import Number

import numpy as np
import pytest
from helpers import make_data

import fastnn
from fastnn.inputs.parameters import Range

NETWORKS = (fastnn.MLPEstimator, fastnn.MLPClassifier, fastnn.MLPRegressor)
NEURONS = (fastnn.Perceptron, fastnn.HebbianNeuron, fastnn.McCullochPittsNeuron)
ODD = (10**400, -(10**400), Fraction(1, 3))
X, Y = make_data("binary", n=40, p=4)

CASES = [
    (kind, name)
    for kind in (*NETWORKS, *NEURONS)
    for name, constraints in kind._parameter_constraints.items()
    if any(isinstance(constraint, Range) for constraint in constraints)
]
SEVERAL = [
    (fastnn.MLPClassifier, "hidden_layer_sizes", [10**400]),
    (fastnn.MLPClassifier, "hidden_layer_sizes", 2**31),
    (fastnn.MLPClassifier, "dropout", [0.0, 10**400]),
    (fastnn.MLPClassifier, "dropout", [0.0, Fraction(1, 3)]),
    (fastnn.MLPClassifier, "activation", np.array(0.1)),
    (fastnn.MLPClassifier, "class_weight", {0: 10**400}),
    (fastnn.MLPRegressor, "quantile", [0.5, Fraction(1, 3)]),
    (fastnn.Perceptron, "class_weight", {0: 10**400}),
    (fastnn.McCullochPittsNeuron, "weights", [10**400, 1, 1, 1]),
    (fastnn.McCullochPittsNeuron, "weights", {"a": 1}),
]


def check_refused(kind, name, value):
    """Check that an error names the parameter, and that the fitted model stays."""
    model = kind()
    if name == "quantile":
        model.set_params(loss="quantile")
        if "task" in model.get_params():
            model.set_params(task="regression")
    if "max_iter" in model.get_params():
        model.set_params(max_iter=2)
    with np.errstate(all="ignore"):
        model.fit(X, Y)
    fitted = {key: id(value) for key, value in vars(model).items() if key[-1] == "_"}
    answers = model.predict(X).tobytes()
    model.set_params(**{name: value})
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        model.fit(X, Y)
    assert model.predict(X).tobytes() == answers
    assert fitted == {
        key: id(value) for key, value in vars(model).items() if key[-1] == "_"
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("value", ODD, ids=["huge", "-huge", "fraction"])
def test_each_number(kind, name, value):
    assert isinstance(value, Number)
    check_refused(kind, name, value)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("kind", "name", "value"), SEVERAL)
def test_several_numbers(kind, name, value):
    check_refused(kind, name, value)
