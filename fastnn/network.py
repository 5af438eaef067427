"""A network's tables and memory for the kernels: built for one fit or prediction."""

import functools
import math

import numpy as np

from .kernels import (
    _host,
    forward,
    layout,
    loading,
    products,
    row_pass,
    sparse,
    training,
    transposition,
    weight_pass,
)
from .kernels import layout as at
from .variants import ACTIVATIONS, LOSSES, OUTPUTS, SOLVERS

# Bytes of activations and deltas that rows may take on their way through all
# layers: with the weights they should stay in a second-level cache.
_CACHE_BYTES = 384 * 1024
# Bytes of activations and deltas held at once; a larger batch goes in blocks.
_BLOCK_BYTES = 64 * 1024 * 1024
# Work of one block: between two of them Ctrl-C is answered.
_BLOCK_FLOPS = 10**10
# A stride that is a multiple of this makes rows compete for the same cache lines.
_CONFLICT_BYTES = 512


def for_kernels(X):
    """Return X as a plain aligned array, or CSR with sorted indices."""
    if hasattr(X, "indptr"):
        return X if X.has_sorted_indices else X.sorted_indices()
    return np.require(np.asarray(X), requirements=["C", "A"])


class Rows:
    """X as the kernels read it: row-major numbers, or CSR.

    Parameters
    ----------
    X : ndarray of shape (n, d), C-contiguous, or CSR matrix with sorted indices
        Of dtype float32 or float64.
    """

    def __init__(self, X):
        self.n, self.n_features = X.shape
        self.sparse = not isinstance(X, np.ndarray)
        if self.sparse:
            if self.n_features > np.iinfo(np.int32).max:
                raise ValueError(
                    f"A sparse X may have at most {np.iinfo(np.int32).max:,} features, "
                    f"got {self.n_features:,}."
                )
            self.numbers = np.require(X.data, requirements=["C", "A"])
            self.columns = np.require(X.indices, np.int32, ["C", "A"])
            self.starts = np.require(X.indptr, np.int64, ["C", "A"])
        else:
            self.numbers = X.reshape(-1)
            self.columns = np.empty(0, np.int32)
            self.starts = np.array([self.n_features], np.int64)

    @property
    def arrays(self):
        """The three arrays that a kernel takes for X."""
        return self.numbers, self.columns, self.starts


