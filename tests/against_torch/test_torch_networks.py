"""Whole networks beside PyTorch's: trained on the same batches, in float64.

What is compared after several epochs of several mini-batches, the last of them
shorter: every parameter, the statistics of batch normalisation, the loss of each epoch
(which is computed in training mode) and predictions (in evaluation mode).
"""

import numpy as np
import pytest
from scipy import optimize, sparse
from torch_tools import (
    BATCH,
    BETAS,
    BOUND,
    DEEP,
    DESCENT,
    EPOCHS,
    N_BATCHES,
    N_ROWS,
    SCALED_BATCH_BOUND,
    TORCH_BETAS,
    F,
    Twin,
    assert_same_arrays,
    assert_same_outputs,
    assert_trained_alike,
    binary_cross_entropy,
    cross_entropy,
    data,
    fit,
    gradient_descent,
    half_squares,
    in_double,
    initialised,
    normed,
    objective,
    torch,
    train,
)


@pytest.fixture(autouse=True)
def _in_double():
    with in_double():
        yield


SMOOTH = ("identity", "logistic", "tanh", "elu", "selu", "gelu", "silu", "mish")
ALL = (*SMOOTH, "softplus", "relu", "leaky_relu")


@pytest.mark.parametrize("norm", ["", "layer", "batch"])
@pytest.mark.parametrize("activation", ALL)
def test_activations(activation, norm):
    """In a network of all kinds of layers.

    The kinks of relu and its kin are met with probability 0 only.
    """
    assert_trained_alike(
        data("multiclass"),
        cross_entropy,
        gradient_descent,
        activation=activation,
        **normed(norm),
        alpha=0.1,
        **DEEP,
        **DESCENT,
    )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("norm", ["", "layer", "batch"])
