"""Hyperband: brackets of successive halving over epochs."""

import math
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
from sklearn.model_selection import ParameterSampler
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state

from ..inputs.parameters import Range
from ._callbacks import begin_stage, end_stage
from ._candidates import prefix_of
from ._search import PopulationSearch


def brackets_of(max_iter, aggressiveness):
    """Return Hyperband's brackets: for each its rungs of (networks, epochs).

    With s_max the largest s for which ``aggressiveness ** s <= max_iter``: bracket s,
    from s_max down to 0, begins with ``ceil((s_max + 1) / (s + 1) * aggressiveness **
    s)`` networks. Its rung i has ``aggressiveness ** -i`` of them, rounded down, for
    ``max_iter * aggressiveness ** (i - s)`` epochs.
    """
    last = 0
    while aggressiveness ** (last + 1) <= max_iter * (1 + 1e-12):
        last += 1
    brackets = []
    for s in range(last, -1, -1):
        n = math.ceil((last + 1) / (s + 1) * aggressiveness**s - 1e-9)
        rungs = [
            (
                max(1, int(n / aggressiveness**i + 1e-9)),
                max(1, round(max_iter * aggressiveness ** float(i - s))),
            )
            for i in range(s + 1)
        ]
        brackets.append(rungs)
    return brackets


