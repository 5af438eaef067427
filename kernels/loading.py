"""Mini-batch rows into the arena."""

from ._jit import INT, Interface, array, sparse_matrix, unit
from ._llvm import view
from .layout import INPUT0, INPUT_STRIDE

# (net, arena, X, columns, starts, order, begin, first, last): rows order[begin + r]
# of X for r in [first, last); an empty order means the rows as they are.
LOAD = Interface(
    lambda F: (
        array(INT),
        array(F),
        *sparse_matrix(F),
        array(INT, True),
        INT,
        INT,
        INT,
    ),
    9,
)


@unit(LOAD)
def load_dense(net, arena, X, columns, starts, order, begin, first, last):
    """Copy rows of X, a row-major matrix, to the network's input.

    For a dense X, `starts` holds one number, the length of a row.
    """
    width = starts[0]
    for r in range(first, last):
        row = begin + r
        if order.size:
            row = order[row]
        source = view(X, row * width, width)
        target = view(arena, net[INPUT0] + r * net[INPUT_STRIDE], width)
        for j in range(width):
            target[j] = source[j]
