"""Errors and warnings of the library's own."""

from sklearn import exceptions


class ModelFileError(ValueError):
    """A file that holds no model, or not one that can be trusted to be whole.

    Parameters
    ----------
    reason : str
        What is wrong with it.
    path : str or None, default=None
        The file.

    Attributes
    ----------
    reason, path
        As given.

    See Also
    --------
    fastnn.load : Raises it.

    Examples
    --------
    >>> import io
    >>> import fastnn
    >>> try:
    ...     fastnn.load(io.BytesIO(b"no model"))
    ... except fastnn.ModelFileError as error:
    ...     print(type(error.reason).__name__, error.path)
    str the file object
    """

    def __init__(self, reason, path=None):
        super().__init__(reason, path)
        self.reason, self.path = reason, path

    def __str__(self):
        if self.path is None:
            return self.reason
        return f"{self.path} is no model file that can be loaded: {self.reason}"


class InconsistentVersionWarning(exceptions.InconsistentVersionWarning):
    """A model that another version of fastnn has stored.

    A filter for scikit-learn's warning of this name holds for it as well.

    Parameters
    ----------
    estimator_name : str
        The estimator's class.
    current_version, original_version : str
        Of fastnn: the one that loads, the one that stored.

    Attributes
    ----------
    estimator_name, current_version, original_version
        As given.
    current_sklearn_version, original_sklearn_version : None
        Of scikit-learn's warning, which this one is, too.

    Examples
    --------
    >>> import warnings
    >>> from fastnn import InconsistentVersionWarning
    >>> with warnings.catch_warnings():  # to load old files without a word
    ...     warnings.simplefilter("ignore", InconsistentVersionWarning)
    >>> warning = InconsistentVersionWarning(
    ...     estimator_name="MLPClassifier", current_version="2", original_version="1"
    ... )
    >>> str(warning).partition(".")[0]
    'MLPClassifier was stored by fastnn 1 and is loaded by 2'
    """

    def __init__(self, *, estimator_name, current_version, original_version):
        super().__init__(
            estimator_name=estimator_name,
            current_sklearn_version=None,
            original_sklearn_version=None,
        )
        self.current_version = current_version
        self.original_version = original_version

    def __str__(self):
        return (
            f"{self.estimator_name} was stored by fastnn {self.original_version} and "
            f"is loaded by {self.current_version}. Its predictions should agree but "
            "for last digits; check them, and store it again."
        )
