"""`BiasVarianceDisplay`: training against held-out scores, with a verdict."""

import numpy as np

from ._matplotlib import (
    BLACK,
    BLUE,
    VERMILLION,
    axes_for,
    legend_below,
    number,
    suits_log,
    tilt_if_crowded,
)

# Differences between scores count if they are larger than this many standard errors of
# the difference over the folds: what chance exceeds in about one case of twenty.
_N_ERRORS = 2.0
# And if they are larger than this share of the scores' range up to the best possible:
# folds can agree on differences that nobody would act on.
_LEAST = 0.02


class BiasVarianceDisplay:
    """Scores on training and held-out samples, the gap between them, and what to do.

    Use `from_learning_curve` or `from_validation_curve` with what scikit-learn's
    functions of these names return.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        Numbers of training samples, or values of a parameter.
    train_scores, test_scores : ndarray of shape (n_points, n_folds)
        The higher, the better.
    x_name : str
    kind : {"learning_curve", "validation_curve"}
    noise_floor : float, default=None
        The best score that the noise in the targets leaves possible, if it is known.
    score_name : str, default="score"

    Attributes
    ----------
    train_mean, train_std, test_mean, test_std : ndarray of shape (n_points,)
        Over the folds.
    gap : ndarray of shape (n_points,)
        `train_mean` - `test_mean`: the variance's share.
    gap_error : ndarray of shape (n_points,)
        Standard error of the gap over the folds; NaN for a single one.
    best_index : int
        The point with the highest `test_mean`; for a learning curve the last one.
    diagnosis : {"overfitting", "underfitting", "both", "good", "unclear"}
        At `best_index`. "unclear" is a small gap below a floor that is not known.
    verdict : str
        A sentence with the numbers and a remedy.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of {"train" or "test": Line2D}
    gap_ : Line2D
        The bar between the two scores at `best_index`.
    gap_text_ : Text
        Its size, in the legend.
    failed_ : Line2D or None
        The crosses at the points where every fit failed.
    floor_ : Line2D or None

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : The curves alone.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import learning_curve, validation_curve
    >>> from fastnn import MLPClassifier
    >>> from fastnn.inspection import BiasVarianceDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((8,), learning_rate_init=0.1, tol=1e-2, random_state=0)
    >>> sizes = {"train_sizes": [40, 80, 120], "shuffle": True, "random_state": 0}
    >>> curve = learning_curve(net, X, y, **sizes)
    >>> display = BiasVarianceDisplay.from_learning_curve(*curve, plot=False)
    >>> display.gap.shape
    (3,)
    >>> alphas = [1e-3, 100.0]
    >>> scores = validation_curve(net, X, y, param_name="alpha", param_range=alphas)
    >>> display = BiasVarianceDisplay.from_validation_curve(
    ...     alphas, *scores, param_name="alpha", noise_floor=1.0
    ... )
    >>> display.best_index
    0
    >>> display.plot().ax_.get_xlabel()
    'alpha'
    """

    def __init__(
        self,
        *,
        x,
        train_scores,
        test_scores,
        x_name,
        kind,
        noise_floor=None,
        score_name="score",
    ):
        self.x = np.asarray(x)
        self.train_scores = np.atleast_2d(np.asarray(train_scores, dtype=float))
        self.test_scores = np.atleast_2d(np.asarray(test_scores, dtype=float))
        shape = self.train_scores.shape
        if shape != self.test_scores.shape or len(self.x) != shape[0]:
            raise ValueError(
                "train_scores and test_scores must both have one row per point and "
                f"one column per fold; got {shape} and {self.test_scores.shape} for "
                f"{len(self.x)} points."
            )
        self.x_name, self.kind, self.score_name = x_name, kind, score_name
        self.noise_floor = noise_floor
        self.train_mean, self.train_std = _moments(self.train_scores)
        self.test_mean, self.test_std = _moments(self.test_scores)
        if np.isnan(self.test_mean).all():
            raise ValueError(
                "All test_scores are NaN: every fit failed. Repeat the curve with "
                "error_score='raise' to see why."
            )
        self.gap = self.train_mean - self.test_mean
        self.gap_error = _error(self.train_scores - self.test_scores)
        self.best_index = int(np.nanargmax(self.test_mean))
        if kind == "learning_curve":
            self.best_index = int(np.flatnonzero(np.isfinite(self.test_mean))[-1])
        self.diagnosis = self._diagnose()
        self.verdict = self._sentence()

    @classmethod
    def from_learning_curve(
        cls,
        train_sizes,
        train_scores,
        test_scores,
        *_,
        noise_floor=None,
        score_name="score",
        ax=None,
        plot=True,
    ):
        """Show what `sklearn.model_selection.learning_curve` has returned.

        Parameters
        ----------
        train_sizes : array-like of shape (n_points,)
        train_scores, test_scores : array-like of shape (n_points, n_folds)
        *_ : array-like
            Times, which are passed over: ``*learning_curve(...)`` may be given.
        noise_floor : float, default=None
            The best score that the noise in the targets leaves possible, if it is
            known.
        score_name : str, default="score"
        ax : matplotlib Axes, default=None
            None makes a figure.
        plot : bool, default=True
            Whether to draw; if not, matplotlib is not needed.

        Returns
        -------
        BiasVarianceDisplay
        """
        display = cls(
            x=train_sizes,
            train_scores=train_scores,
            test_scores=test_scores,
            x_name="training samples",
            kind="learning_curve",
            noise_floor=noise_floor,
            score_name=score_name,
        )
        return display.plot(ax=ax) if plot else display

    @classmethod
    def from_validation_curve(
        cls,
        param_range,
        train_scores,
        test_scores,
        *,
        param_name="parameter",
        noise_floor=None,
        score_name="score",
        ax=None,
        plot=True,
    ):
        """Show what `sklearn.model_selection.validation_curve` has returned.

        Parameters
        ----------
        param_range : array-like of shape (n_points,)
            Its values, numbers or not.
        train_scores, test_scores : array-like of shape (n_points, n_folds)
        param_name : str, default="parameter"
        noise_floor, score_name, ax, plot
            As for `from_learning_curve`.

        Returns
        -------
        BiasVarianceDisplay
        """
        values = list(param_range)
        numbers = all(isinstance(v, (int, float, np.number)) for v in values)
        display = cls(
            x=values if numbers else [str(value) for value in values],
            train_scores=train_scores,
            test_scores=test_scores,
            x_name=param_name,
            kind="validation_curve",
            noise_floor=noise_floor,
            score_name=score_name,
        )
        return display.plot(ax=ax) if plot else display

    def _exceeds(self, difference, error, scale):
        """Return whether a difference is more than chance and more than nothing."""
        error = 0.0 if np.isnan(error) else error
        return bool(difference > max(_N_ERRORS * error, _LEAST * scale))

    def _diagnose(self):
        i = self.best_index
        best = self.noise_floor
        if best is None:
            best = max(float(np.nanmax(self.train_mean)), float(self.test_mean[i]))
        low = float(np.nanmin([self.train_mean, self.test_mean]))
        scale = max(best - low, 1e-12)
        over = self._exceeds(self.gap[i], self.gap_error[i], scale)
        error = _error(self.train_scores)[i]
        if self.noise_floor is not None:
            # What is as good as it can be on other samples is not over-fitted.
            missing = self.noise_floor - self.test_mean[i]
            over = over and self._exceeds(missing, _error(self.test_scores)[i], scale)
            under = self._exceeds(self.noise_floor - self.train_mean[i], error, scale)
            names = {(1, 1): "both", (1, 0): "overfitting", (0, 1): "underfitting"}
            return names.get((over, under), "good")
        return "overfitting" if over else "unclear"

    def _sentence(self):
        i = self.best_index
        train, test, gap = self.train_mean[i], self.test_mean[i], self.gap[i]
        where = f"{self.x_name} = {number(self.x[i])}"
        if self.kind == "learning_curve":
            where = f"{number(self.x[i])} {self.x_name}"
        numbers = f"At {where}: {train:.3f} in training, {test:.3f} held out"
        short = "" if self.noise_floor is None else f", {self.noise_floor:.3f} possible"
        more = ""
        if self.kind == "learning_curve" and self._still_rises():
            more = " The held-out score still rises with samples: more would help."
        return f"{numbers}{short} (gap {gap:.3f}). {_ADVICE[self.diagnosis]}{more}"

    def _still_rises(self):
        """Return whether the last point beats the one before by more than chance."""
        i = self.best_index
        if i == 0:
            return False
        rise = self.test_scores[i] - self.test_scores[i - 1]
        error = _error(rise[None])[0]
        return self._exceeds(float(np.mean(rise)), error, abs(self.test_mean[i]))

    def plot(self, ax=None):
        """Draw the scores, the gap at the point judged, the floor and the verdict.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a figure.

        Returns
        -------
        self : BiasVarianceDisplay
        """
        ax = axes_for(ax, f"{type(self).__name__}.plot", (6, 4.4))
        self.ax_, self.figure_ = ax, ax.figure
        self.lines_ = {}
        for name, color, style, label in (
            ("train", BLUE, "o-", "training"),
            ("test", VERMILLION, "s--", "held out"),
        ):
            mean, std = getattr(self, f"{name}_mean"), getattr(self, f"{name}_std")
            (self.lines_[name],) = ax.plot(
                self.x, mean, style, color=color, label=label
            )
            ax.fill_between(
                self.x, mean - std, mean + std, color=color, alpha=0.15, linewidth=0
            )
        self._draw_gap(ax)
        self._draw_failed(ax)
        self.floor_ = None
        if self.noise_floor is not None:
            self.floor_ = ax.axhline(
                self.noise_floor, color=BLACK, linestyle=":", label="best possible"
            )
        further = 0.0
        if self.x.dtype.kind not in "iuf":
            ax.margins(x=0.1)
            further = tilt_if_crowded(ax, list(self.x))
        elif suits_log(self.x):
            ax.set_xscale("log")
        ax.set_xlabel(self.x_name)
        ax.set_ylabel(self.score_name)
        ax.set_title(_wrapped(self.verdict), fontsize="small", loc="left")
        texts = legend_below(ax, further).get_texts()
        self.gap_text_ = next(t for t in texts if t.get_text() == self._gap_label())
        return self

    def _draw_gap(self, ax):
        """Draw the bar between the scores that are judged."""
        ax.margins(y=0.12)
        i = self.best_index
        place, ends = self.x[i], (self.test_mean[i], self.train_mean[i])
        (self.gap_,) = ax.plot(
            [place, place],
            ends,
            "-",
            color=BLACK,
            linewidth=1.2,
            marker="_",
            label=self._gap_label(),
        )

    def _gap_label(self):
        return f"gap {self.gap[self.best_index]:.3f}"

    def _draw_failed(self, ax):
        """Mark the points without a score, at the lower edge."""
        self.failed_, failed = None, np.isnan(self.test_mean)
        if failed.any():
            (self.failed_,) = ax.plot(
                self.x[failed],
                np.full(failed.sum(), 0.04),
                "x",
                color=BLACK,
                transform=ax.get_xaxis_transform(),
                label="every fit failed",
            )


_ADVICE = {
    "overfitting": "Over-fitting (variance): raise alpha or dropout, stop early, or "
    "find more samples.",
    "underfitting": "Under-fitting (bias): use more units or epochs, or less penalty.",
    "both": "Bias and variance: the network neither fits its samples nor holds on "
    "others; try more units or epochs together with a stronger penalty.",
    "good": "Neither over- nor under-fitting beyond chance.",
    "unclear": "No over-fitting beyond chance. Whether the network under-fits only "
    "shows against the best score possible (noise_floor).",
}


def _moments(scores):
    """Return mean and standard deviation over the folds that have a score."""
    found = np.ma.masked_invalid(scores)
    return found.mean(axis=1).filled(np.nan), found.std(axis=1).filled(np.nan)


def _error(differences):
    """Return the standard error of the mean over folds; NaN for fewer than two."""
    found = np.ma.masked_invalid(differences)
    n = found.count(axis=1)
    errors = np.full(len(n), np.nan)
    several = n > 1
    if several.any():
        spread = found[several].std(axis=1, ddof=1).filled(np.nan)
        errors[several] = spread / np.sqrt(n[several])
    return errors


def _wrapped(text, width=84):
    import textwrap

    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))
