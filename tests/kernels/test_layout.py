"""Packing into panels, transposed weights and transposed blocks."""

import itertools

import numpy as np
import pytest
import reference
from fastnn.kernels import _host, layout, transposition
from fastnn.kernels import layout as at
from kernel_tools import (
    CANARY,
    Net,
    few_or_many,
    random_data,
    random_parameters,
    random_theta,
    same_bits,
)

NETWORKS = few_or_many(
    [(1, 1), (3, 17, 1), (5, 65, 15, 2)],
    [(1, 1), (3, 17, 1), (5, 65, 15, 2), (100, 130, 64, 63), (7, 1, 16, 100)],
)


def make(sizes, dtype, **options):
    X, Y = random_data(7, sizes, ("squared_error", "identity"), dtype)
    return Net(sizes, X, Y, solver="adam", **options)


def expected(net, theta):
    """Return P as the description of the layout has it."""
    sizes = net.network.architecture.sizes
    itemsize = net.dtype.itemsize
    return reference.pack(
        theta,
        sizes,
        _host.lanes_of(itemsize),
        _host.panel_width(itemsize),
        [net.field(layer, "STRIDE") for layer in range(len(sizes) - 1)],
    )


@pytest.mark.parametrize("sizes", NETWORKS)
def test_pack(sizes, dtype):
    """Into each region, and nothing around it or in the padding is written."""
    net = make(sizes, dtype)
    theta = random_theta(sizes, dtype)
    n_packed = int(net.net[at.N_PACKED])
    starts = (
        int(net.net[at.P0]),
        int(net.net[at.SLOT0]) + n_packed,
        int(net.net[at.G0]),
    )
    for start in starts:
        arena = np.zeros_like(net.arena)
        layout.pack[dtype](net.net, arena, theta, start)
        want = expected(net, theta)
        np.testing.assert_array_equal(arena[start : start + n_packed], want)
        arena[start : start + n_packed] = 0
        assert not arena.any()
        arena[:] = CANARY
        layout.pack[dtype](net.net, arena, theta, start)
        used = expected(net, np.ones_like(theta)) != 0
        packed = arena[start : start + n_packed]
        assert (packed[~used] == CANARY).all()
        np.testing.assert_array_equal(packed[used], want[used])


@pytest.mark.parametrize("sizes", NETWORKS)
def test_unpack_is_the_inverse(sizes, dtype):
    net = make(sizes, dtype)
    theta = random_theta(sizes, dtype)
    start = int(net.net[at.SLOT0])
    layout.pack[dtype](net.net, net.arena, theta, start)
    before = net.arena.copy()
    memory = np.full(theta.size + 10, CANARY, dtype)
    layout.unpack[dtype](net.net, net.arena, memory[5:-5], start)
    np.testing.assert_array_equal(memory[5:-5], theta)
    assert (memory[:5] == CANARY).all()
    assert (memory[-5:] == CANARY).all()
    assert same_bits(net.arena, before)


@pytest.mark.parametrize("sizes", NETWORKS)
def test_refresh_transposes(sizes, dtype):
    """Every layer's Wᵀ lies in panels of WIDTH rows; the first layer has none."""
    net = make(sizes, dtype)
    theta = random_theta(sizes, dtype)
    layout.pack[dtype](net.net, net.arena, theta, int(net.net[at.P0]))
    before = net.arena.copy()
    layout.refresh_transposes[dtype](net.net, net.arena, len(sizes) - 1)
    lanes = _host.lanes_of(dtype.itemsize)
    coefs, _ = reference.split(theta, sizes)
    for layer, W in list(enumerate(coefs))[1:]:
        rows = net.field(layer, "WIDTH")
        assert net.field(layer, "T_ROWS") == rows
        transposed = np.pad(W.T, ((0, rows - W.shape[1]), (0, 0)))
        want = reference.panels(transposed, lanes, _host.panel_width(dtype.itemsize))
        start = net.field(layer, "T0")
        got = net.arena[start : start + want.size]
        np.testing.assert_array_equal(got, want)
        got[:] = 0
        before[start : start + want.size] = 0
    assert same_bits(net.arena, before)


@pytest.mark.parametrize("sizes", NETWORKS)
def test_regions_do_not_overlap(sizes, dtype):
    """Each region of the arena starts where the one before has ended."""
    net = make(sizes, dtype, n_workers=3)
    table, rows = net.net, int(net.net[at.BLOCK])
    n_packed = int(table[at.N_PACKED])
    regions = [
        (table[at.P0], n_packed),
        (table[at.SLOT0], 2 * n_packed),
        (table[at.G0], n_packed),
        (table[at.ONES0], 1),
        (table[at.INPUT0], rows * table[at.INPUT_STRIDE]),
        (table[at.ROW_LOSS0], rows),
        (table[at.TILE_SUM0], table[at.N_TILES]),
        (table[at.SCRATCH0], 3 * table[at.SCRATCH_SIZE]),
    ]
    for layer in range(len(sizes) - 1):
        size = rows * net.field(layer, "STRIDE")
        regions.append((net.field(layer, "A0"), size))
        if layer < len(sizes) - 2:  # the last layer's deltas replace its outputs
            regions.append((net.field(layer, "D0"), size))
        if layer > 0:
            padded = _host.round_up(sizes[layer], _host.lanes_of(dtype.itemsize))
            size = padded * net.field(layer, "T_ROWS")
            regions.append((net.field(layer, "T0"), size))
    regions.sort()
    ends = [int(start + size) for start, size in regions]
    starts = [int(start) for start, _ in regions]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert ends[-1] <= net.arena.size
    assert net.arena.ctypes.data % 64 == 0
    assert all(start * dtype.itemsize % 64 == 0 for start in starts)


