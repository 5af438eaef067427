"""Worked examples: a textbook's numbers, and the library's own."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
import reference
from helpers import ignore_convergence
from sklearn.exceptions import NotFittedError

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor, MLPTransformer, Perceptron
from fastnn.inspection import export_text
from fastnn.learning import randomness

pytestmark = ignore_convergence
X_ROW = [0.4, -0.7]


def textbook():
    """Return the network of Matt Mazur's "A step by step backpropagation example"."""
    X, y = np.array([[0.05, 0.1], [1, 1]]), np.array([[0.01, 0.99], [0, 1]])
    params = {"activation": "logistic", "output_activation": "logistic"}
    network = MLPEstimator((2,), task="regression", dtype="float64", **params)
    network.initialize(X, y)
    network.coefs_[0][:] = [[0.15, 0.25], [0.20, 0.30]]
    network.coefs_[1][:] = [[0.40, 0.50], [0.45, 0.55]]
    network.intercepts_[0][:], network.intercepts_[1][:] = 0.35, 0.60
    return network


def test_textbook():
    """Every number that the example prints."""
    text = export_text(textbook(), [0.05, 0.1], [0.01, 0.99], 9, learning_rate=0.5)
    lines = dict(
        line.strip().rsplit(" = ", 1) for line in text.split("\n") if "=" in line
    )
    starts = {key.split(" = ")[0]: value for key, value in lines.items()}
    assert starts["E"] == "0.298371109"
    got = {key: starts[key] for key in starts if key.startswith("W")}
    assert got == {
        "W1[0,0]": "0.149780716", "W1[1,0]": "0.199561432",
        "W1[0,1]": "0.249751144", "W1[1,1]": "0.299502287",
        "W2[0,0]": "0.358916480", "W2[1,0]": "0.408666186",
        "W2[0,1]": "0.511301270", "W2[1,1]": "0.561370121",
    }  # fmt: skip
    assert "Prediction: [0.751365070, 0.772928465]" in text
    for line in (
        "  z[0] = 0.050000000·0.150000000 + 0.100000000·0.200000000 + 0.350000000 = "
        "0.377500000",
        "  a[0] = logistic(z[0]) = 0.593269992",
        "  E = ½(0.751365070 - 0.010000000)² + ½(0.772928465 - 0.990000000)² = "
        "0.298371109",
        "  delta[0] = (0.751365070 - 0.010000000)·0.186815602 = 0.138498562",
        "  delta[0] = (0.400000000·0.138498562 + 0.500000000·(-0.038098237))"
        "·0.241300709 = 0.008771355",
        "  dE/dW2[0,0] = 0.593269992·0.138498562 = 0.082167041",
        "  W2[0,0] = 0.400000000 - 0.5·0.082167041 = 0.358916480",
    ):
        assert line in text.split("\n")


CASES = {
    "squares": (MLPRegressor, "numbers", {}),
    "exp": (MLPRegressor, "number", {"loss": "poisson", "activation": "gelu"}),
    "huber": (MLPRegressor, "numbers", {"loss": "huber", "huber_delta": 0.3}),
    "tanh of squares": (MLPEstimator, "number", {"output_activation": "tanh"}),
    "quantiles": (MLPRegressor, "number", {"loss": "quantile", "quantile": [0.2, 0.7]}),
    "classes": (MLPClassifier, "classes", {"activation": "mish"}),
    "two classes": (MLPClassifier, "two", {"activation": "elu"}),
    "labels": (MLPEstimator, "labels", {"activation": "silu"}),
    "squares of classes": (MLPClassifier, "classes", {"loss": "squared_error"}),
    "focal": (MLPEstimator, "classes", {"loss": "focal"}),
    "hinge": (MLPClassifier, "classes", {"loss": "hinge"}),
    "deep": (MLPRegressor, "number", {"hidden_layer_sizes": (2, 3, 1)}),
    "linear": (MLPRegressor, "numbers", {"hidden_layer_sizes": ()}),
    "disturbed": (
        MLPClassifier, "classes",
        {
            "dropout": 0.5, "alpha": 3.0, "input_noise": 1.0, "mixup_alpha": 1.0,
            "label_smoothing": 0.3, "class_weight": {"cat": 3.0}, "max_norm": 0.1,
            "gradient_clip_norm": 0.01, "warm_start": True, "l1_ratio": 0.5,
        },
    ),
}  # fmt: skip


def make(case, dtype="float64"):
    """Return a network with random weights, a target for its row, and all targets."""
    cls, kind, params = CASES[case]
    rng = np.random.default_rng(3)
    X = rng.standard_normal((6, 2))
    y = {
        "number": rng.random(6),
        "numbers": rng.random((6, 2)),
        "classes": np.array(["cat", "dog", "eel"] * 2),
        "two": np.array([7, 9] * 3),
        "labels": np.array([[0, 1, 1], [1, 0, 1]] * 3),
    }[kind]
    if cls is MLPEstimator and kind in ("number", "numbers"):
        params = {"task": "regression", **params}
    params = {"hidden_layer_sizes": (3,), "activation": "tanh", **params}
    network = cls(dtype=dtype, random_state=0, **params).initialize(X, y)
    for b in network.intercepts_:
        b[:] = 0.3 * rng.standard_normal(b.shape)
    return network, y[1]


