"""A network's tables and memory for the kernels: built for one fit or prediction."""

import numpy as np

from ..kernels import evaluation, layout
from ..kernels import layout as at

# Outputs that are evaluated in one call: some 20 ms.
_NUMBERS_PER_CALL = 2**22


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
        self.architecture = plan.architecture
        self.n_params = plan.architecture.n_params
        self.net = plan.net
        if n_rows:
            self.net = plan.net.copy()
            self.net[at.N_ROWS] = n_rows
        self.arena = _aligned_zeros(plan.arena_size, plan.dtype)
        self.arena[plan.net[at.ONES0]] = 1
        epsilon = plan.net[at.CONSTANTS0] + at.NORM_EPSILON
        self.arena[epsilon] = plan.architecture.norm_epsilon
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
        self.refresh()

    def refresh(self):
        """Bring what is derived from the parameters up to date."""
        if self.plan.trains and self.plan.n_matrices > 1:
            refresh = layout.refresh_transposes[self.dtype]
            refresh(self.net, self.arena, self.plan.n_matrices)

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

    def region(self, field):
        """Return P, G or the averages, wherever `field` says they start."""
        start = self.net[field]
        return self.arena[start : start + self.net[at.N_PACKED]]

    def set_averages(self, theta):
        """Copy running averages, in row-major order, into the arena."""
        layout.pack[self.dtype](self.net, self.arena, theta, self.net[at.AVERAGE0])

    def get_averages(self, theta):
        """Copy the running averages into theta, in row-major order."""
        layout.unpack[self.dtype](self.net, self.arena, theta, self.net[at.AVERAGE0])

    def evaluate(self, Z, Y):
        """Return the rows' losses for raw outputs Z, which become outputs."""
        losses = np.empty(len(Z), self.dtype)
        kernel = evaluation.evaluate[self.dtype]
        step = max(1, _NUMBERS_PER_CALL // Z.shape[1])  # Ctrl-C is answered between
        for first in range(0, len(Z), step):
            part = slice(first, first + step)
            numbers = Z[part].reshape(-1), Y[part].reshape(-1), losses[part]
            kernel(self.net, self.arena, *numbers, numbers[-1].size)
        return losses


def _aligned_zeros(size, dtype):
    """Return zeros whose first byte lies on a boundary of 64 bytes."""
    memory = np.zeros(size + 64 // dtype.itemsize, dtype)
    skip = -memory.ctypes.data % 64 // dtype.itemsize
    return memory[skip : skip + size]
