"""What all estimators share about being stored: model files, and a stamp in pickles."""

import warnings

from ._version import __version__
from .exceptions import InconsistentVersionWarning

# Pickles have a stamp since they were given one.
_UNSTAMPED = "(no version given)"


def warn_of_version(estimator, version):
    """Warn if an estimator was stored by another version of the library."""
    if version == __version__:
        return
    warnings.warn(
        InconsistentVersionWarning(
            estimator_name=type(estimator).__name__,
            current_version=__version__,
            original_version=version,
        ),
        stacklevel=3,
    )


class Storable:
    """Mixin of estimators that model files can hold."""

    def save(self, path):
        """Write the estimator to a file that is safe to load.

        The file holds all that a pickle would, so that training goes on from it bit
        for bit; but nothing in it is run when `fastnn.load` reads it.

        Parameters
        ----------
        path : str, path-like or binary file object
            A file is written beside it first and replaces it when all is on the
            disk. A file object is written to from where it is.

        Raises
        ------
        TypeError, ValueError
            If a parameter or attribute cannot be stored, which is named: callables
            (`augmentation`, a `validation_metric` of one's own), callbacks, objects.
            Nothing is written then.
        OSError
            If the file cannot be written. What was there is there still.

        See Also
        --------
        fastnn.load : Read such a file.

        Examples
        --------
        >>> import os, tempfile
        >>> import fastnn
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        >>> net = fastnn.MLPClassifier((3,), solver="lbfgs", random_state=0).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "model.fastnn")
        ...     net.save(path)
        ...     fastnn.load(path).predict(X)
        array([0, 0, 1, 1])
        """
        from .files import save  # which knows of all estimators

        save(self, path)

    def __getstate__(self):
        return {**super().__getstate__(), "_fastnn_version": __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop("_fastnn_version", _UNSTAMPED)
        super().__setstate__(state)
        warn_of_version(self, version)
