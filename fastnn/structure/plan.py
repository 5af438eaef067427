"""A network's table for the kernels: what `layout` calls `net`."""

import functools
import math
from dataclasses import dataclass

import numpy as np

from ..kernels import _host, normalization, row_pass, team
from ..kernels import layout as at
from .units import couples_rows, is_deep, units_of
from .variants import SOLVERS, activation_of

# Bytes of activations and deltas that rows may take on their way through all
# layers: with the weights they should stay in a second-level cache.
_CACHE_BYTES = 384 * 1024
# Bytes of activations and deltas held at once; a larger batch goes in blocks.
_BLOCK_BYTES = 64 * 1024 * 1024
# Work of one block: between two of them Ctrl-C is answered.
_BLOCK_FLOPS = 10**10
# A stride that is a multiple of this makes rows compete for the same cache lines.
_CONFLICT_BYTES = 512
# Shares of a mini-batch's rows; the work that is worth so many; and the rows of a
# share that the products still work well with.
_SHARES = ((4, 6e6, 64), (2, 1e6, 16))
# Tiles of a dense layer that make one of a sparse first layer.
_SPARSE_TILES = 8
_NORMS = {"": at.NO_NORM, "layer": at.LAYER_NORM, "batch": at.BATCH_NORM}


@dataclass(frozen=True)
class Training:
    """What training adds to a network, as far as its table depends on it.

    Attributes
    ----------
    loss : Loss
    solver : str
    n_targets : int
        Numbers per row of Y.
    weighted : bool
        Whether rows have weights.
    validates : bool
        Whether the network predicts as well.
    n_rows : int
        Rows of an epoch; read for `mixup` only.
    dropout : tuple of float
        Probability that an output is dropped, per layer, inputs first; or empty.
    input_noise, mixup : bool
    l1, clips, max_norm, average : bool
        Whether weights have an L1 penalty; gradients are clipped or weights decay;
        columns' norms are bounded; a running average is kept.
    """

    loss: object
    solver: str
    n_targets: int
    weighted: bool = False
    validates: bool = False
    n_rows: int = 0
    dropout: tuple = ()
    input_noise: bool = False
    mixup: bool = False
    l1: bool = False
    clips: bool = False
    max_norm: bool = False
    average: bool = False

    @property
    def weight_phases(self):
        """Phases of the weight pass, see `kernels.phased_weight_pass`."""
        used = (self.average, self.max_norm, self.l1 or self.clips)
        return next((4 - i for i, use in enumerate(used) if use), 1)

    @property
    def disturbs(self):
        """Whether rows are changed at random on their way through the network."""
        return any(self.dropout) or self.input_noise or self.mixup


