"""Calls that put an estimator back as it was if they raise."""

import functools
import threading

import numpy as np

# Attributes that belong to scikit-learn's callbacks and outlive a failed fit.
_FOREIGN = ("_skl_callbacks", "_callback", "_parent_callback")
_HERE = threading.local()  # holds: which estimators this thread is fitting


def transaction(work):
    """Have a function put its estimator's attributes back if it raises.

    The estimator is the first argument. What is put back: all attributes, and the
    streams of random numbers. An interrupt whose last whole epoch was published is the
    estimator's `_kept_at`, and nothing is put back.

    A call within another one of the same estimator is refused: weights of the one would
    be published among attributes of the other.

    No context manager: a second interrupt could come between the first one and the
    manager's first step. Python runs the handlers of signals after calls and at jumps
    back, so there must be none before the attributes are put back, at once.
    """

    @functools.wraps(work)
    def call(estimator, /, *arguments, **options):
        before, key = dict(estimator.__dict__), id(estimator)
        places = _places(estimator)
        underway = _HERE.__dict__.setdefault("underway", {})
        if key in underway:
            _refuse(estimator)
        is_over = False
        try:
            underway[key] = True
            try:
                return work(estimator, *arguments, **options)
            except BaseException as error:
                # It may come from the fit of another network, in a user's scorer, and
                # a handler may raise the same object again and again.
                is_over = estimator.__dict__.pop("_kept_at", None) is error
                if not is_over:
                    before |= _foreign(estimator)
                raise
        except BaseException:
            if not is_over:
                estimator.__dict__ = before
                for stream, place in places:
                    stream.set_state(place)
            raise
        finally:
            del underway[key]

    return call


def _refuse(estimator):
    raise RuntimeError(
        f"This {type(estimator).__name__} is being fitted: what its fit calls, such as "
        "a callback, a scorer or a signal's handler, cannot fit it as well. Fit a "
        "clone (sklearn.base.clone) there."
    )


def _places(estimator):
    """Return the streams that the estimator draws from, with their states."""
    names = ("random_state", "_random_state")
    streams = [estimator.__dict__.get(name) for name in names]
    return [
        (stream, stream.get_state(legacy=False))
        for stream in streams
        if isinstance(stream, np.random.RandomState)
    ]


def _foreign(estimator):
    now = estimator.__dict__
    return {key: now[key] for key in now if key.startswith(_FOREIGN)}
