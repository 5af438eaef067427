"""Samples of predictions by dropout, and what they say together."""

import itertools

import numpy as np
import pandas as pd
import pytest
import reference
from helpers import (
    assert_same_bits,
    ignore_convergence,
    make_data,
    run_python,
    weights_of,
)
from scipy import sparse
from scipy.special import expit
from sklearn.exceptions import NotFittedError

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor
from fastnn.inspection import ensembles

pytestmark = ignore_convergence


def tiny(dropout, dtype="float64", **params):
    """Return a 2-3-1 network whose hidden units all matter, and a row."""
    X, y = np.array([[0.3, -0.8], [1.0, 0.5]]), np.array([0, 1])
    network = MLPClassifier(
        (3,), activation="tanh", dropout=dropout, dtype=dtype, **params
    ).initialize(X, y)
    network.coefs_[0][:] = [[0.7, -1.1, 0.4], [0.9, 0.3, -1.5]]
    network.intercepts_[0][:] = [0.5, -0.4, 0.8]
    network.coefs_[1][:, 0] = [1.4, 1.9, -1.2]
    network.intercepts_[1][:] = 0.3
    return network, X[:1]


def expectation(network, x, p_inputs, p):
    """Return mean and variance of P(1) over all masks, each with its probability."""
    mean = square = 0.0
    W, V = network.coefs_
    b, c = network.intercepts_
    for kept in itertools.product((0, 1), repeat=5):
        on_inputs, on_hidden = np.array(kept[:2]), np.array(kept[2:])
        share = np.prod(np.where(on_inputs, 1 - p_inputs, p_inputs))
        share *= np.prod(np.where(on_hidden, 1 - p, p))
        a = np.tanh(x * on_inputs / (1 - p_inputs) @ W + b) * on_hidden / (1 - p)
        probability = expit(a @ V + c)[0]
        mean += share * probability
        square += share * probability**2
    return mean, square - mean**2


@pytest.mark.parametrize("p_inputs", [0.0, 0.25])
def test_mean_and_variance_are_those_of_all_masks(p_inputs):
    """By brute force; five standard errors of 40,000 samples, rows and calls alike."""
    network, x = tiny([p_inputs, 0.4])
    mean, variance = expectation(network, x[0], p_inputs, 0.4)
    # 4 masks of the inputs for each of the hidden layer's, but that which drops all.
    n_values = 4 * 7 + 1 if p_inputs else 8
    assert abs(mean - network.predict_proba(x)[0, 1]) > 0.01  # dropout is not linear
    for n_samples, n_rows in ((40_000, 1), (10, 4000)):
        samples = network.predict_proba_samples(
            np.repeat(x, n_rows, axis=0), n_samples, random_state=0
        )
        assert samples.shape == (n_samples, n_rows, 2)
        p = samples[:, :, 1].ravel()
        assert p.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / p.size))
        # The variance of p² is at most a quarter.
        assert p.var() == pytest.approx(variance, abs=5 * np.sqrt(0.25 / p.size))
        assert len(np.unique(p.round(9))) == n_values


def test_samples_against_the_masks_of_training():
    """A sample's masks are those of an epoch that has its number."""
    X, y = make_data("regression", n=300)
    network = MLPRegressor((9, 9), dropout=[0.1, 0.3, 0.5], residual=True)
    network.initialize(X, y)
    samples = network.predict_samples(X, 3, random_state=7)
    seed = np.random.RandomState(7).randint(np.iinfo(np.int32).max)
    sizes, structure = (7, 9, 9, 1), reference.Structure(residual=True)
    theta = network._shared.theta
    for sample, got in enumerate(samples):
        masks = tuple(
            reference.mask(seed, sample, i - 1, np.arange(300), sizes[i], p)
            for i, p in enumerate((0.1, 0.3, 0.5))
        )
        z = reference.trace(
            theta, sizes, "relu", X, y[:, None],
            structure=structure, disturbance=reference.Disturbance(masks),
        )[2]  # fmt: skip
        np.testing.assert_allclose(got, z, rtol=0, atol=1e-12)


def test_the_same_seed_gives_the_same_bits():
    """And another one other bits; a generator goes on."""
    network, x = tiny(0.5)
    X = np.repeat(x, 50, axis=0)
    first = network.predict_proba_samples(X, 20, random_state=3)
    assert_same_bits([first], [network.predict_proba_samples(X, 20, random_state=3)])
    other = network.predict_proba_samples(X, 20, random_state=4)
    assert (first != other).mean() > 0.5
    stream = np.random.RandomState(3)
    drawn = [network.predict_proba_samples(X, 20, random_state=stream) for _ in "12"]
    assert_same_bits([first], drawn[:1])
    assert (drawn[0] != drawn[1]).mean() > 0.5
    # Fewer samples and fewer rows are a part of more.
    assert_same_bits([first[:5, :9]], [network.predict_proba_samples(X[:9], 5, 3)])
    assert len(np.unique(first[:, :, 1].round(9))) == 8


