"""The transformers before a network, fitted once for many networks."""

import copy
import time

import numpy as np
from sklearn.metrics._scorer import _BaseScorer, _MultimetricScorer, _PassthroughScorer
from sklearn.utils._metadata_requests import _routing_enabled


class Front:
    """A pipeline's transformers, fitted on a fold, and what they make of it.

    The pipeline's own `fit` is run with a last step that keeps what it is given. So
    memory, routing and messages are the pipeline's.

    Parameters
    ----------
    pipeline : Pipeline
        Unfitted, with its parameters set; its transformers are fitted.
    X, y : training samples of the fold
    fit_params : dict

    Attributes
    ----------
    X, y : what the last step is to be fitted on
    fit_params : dict
        What it is to be given besides.
    seconds : float
        Time spent.
    """

    def __init__(self, pipeline, X, y, fit_params):
        self.pipeline = pipeline
        self.X = self.y = self.fit_params = self._error = None
        self._traceback = None
        self._transformed = {}
        final = pipeline.steps[-1][1]

        def keep(X, y=None, **fit_params):
            self.X, self.y, self.fit_params = X, y, fit_params
            return final

        start = time.time()
        final.fit = keep
        try:
            pipeline.fit(X, y, **fit_params)
        except Exception as error:
            self._error, self._traceback = error, error.__traceback__
        finally:
            del final.fit
        self.seconds = time.time() - start

    @property
    def failed(self):
        """Whether a transformer could not be fitted."""
        return self._error is not None

    def check(self):
        """Raise what a transformer raised."""
        if self.failed:
            raise self._error.with_traceback(self._traceback)

    def finish(self, final):
        """Return a fitted pipeline that ends in a fitted network."""
        pipeline = copy.copy(self.pipeline)
        pipeline.steps = [*pipeline.steps[:-1], (pipeline.steps[-1][0], final)]
        return pipeline

    def transform(self, name, X):
        """Return X transformed; kept under its name until `forget`."""
        if name not in self._transformed:
            if len(self.pipeline.steps) > 1:
                X = self.pipeline[:-1].transform(X)
            # usually to the bit what the network was trained on, which is there
            self._transformed[name] = self.X if _are_same(X, self.X) else X
        return self._transformed[name]

    def forget(self):
        """Let go of what `transform` has kept."""
        self._transformed = {}


def _are_same(X, other):
    """Return whether two arrays have the same bits, but for those of NaNs."""
    return (
        type(X) is type(other) is np.ndarray
        and X.dtype == other.dtype
        and X.dtype.kind == "f"
        and np.array_equal(X, other, equal_nan=True)
        and np.array_equal(np.signbit(X), np.signbit(other))
    )


def sees_only_outputs(scorer):
    """Return whether a scorer asks for predictions, and for nothing else.

    It may then be given the network and transformed samples in place of the pipeline.
    A callable of the user's own may look at the steps, or at the columns of X.
    """
    if isinstance(scorer, _MultimetricScorer):
        return all(map(sees_only_outputs, scorer._scorers.values()))
    if isinstance(scorer, _PassthroughScorer):
        return not _routing_enabled()
    return isinstance(scorer, _BaseScorer)
