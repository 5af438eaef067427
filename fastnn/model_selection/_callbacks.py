"""What a search tells scikit-learn's callbacks, where scikit-learn has them (1.9)."""

from contextlib import contextmanager
from itertools import product

try:
    from sklearn.callback import AutoPropagatedCallback
except ImportError:  # scikit-learn before 1.9
    AutoPropagatedCallback = ()  # nothing is an instance of it


def reach_networks(search):
    """Return whether a search's callbacks are to be told of epochs of its networks."""
    parent = getattr(search, "_parent_callback_ctx", None)
    depth = 0 if parent is None else parent._propagation_depth + 1
    return any(
        isinstance(callback, AutoPropagatedCallback)
        and (
            callback.max_propagation_depth is None
            or depth < callback.max_propagation_depth
        )
        for callback in getattr(search, "_skl_callbacks", ())
    )


class Root:
    """The whole of a search's `fit`.

    Parameters
    ----------
    search : PopulationSearch
    X, y, params : what `fit` was given

    Attributes
    ----------
    context : CallbackContext or None
        None where scikit-learn has no callbacks.
    """

    def __init__(self, search, X, y, params):
        self.search, self.context = search, None
        self._data = {"X": X, "y": y, "metadata": _metadata(params)}
        if hasattr(search, "_init_callback_context"):
            n_tasks = 1 + (search.refit is not False)
            self.context = search._init_callback_context(max_subtasks=n_tasks)
            self.context.call_on_fit_task_begin(estimator=search, **self._data)

    @contextmanager
    def refit(self, estimator):
        """Tell of the last fit, which happens in the block."""
        if self.context is None:
            yield
            return
        context = self.context.subcontext(task_name="refit-with-best-params")
        with context.propagate_callback_context(estimator):
            context.call_on_fit_task_begin(estimator=self.search, **self._data)
            yield
        context.call_on_fit_task_end(estimator=self.search, **self._data)

    def end(self):
        """Tell that all is done."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.search, **self._data)


class Listener:
    """Tells callbacks of each candidate on each split.

    Parameters
    ----------
    search : PopulationSearch
    context : CallbackContext
        Of all of them.
    n_candidates, n_splits : int
    """

    def __init__(self, search, context, n_candidates, n_splits):
        self.search = search
        places = product(range(n_candidates), range(n_splits))
        self._contexts = {
            place: context.subcontext("candidate-split-evaluation", task_id=number)
            for number, place in enumerate(places)
        }

    def begin(self, member):
        """Tell that a member's fit begins."""
        context = self._contexts[member.place]
        context.call_on_fit_task_begin(estimator=self.search, **_data_of(member))

    def end(self, member):
        """Tell that a member has been fitted and scored."""
        context = self._contexts[member.place]
        context.call_on_fit_task_end(estimator=self.search, **_data_of(member))


def listener_for(search, context, n_candidates, n_splits):
    """Return a listener, or None if there is nobody to be told."""
    if context is None or not getattr(search, "_skl_callbacks", None):
        return None
    return Listener(search, context, n_candidates, n_splits)


def begin_stage(search, context, task_name, n_tasks, sequential=True):
    """Tell of a part of a search; return its context, or None if there are none."""
    if context is None:
        return None
    stage = context.subcontext(
        task_name=task_name, max_subtasks=n_tasks, sequential_subtasks=sequential
    )
    return stage.call_on_fit_task_begin(estimator=search)


def end_stage(search, context):
    """Tell that a part of a search is done."""
    if context is not None:
        context.call_on_fit_task_end(estimator=search)


def _data_of(member):
    """Return a fit's data; rows are copied only if a callback asks for them."""
    fold = member.fold
    return {
        "X": lambda: fold.part("train")[0],
        "y": lambda: fold.part("train")[1],
        "metadata": _metadata(fold.fit_params),
    }


def _metadata(params):
    weight = params.get("sample_weight")
    return None if weight is None else {"sample_weight": weight}
