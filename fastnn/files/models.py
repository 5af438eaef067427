"""Saving and loading estimators: which there are, and what a file says of one."""

import errno
import functools
import inspect
import io
import os
import stat

import numba
import numpy as np
import sklearn

from .._version import __version__
from ..base import BaseMLP
from ..classifier import MLPClassifier
from ..estimator import MLPEstimator
from ..exceptions import ModelFileError
from ..neurons import HebbianNeuron, McCullochPittsNeuron, Perceptron
from ..regressor import MLPRegressor
from ..storage import warn_of_version
from ..transformer import MLPTransformer
from . import networks, neurons, values
from .attributes import COMMON, decode_all, encode_all, need, set_attributes
from .container import Unpacked, pack
from .writing import write_whole

CLASSES = {
    kind.__name__: kind
    for kind in (
        MLPEstimator,
        MLPClassifier,
        MLPRegressor,
        MLPTransformer,
        Perceptron,
        HebbianNeuron,
        McCullochPittsNeuron,
    )
}
_RECORD = {"class", "parameters", "state"}
_VERSIONS = {
    "fastnn": __version__,
    "numpy": np.__version__,
    "numba": numba.__version__,
    "scikit-learn": sklearn.__version__,
}
# Of scikit-learn's callbacks; what is left of them after a fit.
_CALLBACKS = ("_skl_callbacks", "_callback_fit_ctx", "_parent_callback_ctx")


def save(estimator, path):
    """Write an estimator to a file; see `Storable.save`."""
    is_stream = hasattr(path, "write")
    if is_stream:
        _check_stream(path, "wb")
    parts = to_parts(estimator)
    if not is_stream:
        write_whole(path, parts)
        return
    for part in parts:
        _write(path, part)


def _check_stream(stream, mode):
    """Raise if a file object takes or gives text, or cannot be read out of turn."""
    if isinstance(stream, io.TextIOBase):
        raise TypeError(f"The file object is one of text; open it with mode {mode!r}.")
    seeks = getattr(stream, "seekable", lambda: True)()
    if mode == "rb" and not (hasattr(stream, "readinto") and seeks):
        raise TypeError(
            "The file object cannot seek, or not read into memory that is there; pass "
            "io.BytesIO(stream.read())."
        )


def _write(stream, part):
    """Write all of a part: a file without a buffer may take some of it only."""
    rest = memoryview(part)
    while rest.nbytes:
        n = stream.write(rest)
        if type(n) is not int:  # others return nothing, and take all
            return
        if n <= 0:
            raise OSError(errno.EIO, "The file object takes no more bytes")
        rest = rest[n:]


def to_parts(estimator):
    """Return what an estimator's file consists of, or raise TypeError, ValueError."""
    arrays = {}
    record = _encode(estimator, "", arrays)
    return pack({**record, "versions": _VERSIONS}, arrays)


def load(path):
    """Read an estimator that its method `save` has written.

    Nothing in the file is run. All of it is checked before it is used: the length and
    the hashes of its parts, that each value is one that the parameter or attribute can
    have, and that shapes fit each other.

    Parameters
    ----------
    path : str, path-like or binary file object that can seek
        A file object is read from where it is to its end.

    Returns
    -------
    estimator
        Of the class that was saved: equal to it, bit for bit.

    Raises
    ------
    ModelFileError
        If it is no model file, is damaged, or holds what cannot be. It is a
        `ValueError`.
    OSError
        If it cannot be read.

    Warns
    -----
    InconsistentVersionWarning
        If another version of fastnn wrote it.

    Examples
    --------
    >>> import io
    >>> import fastnn
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> file = io.BytesIO()
    >>> fastnn.Perceptron(shuffle=False).fit(X, y).save(file)
    >>> _ = file.seek(0)
    >>> fastnn.load(file).predict(X)
    array([0, 0, 0, 1])
    """
    if hasattr(path, "read"):
        _check_stream(path, "rb")
        return _load(path, getattr(path, "name", "the file object"))
    name = os.fsdecode(path)
    found = os.stat(path)  # first: to open a pipe would wait for its writer
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise ModelFileError("it is not a regular file", name)
    with open(path, "rb") as stream:
        return _load(stream, name)


def _load(stream, name):
    try:
        source = Unpacked(stream)
        record = source.record
        version = _pop_version(record)
        source.is_of_another_version = version != __version__
        estimator = _decode(record, "", source)
        source.check_all_read()
    except ModelFileError as error:
        raise ModelFileError(error.reason, name) from error.__cause__
    warn_of_version(estimator, version)
    return estimator