def test_bits_do_not_depend_on_threads():
    """In a process that starts threads for the smallest work."""
    done = run_python(
        """
        import json, warnings
        import numpy as np
        from helpers import force_threads, make_data
        import fastnn
        warnings.simplefilter("ignore")
        calls = force_threads()
        X, y = make_data("multiclass", n=700)
        same = []
        for params in ({}, {"batch_norm": True, "residual": True}):
            model = fastnn.MLPClassifier(
                (33, 17), dropout=[0.2, 0.3, 0.1], max_iter=1, random_state=0,
                n_threads=2, batch_size="full", **params
            ).fit(X, y)  # starts threads
            model.n_threads = 1
            calls.update(parallel=0)
            want = model.predict_proba_samples(X, 4, random_state=0)
            for n_threads in (2, 3):
                model.n_threads = n_threads
                got = model.predict_proba_samples(X, 4, random_state=0)
                same.append(got.tobytes() == want.tobytes())
        print(json.dumps([same, calls, fastnn.threads.numba.config.NUMBA_NUM_THREADS]))
        """
    )
    same, calls, available = done
    assert same == [True] * 4
    assert (calls["parallel"] > 0) == (available > 1)


def test_training_goes_on_as_it_would():
    """Drawing samples between two epochs changes no mask and no stream."""
    X, y = make_data("multiclass")
    models = [
        MLPEstimator((9,), dropout=0.3, random_state=1, input_noise=0.1)
        for _ in range(2)
    ]
    for epoch in range(3):
        for model in models:
            model.partial_fit(X, y, classes=np.unique(y))
        models[0].predict_proba_samples(X, 5, random_state=epoch)
    assert_same_bits(weights_of(models[0]), weights_of(models[1]))
    want = models[1].predict_proba(X)  # predictions themselves drop nothing
    assert_same_bits([models[0].predict_proba(X)], [want])


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forms_of_classifiers(kind, dtype):
    """Each sample has the form of `predict_proba`."""
    X, y = make_data(kind)
    network = MLPClassifier((9,), dropout=0.3, dtype=dtype, max_iter=3).fit(X, y)
    samples = network.predict_proba_samples(X, 6)
    want = network.predict_proba(X)
    assert samples.shape == (6, *want.shape)
    assert samples.dtype == want.dtype
    if kind != "multilabel":
        np.testing.assert_allclose(samples.sum(axis=2), 1, rtol=1e-5)
    assert (samples >= 0).all()
    assert np.ptp(samples, axis=0).max() > 0.01
    assert network.predict_proba_samples(X).shape[0] == 100
    one_of_many = MLPClassifier(
        (9,), dropout=0.3, max_iter=3, output_activation="logistic"
    )
    if kind == "multiclass":
        p = one_of_many.fit(X, y).predict_proba_samples(X, 6)
        np.testing.assert_allclose(p.sum(axis=2), 1, rtol=1e-5)


def test_forms_of_regressors():
    for kind, k in (("regression", 1), ("multioutput", 3)):
        X, y = make_data(kind)
        network = MLPRegressor((9,), dropout=0.3, max_iter=3).fit(X, y)
        assert network.predict_samples(X, 6).shape == (6, len(X), k)
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    named = MLPRegressor((9,), dropout=0.3, max_iter=3).fit(frame, y)
    assert named.predict_samples(frame, 2).shape == (2, len(X), 3)


def test_sparse_rows():
    X, y = make_data("multiclass")
    X[np.abs(X) < 0.7] = 0
    network = MLPClassifier((9,), dropout=0.3, max_iter=3).fit(X, y)
    want = network.predict_proba_samples(X, 5, random_state=0)
    got = network.predict_proba_samples(sparse.csr_matrix(X), 5, random_state=0)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    network.set_params(dropout=[0.1, 0.3])
    with pytest.raises(ValueError, match=r"dropout of the inputs needs .*toarray"):
        network.predict_proba_samples(sparse.csr_matrix(X), 5)


def test_methods_that_there_are():
    """Of a classifier one, of a regressor the other, of margins none."""
    names = ("predict_proba_samples", "predict_samples")
    for estimator, has in (
        (MLPClassifier(), (True, False)),
        (MLPRegressor(), (False, True)),
        (MLPEstimator(), (True, False)),
        (MLPEstimator(task="regression"), (False, True)),
        (MLPClassifier(loss="hinge"), (False, False)),
    ):
        assert tuple(hasattr(estimator, name) for name in names) == has


