"""Names that functions of a user's own may use: none that reads memory unchecked."""

import math

import numpy as np

# Compiled code checks `array[i]`, and these functions look at their arguments. Others
# of NumPy's, `array.flat` and `take_along_axis` among them, read wherever an index is.
_FUNCTIONS = (
    "abs all amax amin any append arange argmax argmin around array asarray astype "
    "average clip copy cumprod cumsum diff digitize dot extend eye fill finfo fix "
    "flatten full full_like identity iinfo imag index interp item linspace mean median "
    "nan_to_num ones ones_like pop prod ravel real reshape round searchsorted sinc "
    "sort std sum take vdot var where zeros zeros_like"
)
_VALUES = "T dtype e eps euler_gamma inf max min nan ndim newaxis pi shape size tiny"
_UFUNCS = {name for name, value in vars(np).items() if isinstance(value, np.ufunc)}
_TYPES = {
    name
    for name, value in vars(np).items()
    if isinstance(value, type) and issubclass(value, np.number | np.bool_)
}
_OWN = {"exp", "tanh", "logistic", "activations"}

ATTRIBUTES = frozenset(
    {*_FUNCTIONS.split(), *_VALUES.split(), *_UFUNCS, *_TYPES, *_OWN, *vars(math)}
)
# What would reach attributes by another way.
FORBIDDEN_BUILTINS = frozenset({"getattr", "setattr", "delattr"})
