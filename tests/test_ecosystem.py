"""Searches and wrappers of other libraries that train through `partial_fit`.

They are tested where they are installed; what they warn of is theirs.
"""

import numpy as np
import pytest
from helpers import ignore_convergence, make_data

from fastnn import MLPClassifier, MLPEstimator, MLPRegressor

pytestmark = [ignore_convergence, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPEstimator])
def test_optuna_search_prunes(kind):
    """Trials are trained epoch by epoch, and the best one is fitted again."""
    optuna = pytest.importorskip("optuna")
    search_cv = pytest.importorskip("optuna_integration").OptunaSearchCV
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = make_data("multiclass", n=200, p=8)
    rates = optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)
    search = search_cv(
        kind((20,), max_iter=15, random_state=0),
        {"learning_rate_init": rates},
        cv=3, n_trials=8, enable_pruning=True, max_iter=15, random_state=0,
        study=optuna.create_study(
            direction="maximize", pruner=optuna.pruners.MedianPruner(2, 2)
        ),
    )  # fmt: skip
    search.fit(X, y)
    states = {trial.state.name for trial in search.trials_}
    assert "COMPLETE" in states
    steps = [len(trial.intermediate_values) for trial in search.trials_]
    assert max(steps) == 15  # scores of every epoch were reported
    pruned = [trial for trial in search.trials_ if trial.state.name == "PRUNED"]
    assert all(len(trial.intermediate_values) < 15 for trial in pruned)
    rate = search.best_params_["learning_rate_init"]
    alone = kind((20,), max_iter=15, random_state=0, learning_rate_init=rate)
    np.testing.assert_array_equal(
        search.best_estimator_.predict(X), alone.fit(X, y).predict(X)
    )


@pytest.mark.parametrize("regression", [False, True])
def test_dask_ml_incremental_trains_block_by_block(regression):
    """The same as `partial_fit` called by hand, block after block."""
    wrappers = pytest.importorskip("dask_ml.wrappers", exc_type=ImportError)
    array = pytest.importorskip("dask.array")
    X, y = make_data("regression" if regression else "multiclass", n=200, p=8)
    kind = MLPRegressor if regression else MLPClassifier
    params = {} if regression else {"classes": np.unique(y)}
    wrapped = wrappers.Incremental(kind((10,), random_state=0), shuffle_blocks=False)
    alone = kind((10,), random_state=0)
    for _ in range(3):
        wrapped.partial_fit(
            array.from_array(X, chunks=(50, 8)), array.from_array(y, chunks=50),
            **params,
        )  # fmt: skip
        for start in range(0, 200, 50):
            rows = slice(start, start + 50)
            alone.partial_fit(X[rows], y[rows], **params)
    np.testing.assert_array_equal(wrapped.estimator_.coefs_[0], alone.coefs_[0])