def numbers(text, pattern):
    """Return the last number of each line that starts with a name, in their order."""
    found = re.findall(rf"^  {pattern}.* = (\S+)$", text, re.MULTILINE)
    return np.array([float(number) for number in found])


def parameters(network):
    """Return the weights and biases in the order of the text's step."""
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    return np.concatenate([part.ravel() for pair in pairs for part in pair])


def step_of(network, y, rate):
    """Return the parameters after one step of the library's own gradient descent."""
    network.set_params(
        solver="sgd", momentum=0.0, learning_rate_init=rate, alpha=0.0, batch_size=1,
        warm_start=False, dropout=0.0, input_noise=0.0, mixup_alpha=0.0, max_norm=None,
        gradient_clip_norm=None,
    )  # fmt: skip
    if not network._is_regressor():
        network.set_params(label_smoothing=0.0, class_weight=None)
    y = np.reshape(y, (1, -1)) if np.ndim(y) else np.array([y])
    network.partial_fit(np.array([X_ROW]), y)
    return parameters(network)


def loss_of(network, y):
    """Return the reference's loss of the row as a function of all parameters."""
    output, loss = network.out_activation_, network._loss_name()
    target = np.reshape(np.asarray(y, float) if np.ndim(y) else 0.0, (1, -1))
    parameters = ()
    if network._is_regressor():
        target = np.reshape(y, (1, -1)).astype(float)
        parameters = {"huber": (0.3,), "quantile": (0.2, 0.7)}.get(loss, ())
    elif np.ndim(y) == 0:
        code = int(np.searchsorted(network.classes_, y))
        k = network.n_outputs_
        target = np.array([[float(code)]]) if k == 1 else np.eye(k)[[code]]
        loss = {"log_loss": "log_loss_dense"}.get(loss, loss) if k > 1 else loss
        if loss == "hinge":
            loss, target = "hinge_multiclass", np.array([[float(code)]])
        parameters = (network.focal_gamma,) if loss == "focal" else ()
    sizes = [network.n_features_in_, *(b.size for b in network.intercepts_)]

    def function(theta):
        # theta lies layer by layer here, and all weights first in the reference
        coefs, intercepts, start = [], [], 0
        for m, n in itertools.pairwise(sizes):
            coefs.append(theta[start : start + m * n].reshape(m, n))
            intercepts.append(theta[start + m * n : start + m * n + n])
            start += m * n + n
        flat = reference.join(coefs, intercepts)
        z = reference.forward(flat, sizes, network.activation, [X_ROW])[0][-1]
        return (reference.LOSSES[loss, output](z, target, parameters=parameters)[0],)

    return function


def gradient_of(text, network):
    """Return the gradients of the text in the order of `parameters`."""
    layers = range(1, len(network.coefs_) + 1)
    parts = [numbers(text, rf"dE/d{name}{i}\[") for i in layers for name in "Wb"]
    return np.concatenate(parts)


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_the_library_s(case):
    """Predictions, the loss, gradients by central differences, and a step of sgd."""
    network, y = make(case)
    text = export_text(network, X_ROW, y, decimals=12, learning_rate=0.1)
    forward, back = text.split("Loss (")
    n_outputs = network.n_outputs_
    want = network._outputs(np.array([X_ROW]))[0]
    np.testing.assert_allclose(
        numbers(forward, r"a\[")[-n_outputs:], want, rtol=0, atol=2e-12
    )
    function = loss_of(network, y)
    theta = parameters(network)
    (loss,) = numbers(back, "E")
    assert loss == pytest.approx(function(theta)[0], abs=2e-12)
    gradient = gradient_of(text, network)
    differences = reference.central_differences(function, theta)
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=1e-8)
    after = numbers(text.split("Step:")[1], r"[Wb]\d\[")
    np.testing.assert_allclose(after, theta - 0.1 * gradient, rtol=0, atol=2e-12)
    np.testing.assert_allclose(after, step_of(network, y, 0.1), rtol=0, atol=2e-12)


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_adds_up(case):
    """Both sides of every equation of products and sums are the same number."""
    network, y = make(case)
    text = export_text(network, X_ROW, y, decimals=12)
    checked = 0
    for line in text.split("\n"):
        if " = " not in line or re.search(r"(log|tanh|softmax|exp|\w+)\(z", line):
            continue
        *_, middle, result = line.split(" = ")
        middle = middle.replace("²", "**2").replace("½", "0.5*").replace("·", "*")
        if not re.fullmatch(r"[-+*.()\de ]+", middle):
            continue
        assert eval(middle) == pytest.approx(float(result), abs=1e-10), line
        checked += 1
    assert checked >= 2 * network.n_outputs_ + parameters(network).size


def test_single_precision():
    network, y = make("classes", "float32")
    text = export_text(network, X_ROW, y, decimals=9)
    want = network.predict_proba(np.array([X_ROW], "float32"))[0]
    got = numbers(text.split("Loss")[0], r"a\[")[-3:]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-8)