class HyperbandSearchCV(PopulationSearch):
    """Search over distributions by Hyperband, the resource being epochs.

    Many candidates are trained for few epochs, and the best of them go on, in brackets
    that differ in how soon they choose [1]_. Survivors go on from where they stopped.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, MLPEstimator or Pipeline
        The network, or a pipeline that ends in one.

    param_distributions : dict or list of dict
        Distributions or lists to sample from, without `max_iter`.

    max_iter : int, default=81
        Epochs of the candidates that get most.

    aggressiveness : int or float, default=3
        One in so many candidates goes on to the next rung, with so many times the
        epochs.

    scoring, n_jobs, refit, cv, verbose
        As for :class:`GridSearchCV`. With several metrics `refit` names the one that
        decides who goes on.

    random_state : int, RandomState instance or None, default=None
        Seed of the candidates.

    error_score, return_train_score
        As for :class:`GridSearchCV`.

    Attributes
    ----------
    cv_results_ : dict of arrays
        scikit-learn's, with a row for each candidate and rung, and the columns
        "bracket", "iter" (the rung), "n_resources" (epochs in all) and "model_id".
    metadata, metadata_ : dict
        What the search will cost, and what it did: "n_models", "partial_fit_calls"
        (epochs of one fold if nothing stops before) and "brackets"; after `fit` also
        "n_epochs".
    best_estimator_, best_params_, best_score_, best_index_ : the best
        Of all rows, as in [1]_: the row with the best score, in whatever rung, also
        an early one. `best_params_` has the epochs of that row, and `best_estimator_`
        is trained for as many. A function as `refit` may choose otherwise; see Notes.
    n_epochs_trained_ : int
        Epochs trained over all folds, without the last fit on everything.
    n_splits_, scorer_, multimetric_, refit_time_, classes_, n_features_in_, \
feature_names_in_
        As for :class:`GridSearchCV`.

    See Also
    --------
    HalvingRandomSearchCV : One bracket.
    suggest_space : Proposes distributions.

    Notes
    -----
    The epochs are part of what is chosen: a candidate that overfits has its best score
    in an early rung. (dask-ml counts each candidate's last score alone.) Early rungs
    have the most scores, so their best may be luck; to choose among the candidates with
    most epochs, pass a function, here for a single metric::

        def longest(results):
            epochs, scores = results["n_resources"], results["mean_test_score"]
            return int(np.nanargmax(np.where(epochs == epochs.max(), scores, np.nan)))

    References
    ----------
    .. [1] L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar, "Hyperband:
       A novel bandit-based approach to hyperparameter optimization", 2018.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.model_selection import HyperbandSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(batch_size=16, random_state=0)
    >>> rates = {"learning_rate_init": loguniform(1e-4, 1e-1)}
    >>> search = HyperbandSearchCV(network, rates, max_iter=9, random_state=0)
    >>> search.metadata["n_models"]
    17
    >>> import warnings
    >>> from sklearn.exceptions import ConvergenceWarning
    >>> with warnings.catch_warnings():  # 9 epochs are few
    ...     warnings.simplefilter("ignore", ConvergenceWarning)
    ...     search = search.fit(X, y)
    >>> bool(search.best_score_ > 0.8)
    True
    """

    _parameter_constraints: ClassVar[dict] = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list],
        "max_iter": [Range(Integral, 1, None, closed="left")],
        "aggressiveness": [Range(Real, 1, None, closed="neither")],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("pre_dispatch")

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        max_iter=81,
        aggressiveness=3,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.max_iter, self.aggressiveness = max_iter, aggressiveness
        self.random_state = random_state

    @property
    def metadata(self):
        """What the search will cost, if no candidate stops before its time."""
        brackets = []
        all_brackets = brackets_of(self.max_iter, self.aggressiveness)
        for number, rungs in zip(
            range(len(all_brackets) - 1, -1, -1), all_brackets, strict=True
        ):
            calls, before = 0, 0
            for n_models, n_epochs in rungs:
                calls += n_models * (n_epochs - before)
                before = n_epochs
            brackets.append(
                {
                    "bracket": number,
                    "n_models": rungs[0][0],
                    "partial_fit_calls": calls,
                    "decisions": [n_epochs for _, n_epochs in rungs],
                }
            )
        totals = {
            name: sum(bracket[name] for bracket in brackets)
            for name in ("n_models", "partial_fit_calls")
        }
        return {**totals, "brackets": brackets}

    def _epochs(self):
        return f"{prefix_of(self.estimator)}max_iter", self.max_iter

    def fit(self, X, y=None, **params):
        """Run the search.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            What the estimator's `fit`, the scorer and the splitter take besides.

        Returns
        -------
        self : object
            Fitted search.
        """
        super().fit(X, y, **params)
        self.metadata_ = self.metadata
        if hasattr(self, "n_epochs_trained_"):
            self.metadata_["n_epochs"] = self.n_epochs_trained_
        return self

    def _check_input_parameters(self, X, y, split_params):
        """Raise if epochs are to be searched as well."""
        resource, _ = self._epochs()
        spaces = self.param_distributions
        for space in [spaces] if isinstance(spaces, dict) else spaces:
            if resource in space:
                raise ValueError(
                    f"{resource} is what Hyperband gives to candidates; leave it out "
                    "of param_distributions and set max_iter."
                )

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        random_state = check_random_state(self.random_state)
        all_brackets = brackets_of(self.max_iter, self.aggressiveness)
        n_known = 0
        search = begin_stage(self, callback_ctx, "search", len(all_brackets))
        for number, rungs in zip(
            range(len(all_brackets) - 1, -1, -1), all_brackets, strict=True
        ):
            sampler = ParameterSampler(
                self.param_distributions, rungs[0][0], random_state=random_state
            )
            candidates = dict(enumerate(sampler, start=n_known))
            n_known += len(candidates)
            bracket = begin_stage(self, search, "bracket", len(rungs))
            self._run_bracket(evaluate_candidates, number, rungs, candidates, bracket)
            end_stage(self, bracket)
        end_stage(self, search)

    def _run_bracket(self, evaluate_candidates, number, rungs, candidates, context):
        """Evaluate candidates, by their number, through the rungs of a bracket."""
        resource, _ = self._epochs()
        results = {}
        for rung, (n_models, n_epochs) in enumerate(rungs):
            if rung:
                scores = results[self._deciding(results)][-len(candidates) :]
                # the best, NaN last, in the order in which they were drawn
                order = np.argsort(-scores, kind="stable")[:n_models]
                kept = np.array(list(candidates))[np.sort(order)]
                candidates = {model: candidates[model] for model in kept.tolist()}
            n = len(candidates)
            stage = begin_stage(
                self, context, "halving-iteration", n * self.n_splits_, False
            )
            results = evaluate_candidates(
                [{**params, resource: n_epochs} for params in candidates.values()],
                more_results={
                    "bracket": [number] * n,
                    "iter": [rung] * n,
                    "n_resources": [n_epochs] * n,
                    "model_id": list(candidates),
                },
                **({} if stage is None else {"callback_ctx": stage}),
            )
            end_stage(self, stage)

    def _deciding(self, results):
        """Return the column that decides who goes on."""
        if "mean_test_score" in results:
            return "mean_test_score"
        if not isinstance(self.refit, str):
            raise ValueError(
                "With several metrics, refit must name the one that decides which "
                f"candidates go on; got {self.refit!r}."
            )
        return f"mean_test_{self.refit}"