class Plan:
    """A network's table, without memory.

    Parameters
    ----------
    architecture : Architecture
    dtype : numpy dtype
    n_workers : int
        Shares that the work of a batch is cut into.
    sparse : bool
        Whether X is CSR.
    batch_size : int
        Rows of a mini-batch, or of a block of predictions.
    training : Training or None
        None for a network that only predicts.
    hidden : int or None
        Hidden layer whose outputs are predicted; None for the network's own.

    Attributes
    ----------
    net : vector of int64
    arena_size : int
        Numbers in the arena.
    """

    def __init__(
        self,
        architecture,
        dtype,
        *,
        n_workers,
        sparse,
        batch_size,
        training=None,
        hidden=None,
    ):
        self.architecture, self.training = architecture, training
        self.dtype = np.dtype(dtype)
        self._sparse = sparse
        self.lanes = _host.lanes_of(self.dtype.itemsize)
        self.trains = training is not None
        self.n_slots = SOLVERS[training.solver].n_slots if self.trains else 0
        sizes = architecture.sizes
        header = np.zeros(at.HEADER, np.int64)
        header[at.N_LAYERS] = architecture.n_layers
        header[at.N_OUTPUTS] = sizes[-1]
        header[at.N_TARGETS] = training.n_targets if self.trains else 1
        header[at.PANEL] = _host.panel_width(self.dtype.itemsize)
        header[at.N_WORKERS] = n_workers
        header[at.SPARSE] = sparse
        header[at.NORM] = _NORMS[architecture.norm]
        header[at.ROW_PHASES] = header[at.WEIGHT_PHASES] = 1
        if self.trains:
            header[at.WEIGHTED] = training.weighted
            header[at.BATCH_FIRST] = training.weighted or couples_rows(
                architecture, training
            )
            header[at.WEIGHT_PHASES] = max(
                training.weight_phases, 2 if self._has_other_parts() else 1
            )
            if architecture.norm == "batch":
                header[at.ROW_PHASES] = 4 * architecture.n_hidden + 1
            if training.dropout:
                header[at.INPUT_DROP] = drop_share(training.dropout[0])
        if hidden is not None:
            header[at.HIDDEN] = hidden
        layers = self._lay_out_parameters(header)
        self._lay_out_arena(header, layers, batch_size)
        self._set_units(header, layers, hidden)
        self._assemble(header, layers)

    def _n_shares(self, rows):
        """Return how many shares of a batch's rows sum gradients of their own.

        It must not depend on the number of workers, see `kernels.gradients`. Sums of
        shares pay where there are fewer weights than numbers that rows leave behind:
        what crosses between cores is the one or the other.
        """
        architecture = self.architecture
        if not self.trains or self._sparse or is_deep(architecture, self.training):
            return 1
        flops = 6 * architecture.n_params * rows
        numbers = rows * (architecture.sizes[0] + 2 * sum(architecture.sizes[1:]))
        if 2 * architecture.n_params > numbers:
            return 1
        for n, least_flops, least_rows in _SHARES:
            if flops >= least_flops and rows >= n * least_rows:
                return n
        return 1

    def _has_other_parts(self):
        """Return whether there are parameters besides weights and biases."""
        n_layers = self.architecture.n_layers
        return len(self.architecture.parts) > 2 * n_layers

    def _records(self):
        """Return an empty record per matrix: the layers', then the projections'."""
        architecture = self.architecture
        pairs = list(zip(architecture.sizes[:-1], architecture.sizes[1:], strict=True))
        projected = [
            i for i in range(len(pairs)) if architecture.shortcut(i) == "projection"
        ]
        pairs += [pairs[i] for i in projected]
        layers = np.zeros((len(pairs), at.LAYER), np.int64)
        layers[:, at.FAN_IN] = [pair[0] for pair in pairs]
        layers[:, at.FAN_OUT] = [pair[1] for pair in pairs]
        for i in range(architecture.n_layers):
            layers[i, at.SHORTCUT] = architecture.shortcut(i) == "identity"
        for record, i in enumerate(projected, architecture.n_layers):
            layers[i, at.SHORTCUT] = record
        return layers

    def _lay_out_parameters(self, header):
        """Place every array of parameters within P; return the layers' records."""
        layers = self._records()
        layers[:, at.WIDTH] = -(-layers[:, at.FAN_OUT] // self.lanes) * self.lanes
        layers[:, at.T_ROWS] = layers[:, at.WIDTH]
        layers[:, at.STRIDE] = [self._stride(size) for size in layers[:, at.FAN_OUT]]
        layers[self.architecture.n_layers :, at.B0] = -1
        fields = {
            "coefs_": at.W0,
            "intercepts_": at.B0,
            "norm_scales_": at.SCALE0,
            "norm_shifts_": at.SHIFT0,
            "norm_means_": at.MEAN0,
            "norm_variances_": at.VARIANCE0,
            "norm_counts_": at.COUNT0,
        }
        place, parts = 0, []
        for part in self.architecture.parts:
            rows, columns = part.shape if len(part.shape) == 2 else (1, *part.shape)
            parts.append((place, rows, columns))
            if part.attribute == "shortcut_coefs_":
                layers[layers[part.layer, at.SHORTCUT], at.W0] = place
            else:
                layers[part.layer, fields[part.attribute]] = place
            size = _host.round_up(columns, self.lanes)
            if part.attribute == "intercepts_":
                size = int(layers[part.layer, at.STRIDE])
            place += rows * size
        self.parts = np.array(parts, np.int64)
        header[at.N_PACKED] = place
        return layers

    def _stride(self, size):
        stride = _host.round_up(int(size), self.lanes)
        if stride * self.dtype.itemsize % _CONFLICT_BYTES == 0:
            stride += self.lanes
        return stride

    def _lay_out_arena(self, header, layers, batch_size):
        """Place every region of the arena."""
        architecture = self.architecture
        row_bytes = self._row_numbers(layers) * self.dtype.itemsize
        most = min(_BLOCK_BYTES // int(row_bytes), _BLOCK_FLOPS // self._row_flops())
        block = max(_host.TILE_ROWS, min(batch_size, most))
        if self.trains and architecture.norm == "batch":
            block = batch_size  # every row takes part in the batch's statistics
        header[at.BATCH], header[at.BLOCK] = batch_size, block
        header[at.N_BLOCKS] = -(-batch_size // block)
        header[at.N_SHARES] = self._n_shares(batch_size) if block >= batch_size else 1
        if header[at.N_SHARES] > 1:
            header[at.N_WORKERS] = min(header[at.N_WORKERS], header[at.N_SHARES])
        rows = int(np.clip(_CACHE_BYTES // row_bytes, 24, 192))
        header[at.TILE_ROWS_MAX] = rows // _host.TILE_ROWS * _host.TILE_ROWS
        regions = _Regions(self.lanes)
        self._place_parameters(header, layers, regions)
        header[at.ONES0] = regions.take(1)
        header[at.CONSTANTS0] = regions.take(at.N_CONSTANTS)
        header[at.LOSS_PARAMETERS0] = regions.take(max(8, architecture.sizes[-1]))
        self._place_rows(header, layers, regions, block)
        header[at.ROW_LOSS0] = regions.take(block)
        if self.trains:
            header[at.ROW_WEIGHT0] = regions.take(batch_size + 1)
            if self.training.mixup:
                header[at.LAMBDA0] = regions.take(self.training.n_rows)
        self.tiles = self._tiles(layers, header[at.PANEL])
        header[at.TILE_SUM0] = regions.take(len(self.tiles))
        header[at.TILE_NORM0] = regions.take(len(self.tiles))
        last = layers[architecture.n_layers - 1]
        n_outputs = architecture.sizes[-1]  # a loss may need a copy of the outputs
        groups = last[at.STRIDE] + header[at.N_TARGETS] + n_outputs + 4
        header[at.SCRATCH_SIZE] = _host.round_up(
            int(groups * at.GROUP) + 4 * self.lanes, self.lanes
        )
        n_workers = header[at.N_WORKERS]
        header[at.SCRATCH0] = regions.take(n_workers * header[at.SCRATCH_SIZE])
        self.arena_size = regions.size

    def _row_numbers(self, layers):
        """Return how many numbers are held of a row, or a few more."""
        architecture = self.architecture
        outputs = layers[: architecture.n_layers, at.STRIDE]
        numbers = self._stride(architecture.sizes[0]) + 2 * outputs.sum()
        if self.trains and is_deep(architecture, self.training):
            kept = 1 + 2 * bool(architecture.norm)
            numbers += (
                kept * outputs[:-1].sum() + layers[len(outputs) :, at.STRIDE].sum()
            )
        return int(numbers)

    def _place_parameters(self, header, layers, regions):
        """Place P, and in training what goes with it."""
        n_packed = header[at.N_PACKED]
        header[at.P0] = regions.take(n_packed)
        if not self.trains:
            return
        header[at.SLOT0] = regions.take(n_packed * self.n_slots)
        if self.training.average:
            header[at.AVERAGE0] = regions.take(n_packed)
        header[at.G0] = regions.take(n_packed * header[at.N_SHARES])
        if self.training.l1:
            header[at.ORTHANT0] = regions.take(n_packed)
        for layer in layers[1:]:
            size = _host.round_up(int(layer[at.FAN_IN]), self.lanes)
            layer[at.T0] = regions.take(size * layer[at.T_ROWS])

    def _place_rows(self, header, layers, regions, block):
        """Place all that a row has in each layer."""
        architecture = self.architecture
        stride = self._stride(architecture.sizes[0])
        header[at.INPUT_STRIDE] = stride
        header[at.INPUT0] = regions.take(0 if header[at.SPARSE] else block * stride)
        for i, layer in enumerate(layers[: architecture.n_layers]):
            below = layers[i - 1]
            layer[at.IN0] = below[at.A0] if i else header[at.INPUT0]
            layer[at.IN_STRIDE] = below[at.STRIDE] if i else stride
            size = block * layer[at.STRIDE]
            layer[at.A0] = layer[at.D0] = regions.take(size)
            layer[at.KEPT0] = layer[at.Z0] = layer[at.NORMED0] = layer[at.A0]
            if i == architecture.n_layers - 1:
                break
            if self.trains:
                layer[at.D0] = regions.take(size)
                self._place_kept(header, layers, regions, i, size)
            if architecture.norm == "layer":
                layer[at.STATISTICS0] = regions.take(block)

    def _place_kept(self, header, layers, regions, i, size):
        """Place what back-propagation through a hidden layer needs besides A and D."""
        layer, training = layers[i], self.training
        reads_z = activation_of(self.architecture.activations[i]).reads_z
        if training.dropout:
            layer[at.DROP] = drop_share(training.dropout[i + 1])
        layer[at.READS_Z] = reads_z
        if reads_z or layer[at.DROP] or layer[at.SHORTCUT]:
            layer[at.KEPT0] = layer[at.Z0] = regions.take(size)
        if header[at.NORM] != at.NO_NORM:
            layer[at.NORMED0] = layer[at.Z0] = regions.take(size)
        if header[at.NORM] == at.LAYER_NORM:
            layer[at.NORM_DELTA0] = regions.take(size)
        if header[at.NORM] == at.BATCH_NORM:
            n = normalization.N_STATISTICS * layer[at.STRIDE]
            layer[at.STATISTICS0] = regions.take(n)
        if layer[at.SHORTCUT] > 1:
            projection = layers[layer[at.SHORTCUT]]
            projection[at.IN0], projection[at.IN_STRIDE] = (
                layer[at.IN0],
                layer[at.IN_STRIDE],
            )
            projection[at.D0] = regions.take(size)

    def _row_flops(self):
        return 6 * self.architecture.n_params

    def _tiles(self, layers, panel):
        """Cut every panel of weights into tiles of equal height, the last shorter."""
        height = math.lcm(_host.TILE_ROWS, self.lanes)
        heights = [height] * len(layers)
        if self._sparse:  # each tile looks for its features in every row
            heights[0] = height * _SPARSE_TILES
        tiles = [
            (i, column, first, min(first + heights[i], layer[at.FAN_IN]))
            for i, layer in enumerate(layers)
            for column in range(0, layer[at.FAN_OUT], panel)
            for first in range(0, layer[at.FAN_IN], heights[i])
        ]
        if self.architecture.norm:
            tiles += [
                (i, column, -1, 0)
                for i in range(self.architecture.n_hidden)
                for column in range(0, layers[i, at.FAN_OUT], panel)
            ]
        return np.array(tiles, np.int64)

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

    def _set_units(self, header, layers, hidden):
        """Compile, or load, the units that this network uses, and no other."""
        phased = header[at.WEIGHT_PHASES] > 1
        sparse = bool(header[at.SPARSE])
        units = units_of(self.architecture, self.training, sparse, phased, hidden)
        if header[at.N_SHARES] > 1:
            units[at.ROW_PASS] = row_pass.summing_row_pass
        for field, unit in units.items():
            header[field] = unit.address(self.dtype)
        for layer, given in zip(layers, self.architecture.activations, strict=False):
            activation = activation_of(given)
            layer[at.FORWARD] = activation.forward.address(self.dtype)
            if self.trains:
                layer[at.BACKWARD] = activation.backward.address(self.dtype)

    def _assemble(self, header, layers):
        """Join header, layers, tiles, shares and parts into `net`."""
        shares = self._shares(header, layers)
        header[at.N_TILES] = len(self.tiles)
        header[at.TILES] = at.HEADER + layers.size
        header[at.SHARES] = header[at.TILES] + self.tiles.size
        header[at.N_PARTS] = len(self.parts)
        header[at.PARTS] = header[at.SHARES] + shares.size
        header[at.SYNC] = header[at.PARTS] + self.parts.size + team.GAP
        meeting = np.zeros(team.GAP + team.size_of(header[at.N_WORKERS]), np.int64)
        self.n_matrices = len(layers)
        tables = (header, layers.ravel(), self.tiles.ravel(), shares)
        self.net = np.concatenate((*tables, self.parts.ravel(), meeting))


def drop_share(probability):
    """Return a probability times 2³², below 2³²."""
    return min(round(probability * 2**32), 2**32 - 1)


@functools.lru_cache(maxsize=256)
def cached_plan(*arguments, **options):
    """Return a plan that may be shared: predictions do not change it."""
    return Plan(*arguments, **options)


class _Regions:
    """Hands out places in the arena, each aligned to a cache line."""

    def __init__(self, lanes):
        self.unit = max(16, lanes)
        self.size = 0

    def take(self, n):
        start = self.size
        self.size += _host.round_up(int(n), self.unit)
        return start
