"""Numbers that neurons with a threshold cannot compute with: named, never a label."""

import pickle

import numpy as np
import pytest
from helpers import make_data

from fastnn.neurons import HebbianNeuron, McCullochPittsNeuron, Perceptron

X, y = make_data("binary", n=60, p=16)
MAKERS = (McCullochPittsNeuron, HebbianNeuron, Perceptron)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_net_input_that_is_no_number_gets_no_class(maker):
    neuron = maker().fit(X, X[:, 0] > 0)
    neuron.coef_ = 1e3 * np.resize([1.0, -1.0], (1, 16))
    large = np.full((3, 16), 1e307)
    assert np.isnan(neuron.decision_function(large)).all()
    for method in (neuron.predict, neuron.outputs):
        with pytest.raises(ValueError, match="is not a number, so there is no label"):
            method(large)
    with pytest.raises(ValueError, match="is not a number, so there is no label"):
        neuron.score(large, np.zeros(3))


def test_several_net_inputs_of_which_one_is_no_number():
    labels = np.arange(60) % 3
    neuron = Perceptron(max_iter=5, tol=0.0).fit(np.eye(3)[labels], labels)
    neuron.coef_[1, 1] = np.nan
    with pytest.raises(ValueError, match="is not a number, so there is no label"):
        neuron.predict(np.eye(3))


def test_parameters_that_are_infinite_or_0_in_the_dtype():
    single = X.astype(np.float32)
    for neuron, name in (
        (McCullochPittsNeuron(bias=1e300), "bias=1e"),
        (Perceptron(learning_rate=1e-50), "learning_rate=1e-50 is 0"),
        (HebbianNeuron(learning_rate=1e-50), "learning_rate=1e-50 is 0"),
    ):
        neuron.fit(X, X[:, 0] > 0)
        before = pickle.dumps(neuron)
        with pytest.raises(ValueError, match=f"{name}.*float32"):
            neuron.fit(single, X[:, 0] > 0)
        assert pickle.dumps(neuron) == before


@pytest.mark.parametrize("weight", [-1, np.nan, np.inf, None, "x"])
def test_class_weights_that_are_no_weights(weight):
    neuron = Perceptron(class_weight={0: weight})
    with pytest.raises(ValueError, match="class_weight must have numbers from 0 on"):
        neuron.fit(X, (X[:, 0] > 0).astype(int))


@pytest.mark.parametrize("maker", MAKERS)
def test_labels_that_cannot_be_compared(maker):
    high = (X[:, 0] > 0).tolist()
    for other in (0, None):
        labels = np.array(["a" if is_high else other for is_high in high], object)
        with pytest.raises(ValueError, match=r"Unknown label type|cannot be compared"):
            maker().fit(X, labels)