@pytest.mark.parametrize("n_workers", [1, 2, 3, 7])
@pytest.mark.parametrize("sizes", NETWORKS)
def test_tiles_cover_every_weight_once(sizes, n_workers, dtype):
    """The workers' shares are all tiles in order, and the tiles all weights."""
    net = make(sizes, dtype, n_workers=n_workers)
    start = int(net.net[at.SHARES])
    shares = net.net[start : start + n_workers + 1]
    assert shares[0] == 0
    assert shares[-1] == net.net[at.N_TILES]
    assert (np.diff(shares) >= 0).all()
    covered = [np.zeros((m, n)) for m, n in itertools.pairwise(sizes)]
    panel = int(net.net[at.PANEL])
    for tile in range(int(net.net[at.N_TILES])):
        record = net.net[int(net.net[at.TILES]) + tile * at.TILE :][: at.TILE]
        layer, column, first, last = record
        covered[layer][first:last, column : column + panel] += 1
    assert all((W == 1).all() for W in covered)


DEEP = {"norm": "layer", "residual": True}
DEEP_SIZES = (3, 17, 17, 70, 5, 2)


def make_deep(dtype, **options):
    """Return a network with norms and projections, its theta, and its parts."""
    X, Y = random_data(7, DEEP_SIZES, ("squared_error", "identity"), dtype)
    net = Net(DEEP_SIZES, X, Y, solver="adam", structure=DEEP, **options)
    theta = random_parameters(net.network.architecture, dtype)
    net.set_theta(theta)
    return net, reference.split_parts(theta, net.network.architecture)


@pytest.mark.parametrize("n_workers", [1, 3, 7])
def test_tiles_of_projections_and_norms(n_workers, dtype):
    """They are covered once as well, and shares are about equal in work."""
    net, parts = make_deep(dtype, n_workers=n_workers)
    panel, covered = int(net.net[at.PANEL]), {}
    for key, values in parts.items():
        if key[0] in ("coefs_", "shortcut_coefs_", "norm_scales_"):
            covered[key] = np.zeros(np.atleast_2d(values).shape)
    records = {net.field(i, "SHORTCUT"): i for i in range(len(DEEP_SIZES) - 1)}
    work = []
    for tile in range(int(net.net[at.N_TILES])):
        start = int(net.net[at.TILES]) + tile * at.TILE
        layer, column, first, last = (int(x) for x in net.net[start : start + at.TILE])
        key = ("coefs_", layer)
        if first < 0:
            key, first, last = ("norm_scales_", layer), 0, 1
        elif layer >= len(DEEP_SIZES) - 1:
            key = ("shortcut_coefs_", records[layer])
        covered[key][first:last, column : column + panel] += 1
        work.append((last - first) * min(panel, net.field(layer, "WIDTH") - column))
    assert all((values == 1).all() for values in covered.values())
    start = int(net.net[at.SHARES])
    shares = net.net[start : start + n_workers + 1]
    assert (shares[0], shares[-1]) == (0, len(work))
    sums = [sum(work[a:b]) for a, b in itertools.pairwise(shares)]
    assert max(sums) <= sum(work) / n_workers + max(work)  # half a tile at each end


def test_transposes_of_projections(dtype):
    """Every matrix but the first has its transpose, projections too."""
    net, parts = make_deep(dtype)
    lanes = _host.lanes_of(dtype.itemsize)
    found = 0
    for (name, i), W in parts.items():
        layer = net.field(i, "SHORTCUT") if name == "shortcut_coefs_" else i
        if W.ndim == 1 or layer == 0:
            continue
        rows, start = net.field(layer, "T_ROWS"), net.field(layer, "T0")
        transposed = np.pad(W.T, ((0, rows - W.shape[1]), (0, 0)))
        want = reference.panels(transposed, lanes, _host.panel_width(dtype.itemsize))
        np.testing.assert_array_equal(net.arena[start : start + want.size], want)
        found += 1
    assert found == 4 + 2  # five matrices but the first, and two projections


def test_addresses_lie_between_two_fields(dtype):
    """The header's addresses of units are from LOAD to END_BATCH, and all in use."""
    net, _ = make_deep(dtype, dropout=(0.1,) * 5, mixup=True, n_rows=7)
    addresses = net.net[at.LOAD : at.END_BATCH + 1]
    small = int(net.net[at.N_TILES])
    assert all(a == 0 or a > small for a in addresses)
    for field in ("MASK", "MIX", "DISTURB", "DEEP_LAYER", "DEEP_BACK", "NORM_GRADIENT"):
        assert net.net[getattr(at, field)] != 0, field
    for field in ("NORM_COLUMNS", "ADD_L1", "BOUND_NORMS", "AVERAGE"):
        assert net.net[getattr(at, field)] == 0, field


SHAPES = (1, 5, 15, 16, 17, few_or_many(20, 65))


@pytest.mark.parametrize("m", SHAPES)
@pytest.mark.parametrize("n", SHAPES)
def test_transpose(m, n, dtype):
    gap = 3
    A = np.arange(1, m * n + 1).reshape(m, n).astype(dtype)
    ss, ts = n + gap, m + 2 * gap
    s0, t0 = gap, gap + m * ss + gap
    arena = np.full(t0 + n * ts + gap, CANARY, dtype)
    for i in range(m):
        arena[s0 + i * ss : s0 + i * ss + n] = A[i]
    want = arena.copy()
    for j in range(n):
        want[t0 + j * ts : t0 + j * ts + m] = A[:, j]
    transposition.transpose[dtype](arena, s0, ss, t0, ts, m, n)
    np.testing.assert_array_equal(arena, want)