def test_prediction():
    """The words are those of `predict`."""
    for case in ("classes", "two", "labels", "number", "numbers"):
        name = {"two": "two classes", "number": "deep", "numbers": "squares"}
        network, _ = make(name.get(case, case))
        text = export_text(network, X_ROW, decimals=17)
        (got,) = re.findall("^Prediction: (.*)$", text, re.MULTILINE)
        want = network.predict(np.array([X_ROW]))[0]
        words = {"classes": f"class {want}", "two": f"class {want}"}
        if case == "labels":
            assert got == f"labels {want}"
        elif case in words:
            assert got == words[case]
        else:
            np.testing.assert_array_equal(np.array(eval(got)), want)


def test_forward_only():
    """Without a target there is no loss, and nothing else to ask for."""
    network, _ = make("classes")
    text = export_text(network, X_ROW)
    assert "Loss" not in text
    assert "delta" not in text
    assert text.startswith("MLPClassifier 2-3-3: forward\n")
    assert export_text(network, np.array([X_ROW])) == text
    transformer = MLPTransformer(network)
    transformer.estimator_ = network
    assert export_text(transformer, X_ROW) == text


def test_digits():
    """As many as asked for; a zero has no sign, a negative factor has brackets."""
    network, _ = make("linear")
    network.coefs_[0][:] = [[-1e-9, 0.5], [-2.0, 1.0]]
    network.intercepts_[0][:] = [-0.25, 0]
    lines = export_text(network, [1.0, -1.0], decimals=2).split("\n")
    assert lines[2] == "x = [1.00, -1.00]"
    assert lines[5] == "  z[0] = 1.00·0.00 + (-1.00)·(-2.00) + (-0.25) = 1.75"
    assert "z[0] = 1·0 + (-1)·(-2) + 0 = 2" in export_text(
        network, [1.0, -1.0], decimals=0
    )
    for bad in (-1, 18, 2.5, "3", True):
        with pytest.raises(ValueError, match="decimals must be an integer"):
            export_text(network, [1.0, -1.0], decimals=bad)


def test_nothing_is_changed():
    """Neither the network nor its random stream, and masks go on as they would."""
    network, y = make("disturbed")
    network.fit(np.eye(2)[[0, 1, 0]], np.array(["cat", "dog", "eel"]))
    seed, before = network._noise_seed, parameters(network).copy()
    stream = network.random_state, network._random_state.get_state()[1].tolist()
    known = {k: v for k, v in vars(network).items() if k != "_random_state"}
    export_text(network, X_ROW, y)
    np.testing.assert_array_equal(parameters(network), before)
    assert {k: v for k, v in vars(network).items() if k != "_random_state"} == known
    assert stream == (
        network.random_state,
        network._random_state.get_state()[1].tolist(),
    )
    assert network._noise_seed == seed
    assert randomness.needs_seed(network)


def test_names_of_features():
    """Rows of a frame, and plain rows for a network that was fitted with names."""
    X = pd.DataFrame({"a": [0.1, 0.5, 0.2], "b": [1.0, 2.0, 3.0]})
    network = MLPRegressor((2,), max_iter=2, random_state=0).fit(X, [1.0, 2.0, 3.0])
    text = export_text(network, X.iloc[[1]], 2.0)
    assert export_text(network, [0.5, 2.0], 2.0) == text
    assert export_text(network, X.iloc[1], 2.0) == text


def test_default_rate():
    network, y = make("squares")
    network.set_params(learning_rate_init=0.25)
    assert "old - 0.25 · gradient" in export_text(network, X_ROW, y)
    for bad in (0, -1.0, np.inf, np.nan, "fast"):
        with pytest.raises(ValueError, match="learning_rate must be a number above 0"):
            export_text(network, X_ROW, y, learning_rate=bad)


def test_errors():
    """They say what is shown, and what is not."""
    network, y = make("classes")
    with pytest.raises(NotFittedError):
        export_text(MLPClassifier(), X_ROW)
    with pytest.raises(TypeError, match="got Perceptron"):
        export_text(Perceptron(), X_ROW)
    with pytest.raises(ValueError, match="one row of 2 features, got shape"):
        export_text(network, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="one row of 2 features"):
        export_text(network, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="NaN"):
        export_text(network, [np.nan, 1.0])
    with pytest.raises(ValueError, match=r"not in `self\.classes_`"):
        export_text(network, X_ROW, "gnu")
    network.set_params(loss="hinge")
    with pytest.raises(ValueError, match="have changed since the network was fitted"):
        export_text(network, X_ROW, y)
    X, y = np.eye(2)[[0, 1, 0]], [0.0, 1.0, 2.0]
    large = MLPRegressor((13,)).initialize(X, y)
    with pytest.raises(ValueError, match="at most 50 parameters; this one has 53"):
        export_text(large, X_ROW)
    for name in ("layer_norm", "batch_norm", "residual"):
        network = MLPRegressor((2, 2), **{name: True}).initialize(X, y)
        with pytest.raises(ValueError, match=f"fitted with {name}=True"):
            export_text(network, X_ROW)
    assert export_text(MLPRegressor((12,)).initialize(X, y), X_ROW)
