"""scikit-learn's searches, their candidates trained together."""

from sklearn import model_selection as sk
from sklearn.model_selection import _search_successive_halving as sk_halving

from ._search import PopulationSearch


class GridSearchCV(sk.GridSearchCV, PopulationSearch):
    """Search over a grid, all candidates and folds trained together.

    The same as :class:`sklearn.model_selection.GridSearchCV`, with the same results
    to the bit, but for times.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        The network, or a pipeline that ends in one. A pipeline's transformers are
        fitted once per fold and per setting of theirs, not once per candidate.
        Anything else is searched by scikit-learn's own loop, as is an estimator with
        callbacks, or a search whose callbacks follow its networks' epochs.

    param_grid : dict or list of dict
        Names of parameters and lists of values to try.

    scoring : str, callable, list, tuple, dict or None, default=None
        One metric or several; None is the estimator's `score`.

    n_jobs : int or None, default=None
        Threads at most; None is all cores. Under a backend of joblib other than
        "loky" and "threading", such as "dask", the candidates are handed to its
        workers in chunks.

    refit : bool, str or callable, default=True
        Whether to fit the best candidate on everything; with several metrics, the
        name of the one that decides, or a function that chooses.

    cv : int, splitter, iterable or None, default=None
        How to split.

    verbose : int, default=0
        How much to print: from 2 on, a line for each fit as soon as it has ended.

    pre_dispatch : int or str, default="2*n_jobs"
        Has no effect.

    error_score : "raise" or number, default=np.nan
        Score of a candidate whose fit fails, for instance because it diverges. The
        others go on. With "raise" the first failure ends the search.

    return_train_score : bool, default=False
        Whether to score on training samples as well.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_
        As in scikit-learn. The fit times of networks trained together are the engine's
        account of each; the transformers' time counts for every candidate.
    n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As in scikit-learn.
    n_epochs_trained_ : int
        Epochs trained over all candidates and folds, without the last fit on
        everything.

    See Also
    --------
    RandomizedSearchCV : Draws candidates from distributions.
    HalvingGridSearchCV : Gives most of the work to the best candidates.
    sklearn.model_selection.GridSearchCV : The original.
    fastnn.inspection.SearchResultsDisplay : Pictures of what was found.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), max_iter=500, tol=1e-2, random_state=0)
    >>> search = GridSearchCV(network, {"learning_rate_init": [1e-5, 1e-2]})
    >>> search.fit(X, y).best_params_
    {'learning_rate_init': 0.01}
    """


class RandomizedSearchCV(sk.RandomizedSearchCV, PopulationSearch):
    """Search over distributions, all candidates and folds trained together.

    The same as :class:`sklearn.model_selection.RandomizedSearchCV`, with the same
    results to the bit, but for times.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        As for :class:`GridSearchCV`.

    param_distributions : dict or list of dict
        Names of parameters and distributions, or lists, to sample from. See
        `suggest_space`.

    n_iter : int, default=10
        Number of candidates.

    scoring, n_jobs, refit, cv, verbose, pre_dispatch
        As for :class:`GridSearchCV`.

    random_state : int, RandomState instance or None, default=None
        Seed of the candidates.

    error_score, return_train_score
        As for :class:`GridSearchCV`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, \
n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As for :class:`GridSearchCV`.
    n_epochs_trained_ : int
        Epochs trained over all candidates and folds, without the last fit on
        everything.

    See Also
    --------
    GridSearchCV : Tries all combinations.
    HyperbandSearchCV : Draws candidates and gives most of the work to the best.
    suggest_space : Proposes distributions.
    sklearn.model_selection.RandomizedSearchCV : The original.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import RandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), max_iter=500, tol=1e-2, random_state=0)
    >>> space = {"learning_rate_init": loguniform(1e-3, 1e-1), "alpha": [0, 1e-3]}
    >>> search = RandomizedSearchCV(network, space, n_iter=4, random_state=0)
    >>> bool(search.fit(X, y).best_score_ > 0.9)
    True
    >>> len(search.cv_results_["params"])
    4
    """


