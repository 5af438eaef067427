"""The two contenders with scikit-learn's interface."""

import numpy as np

from ..workloads import make_data


class _EstimatorContender:
    """Time whole calls of `fit`."""

    def __init__(self, workload, threads):
        self._workload = workload
        self._threads = threads
        self._class = self._find_class(workload.task)
        self._X, self._y = self._cast(*make_data(workload))
        self.rows = workload.n_samples

    @staticmethod
    def _find_class(task):
        raise NotImplementedError

    @staticmethod
    def _cast(X, y):
        raise NotImplementedError

    def _extra_params(self):
        return {}

    def reset(self):
        """Do nothing: every fit starts from new weights."""

    def tune(self, measure):
        """Do nothing: the estimators run with their own settings."""

    def run(self, epochs):
        """Fit for `epochs` epochs and return the loss of each."""
        params = self._workload.estimator_params(epochs)
        model = self._class(**params, **self._extra_params())
        model.fit(self._X, self._y)
        if len(model.loss_curve_) != epochs:
            raise RuntimeError(
                f"asked for {epochs} epochs, trained {len(model.loss_curve_)}"
            )
        return model.loss_curve_


class SklearnContender(_EstimatorContender):
    """scikit-learn's estimator in float64, as most of its users run it."""

    @staticmethod
    def _find_class(task):
        from sklearn import neural_network

        if task == "regression":
            return neural_network.MLPRegressor
        return neural_network.MLPClassifier

    @staticmethod
    def _cast(X, y):
        dtype = y.dtype if y.dtype.kind == "i" else np.float64
        return X.astype(np.float64), y.astype(dtype)

    def describe(self):
        """Return the version and the threads in one line."""
        import sklearn
        from threadpoolctl import threadpool_info

        pools = threadpool_info()
        threads = [p["num_threads"] for p in pools if p["user_api"] == "blas"]
        return (
            f"scikit-learn {sklearn.__version__}, float64, "
            f"{max(threads, default=1)} BLAS threads"
        )


class FastnnContender(_EstimatorContender):
    """The estimator of fastnn in float32."""

    @staticmethod
    def _find_class(task):
        import fastnn

        if task == "regression":
            return fastnn.MLPRegressor
        return fastnn.MLPClassifier

    @staticmethod
    def _cast(X, y):
        return X, y

    def _extra_params(self):
        return {"dtype": "float32"}

    def describe(self):
        """Return the version and the threads in one line."""
        import numba

        import fastnn

        return (
            f"fastnn {fastnn.__version__} (numba {numba.__version__}), float32, "
            f"n_threads=None (its own choice among {self._threads})"
        )
