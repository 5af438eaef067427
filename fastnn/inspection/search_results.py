"""`SearchResultsDisplay`: what a search has found, from scores to costs."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from . import _search_pictures as pictures
from ._values import places_of, unique

KINDS = ("heat_map", "parameter", "cost", "rungs")


class SearchResultsDisplay:
    """Scores of a search's candidates: of this package, scikit-learn's, or alike.

    Use `from_search` or `from_results` to make one. Where candidates were evaluated in
    several rungs, every picture but "rungs" shows the last evaluation of each.

    Parameters
    ----------
    results : dict of arrays
        `cv_results_`.
    metric : str, default="score"
        Which of the metrics, if there are several.
    resource : str, default=None
        Parameter that grows from rung to rung, if it is one.
    best_index : int, default=None
        The evaluation that the search chose; None is the highest score, in the last
        rung where there are rungs.

    Attributes
    ----------
    results, metric, resource, best_index
        As given, or found.
    values : dict of {str: list}
        What every candidate had of each parameter; None where it had none.
    varied : list of str
        The parameters with more than one value.
    scores, errors, fit_times : ndarray of shape (n_evaluations,)
        Mean and standard deviation over the folds of the held-out score, and mean
        time of a fit in seconds.
    iterations, resources : ndarray of shape (n_evaluations,), or None
        Rungs and what was spent in them, for halving.
    candidates : list
        Equal for evaluations of the same candidate.
    last : ndarray of int
        The last evaluation of every candidate.
    kind_, parameters_ : str, list of str
        What was drawn last.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artists_ : dict
        What was drawn, by name; see the kinds of `plot`.

    See Also
    --------
    fastnn.model_selection.GridSearchCV : Such a search.
    ConvergenceStudyDisplay : Curves of many rates and batch sizes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import SearchResultsDisplay
    >>> from fastnn.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier((8,), max_iter=500, tol=1e-2, random_state=0)
    >>> grid = {"alpha": [0.001, 0.1], "learning_rate_init": [0.001, 0.01, 0.1]}
    >>> search = GridSearchCV(network, grid, refit=False).fit(X, y)
    >>> display = SearchResultsDisplay.from_search(search)
    >>> display.kind_
    'heat_map'
    >>> columns, rows, table = display.heat_map()
    >>> rows
    [0.001, 0.01, 0.1]
    >>> display = SearchResultsDisplay.from_results(search.cv_results_, plot=False)
    >>> display.plot(kind="parameter", parameters="learning_rate_init").ax_.get_xlabel()
    'learning_rate_init'
    >>> 1 <= len(display.pareto_front()) <= 6
    True
    """

    def __init__(self, *, results, metric="score", resource=None, best_index=None):
        self.results, self.metric, self.resource = results, metric, resource
        known = [
            name.removeprefix("mean_test_")
            for name in results
            if name.startswith("mean_test_")
        ]
        if metric not in known:
            raise ValueError(
                f"metric must be one of the search's, {sorted(known)}; got {metric!r}."
            )
        self.scores = np.asarray(results[f"mean_test_{metric}"], dtype=float)
        if not np.isfinite(self.scores).any():
            raise ValueError(
                "No candidate has a finite score. Search with error_score='raise' to "
                "see why the fits fail."
            )
        self.errors = np.asarray(results[f"std_test_{metric}"], dtype=float)
        self.fit_times = np.asarray(results["mean_fit_time"], dtype=float)
        params = list(results["params"])
        names = sorted({name for given in params for name in given})
        self.values = {name: [given.get(name) for given in params] for name in names}
        self.varied = [
            name
            for name in names
            if name != resource and len(unique(self.values[name])) > 1
        ]
        self._read_rungs(params)
        self.best_index = self._best() if best_index is None else int(best_index)

    def _read_rungs(self, params):
        """Find out which evaluations are of the same candidate."""
        results = self.results
        self.iterations = self.resources = None
        if "iter" in results:
            self.iterations = np.asarray(results["iter"], dtype=int)
            self.resources = np.asarray(results["n_resources"], dtype=float)
        if "model_id" in results:
            self.candidates = list(results["model_id"])
        else:
            self.candidates = [
                tuple((k, repr(v)) for k, v in sorted(p.items()) if k != self.resource)
                for p in params
            ]
        latest = {candidate: i for i, candidate in enumerate(self.candidates)}
        self.last = np.array(sorted(latest.values()))

    def _best(self):
        """Return the evaluation with the highest score where most was spent."""
        scores = self.scores
        if self.iterations is not None:  # few samples or epochs may score high by luck
            most = self.resources == self.resources.max()
            if np.isfinite(scores[most]).any():
                scores = np.where(most, scores, np.nan)
        return int(np.nanargmax(scores))

    @classmethod
    def from_search(
        cls,
        search,
        *,
        kind="auto",
        parameters=None,
        metric=None,
        reduce="best",
        ax=None,
        plot=True,
    ):
        """Show a fitted search.

        Parameters
        ----------
        search : fitted search
            With `cv_results_`.
        kind, parameters
            As for `plot`.
        metric : str, default=None
            Which of several metrics; None is the one that the search refits by.
        reduce, ax
            As for `plot`.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        SearchResultsDisplay

        Raises
        ------
        NotFittedError
            If the search is not fitted.
        """
        check_is_fitted(search, "cv_results_")
        best = None
        if metric is None:
            refit = getattr(search, "refit", True)
            several = getattr(search, "multimetric_", False)
            metric = refit if several and isinstance(refit, str) else "score"
            best = getattr(search, "best_index_", None)
        display = cls(
            results=search.cv_results_,
            metric=metric,
            resource=getattr(search, "resource", None),
            best_index=best,
        )
        options = {"kind": kind, "parameters": parameters, "reduce": reduce}
        return display.plot(ax=ax, **options) if plot else display

    @classmethod
    def from_results(cls, results, *, metric="score", resource=None, **options):
        """Show a dict like `cv_results_`, for instance one that was kept in a file.

        Parameters
        ----------
        results : dict of arrays
        metric : str, default="score"
        resource : str, default=None
            Parameter that grows from rung to rung.
        **options : dict
            `kind`, `parameters`, `reduce`, `ax` and `plot`, as for `from_search`.

        Returns
        -------
        SearchResultsDisplay
        """
        draws = options.pop("plot", True)
        display = cls(results=results, metric=metric, resource=resource)
        return display.plot(**options) if draws else display

    def heat_map(self, parameters=None, reduce="best"):
        """Return scores over the values of two parameters.

        Parameters
        ----------
        parameters : list of two str, default=None
            Of the columns and of the rows; None is the first two that vary.
        reduce : {"best", "mean"}, default="best"
            What stands for the candidates that differ in other parameters only.

        Returns
        -------
        columns, rows : list
            The values of the two, in ascending order.
        table : ndarray of shape (n_rows, n_columns)
            NaN where there was no candidate.
        """
        names = self._chosen(parameters, 2)
        if reduce not in ("best", "mean"):
            raise ValueError(f"reduce must be 'best' or 'mean'; got {reduce!r}.")
        columns, rows = (unique(self._last(name)) for name in names)
        table = np.full((len(rows), len(columns)), np.nan)
        x = np.array(places_of(self._last(names[0]), columns))
        y = np.array(places_of(self._last(names[1]), rows))
        scores = self.scores[self.last]
        for place in set(zip(y.tolist(), x.tolist(), strict=True)):
            found = scores[(y == place[0]) & (x == place[1])]
            found = found[np.isfinite(found)]
            if found.size:
                table[place] = found.max() if reduce == "best" else found.mean()
        return columns, rows, table

    def pareto_front(self):
        """Return the evaluations that no other beats in score and time at once.

        Returns
        -------
        ndarray of int
            In ascending order of the time.
        """
        scores = np.where(np.isfinite(self.scores), self.scores, -np.inf)
        order = self.last[np.lexsort((-scores[self.last], self.fit_times[self.last]))]
        highest = np.maximum.accumulate(scores[order])
        first = np.concatenate([[True], highest[1:] > highest[:-1]])
        return order[first & np.isfinite(highest)]

    def plot(self, ax=None, *, kind="auto", parameters=None, reduce="best"):
        """Draw one of four pictures.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.
        kind : {"auto", "heat_map", "parameter", "cost", "rungs"}, default="auto"
            "heat_map": score as colour over two parameters (`artists_`: "mesh", or
            "points" where nearly every candidate has values of its own; "colorbar",
            "best"); cells without a score are grey. "parameter": score against one
            ("points", "line", "best"); the line is None where every candidate has a
            value of its own and other parameters vary, too. "cost": score against the
            time of a fit ("points", "front", "best"). "rungs": score against the
            resource, a line per candidate ("lines", "best"). "auto" is "rungs" for
            halving, else by the number of parameters that vary.
        parameters : str or list of str, default=None
            Which; None is the first that vary.
        reduce : {"best", "mean"}, default="best"
            What stands for the candidates that differ in other parameters only, in a
            heat map and in the line of "parameter".

        Returns
        -------
        self : SearchResultsDisplay

        Raises
        ------
        ValueError
            If there is nothing of this kind to draw.
        """
        if kind not in ("auto", *KINDS):
            raise ValueError(f"kind must be 'auto' or one of {KINDS}; got {kind!r}.")
        if reduce not in ("best", "mean"):
            raise ValueError(f"reduce must be 'best' or 'mean'; got {reduce!r}.")
        if isinstance(parameters, str):
            parameters = [parameters]
        if kind == "auto":
            kind = self._usual_kind(parameters)
        if kind == "rungs" and self.iterations is None:
            raise ValueError(
                "kind='rungs' is for searches by halving; use 'parameter' or 'cost'."
            )
        n = {"heat_map": 2, "parameter": 1}.get(kind, 0)
        self.parameters_ = self._chosen(parameters, n) if n else []
        self.kind_ = kind
        caller = f"{type(self).__name__}.plot"
        self.artists_ = getattr(pictures, f"draw_{kind}")(self, ax, caller, reduce)
        return self

    def _usual_kind(self, parameters):
        if self.iterations is not None and parameters is None:
            return "rungs"
        n = len(parameters if parameters is not None else self.varied)
        return "heat_map" if n >= 2 else "parameter" if n else "cost"

    def _chosen(self, parameters, n):
        """Return n parameters: those asked for, or the first that vary."""
        if isinstance(parameters, str):
            parameters = [parameters]
        names = list(self.varied[:n] if parameters is None else parameters)
        unknown = [name for name in names if name not in self.values]
        if unknown or len(names) != n:
            raise ValueError(
                f"parameters must be {n} of those searched; got {names}. Of "
                f"{sorted(self.values)}, {self.varied} vary."
            )
        return names

    def _last(self, name):
        """Return a parameter's values in the last evaluations of all candidates."""
        return [self.values[name][i] for i in self.last]
