"""Activations of one's own for hidden layers, made of two functions of one number."""

import pickle
from types import FunctionType

import numpy as np

from .frozen import Frozen
from .kernels import own
from .kernels.own import exp, logistic, tanh
from .structure import variants

__all__ = ["exp", "logistic", "tanh"]  # `Activation` is one of fastnn's own names

# Where derivatives are compared with differences: few functions have a kink just there.
_Z = np.linspace(-6.013, 6.011, 193)
_STEP = 1e-5
_TOLERANCE = 1e-6


class Activation:
    """An activation of one's own for hidden layers.

    Networks take it as `activation`, alone or in the list of one per layer. Both
    functions are compiled into the network's loops, so they are as fast as those
    that come with the library if they are written with `exp`, `tanh` and `logistic`
    of ``fastnn.activations``, which the compiler can vectorise; those of `math` and
    NumPy work, too, at several times the time per number.

    Compiling takes about a second for each new activation and dtype, and is done
    anew in each process. Such a network can be copied, searched over and pickled
    (processes that read it must be able to import the functions); `save` and ONNX
    refuse it, since their files hold no code.

    Parameters
    ----------
    function : callable
        f: takes and returns one real number, in the part of Python that Numba
        compiles. What it refers to (constants, other functions) is frozen here.
    derivative : callable
        f': takes the same number as `function`, not its value.
    name : str, default=None
        What it is called in reports; the function's name if None.
    check : bool, default=True
        Compare `derivative` with central differences of `function` between -6 and 6.
        False for one that is meant to be another, such as a straight-through one.

    Attributes
    ----------
    function, derivative : callable
    name : str

    Raises
    ------
    TypeError
        If the functions are no functions.
    ValueError
        If a function cannot be compiled or its value is no finite number, if the
        derivative is not that of the function, or if the name is taken.

    Notes
    -----
    A NaN stays one, whatever the function makes of it. A function that raises gives
    NaN, and training stops with the error of a loss that is not finite.

    Examples
    --------
    The squareplus of Barron (2021, arXiv:2112.11687), a smooth rectifier:

    >>> import math
    >>> from fastnn import Activation, MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> def squareplus(z):
    ...     return 0.5 * (z + math.sqrt(z * z + 4))
    >>> def slope(z):
    ...     return 0.5 * (1 + z / math.sqrt(z * z + 4))
    >>> activation = Activation(squareplus, slope)
    >>> activation
    Activation(name='squareplus')
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16,), activation=activation, learning_rate_init=0.01)
    >>> net.set_params(random_state=0, max_iter=400).fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, function, derivative, *, name=None, check=True):
        for what, given in (("function", function), ("derivative", derivative)):
            if not isinstance(_plain(given), FunctionType):
                raise TypeError(
                    f"{what} must be a function of one number, written in Python; "
                    f"got {given!r}."
                )
        self.function, self.derivative = _plain(function), _plain(derivative)
        self.name = self.function.__name__ if name is None else name
        if (
            not isinstance(self.name, str)
            or not self.name
            or self.name in variants.ACTIVATIONS
        ):
            raise ValueError(
                "name must be a text that no activation of the library has as its "
                f"name; got {self.name!r}."
            )
        self._bind()
        value, slope = self._evaluate(_Z)
        if check:
            self._check_numbers(value, slope)

    def _bind(self):
        """Find the compiled units, or what will be compiled when it is needed."""
        self._key = _keys(self.function, self.derivative)
        if self._key not in _UNITS:
            f, slope = (key.function for key in self._key)
            _UNITS[self._key] = own.forward_unit(f), own.backward_unit(slope)
        forward, backward = _UNITS[self._key]
        self._record = variants.Activation(
            _Named(forward, f"function {self.name!r}"),
            _Named(backward, f"derivative of {self.name!r}"),
            reads_z=True,
        )

    def _evaluate(self, z):
        """Return f(z) and f'(z) as the network computes them."""
        value, slope = z.copy(), np.concatenate([z, np.ones_like(z)])
        self._record.forward[z.dtype](value, 0, z.size)
        self._record.backward[z.dtype](slope, 0, z.size, z.size)
        return value, slope[z.size :]

    def _check_numbers(self, value, slope):
        """Raise unless both are finite, and one is the derivative of the other."""
        for what, numbers in (("function", value), ("derivative", slope)):
            if not np.isfinite(numbers).all():
                i = np.flatnonzero(~np.isfinite(numbers))[0]
                raise ValueError(
                    f"{what} must give a finite number for every z; at z = {_Z[i]:.3f} "
                    f"it gives {numbers[i]}."
                )
        h = _STEP * np.maximum(1.0, np.abs(_Z))
        above, below = self._evaluate(_Z + h)[0], self._evaluate(_Z - h)[0]
        differences = (above - below) / (2 * h)
        size = np.maximum(1.0, np.maximum(np.abs(value), np.abs(slope)))
        wrong = np.abs(slope - differences) / size
        i = np.argmax(wrong)
        if wrong[i] > _TOLERANCE:
            raise ValueError(
                f"derivative must be that of function: at z = {_Z[i]:.3f} it gives "
                f"{slope[i]:.6g}, but the slope of function there is "
                f"{differences[i]:.6g}. Pass check=False if that is meant to be so."
            )

    def __repr__(self):
        return f"Activation(name={self.name!r})"

    def __str__(self):
        return self.name

    def __eq__(self, other):
        if not isinstance(other, Activation):
            return NotImplemented
        return self.name == other.name and self._key == other._key

    def __hash__(self):
        return hash(self.name)

    def __copy__(self):
        return self  # nothing in it changes

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        if self._key != _keys(self.function, self.derivative):
            raise pickle.PicklingError(
                f"What the functions of {self!r} refer to has changed since it was "
                "made, and whoever reads the pickle would get the change; make it anew."
            )
        return _restore, (self.function, self.derivative, self.name)


def _restore(function, derivative, name):
    """Return an activation that was checked when it was made."""
    activation = Activation.__new__(Activation)
    activation.function, activation.derivative = function, derivative
    activation.name = name
    activation._bind()
    return activation


class _Named:
    """A unit whose errors say whose function it is made of."""

    def __init__(self, unit, what):
        self._unit, self._what = unit, what

    def __getitem__(self, dtype):
        with self:
            return self._unit[dtype]

    def address(self, dtype):
        """Return the address of the compiled unit."""
        with self:
            return self._unit.address(dtype)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, ValueError):
            raise ValueError(f"The {self._what} cannot be compiled: {error}.") from None


# All units of this process, by what they are made of: an activation that comes with
# each task of a search is compiled once.
_UNITS: dict = {}


def _keys(*functions):
    return tuple(map(Frozen, functions))


def _plain(function):
    """Return the function that one compiled by Numba was made of."""
    return getattr(function, "py_func", function)
