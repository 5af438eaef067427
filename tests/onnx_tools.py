"""Networks with random weights, and ONNX models beside the library's predictions."""

import numpy as np
import onnxruntime

import fastnn

# The last bits of float32 (6e-8) grow by sums of some ten terms in a few layers.
BOUNDS = {"float32": 1e-5, "float64": 1e-12}
STRUCTURES = {
    "plain": {},
    "layer": {"layer_norm": True},
    "batch": {"batch_norm": True},
    "residual": {"residual": True},  # an identity and a projection, see SIZES
    "residual+layer": {"residual": True, "layer_norm": True},
    "residual+batch": {"residual": True, "batch_norm": True},
}
SIZES = (6, 6, 4)
N, N_FEATURES = 53, 5


def rows(seed=0, scale=1.0):
    """Return samples, some of them 0."""
    rng = np.random.default_rng(seed)
    X = scale * rng.standard_normal((N, N_FEATURES))
    X[3] = 0
    return X


def targets_of(kind, seed=1):
    """Return targets for `rows`."""
    rng = np.random.default_rng(seed)
    return {
        "binary": rng.integers(2, size=N),
        "multiclass": rng.integers(4, size=N),
        "multilabel": rng.integers(2, size=(N, 3)),
        "one class": np.zeros(N, int),
        "regression": rng.random(N),
        "regression-3": rng.random((N, 3)),
    }[kind]


def randomise(model, seed=2):
    """Give every parameter of a network a value that tells it from the others."""
    rng = np.random.default_rng(seed)
    for name in ("coefs_", "shortcut_coefs_"):
        for W in getattr(model, name, []):
            if W is not None:
                W[:] = 2 * rng.standard_normal(W.shape) / np.sqrt(len(W))
    for name in ("intercepts_", "norm_scales_", "norm_shifts_", "norm_means_"):
        for b in getattr(model, name, []):
            b[:] = 0.3 * rng.standard_normal(b.shape)
    for v in getattr(model, "norm_variances_", []):
        v[:] = 0.2 + rng.random(v.shape)
    return model


def network(task, y, dtype, **params):
    """Return a network with random parameters that was not trained."""
    params = {"hidden_layer_sizes": SIZES, "activation": "tanh", **params}
    model = fastnn.MLPEstimator(task=task, dtype=dtype, random_state=0, **params)
    return randomise(model.initialize(rows(), y))


def run(program, X):
    """Return a model's outputs by their names, as ONNX Runtime computes them."""
    session = onnxruntime.InferenceSession(
        program.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (entry,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {entry.name: X}), strict=True))


def assert_same(got, want, dtype):
    """Compare numbers, by an error that is relative to the largest one."""
    want = np.asarray(want)
    assert got.shape == want.shape
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(want))
    scale = np.abs(want[np.isfinite(want)]).max()
    np.testing.assert_allclose(got, want, rtol=0, atol=BOUNDS[dtype] * scale)