@pytest.mark.parametrize(
    "activation", [["gelu", "tanh", "softplus"], ["relu", "mish", "elu"]]
)
def test_activations_by_layer(activation, norm, residual):
    """Some derivatives are computed from z and some from f(z), side by side."""
    assert_trained_alike(
        data("multilabel"),
        binary_cross_entropy,
        gradient_descent,
        activation=activation,
        **normed(norm),
        **{**DEEP, "residual": residual},
        **DESCENT,
    )


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 6])
def test_population_statistics(n_epochs):
    """Plain averages of 5 and 10 batches, running ones of 15 and 30.

    The twin goes over from one to the other after ten batches. One that never does has
    the same weights, which do not depend on the statistics, and the same statistics
    up to the tenth batch only.
    """
    assert N_BATCHES == -(-N_ROWS // BATCH) == 5
    X, y, codes = data("multiclass")
    params = {"activation": "tanh", "batch_norm": True, **DEEP, **DESCENT}
    _, twin = assert_trained_alike(
        data("multiclass"), cross_entropy, gradient_descent, max_iter=n_epochs, **params
    )
    plain = Twin(initialised(X, y, **params))
    plain.begin_step = lambda step: None
    train(plain, cross_entropy, gradient_descent(plain), X, codes, epochs=n_epochs)
    for norm, other in zip(twin.norms, plain.norms, strict=True):
        assert norm.num_batches_tracked == 5 * n_epochs
        assert torch.equal(norm.weight, other.weight)
        for name in ("running_mean", "running_var"):
            gap = (getattr(norm, name) - getattr(other, name)).abs().max()
            assert (gap > 1e-3) == (n_epochs > 2)
            assert gap == 0 or n_epochs > 2


def test_class_weights():
    """PyTorch's weighted mean is divided by the weights' sum, as ours."""
    weights = {0: 0.5, 1: 2.0, 2: 1.3}
    X, y, codes = data("multiclass")
    row_weights = np.array([weights[c] for c in y])
    estimator, twin = assert_trained_alike(
        (X, y, codes),
        cross_entropy,
        gradient_descent,
        weight=row_weights,
        activation="tanh",
        layer_norm=True,
        **DEEP,
        **DESCENT,
    )
    by_class = initialised(
        X, y, activation="tanh", layer_norm=True, **DEEP, **DESCENT
    ).set_params(class_weight=weights)
    fit(by_class, X, y)
    assert_same_arrays(by_class, twin.arrays())
    class_weights = torch.tensor(list(weights.values()))
    with torch.no_grad():
        want = F.cross_entropy(
            twin(torch.tensor(X)), torch.tensor(codes), weight=class_weights
        )
        got = objective(
            twin,
            cross_entropy,
            torch.tensor(X),
            torch.tensor(codes),
            weight=torch.tensor(row_weights),
        )
    assert float(got) == pytest.approx(float(want), rel=1e-14)
    assert estimator.n_iter_ == by_class.n_iter_ == EPOCHS


@pytest.mark.parametrize("norm", ["", "layer", "batch"])
def test_sparse_rows(norm):
    """CSR rows take another way into the first layer."""
    X, y, codes = data("multiclass")
    X = np.where(np.abs(X) < 0.8, 0.0, X)
    params = {"activation": "gelu", **DEEP, **DESCENT}
    params |= normed(norm)
    _, twin = assert_trained_alike(
        (X, y, codes), cross_entropy, gradient_descent, **params
    )
    rows = sparse.csr_array(X)
    estimator = fit(initialised(rows, y, **params), rows, y)
    assert_same_arrays(estimator, twin.arrays())
    assert_same_outputs(estimator, twin, X)


@pytest.mark.parametrize("norm", ["", "layer", "batch"])
def test_one_epoch_at_a_time(norm):
    """`partial_fit` goes on: with the solver's state, statistics and averages."""
    X, y, codes = data("multiclass")
    params = {"activation": "silu", "solver": "nadam", "learning_rate_init": 0.02}
    params |= normed(norm)
    params |= {**DEEP, **BETAS}
    estimator = initialised(X, y, **params)
    twin = Twin(estimator)
    solver = torch.optim.NAdam(twin.parameters(), lr=0.02, **TORCH_BETAS)
    curve = train(twin, cross_entropy, solver, X, codes)
    for _ in range(EPOCHS):
        estimator.partial_fit(X, y)
    np.testing.assert_allclose(estimator.loss_curve_, curve, rtol=BOUND)
    bound = SCALED_BATCH_BOUND if norm == "batch" else BOUND
    assert_same_arrays(estimator, twin.arrays(), bound)
    assert_same_outputs(estimator, twin, X, bound)


@pytest.mark.parametrize("kind", ["multiclass", "numbers"])
@pytest.mark.parametrize("norm", ["", "layer", "batch"])
def test_lbfgs(norm, kind):
    """SciPy's solver on PyTorch's loss and gradient makes the same iterations.

    Ten of them: each builds on differences of gradients, which lose some digits, and in
    the end the two would part.

    Batch normalisation's population is all rows then, as one batch.
    """
    X, y, Y = data(kind)
    rows_loss = cross_entropy if kind == "multiclass" else half_squares
    task = "classification" if kind == "multiclass" else "regression"
    params = {"task": task, "solver": "lbfgs", "alpha": 0.5, "activation": "mish"}
    params |= {**normed(norm), **DEEP}
    estimator = initialised(X, y, max_iter=10, **params)
    twin = Twin(estimator)
    vector, set_vector = (
        torch.nn.utils.parameters_to_vector,
        torch.nn.utils.vector_to_parameters,
    )

    def loss_and_gradient(theta):
        set_vector(torch.tensor(theta), twin.parameters())
        for layer in twin.norms:
            if norm == "batch":
                layer.reset_running_stats()
        twin.zero_grad()
        loss = objective(twin, rows_loss, torch.tensor(X), torch.tensor(Y), l2=0.5)
        loss.backward()
        return loss.item(), vector([p.grad for p in twin.parameters()]).numpy()

    start = vector(twin.parameters()).detach().numpy()
    result = optimize.minimize(
        loss_and_gradient,
        start,
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": 10, "gtol": estimator.tol},
    )
    loss_and_gradient(result.x)
    fit(estimator, X, y)
    assert estimator.n_iter_ == result.nit == 10
    assert estimator.loss_ == pytest.approx(result.fun, rel=BOUND)
    assert_same_arrays(estimator, twin.arrays())
    assert_same_outputs(estimator, twin, X)
