"""Matrix products on the arena, by tiles that fit in the registers.

One unit serves the three products of a training step; only strides differ:

=========  ==========================  ==================  ==================
product    what                        left operand        right operand
=========  ==========================  ==================  ==================
forward    Z = A·W                     rows of A           panels of W
backward   delta = delta·Wᵀ            rows of delta       panels of Wᵀ
gradient   dW = Aᵀ·delta               columns of A        rows of delta
=========  ==========================  ==================  ==================
"""

from ._host import TILE_ROWS, TILE_VECTORS
from ._jit import INT, Interface, array, unit
from ._llvm import lanes, make_tile

# Rows of the right operand that are used again for all rows of the left one
# while they lie in the first-level cache: 64 rows of 256 bytes are 16 KiB.
DEPTH = 64

_tall = [make_tile(TILE_ROWS, v) for v in range(1, TILE_VECTORS + 1)]
_flat = [make_tile(1, v) for v in range(1, TILE_VECTORS + 1)]
tall1, flat1 = _tall[0], _flat[0]
tall2, flat2 = _tall[1], _flat[1]
tall3, flat3 = _tall[min(2, TILE_VECTORS - 1)], _flat[min(2, TILE_VECTORS - 1)]
tall4, flat4 = _tall[-1], _flat[-1]

ACCUMULATE = Interface(lambda F: (array(F), *([INT] * 10)), 11)


@unit(ACCUMULATE)
def accumulate(arena, c0, cs, a0, ars, acs, b0, bs, M, K, width):
    """Add A·B to C, all three in the arena.

    ::

        C[i, j] = arena[c0 + i * cs + j]          OUT  (M, width)
        A[i, k] = arena[a0 + i * ars + k * acs]   IN   (M, K)
        B[k, j] = arena[b0 + k * bs + j]          IN   (K, width)

    `width` is a multiple of the vector's lanes and at most a full panel.
    """
    vectors = width // lanes(arena)
    tall_end = M - M % TILE_ROWS
    for k0 in range(0, K, DEPTH):
        size = min(DEPTH, K - k0)
        a = a0 + k0 * acs
        b = b0 + k0 * bs
        if vectors == 1:
            for i in range(0, tall_end, TILE_ROWS):
                tall1(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
            for i in range(tall_end, M):
                flat1(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
        elif vectors == 2:
            for i in range(0, tall_end, TILE_ROWS):
                tall2(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
            for i in range(tall_end, M):
                flat2(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
        elif vectors == 3:
            for i in range(0, tall_end, TILE_ROWS):
                tall3(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
            for i in range(tall_end, M):
                flat3(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
        else:
            for i in range(0, tall_end, TILE_ROWS):
                tall4(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
            for i in range(tall_end, M):
                flat4(arena, c0 + i * cs, cs, a + i * ars, ars, acs, arena, b, bs, size)
