"""What the numbers that pictures and statistics take may be."""

from numbers import Integral, Real

from sklearn.utils._param_validation import validate_params

from ..inputs.parameters import Range

COUNT = Range(Integral, 1, None, closed="left")
ABOVE_0 = Range(Real, 0, None, closed="neither")
NUMBERS = {
    "n_samples": [COUNT, None],
    "n_points": [Range(Integral, 2, None, closed="left")],
    # A picture has fewer points, and the squares of more do not fit into memory.
    "resolution": [Range(Integral, 2, 10_000, closed="both")],
    "grid_resolution": [Range(Integral, 2, 10_000, closed="both")],
    "radius": [ABOVE_0],
    "margin": [ABOVE_0],
    "eps": [Range(Real, 0, None, closed="left")],
    "max_units": [Range(Integral, 3, None, closed="left")],
}


def checked(*names):
    """Decorate a function whose arguments of these names are to be checked."""
    constraints = {name: NUMBERS[name] for name in names}
    return validate_params(constraints, prefer_skip_nested_validation=False)
