"""The same mathematics as the kernels', slow and obvious, in NumPy and float64.

Nothing here is shared with the library: every formula is written down again from
its definition, so that a mistake would have to be made twice to go unnoticed.
"""

from .activations import *  # noqa: F403
from .deep import *  # noqa: F403
from .losses import *  # noqa: F403
from .network import *  # noqa: F403
from .noise import *  # noqa: F403
from .solvers import *  # noqa: F403
