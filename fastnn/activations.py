"""Activations of one's own for hidden layers, made of two functions of one number."""

import pickle
import sys
from types import FunctionType

import numpy as np

from .frozen import Frozen, plain
from .kernels import own
from .kernels.own import exp, logistic, tanh
from .structure import variants

__all__ = ["exp", "logistic", "tanh"]  # `Activation` is one of fastnn's own names

# Where derivatives are compared with differences: few functions have a kink just there.
_Z = np.linspace(-6.03, 6.0279, 194)
_STEP = 1e-3
_WHAT = ("function", "derivative")
_PYTHON = sys.implementation.cache_tag


class Activation:
    """An activation of one's own for hidden layers.

    Networks take it as `activation`, alone or in the list of one per layer. Both
    functions are compiled into the network's loops, so they are as fast as those
    that come with the library if they are written with `exp`, `tanh` and `logistic`
    of ``fastnn.activations``, which the compiler can vectorise; those of `math` and
    NumPy work, too, at several times the time per number.

    Compiling takes about a second for each new activation and dtype, and is done
    anew in each process, which keeps the machine code, some 2 MB, until it ends. Such
    a network can be copied, searched over and pickled (processes that read it must be
    able to import the functions); `save` and ONNX refuse it, since their files hold
    no code.

    Parameters
    ----------
    function : callable
        f: takes and returns one real number, in the part of Python that Numba
        compiles; finite for every finite number, 0 included. It may refer to numbers,
        arrays, ``math``, NumPy and functions of your own; all is frozen here: what is
        assigned to these names later, or written into the arrays, changes nothing.
    derivative : callable
        f': takes the same number as `function`, not its value.
    name : str, default=None
        What it is called in reports; the function's name if None.
    init_like : str, default="tanh"
        The activation of the library whose initial weights it gets, where they depend
        on the activation (`weight_init`): "relu" for a rectifier.
    check : bool, default=True
        Compare `derivative` with central differences of `function` between -6 and 6,
        and both with what Python makes of them there. False for a derivative that is
        meant to be another, such as a straight-through one.

    Raises
    ------
    TypeError
        If the functions are no functions.
    ValueError
        If a function cannot be compiled, may raise, calls itself, refers to what may
        change (lists, objects, modules of your own) or gives no finite number; if it
        might end the process (a division of integers by one that may be -1, what
        reads arrays unchecked); if the derivative is not that of the function; or if
        the name is taken.

    Notes
    -----
    A NaN stays one, and the functions are not called with it. What they do is yours to
    answer for: a loop that does not end cannot be interrupted. Integers have 64 bits:
    beyond, and in shifts and powers with negative exponents, compiled code gives other
    numbers than Python, so write floats (``2.0 ** k``).

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
    >>> activation.name, activation.init_like
    ('squareplus', 'tanh')
    >>> activation.function is squareplus and activation.derivative is slope
    True
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((16,), activation=activation, learning_rate_init=0.01)
    >>> net.set_params(random_state=0, max_iter=400).fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self, function, derivative, *, name=None, init_like="tanh", check=True
    ):
        for what, given in (("function", function), ("derivative", derivative)):
            if not isinstance(plain(given), FunctionType):
                raise TypeError(
                    f"{what} must be a function of one number, written in Python; "
                    f"got {given!r}."
                )
        function, derivative = plain(function), plain(derivative)
        name = function.__name__ if name is None else name
        _check_names(name, init_like)
        self._set(function, derivative, name, init_like)
        self._check_at_0()
        if check:
            self._check_numbers()

    def _set(self, function, derivative, name, init_like):
        """Freeze the functions and find their units, or what will be compiled."""
        self._given, self._name = (function, derivative), name
        self._init_like = init_like
        f, slope = Frozen(function), Frozen(derivative)
        self._key = (f.key, slope.key, init_like)
        self._fingerprint = (_PYTHON, f.fingerprint, slope.fingerprint)
        if self._key[:2] not in _UNITS:
            units = own.forward_unit(f.function), own.backward_unit(slope.function)
            _UNITS[self._key[:2]] = units
        forward, backward = _UNITS[self._key[:2]]
        self._record = variants.Activation(
            _Named(forward, f"function {name!r}"),
            _Named(backward, f"derivative of {name!r}"),
            reads_z=True,
        )

    @property
    def function(self):
        """The function f."""
        return self._given[0]

    @property
    def derivative(self):
        """Its derivative f'."""
        return self._given[1]

    @property
    def name(self):
        """What it is called in reports."""
        return self._name

    @property
    def init_like(self):
        """The activation whose initial weights it gets."""
        return self._init_like

    def _evaluate(self, z):
        """Return f(z) and f'(z) as the network computes them."""
        value, slope = z.copy(), np.concatenate([z, np.ones_like(z)])
        self._record.forward[z.dtype](value, 0, z.size)
        self._record.backward[z.dtype](slope, 0, z.size, z.size)
        return value, slope[z.size :]

    def _check_at_0(self):
        """Raise unless both are finite there: rows of units are filled up with 0."""
        for what, numbers in zip(_WHAT, self._evaluate(np.zeros(1)), strict=True):
            _check_finite(what, np.zeros(1), numbers)

    def _check_numbers(self):
        """Raise unless both are finite, what Python makes of them, and f' is right."""
        value, slope = self._evaluate(_Z)
        compiled = zip(_WHAT, self._given, (value, slope), strict=True)
        for what, given, numbers in compiled:
            _check_finite(what, _Z, numbers)
            _check_meaning(what, Frozen(given).function, numbers)
        far, near = (
            self._evaluate(_Z + h)[0] - self._evaluate(_Z - h)[0]
            for h in (2 * _STEP, _STEP)
        )
        differences = (8 * near - far) / (12 * _STEP)
        scale = max(np.abs(differences).max(), np.abs(slope).max())
        allowed = 1e-6 * scale + 1e-12 * np.abs(value).max()
        wrong = np.abs(slope - differences)
        i = np.argmax(wrong)
        if wrong[i] > allowed:
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
        now = tuple(Frozen(function).key for function in self._given)
        if now != self._key[:2]:
            raise pickle.PicklingError(
                f"What the functions of {self!r} refer to has changed since it was "
                "made, and whoever reads the pickle would get the change; make it anew."
            )
        return _restore, (*self._given, self.name, self.init_like, self._fingerprint)