class HalvingGridSearchCV(sk_halving.HalvingGridSearchCV, PopulationSearch):
    """Search over a grid by successive halving, candidates trained together.

    The same as :class:`sklearn.model_selection.HalvingGridSearchCV`, which it gives
    the same results as, to the bit, but for times. With ``resource="max_iter"``
    (in a pipeline "<step>__max_iter") survivors go on from where they stopped instead
    of starting again. Nothing needs to be enabled.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        As for :class:`GridSearchCV`.

    param_grid : dict or list of dict
        Names of parameters and lists of values to try, without the resource.

    factor : int or float, default=3
        One in so many candidates goes on, with so many times the resource.

    resource : "n_samples" or str, default="n_samples"
        What grows from rung to rung: samples, or a parameter such as "max_iter".

    max_resources : int or "auto", default="auto"
        Resource of the last rung at most; needed unless it is samples.

    min_resources : int, "exhaust" or "smallest", default="exhaust"
        Resource of the first rung.

    aggressive_elimination : bool, default=False
        Whether to repeat the first rung until few enough candidates are left.

    cv : int, splitter or iterable, default=5
        How to split.

    scoring, refit, error_score
        As for :class:`GridSearchCV`, with one metric only.

    return_train_score : bool, default=True
        Whether to score on training samples as well.

    random_state : int, RandomState instance or None, default=None
        Seed of the subsamples.

    n_jobs, verbose
        As for :class:`GridSearchCV`. Under a backend with workers elsewhere each
        rung starts again.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, \
n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As for :class:`GridSearchCV`. The fit times of candidates that go on count
        from their beginning.
    n_epochs_trained_ : int
        Epochs trained over all candidates and folds, without the last fit on
        everything.
    n_resources_, n_candidates_, n_remaining_candidates_, max_resources_, \
min_resources_, n_iterations_, n_possible_iterations_, n_required_iterations_
        As in scikit-learn.

    See Also
    --------
    HalvingRandomSearchCV : Draws candidates from distributions.
    sklearn.model_selection.HalvingGridSearchCV : The original.

    Notes
    -----
    Candidates with the schedules "cosine" and "one_cycle" without `schedule_epochs`,
    and those with ``solver="lbfgs"``, start again in each rung. There is no
    ConvergenceWarning about networks that a rung has cut short.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import HalvingGridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), tol=1e-2, random_state=0)
    >>> search = HalvingGridSearchCV(
    ...     network,
    ...     {"learning_rate_init": [1e-5, 1e-4, 1e-2]},
    ...     resource="max_iter",
    ...     max_resources=90,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y).best_params_
    {'learning_rate_init': 0.01, 'max_iter': 90}
    >>> search.n_candidates_, search.n_resources_
    ([3, 1], [30, 90])
    """


class HalvingRandomSearchCV(sk_halving.HalvingRandomSearchCV, PopulationSearch):
    """Search over distributions by successive halving, candidates trained together.

    The same as :class:`sklearn.model_selection.HalvingRandomSearchCV`, as
    :class:`HalvingGridSearchCV` is for grids.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        As for :class:`GridSearchCV`.

    param_distributions : dict or list of dict
        Names of parameters and distributions, or lists, to sample from, without the
        resource.

    n_candidates : int or "exhaust", default="exhaust"
        Candidates of the first rung.

    factor, resource, max_resources
        As for :class:`HalvingGridSearchCV`.

    min_resources : int, "exhaust" or "smallest", default="smallest"
        Resource of the first rung.

    aggressive_elimination, cv, scoring, refit, error_score, return_train_score
        As for :class:`HalvingGridSearchCV`.

    random_state : int, RandomState instance or None, default=None
        Seed of the candidates and of the subsamples.

    n_jobs, verbose
        As for :class:`HalvingGridSearchCV`.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, \
n_splits_, refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As for :class:`HalvingGridSearchCV`.
    n_epochs_trained_ : int
        Epochs trained over all candidates and folds, without the last fit on
        everything.
    n_resources_, n_candidates_, n_remaining_candidates_, max_resources_, \
min_resources_, n_iterations_, n_possible_iterations_, n_required_iterations_
        As for :class:`HalvingGridSearchCV`.

    See Also
    --------
    HyperbandSearchCV : Several brackets of this.
    HalvingGridSearchCV : Tries all combinations.
    sklearn.model_selection.HalvingRandomSearchCV : The original.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import HalvingRandomSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), tol=1e-2, random_state=0)
    >>> search = HalvingRandomSearchCV(
    ...     network,
    ...     {"learning_rate_init": loguniform(1e-3, 1e-1)},
    ...     n_candidates=9,
    ...     resource="max_iter",
    ...     min_resources=10,
    ...     max_resources=90,
    ...     random_state=0,
    ... )
    >>> search.fit(X, y).n_candidates_
    [9, 3, 1]
    >>> search.n_resources_
    [10, 30, 90]
    """
