"""scikit-learn's callback protocol, where scikit-learn has it (1.9 and later)."""

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's mixin and supports nothing."""

    def with_callbacks(method):
        """Return the method as it is."""
        return method


class Reporter:
    """Tells an estimator's callbacks of each epoch; does nothing if there are none.

    Parameters
    ----------
    estimator : estimator
    max_epochs : int
    X, y, sample_weight : what `fit` was given
    """

    def __init__(self, estimator, max_epochs, X, y, sample_weight):
        self.estimator = estimator
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.data = {"X": X, "y": y, "metadata": metadata}
        self.active = bool(getattr(estimator, "_skl_callbacks", None))
        if self.active or hasattr(estimator, "_parent_callback_ctx"):
            self.root = estimator._init_callback_context(max_subtasks=max_epochs)
        if self.active:
            self.root.call_on_fit_task_begin(estimator=estimator, **self.data)

    def begin_epoch(self):
        """Tell the callbacks that an epoch begins."""
        if self.active:
            self.context = self.root.subcontext(task_name="epoch")
            self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def end_epoch(self, attributes):
        """Tell the callbacks that an epoch is over; return whether one says stop.

        attributes : callable
            Returns the fitted attributes as they are now.
        """
        if not self.active:
            return False
        return self.context.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=attributes, **self.data
        )

    def end_fit(self, attributes):
        """Tell the callbacks that fitting is over."""
        if self.active:
            self.root.call_on_fit_task_end(
                estimator=self.estimator,
                reconstruction_attributes=attributes,
                **self.data,
            )
