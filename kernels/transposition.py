"""Transposed copies, by blocks that fit in the registers."""

from ._jit import INT, Interface, array, unit
from ._llvm import lanes, transpose_block

# (arena, s0, ss, t0, ts, m, n)
TRANSPOSE_MATRIX = Interface(lambda F: (array(F), *([INT] * 6)), 7)


@unit(TRANSPOSE_MATRIX)
def transpose(arena, s0, ss, t0, ts, m, n):
    """Copy arena[t0 + j * ts + i] = arena[s0 + i * ss + j] for i < m and j < n."""
    size = lanes(arena)
    m_blocks = m - m % size
    n_blocks = n - n % size
    for i in range(0, m_blocks, size):
        for j in range(0, n_blocks, size):
            transpose_block(arena, s0 + i * ss + j, ss, arena, t0 + j * ts + i, ts)
        for j in range(n_blocks, n):
            for k in range(i, i + size):
                arena[t0 + j * ts + k] = arena[s0 + k * ss + j]
    for i in range(m_blocks, m):
        for j in range(n):
            arena[t0 + j * ts + i] = arena[s0 + i * ss + j]