def _restore(function, derivative, name, init_like, fingerprint):
    """Return an activation that was checked when it was made."""
    if not all(isinstance(f, FunctionType) for f in (function, derivative)):
        raise pickle.UnpicklingError(
            f"The functions of the activation {name!r} are no longer functions."
        )
    activation = Activation.__new__(Activation)
    activation._set(function, derivative, name, init_like)
    # Another Python has other instructions for the same code.
    if fingerprint[0] == _PYTHON and fingerprint != activation._fingerprint:
        raise pickle.UnpicklingError(
            f"The functions of the activation {name!r}, or what they refer to, are not "
            "what they were when it was pickled; import them as they were."
        )
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


def _check_names(name, init_like):
    if not isinstance(name, str) or not name.isprintable() or "$" in name or not name:
        raise ValueError(f"name must be a printable text without '$'; got {name!r}.")
    if name in variants.ACTIVATIONS:
        raise ValueError(
            f"name must not be that of an activation of the library; pass another one: "
            f"Activation(..., name='my_{name}')."
        )
    if not isinstance(init_like, str) or init_like not in variants.ACTIVATIONS:
        raise ValueError(
            f"init_like must be one of {sorted(variants.ACTIVATIONS)}; got "
            f"{init_like!r}."
        )


def _check_meaning(what, function, numbers):
    """Raise if compiled code and Python differ.

    Python may raise where compiled code does not, as for each function that calls
    others of the user's: those are compiled already.
    """
    for z, number in zip(_Z.tolist(), numbers.tolist(), strict=True):
        try:
            with np.errstate(all="ignore"):
                expected = float(function(z))
        except Exception:
            continue
        if abs(number - expected) > 1e-6 * max(1.0, abs(expected)):
            raise ValueError(
                f"{what} must mean in compiled code what it means in Python: at "
                f"z = {z:.3f} it gives {number:.6g}, and {expected:.6g} there. "
                "Integers have 64 bits in compiled code; write floats (2.0 ** k)."
            )


def _check_finite(what, z, numbers):
    if not np.isfinite(numbers).all():
        i = np.flatnonzero(~np.isfinite(numbers))[0]
        raise ValueError(
            f"{what} must give a finite number for every z; at z = {z[i]:.3f} it gives "
            f"{numbers[i]}."
        )