class Plan:
    """A network's table, without memory: what `layout` calls `net`.

    Parameters
    ----------
    sizes : tuple of int
        Units per layer, input and output included.
    activation : str
        Of the hidden layers.
    output : str
        Output activation.
    dtype : numpy dtype
    n_workers : int
        Shares that the work of a batch is cut into.
    sparse : bool
        Whether X is CSR.
    batch_size : int
        Rows of a mini-batch, or of a block of predictions.
    loss, solver : str or None
        None for a network that only predicts.
    weighted : bool
        Whether rows have weights.
    validates : bool
        Whether a network that is trained predicts as well.

    Attributes
    ----------
    net : vector of int64
    arena_size : int
        Numbers in the arena.
    """

    def __init__(
        self,
        sizes,
        activation,
        output,
        dtype,
        *,
        n_workers,
        sparse,
        batch_size,
        loss=None,
        solver=None,
        weighted=False,
        validates=False,
    ):
        self.sizes = tuple(int(size) for size in sizes)
        self.dtype = np.dtype(dtype)
        self.lanes = _host.lanes_of(self.dtype.itemsize)
        self.n_layers = len(self.sizes) - 1
        self.trains = solver is not None
        self.n_slots = SOLVERS[solver].n_slots if self.trains else 0
        header = np.zeros(at.HEADER, np.int64)
        header[at.N_LAYERS] = self.n_layers
        header[at.N_OUTPUTS] = self.sizes[-1]
        header[at.N_TARGETS] = 1 if output == "softmax" else self.sizes[-1]
        header[at.PANEL] = _host.panel_width(self.dtype.itemsize)
        header[at.N_WORKERS] = n_workers
        header[at.SPARSE] = sparse
        header[at.WEIGHTED] = weighted
        layers = self._lay_out_parameters(header)
        self._lay_out_arena(header, layers, batch_size)
        ends = (loss, output)
        self._set_addresses(header, layers, activation, ends, solver, validates)
        self._assemble(header, layers)

    def _lay_out_parameters(self, header):
        """Place weights and biases within P; return the layers' records."""
        layers = np.zeros((self.n_layers, at.LAYER), np.int64)
        layers[:, at.FAN_IN] = self.sizes[:-1]
        layers[:, at.FAN_OUT] = self.sizes[1:]
        layers[:, at.WIDTH] = -(-layers[:, at.FAN_OUT] // self.lanes) * self.lanes
        layers[:, at.T_ROWS] = layers[:, at.WIDTH]
        layers[:, at.STRIDE] = [self._stride(size) for size in self.sizes[1:]]
        ends = np.cumsum(layers[:, at.FAN_IN] * layers[:, at.WIDTH])
        layers[:, at.W0] = np.concatenate(([0], ends[:-1]))
        bias_ends = ends[-1] + np.cumsum(layers[:, at.STRIDE])
        layers[:, at.B0] = np.concatenate((ends[-1:], bias_ends[:-1]))
        header[at.N_WEIGHTS] = ends[-1]
        header[at.N_PACKED] = bias_ends[-1]
        return layers

    def _stride(self, size):
        stride = _host.round_up(size, self.lanes)
        if stride * self.dtype.itemsize % _CONFLICT_BYTES == 0:
            stride += self.lanes
        return stride

    def _lay_out_arena(self, header, layers, batch_size):
        """Place every region of the arena."""
        strides = [self._stride(self.sizes[0]), *layers[:, at.STRIDE]]
        row_bytes = (2 * sum(strides) - strides[0]) * self.dtype.itemsize
        most = min(_BLOCK_BYTES // int(row_bytes), _BLOCK_FLOPS // self._row_flops())
        block = max(_host.TILE_ROWS, min(batch_size, most))
        header[at.BATCH], header[at.BLOCK] = batch_size, block
        header[at.N_BLOCKS] = -(-batch_size // block)
        rows = int(np.clip(_CACHE_BYTES // row_bytes, 24, 192))
        header[at.TILE_ROWS_MAX] = rows // _host.TILE_ROWS * _host.TILE_ROWS
        regions = _Regions(self.lanes)
        n_packed = header[at.N_PACKED]
        header[at.P0] = regions.take(n_packed)
        if self.trains:
            header[at.SLOT0] = regions.take(n_packed * self.n_slots)
            header[at.G0] = regions.take(n_packed)
            for layer in layers[1:]:
                size = _host.round_up(int(layer[at.FAN_IN]), self.lanes)
                layer[at.T0] = regions.take(size * layer[at.T_ROWS])
        header[at.ONES0] = regions.take(1)
        header[at.INPUT_STRIDE] = strides[0]
        header[at.INPUT0] = regions.take(0 if header[at.SPARSE] else block * strides[0])
        for i, layer in enumerate(layers):
            size = block * layer[at.STRIDE]
            layer[at.A0] = layer[at.D0] = regions.take(size)
            if self.trains and i < self.n_layers - 1:
                layer[at.D0] = regions.take(size)
        header[at.ROW_LOSS0] = regions.take(block)
        self.tiles = self._tiles(layers, header[at.PANEL])
        header[at.TILE_SUM0] = regions.take(len(self.tiles))
        groups = layers[-1, at.STRIDE] + header[at.N_TARGETS] + 4
        header[at.SCRATCH_SIZE] = _host.round_up(
            int(groups * at.GROUP) + 4 * self.lanes, self.lanes
        )
        n_workers = header[at.N_WORKERS]
        header[at.SCRATCH0] = regions.take(n_workers * header[at.SCRATCH_SIZE])
        self.arena_size = regions.size

    def _row_flops(self):
        return 6 * count_parameters(self.sizes)

    def _tiles(self, layers, panel):
        """Cut every panel of weights into tiles of equal height, the last shorter."""
        height = math.lcm(_host.TILE_ROWS, self.lanes)
        return np.array(
            [
                (i, column, first, min(first + height, layer[at.FAN_IN]))
                for i, layer in enumerate(layers)
                for column in range(0, layer[at.FAN_OUT], panel)
                for first in range(0, layer[at.FAN_IN], height)
            ],
            np.int64,
        )

    def _shares(self, header, layers):
        """Return where each worker's tiles start, so that all have equal work."""
        layer = self.tiles[:, at.TILE_LAYER]
        column = self.tiles[:, at.COLUMN]
        width = np.minimum(header[at.PANEL], layers[layer, at.WIDTH] - column)
        height = self.tiles[:, at.LAST_ROW] - self.tiles[:, at.FIRST_ROW]
        work = np.cumsum(width * height)
        n_workers = header[at.N_WORKERS]
        bounds = work[-1] * np.arange(1, n_workers) / n_workers
        inside = np.searchsorted(work - width * height / 2, bounds)
        return np.concatenate(([0], inside, [len(self.tiles)])).astype(np.int64)

    def _set_addresses(self, header, layers, activation, ends, solver, validates):
        """Compile, or load, the units that this network uses, and no other."""
        rows = sparse.load_sparse if header[at.SPARSE] else loading.load_dense
        units = {
            at.LOAD: rows,
            at.PRODUCT: products.accumulate,
            at.TRANSPOSE: transposition.transpose,
            at.FORWARD_ROWS: forward.forward_rows,
        }
        if self.trains:
            units |= {
                at.LOSS: LOSSES[ends],
                at.BEGIN_STEP: SOLVERS[solver].begin,
                at.UPDATE: SOLVERS[solver].update,
                at.ROW_PASS: row_pass.row_pass,
                at.WEIGHT_PASS: weight_pass.weight_pass,
                at.BEGIN_BATCH: training.begin_batch,
                at.END_BLOCK: training.end_block,
                at.END_BATCH: training.end_batch,
            }
            if header[at.SPARSE]:
                units[at.SPARSE_GRADIENT] = sparse.add_sparse_gradient
        if validates or not self.trains:
            units |= {
                at.OUTPUT: OUTPUTS[ends[1]],
                at.PREDICT_PASS: forward.predict_pass,
            }
        for field, unit in units.items():
            header[field] = unit.address(self.dtype)
        ahead, back = ACTIVATIONS[activation]
        if self.n_layers > 1:
            layers[:-1, at.FORWARD] = ahead.address(self.dtype)
            if self.trains:
                layers[:-1, at.BACKWARD] = back.address(self.dtype)

    def _assemble(self, header, layers):
        """Join header, layers, tiles and shares into `net`."""
        shares = self._shares(header, layers)
        header[at.N_TILES] = len(self.tiles)
        header[at.TILES] = at.HEADER + layers.size
        header[at.SHARES] = header[at.TILES] + self.tiles.size
        parts = (header, layers.ravel(), self.tiles.ravel(), shares)
        self.net = np.concatenate(parts).astype(np.int64)


@functools.lru_cache(maxsize=256)
def cached_plan(*arguments, **options):
    """Return a plan that may be shared: predictions do not change it."""
    return Plan(*arguments, **options)


class Network:
    """A plan with memory of its own.

    Parameters
    ----------
    plan : Plan
    n_rows : int
        Rows that an epoch of training goes through.

    Attributes
    ----------
    net : vector of int64
    arena : vector of floats
    hyper : vector of float64
    """

    def __init__(self, plan, n_rows=0):
        self.plan = plan
        self.dtype = plan.dtype
        self.sizes = plan.sizes
        self.n_params = count_parameters(plan.sizes)
        self.net = plan.net
        if n_rows:
            self.net = plan.net.copy()
            self.net[at.N_ROWS] = n_rows
        self.arena = _aligned_zeros(plan.arena_size, plan.dtype)
        self.arena[plan.net[at.ONES0]] = 1
        n_batches = -(-n_rows // int(plan.net[at.BATCH]))
        self.hyper = np.zeros(at.N_HYPER + n_batches)

    def n_blocks(self):
        """Return the blocks of an epoch, which are what a training call counts."""
        batch, block = int(self.net[at.BATCH]), int(self.net[at.BLOCK])
        full, rest = divmod(int(self.net[at.N_ROWS]), batch)
        return full * -(-batch // block) + -(-rest // block)

    def set_parameters(self, theta):
        """Copy parameters, in row-major order, into the arena."""
        pack = layout.pack[self.dtype]
        pack(self.net, self.arena, theta, self.net[at.P0])
        if self.plan.trains and self.plan.n_layers > 1:
            layout.refresh_transposes[self.dtype](self.net, self.arena, 1)

    def get_parameters(self, theta):
        """Copy the arena's parameters into theta, in row-major order."""
        unpack = layout.unpack[self.dtype]
        unpack(self.net, self.arena, theta, self.net[at.P0])

    def get_gradient(self, theta):
        """Copy the last batch's gradient into theta, in row-major order."""
        layout.unpack[self.dtype](self.net, self.arena, theta, self.net[at.G0])

    def set_slots(self, slots):
        """Copy the solver's slots, (n_slots, n_params), into the arena."""
        for i, slot in enumerate(slots):
            start = self.net[at.SLOT0] + i * self.net[at.N_PACKED]
            layout.pack[self.dtype](self.net, self.arena, slot, start)

    def get_slots(self):
        """Return a copy of the solver's slots, (n_slots, n_params)."""
        slots = np.empty((self.plan.n_slots, self.n_params), self.dtype)
        for i, slot in enumerate(slots):
            start = self.net[at.SLOT0] + i * self.net[at.N_PACKED]
            layout.unpack[self.dtype](self.net, self.arena, slot, start)
        return slots


class _Regions:
    """Hands out places in the arena, each aligned to a cache line."""

    def __init__(self, lanes):
        self.unit = max(16, lanes)
        self.size = 0

    def take(self, n):
        start = self.size
        self.size += _host.round_up(int(n), self.unit)
        return start


def _aligned_zeros(size, dtype):
    """Return zeros whose first byte lies on a boundary of 64 bytes."""
    memory = np.zeros(size + 64 // dtype.itemsize, dtype)
    skip = -memory.ctypes.data % 64 // dtype.itemsize
    return memory[skip : skip + size]


def count_parameters(sizes):
    """Return the number of weights and biases of a network."""
    return sum((sizes[i] + 1) * sizes[i + 1] for i in range(len(sizes) - 1))