def _pop_version(record):
    """Return the version of fastnn that wrote the file."""
    versions = record.pop("versions", None)
    sound = type(versions) is dict and set(versions) == set(_VERSIONS)
    need(sound, "it does not say which versions wrote it")
    short = all(type(v) is str and len(v) <= 100 for v in versions.values())
    need(short, "it does not say which versions wrote it")
    return versions["fastnn"]


def _encode(estimator, prefix, arrays):
    """Return an estimator's record; its arrays are added to `arrays`."""
    name = type(estimator).__name__
    if CLASSES.get(name) is not type(estimator):
        raise TypeError(
            f"A model file cannot hold a {name}, only {', '.join(CLASSES)}; use "
            "pickle, which runs what it loads."
        )
    estimator._validate_params()
    parameters = estimator.get_params(deep=False)
    state = vars(estimator).copy()  # another thread may fit it
    found = {key: state[key] for key in state if key not in parameters}
    _drop_callbacks(found)
    stored = {
        key: _encode_parameter(value, prefix + key, arrays)
        for key, value in parameters.items()
    }
    state = _module_of(estimator).encode(estimator, found, prefix, arrays)
    return {"class": name, "parameters": stored, "state": state}


class _Transformers:
    """What `networks` and `neurons` do, for `MLPTransformer`."""

    @staticmethod
    def encode(transformer, found, prefix, arrays):
        found = dict(found)
        fitted = found.pop("estimator_", None)
        record = encode_all(found, COMMON, prefix, arrays)
        if fitted is not None:
            record["estimator_"] = _encode(fitted, f"{prefix}estimator_.", arrays)
        return record or None

    @staticmethod
    def decode(transformer, record, prefix, source):
        record = dict(record or {})
        fitted = record.pop("estimator_", None)
        state = decode_all(record, COMMON, prefix, source)
        if fitted is not None:
            network = _decode(fitted, f"{prefix}estimator_.", source)
            need(isinstance(network, BaseMLP), "estimator_ is no network")
            hidden = len(getattr(network, "coefs_", ())) - 1
            need(hidden > 0, "estimator_ is not fitted")
            need(-hidden <= transformer.layer < hidden, "there is no such layer")
            state["estimator_"] = network
        set_attributes(transformer, state)


def _encode_parameter(value, name, arrays):
    if isinstance(value, BaseMLP):
        return {"estimator": _encode(value, f"{name}.", arrays)}
    return values.encode(value, name, arrays)


def _drop_callbacks(found):
    """Take out what scikit-learn's callbacks have left, or raise if there are some."""
    if found.get("_skl_callbacks"):
        raise ValueError(
            "Callbacks cannot be stored in a model file; take them off with "
            "set_callbacks() first, or use pickle."
        )
    for name in _CALLBACKS:
        found.pop(name, None)


def _module_of(estimator):
    """Return what encodes and decodes the fitted state of an estimator's kind."""
    if isinstance(estimator, MLPTransformer):
        return _Transformers
    return networks if isinstance(estimator, BaseMLP) else neurons


def _decode(record, prefix, source):
    """Return the estimator of a record, or raise ModelFileError."""
    need(type(record) is dict and set(record) == _RECORD, "it describes no estimator")
    kind, state = record["class"], record["state"]
    known = type(kind) is str and kind in CLASSES
    need(known, f"it is of an unknown class, {str(kind)[:40]!r}")
    need(state is None or (type(state) is dict and state), "its fitted state is none")
    estimator = _construct(CLASSES[kind], record["parameters"], prefix, source)
    _module_of(estimator).decode(estimator, state, prefix, source)
    return estimator


def _construct(kind, stored, prefix, source):
    """Return an estimator with the parameters of a record, checked."""
    need(type(stored) is dict, "it has no parameters")
    known = _parameters_of(kind)
    unknown = sorted(set(stored) - known)
    need(not unknown, f"{kind.__name__} has no parameter {str(unknown[:1])[:40]}")
    missing = sorted(known - set(stored))
    # A later version may have more parameters: what they do is off by default.
    need(source.is_of_another_version or not missing, f"it lacks {missing[:3]}")
    parameters = {
        name: _decode_parameter(value, prefix + name, source)
        for name, value in stored.items()
    }
    estimator = kind(**parameters)
    try:
        estimator._validate_params()
    except (ValueError, TypeError) as error:
        raise ModelFileError(str(error)) from error
    return estimator


@functools.cache
def _parameters_of(kind):
    """Return the names of a class's parameters."""
    return frozenset(inspect.signature(kind).parameters)


def _decode_parameter(value, name, source):
    if type(value) is dict and list(value) == ["estimator"]:
        network = _decode(value["estimator"], f"{name}.", source)
        need(isinstance(network, BaseMLP), f"{name} is no network")
        return network
    return values.decode(value, name, source)
