"""Models to store, comparisons of all that they hold, and files that are forged."""

import hashlib
import io
import json
import warnings
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._metadata_requests import MetadataRequest

import fastnn
from fastnn.files.container import _FIXED, START
from fastnn.structure.weights import Shared

X = np.random.RandomState(0).standard_normal((60, 5))
CODES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
SMALL = {"hidden_layer_sizes": (4, 3), "max_iter": 4, "random_state": 1}


def quietly(call, *args, **kwargs):
    """Call a fit that does not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call(*args, **kwargs)


def bytes_of(model):
    """Return a model's file."""
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


def load_bytes(data):
    """Return the model that a file's bytes hold."""
    return fastnn.load(io.BytesIO(data))


def through_file(model, folder=None):
    """Return a model that was saved and loaded."""
    if folder is None:
        return load_bytes(bytes_of(model))
    model.save(folder / "model.fastnn")
    return fastnn.load(folder / "model.fastnn")


def assert_equal(left, right, name="model"):
    """Assert that two objects are equal in type, in every attribute, in every bit."""
    assert type(left) is type(right), name
    if isinstance(left, np.ndarray):
        assert (left.dtype, left.shape) == (right.dtype, right.shape), name
        if left.dtype == object:
            assert_equal(left.tolist(), right.tolist(), name)
        else:
            assert left.tobytes() == right.tobytes(), name
    elif isinstance(left, np.random.RandomState):
        assert_equal(left.get_state(legacy=False), right.get_state(legacy=False), name)
    elif isinstance(left, MetadataRequest):
        assert left._serialize() == right._serialize(), name
    elif isinstance(left, dict):
        assert set(left) == set(right), (name, set(left) ^ set(right))
        for key in left:
            assert_equal(left[key], right[key], f"{name}.{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), name
        for i, pair in enumerate(zip(left, right, strict=True)):
            assert_equal(*pair, f"{name}.{i}")
    elif is_dataclass(left):  # what is computed from its fields may be there or not
        for field in fields(left):
            pair = (getattr(left, field.name), getattr(right, field.name))
            assert_equal(*pair, f"{name}.{field.name}")
    elif hasattr(left, "get_params") or isinstance(left, LabelBinarizer | Shared):
        assert_equal(vars(left), vars(right), name)
    elif isinstance(left, float | np.floating):
        assert left == right or (left != left and right != right), name
        assert np.signbit(left) == np.signbit(right), name
    else:
        assert left == right, name


# What answers of a network or a neuron are, and of a transformer.
ANSWERS = (
    ("predict", "predict_proba", "decision_function", "outputs"),
    ("transform",),
)


def answers(model, data=X):
    """Return all that a model says of samples, as arrays."""
    names = ANSWERS[isinstance(model, fastnn.MLPTransformer)]
    # Labels that are taken from mapped classes are a memmap by name.
    return [
        np.asarray(getattr(model, name)(data)) for name in names if hasattr(model, name)
    ]


def assert_same_answers(left, right, data=X):
    """Assert that two models predict the same, bit for bit."""
    assert_equal(answers(left, data), answers(right, data), "answers")


def split(data):
    """Return a file's header as JSON, and the bytes after it."""
    n_header = _FIXED.unpack_from(data)[3]
    return json.loads(data[START : START + n_header]), data[START + n_header :]


def sealed(header, tail, version=1, zero=0):
    """Return a file with right lengths and hashes, whatever the header says.

    header : JSON or bytes
    """
    if not isinstance(header, bytes):
        header = json.dumps(header).encode("ascii")
    size = START + len(header) + len(tail)
    magic = b"\x89fnn\r\n\x1a\n"
    fixed = _FIXED.pack(magic, version, zero, len(header), size)
    return fixed + hashlib.sha256(fixed + header).digest() + header + tail


def with_hashes(header, tail):
    """Return a file whose arrays' hashes are those of what lies there."""
    for entry in header["arrays"].values():
        n_bytes = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
        part = tail[entry["offset"] : entry["offset"] + n_bytes]
        entry["sha256"] = hashlib.sha256(part).hexdigest()
    return sealed(header, tail)


def named(columns="abcde"):
    """Return X with names of features."""
    return pd.DataFrame(X, columns=list(columns))


def _classifier(**params):
    return fastnn.MLPClassifier(**{**SMALL, **params})


def _regressor(**params):
    return fastnn.MLPRegressor(**{**SMALL, **params})


def _estimator(**params):
    return fastnn.MLPEstimator(**{**SMALL, **params})


TEXTS = np.array(["red", "green", "blue ✓"])[CODES]
STREAM = np.random.RandomState(7)
# name: estimator, targets, and whether X has names
CASES = {
    "classifier": (_classifier(), CODES),
    "texts, names": (_classifier(early_stopping=True), TEXTS, True),
    "object texts": (_estimator(solver="amsgrad"), TEXTS.astype(object)),
    "floats": (_classifier(solver="sgd"), np.array([-1.0, 2.0, 7.0])[CODES]),
    "booleans": (_estimator(dtype="float64", solver="nadam"), X[:, 0] > 0),
    "one class": (_classifier(), np.zeros(60, int)),
    "multilabel": (_classifier(learning_rate="adaptive"), (X[:, :3] > 0).astype(int)),
    "softmax of two": (_estimator(output_activation="softmax"), CODES > 0),
    "regressor": (_regressor(dtype="float32"), X[:, 0]),
    "several outputs": (_regressor(solver="lion", tol=0.5), X[:, :2]),
    "lbfgs": (_regressor(solver="lbfgs"), X[:, 0]),
    "quantiles": (
        _estimator(task="regression", loss="quantile", quantile=[0.1, 0.5]),
        X[:, 0],
    ),
    "all layers": (
        _estimator(
            hidden_layer_sizes=np.array([4, 4, 3]),
            activation=["relu", "gelu", "tanh"],
            batch_norm=True,
            residual=True,
            ema_decay=0.9,
            dropout=[0.1, 0.0, 0.2, 0.0],
            class_weight={0: 1.0, np.int64(1): 2, 2: 0.5},
            early_stopping=True,
            learning_rate="plateau",
        ),
        CODES,
    ),
    "layer norm": (
        _regressor(layer_norm=True, mixup_alpha=0.3, batch_size=np.int64(20)),
        X[:, 0],
    ),
    "no hidden layer": (_estimator(hidden_layer_sizes=()), CODES),
    "a stream": (_classifier(random_state=STREAM, batch_size=16), CODES),
    "a stream, exactly": (_estimator(random_state=STREAM, batch_size=16), CODES),
    "transformer": (
        fastnn.MLPTransformer(_estimator(class_weight="balanced"), layer=0),
        TEXTS,
        True,
    ),
    "perceptron": (fastnn.Perceptron(max_iter=9, random_state=3), TEXTS, True),
    "hebbian": (fastnn.HebbianNeuron(record=True), X[:, 0] > 0),
    "mcculloch-pitts": (
        fastnn.McCullochPittsNeuron([1, 0.5, 0, -1, 2], bias=-0.5),
        X[:, 0] > 0,
    ),
}


def data_of(name):
    """Return X and y of a case."""
    _, y, *has_names = CASES[name]
    return named() if has_names else X, y


def fitted(name):
    """Return a new fitted model of a case."""
    return quietly(clone(CASES[name][0]).fit, *data_of(name))
