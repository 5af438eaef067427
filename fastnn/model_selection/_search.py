"""`fit` of the searches: scikit-learn's, with all candidates given to one engine."""

import time
from collections import defaultdict
from inspect import signature

from sklearn.base import _fit_context, clone, is_classifier
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.model_selection._validation import (
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils import indexable
from sklearn.utils.validation import _check_method_params

from ..learning.transaction import transaction
from . import _callbacks, _distribution
from ._candidates import has_callbacks, is_supported, prefix_of
from ._continuing import ContinuingEvaluator
from ._evaluation import Evaluator, Settings


class PopulationSearch(BaseSearchCV):
    """Searches by training all candidates on all folds together.

    It stands behind scikit-learn's class in the order of bases: candidates come from
    there, and `fit` from here.
    """

    @_fit_context(prefer_skip_nested_validation=False)
    @transaction
    def fit(self, X, y=None, **params):
        """Run fit with all sets of parameters.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.
        **params : dict
            What the estimator's `fit`, the scorer and the splitter take besides,
            such as `sample_weight` and `groups`. What has as many entries as X has
            samples is split with X.

        Returns
        -------
        self : object
            Fitted search.
        """
        self.__dict__.pop("n_epochs_trained_", None)
        if not is_supported(self.estimator) or y is None or self._tells_of_epochs():
            return super().fit(X, y, **params)
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        root = _callbacks.Root(self, X, y, params)
        self._check_splitter(X, y, routed.splitter.split)
        evaluator = self._evaluator(X, y, scorers, routed)
        collected = _Collected(self, evaluator, X, y, routed.splitter.split)
        self._search_with(collected, root.context)
        first = collected.out[0]["test_scores"]
        self.multimetric_ = isinstance(first, dict)
        if callable(self.scoring) and self.multimetric_:
            self._check_refit_for_multimetric(first)
            refit_metric = self.refit
        self._set_best(collected.results, refit_metric)
        if self.refit:
            self._refit(X, y, routed.estimator.fit, root)
        multimetric = isinstance(scorers, _MultimetricScorer)
        self.scorer_ = scorers._scorers if multimetric else scorers
        self.cv_results_ = collected.results
        self.n_epochs_trained_ = evaluator.n_epochs
        root.end()
        return self

    def _tells_of_epochs(self):
        """Return whether callbacks are to be told what only a fit alone can tell.

        Or what workers elsewhere would have to tell.
        """
        if has_callbacks(self.estimator) or _callbacks.reach_networks(self):
            return True
        elsewhere = _distribution.workers_elsewhere(self.n_jobs)
        return bool(elsewhere) and has_callbacks(self)

    def _check_splitter(self, X, y, split_params):
        """Set what scikit-learn sets before its search."""
        self._checked_cv_orig = check_cv(
            self.cv, y, classifier=is_classifier(self.estimator)
        )
        check = getattr(self, "_check_input_parameters", None)  # 1.6: halving's only
        if check is not None:
            check(X=X, y=y, split_params=split_params)
        self.n_splits_ = self._checked_cv_orig.get_n_splits(X, y, **split_params)

    def _evaluator(self, X, y, scorers, routed):
        """Return what trains and scores candidates."""
        settings = Settings(
            scorer=scorers,
            fit_params=routed.estimator.fit,
            score_params=routed.scorer.score,
            return_train_score=self.return_train_score,
            error_score=self.error_score,
            verbose=self.verbose,
            n_threads=_distribution.threads_here(self.n_jobs),
        )
        estimator = clone(self.estimator)
        if _distribution.workers_elsewhere(self.n_jobs):
            return _distribution.DistributedEvaluator(
                estimator, X, y, settings, self.n_jobs
            )
        resource, most = self._epochs()
        if resource is not None:
            return ContinuingEvaluator(estimator, X, y, settings, resource, most)
        return Evaluator(estimator, X, y, settings)

    def _epochs(self):
        """Return the parameter that a rung raises, if it is epochs, and its maximum."""
        resource = getattr(self, "resource", None)
        if resource == f"{prefix_of(self.estimator)}max_iter":
            return resource, self.max_resources_
        return None, None

    def _search_with(self, evaluate_candidates, context):
        """Call the search's own `_run_search`, which differs between versions."""
        if "callback_ctx" not in signature(self._run_search).parameters:
            self._run_search(evaluate_candidates)
        else:
            self._run_search(evaluate_candidates, callback_ctx=context)

    def _set_best(self, results, refit_metric):
        """Set the attributes about the best candidate."""
        if not self.refit and self.multimetric_:
            return
        self.best_index_ = self._select_best_index(self.refit, refit_metric, results)
        if not callable(self.refit):
            scores = results[f"mean_test_{refit_metric}"]
            self.best_score_ = scores[self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _refit(self, X, y, fit_params, root):
        """Fit the best candidate on everything."""
        best = clone(self.estimator)
        self.best_estimator_ = best.set_params(**clone(self.best_params_, safe=False))
        with root.refit(self.best_estimator_):
            start = time.time()
            self.best_estimator_.fit(X, y, **fit_params)
            self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_


class _Collected:
    """What `_run_search` calls to have candidates evaluated; keeps all results.

    Parameters
    ----------
    search : PopulationSearch
    evaluator : callable
    X, y : samples and targets
    split_params : dict
    """

    def __init__(self, search, evaluator, X, y, split_params):
        self.search, self.evaluator = search, evaluator
        self.X, self.y, self.split_params = X, y, split_params
        self.candidates, self.out, self.more = [], [], defaultdict(list)
        self.results = {}

    def __call__(self, candidate_params, cv=None, more_results=None, callback_ctx=None):
        """Evaluate candidates and return the results of all so far."""
        search = self.search
        candidates = list(candidate_params)
        splits = self._splits(cv or search._checked_cv_orig)
        if search.verbose > 0:
            print(
                f"Fitting {len(splits)} folds for each of {len(candidates)} "
                f"candidates, totalling {len(candidates) * len(splits)} fits"
            )
        listener = _callbacks.listener_for(
            search, callback_ctx, len(candidates), len(splits)
        )
        out = self.evaluator(candidates, splits, listener=listener)
        if not out:
            raise ValueError(
                "No fits were performed. Was the CV iterator empty? Were there no "
                "candidates?"
            )
        _warn_or_raise_about_fit_failures(out, search.error_score)
        if callable(search.scoring):
            _insert_error_scores(out, search.error_score)
        self.candidates += candidates
        self.out += out
        for key, values in (more_results or {}).items():
            self.more[key].extend(values)
        self.results = search._format_results(
            self.candidates, search.n_splits_, self.out, self.more
        )
        return self.results

    def _splits(self, cv):
        splits = list(cv.split(self.X, self.y, **self.split_params))
        expected = self.search.n_splits_
        if len(splits) != expected:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {expected} splits, got {len(splits)}"
            )
        return splits
