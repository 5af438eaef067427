"""Descriptions: by hand, and beside what a fit really allocates and makes."""

import json
import re

import numpy as np
import pytest
from fastnn.kernels import _jit
from helpers import ignore_convergence, make_data
from sklearn.base import clone

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor, MLPTransformer
from fastnn.inspection.describe import Description
from fastnn.learning import lbfgs, training
from fastnn.structure.weights import PARAMETER_ATTRIBUTES

pytestmark = ignore_convergence


def test_a_plain_network_by_hand():
    """784-16-16-10, as on the digits of MNIST."""
    network = MLPClassifier((16, 16))
    got = network.describe(n_features=784, n_outputs=10, n_samples=60_000)
    assert got.n_weights == 784 * 16 + 16 * 16 + 16 * 10 == 12_960
    assert got.n_biases == 42
    assert got.n_others == 0
    assert got.n_params == 13_002
    assert got.sizes == (784, 16, 16, 10)
    assert [layer.flops for layer in got.layers] == [25_088, 512, 320]
    assert [layer.activation for layer in got.layers] == ["relu", "relu", "softmax"]
    assert got.flops_per_row == 25_920
    # Forward, gradients, and deltas of the second and the third layer's inputs.
    assert got.flops_per_training_row == 25_920 + 25_920 + 832
    assert got.flops_per_batch == 200 * 52_672
    assert got.flops_per_epoch == 60_000 * 52_672
    assert (got.batch_size, got.n_samples) == (200, 60_000)
    assert (got.dtype, got.solver, got.name) == ("float64", "adam", "MLPClassifier")
    assert got.weight_bytes == 8 * 13_002
    assert got.solver_bytes == 2 * 8 * 13_002
    assert got.n_iter is None
    assert got.loss is None


def test_norms_and_short_cuts_by_hand():
    """3-4-4-2-1: an identity and a projection."""
    params = {"batch_norm": True, "residual": True, "dtype": "float32"}
    network = MLPRegressor((4, 4, 2), activation=["tanh", "gelu", "elu"], **params)
    got = network.describe(n_features=3, n_outputs=1)
    assert [layer.shortcut for layer in got.layers] == [
        "", "identity", "projection", "",
    ]  # fmt: skip
    assert [layer.norm for layer in got.layers] == ["batch", "batch", "batch", ""]
    assert [layer.n_weights for layer in got.layers] == [12, 16, 8, 2]
    assert [layer.n_biases for layer in got.layers] == [4, 4, 2, 1]
    # Scale, shift, mean and variance of each unit, and a count; 4 · 2 of a projection.
    assert [layer.n_others for layer in got.layers] == [17, 17, 9 + 8, 0]
    assert [layer.flops for layer in got.layers] == [24, 32, 32, 4]
    assert got.n_params == 38 + 11 + 51
    assert got.weight_bytes == 400
    assert got.flops_per_training_row == 3 * (32 + 32 + 4) + 2 * 24