def test_errors():
    """They name the parameter, and come before any work."""
    X, y = make_data("multiclass")
    with pytest.raises(NotFittedError):
        MLPClassifier(dropout=0.2).predict_proba_samples(X)
    plain = MLPClassifier((9,), max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match=r"dropout=0\.0 drops none: fit with dropout"):
        plain.predict_proba_samples(X)
    linear = MLPClassifier((), dropout=0.5, max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="without hidden layers needs a list"):
        linear.predict_proba_samples(X)
    inputs_only = linear.set_params(dropout=[0.5]).predict_proba_samples(X, 4)
    assert np.ptp(inputs_only, axis=0).min() >= 0
    assert np.ptp(inputs_only, axis=0).max() > 0.1
    network = plain.set_params(dropout=0.3)  # counts as it is now
    assert np.ptp(network.predict_proba_samples(X, 3), axis=0).max() > 0
    for bad in (0, -1, 2.0, "3", True, None):
        with pytest.raises(ValueError, match="n_samples must be an integer from 1 on"):
            network.predict_proba_samples(X, bad)
    with pytest.raises(ValueError, match="'dropout' parameter"):
        network.set_params(dropout=1.5).predict_proba_samples(X)
    with pytest.raises(ValueError, match="7 features"):
        network.set_params(dropout=0.2).predict_proba_samples(X[:, :5])


CERTAIN = [[[1.0, 0.0]], [[1.0, 0.0]]]
UNSURE = [[[0.5, 0.5]], [[0.5, 0.5]]]
DIVIDED = [[[1.0, 0.0]], [[0.0, 1.0]]]


@pytest.mark.parametrize(
    ("samples", "entropy", "information"),
    [(CERTAIN, 0, 0), (UNSURE, np.log(2), 0), (DIVIDED, np.log(2), np.log(2))],
)
def test_entropies_by_hand(samples, entropy, information):
    """Members that agree on doubt, and members that do not agree."""
    summary = ensembles.summarise(samples)
    np.testing.assert_allclose(summary.predictive_entropy, [entropy], atol=1e-15)
    np.testing.assert_allclose(summary.mutual_information, [information], atol=1e-15)


def test_summary_by_hand():
    samples = np.array([[[0.2, 0.3, 0.5]], [[0.4, 0.5, 0.1]]])
    summary = ensembles.summarise(samples)
    np.testing.assert_allclose(summary.mean, [[0.3, 0.4, 0.3]])
    np.testing.assert_allclose(summary.std, [[0.1, 0.1, 0.2]])

    def entropy(*p):
        return -sum(v * np.log(v) for v in p)

    whole = entropy(0.3, 0.4, 0.3)
    own = (entropy(0.2, 0.3, 0.5) + entropy(0.4, 0.5, 0.1)) / 2
    np.testing.assert_allclose(summary.predictive_entropy, [whole])
    np.testing.assert_allclose(summary.mutual_information, [whole - own])
    labels = ensembles.summarise(samples, "labels")
    want = [[entropy(p, 1 - p) for p in (0.3, 0.4, 0.3)]]
    np.testing.assert_allclose(labels.predictive_entropy, want)
    first = want[0][0] - (entropy(0.2, 0.8) + entropy(0.4, 0.6)) / 2
    np.testing.assert_allclose(labels.mutual_information[0, 0], first)
    values = ensembles.summarise(-samples, "values")
    np.testing.assert_allclose(values.mean, [[-0.3, -0.4, -0.3]])
    assert values.predictive_entropy is None
    assert values.mutual_information is None


def test_summary_of_a_network():
    """More doubt where there were no samples; the parts are within their bounds."""
    X, y = make_data("multiclass")
    network = MLPClassifier((30,), dropout=0.4, max_iter=60, random_state=0).fit(X, y)
    samples = network.predict_proba_samples(X, 50, random_state=0)
    summary = ensembles.summarise(samples)
    np.testing.assert_allclose(summary.mean, samples.mean(axis=0))
    assert (summary.mutual_information >= 0).all()
    assert (summary.mutual_information <= summary.predictive_entropy).all()
    assert (summary.predictive_entropy <= np.log(4) + 1e-9).all()
    assert summary.mutual_information.max() > 0.01


def test_errors_of_summaries():
    with pytest.raises(ValueError, match="kind must be one of"):
        ensembles.summarise(UNSURE, "numbers")
    with pytest.raises(ValueError, match=r"n_samples, n, n_outputs\).*\(2, 2\)"):
        ensembles.mean([[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="from 0 to 1"):
        ensembles.summarise([[[1.5, -0.5]]])
    with pytest.raises(ValueError, match="must sum to 1"):
        ensembles.predictive_entropy([[[0.5, 0.9]]])
    assert ensembles.mutual_information([[[0.5, 0.9]]], multilabel=True).shape == (1, 2)
    with pytest.raises(ValueError, match="NaN"):
        ensembles.std([[[np.nan, 0.9]]])
