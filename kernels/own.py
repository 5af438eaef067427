"""Units made of a user's own functions of one number.

Such a unit is compiled anew in each process: what it does depends on all that its
functions refer to, of which no hash of sources tells. The machine code of a process's
own activations is never freed, since a network's table may hold its address.
"""

import math
import operator

import numba
import numpy as np
from numba import types
from numba.extending import overload

from . import _forks, _jit, elementary
from ._host import JIT_DISABLED
from ._jit import EXACT_FASTMATH, Unit, compile_inner
from ._llvm import attempt, view
from .activations import BACKWARD, FORWARD

_DIVISIONS = (
    *(operator.floordiv, operator.ifloordiv, operator.mod, operator.imod, divmod),
    *(np.floor_divide, np.remainder, np.fmod, np.divmod, np.gcd, np.lcm, math.gcd),
)

# Of what users build on: NumPy's functions in Python, ours in compiled code.


def exp(z):
    """Return the exponential of z, by a polynomial in compiled code.

    Parameters
    ----------
    z : float

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn.activations import exp
    >>> float(exp(0.0))
    1.0
    """
    return np.exp(z)


def tanh(z):
    """Return the hyperbolic tangent of z, by a polynomial in compiled code.

    Parameters
    ----------
    z : float

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn.activations import tanh
    >>> float(tanh(0.0))
    0.0
    """
    return np.tanh(z)


def logistic(z):
    """Return 1 / (1 + exp(-z)), by a polynomial in compiled code.

    Parameters
    ----------
    z : float

    Returns
    -------
    float

    Examples
    --------
    >>> from fastnn.activations import logistic
    >>> float(logistic(0.0))
    0.5
    """
    return 1 / (1 + np.exp(-z))


if not JIT_DISABLED:  # pragma: llvm only
    overload(exp, inline="always")(lambda z: lambda z: elementary.exp(z))
    overload(tanh, inline="always")(lambda z: lambda z: elementary.tanh(z))
    overload(logistic, inline="always")(lambda z: lambda z: elementary.logistic(z))


class OwnUnit(Unit):
    """A unit around a user's function, whose compilation may fail.

    Parameters
    ----------
    function : function
        The loop.
    interface : Interface
    scalar : function
        The user's, compiled into the loop.
    """

    is_kept = False

    def __init__(self, function, interface, scalar):
        super().__init__(function, interface)
        self.scalar = scalar

    def _compile_once(self, dtype):  # pragma: no cover (in a thread of `_thread`)
        with _forks.COMPILING:
            try:
                self.scalar.compile((numba.from_dtype(dtype),))
            except Exception as error:
                _jit._explain(error)
                raise ValueError(_reason(error)) from None
            self._check_result()
            return super()._compile_once(dtype)

    def _check_result(self):  # pragma: no cover (as above)
        kind = next(iter(self.scalar.overloads.values())).signature.return_type
        if not isinstance(kind, types.Float | types.Integer | types.Boolean):
            raise ValueError(
                f"it returns {kind}, and not a real number (of two, choose by "
                "'a if z > 0 else b': np.where makes arrays)"
            )
        for compiled in _overloads(self.scalar):
            for step in compiled.type_annotation.calltypes:
                _check_step(step, compiled.type_annotation.typemap)


def _overloads(dispatcher):  # pragma: no cover (as above)
    """Yield what a function and those that it calls have been compiled to."""
    for compiled in dispatcher.overloads.values():
        yield compiled
        for kind in compiled.type_annotation.typemap.values():
            if isinstance(kind, types.Dispatcher):
                yield from _overloads(kind.dispatcher)


def _check_step(step, typemap):  # pragma: no cover (as above)
    """Raise if a step of compiled code might end the process or reach other memory."""
    kind = getattr(step, "op", None)
    if kind in ("binop", "inplace_binop"):
        work, operands = step.fn, (step.lhs, step.rhs)
    elif kind == "call":
        work = getattr(typemap[step.func.name], "typing_key", None)
        operands = step.args
    else:
        return
    operands = [typemap[operand.name] for operand in operands]
    if work in _DIVISIONS and _may_overflow(*operands):
        raise ValueError(
            "it divides integers by // or %, and one such division, of the smallest "
            "integer by -1, ends the process; divide floats, or by a number"
        )
    changes = kind == "inplace_binop" and isinstance(operands[0], types.Array)
    if changes or (isinstance(work, np.ufunc) and len(operands) > work.nin):
        raise ValueError(
            "it has an array changed as a whole, where shapes are not compared; make "
            "a new one (a = a + b)"
        )


def _may_overflow(dividend, divisor):  # pragma: no cover (as above)
    """Return whether integers of these types may have a quotient beside int64."""
    if isinstance(divisor, types.IntegerLiteral):
        return divisor.literal_value == -1
    whole = types.Integer, types.Boolean, types.BooleanLiteral
    found = [getattr(kind, "dtype", kind) for kind in (dividend, divisor)]
    return all(isinstance(kind, whole) for kind in found)


def _reason(error):
    """Return what a user can read of an error of the compiler's."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith("Failed in")]
    return (
        told[0].split(" Raised from ")[0].rstrip(".:") if told else type(error).__name__
    )


def helper(function):
    """Return a user's function, compiled into its callers.

    Its reads of arrays are checked: one beside an array could end the process.
    """
    return compile_inner(function, EXACT_FASTMATH, boundscheck=True)


def forward_unit(function):
    """Return the unit that replaces z by f(z); a NaN stays one.

    f is not called with it: a loop that waits for something to get small would not
    come to an end. Nor is f' below.
    """
    f = helper(function)

    def own_activation(arena, z0, n):
        """Replace arena[z0:z0 + n] by f(z)."""
        Z = view(arena, z0, n)
        zero = arena.dtype.type(0)
        for i in range(n):
            z = Z[i]
            a = attempt(f, z if z == z else zero)
            Z[i] = a if z == z else z

    return OwnUnit(own_activation, FORWARD, f)


def backward_unit(derivative):
    """Return the unit that multiplies deltas by f'(z); it reads z."""
    slope = helper(derivative)

    def backward_own_activation(arena, s0, d0, n):
        """Multiply arena[d0:d0 + n] by f'(z), z in arena[s0:s0 + n]."""
        Z = view(arena, s0, n)
        D = view(arena, d0, n)
        zero = arena.dtype.type(0)
        for i in range(n):
            z = Z[i]
            s = attempt(slope, z if z == z else zero)
            D[i] = D[i] * (s if z == z else z)

    return OwnUnit(backward_own_activation, BACKWARD, slope)