CASES = {
    "plain": (MLPClassifier, "multiclass", {}),
    "binary": (MLPEstimator, "binary", {"solver": "sgd"}),
    "softmax": (MLPEstimator, "binary", {"output_activation": "softmax"}),
    "labels": (MLPClassifier, "multilabel", {"solver": "amsgrad"}),
    "outputs": (MLPRegressor, "multioutput", {"solver": "lion", "dtype": "float32"}),
    "quantiles": (
        MLPRegressor, "regression", {"loss": "quantile", "quantile": [0.1, 0.9]},
    ),
    "lbfgs": (MLPRegressor, "regression", {"solver": "lbfgs"}),
    "full": (MLPClassifier, "multiclass", {"batch_size": "full"}),
    "layer norm": (MLPClassifier, "multiclass", {"layer_norm": True}),
    "deep": (
        MLPClassifier, "multiclass",
        {"batch_norm": True, "residual": True, "activation": "gelu", "dropout": 0.2},
    ),
    "all": (
        MLPClassifier, "multiclass",
        {
            "mixup_alpha": 0.3, "l1_ratio": 0.5, "max_norm": 3.0, "ema_decay": 0.9,
            "label_smoothing": 0.1, "gradient_clip_norm": 5.0, "input_noise": 0.1,
            "early_stopping": True, "class_weight": "balanced",
        },
    ),
    "one thread": (MLPClassifier, "multiclass", {"n_threads": 1}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_beside_a_fit(case, monkeypatch):
    """Parameters, the solver's memory and the arena are those of the real thing."""
    cls, kind, params = CASES[case]
    made = []
    for module in (training, lbfgs):

        class Spy(module.Network):
            def __init__(self, *arguments):
                super().__init__(*arguments)
                made.append(self)

        monkeypatch.setattr(module, "Network", Spy)
    X, y = make_data(kind, n=150)
    model = cls(
        **{"hidden_layer_sizes": (9, 9, 5), "batch_size": 40, "max_iter": 3, **params}
    )
    before = clone(model)
    model.fit(X, y)
    (network,) = made
    n_samples = network.net[training.at.N_ROWS]
    got = model.describe(n_samples=150 if case == "lbfgs" else None)
    assert got.arena_bytes == network.arena.nbytes
    assert got.n_threads == network.net[training.at.N_WORKERS]
    assert got.n_samples == n_samples
    assert got.batch_size == network.net[training.at.BATCH]
    lists = [getattr(model, name, []) for name in PARAMETER_ATTRIBUTES]
    arrays = [a for arrays in lists for a in arrays if a is not None]
    assert got.n_params == sum(a.size for a in arrays)
    assert got.weight_bytes == sum(a.nbytes for a in arrays)
    assert got.n_weights == sum(W.size for W in model.coefs_)
    assert got.n_biases == sum(b.size for b in model.intercepts_)
    slots = model._optimizer.slots.nbytes if model._optimizer else 0
    assert got.solver_bytes == slots
    assert got.dtype == model.coefs_[0].dtype.name
    assert (got.n_iter, got.loss) == (model.n_iter_, model.loss_)
    if kind != "multilabel":  # a network of as many exclusive classes is described
        ends = {"n_features": X.shape[1], "n_outputs": model.n_outputs_}
        early = before.describe(**ends, n_samples=int(n_samples))
        assert early.layers == got.layers
        assert early.arena_bytes == got.arena_bytes


def test_epochs_of_several_calls():
    """Rows of an epoch are known while all calls had as many."""
    X, y = make_data("multiclass")
    model = MLPClassifier((5,), max_iter=2, warm_start=True)
    assert model.initialize(X, y).describe().n_samples is None
    assert model.describe().n_iter == 0
    assert model.fit(X, y).fit(X, y).describe().n_samples == len(X)
    assert model.describe(n_samples=7).n_samples == 7
    model.partial_fit(X[:50], y[:50])
    assert model.describe().n_samples is None
    assert model.describe().flops_per_epoch is None


def test_without_a_number_of_samples():
    """What depends on it is None: everything per batch, if a batch is all rows."""
    got = MLPClassifier((5,)).describe(n_features=3, n_outputs=4)
    assert got.batch_size == 200
    assert got.flops_per_epoch is None
    assert got.arena_bytes > 0
    for params in ({"batch_size": "full"}, {"solver": "lbfgs"}):
        got = MLPClassifier((5,), **params).describe(n_features=3, n_outputs=4)
        known = (got.batch_size, got.arena_bytes, got.flops_per_batch, got.n_threads)
        assert known == (None,) * 4
        assert got.n_params == 3 * 5 + 5 + 5 * 4 + 4
    few = MLPClassifier((5,)).describe(n_features=3, n_outputs=4, n_samples=20)
    assert few.batch_size == 20


def test_text():
    """Every figure is there, in columns."""
    network = MLPClassifier((16, 16), batch_norm=True)
    got = network.describe(n_features=784, n_outputs=10, n_samples=60_000)
    assert isinstance(got, Description)
    lines = str(got).splitlines()
    assert repr(got) == str(got)
    assert lines[0] == "MLPClassifier 784-16-16-10, float64, 13,132 parameters"
    assert lines[2].split()[:3] == ["layer", "inputs", "units"]
    assert lines[3].startswith("hidden 1     784     16  relu        batch norm")
    assert lines[6].split() == ["sum", "12,960", "42", "130", "25,920"]
    assert len({len(line) for line in lines[2:7]}) == 1
    figures = dict(re.split("  +", line) for line in lines[8:])
    assert figures["memory of the solver (adam)"] == f"{16 * 13_132:,} bytes"
    assert figures["rows of an epoch"] == "60,000"
    assert "loss" not in figures
    plain = str(MLPClassifier((16,)).describe(n_features=4, n_outputs=1))
    assert "structure" not in plain
    assert "unknown without n_samples" in plain
    X, y = make_data("binary")
    fitted = MLPClassifier((4,), max_iter=3).fit(X, y)
    assert str(fitted.describe()).splitlines()[-1].split() == [
        "loss",
        f"{fitted.loss_:.6g}",
    ]


def test_nothing_is_compiled_or_changed(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("compiled")

    X, y = make_data("multiclass")
    model = MLPClassifier((7,), max_iter=2, dropout=0.1, layer_norm=True).fit(X, y)
    before = dict(vars(model))
    monkeypatch.setattr(_jit.Unit, "address", refuse)
    monkeypatch.setattr(_jit.Unit, "__getitem__", refuse)
    model.describe()
    assert vars(model) == before
    fresh = MLPRegressor((7,), activation="mish", solver="lion")
    fresh.describe(n_features=2, n_outputs=3)
    assert not [name for name in vars(fresh) if name.endswith("_")]


def test_figures_are_plain_numbers():
    X, y = make_data("multiclass")
    got = MLPClassifier((7,), max_iter=2).fit(X, y).describe()
    figures = {k: v for k, v in vars(got).items() if k != "layers"}
    assert json.loads(json.dumps(figures))["n_params"] == got.n_params


def test_transformers():
    """The network that is trained, before and after."""
    X, y = make_data("multiclass")
    inner = MLPClassifier((7,), max_iter=2)
    transformer = MLPTransformer(inner)
    early = transformer.describe(n_features=7, n_outputs=4)
    late = transformer.fit(X, y).describe()
    assert early.layers == late.layers
    assert late.n_iter == 2
    default = MLPTransformer().describe(n_features=7, n_outputs=4)
    assert default.sizes == (7, 100, 4)


def test_errors():
    """They say what is needed, or what contradicts what."""
    network = MLPClassifier((5,))
    with pytest.raises(ValueError, match="needs n_features and n_outputs"):
        network.describe()
    with pytest.raises(ValueError, match="needs n_outputs, for example"):
        network.describe(n_features=3)
    for name in ("n_features", "n_outputs", "n_samples"):
        for bad in (0, -1, 2.0, "3", True):
            with pytest.raises(ValueError, match=f"{name} must be an integer"):
                network.describe(**{"n_features": 3, "n_outputs": 3, name: bad})
    with pytest.raises(ValueError, match="activation"):
        MLPClassifier((5,), activation="none").describe(n_features=3, n_outputs=3)
    levels = MLPRegressor((5,), loss="quantile", quantile=[0.1, 0.9])
    with pytest.raises(ValueError, match=r"n_outputs=3, but .* 2 outputs"):
        levels.describe(n_features=3, n_outputs=3)
    X, y = make_data("multiclass")
    fitted = MLPClassifier((5,), max_iter=2).fit(X, y)
    assert fitted.describe(n_features=7, n_outputs=4).sizes == (7, 5, 4)
    with pytest.raises(ValueError, match=r"n_outputs=3 contradicts .* has 4"):
        fitted.describe(n_outputs=3)


def test_numpy_integers_count():
    got = MLPClassifier((5,)).describe(n_features=np.int64(3), n_outputs=np.int32(2))
    assert got.n_params == 3 * 5 + 5 + 5 * 2 + 2
