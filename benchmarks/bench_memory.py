"""Memory of training and of a fitted model."""

import pickle
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from .models import (
    LIBRARIES,
    compile_twins,
    find_class,
    fit_quietly,
    load,
    make_model,
    warm_up,
)
from .workloads import WORKLOADS

ROWS, FEATURES, CLASSES, BATCH = 200_000, 100, 10, 200
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def _read_status(field):
    """Return one of the kernel's memory counts of this process, in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise LookupError(field)


def bytes_added(function):
    """Return what a call adds at its peak to the memory in use; NaN but on Linux."""
    try:
        _RESET.write_text("5")  # the peak starts again from what is in use now
    except OSError:
        return float("nan")
    before = _read_status("VmRSS")
    function()
    return max(0, _read_status("VmHWM") - before)


class FitMemory:
    params = (("tab20k", "mnist"), LIBRARIES)
    param_names = ("workload", "library")
    timeout = 300

    def setup(self, name, library):
        warm_up(library, name)
        self.data = load(library, name)
        self.model = make_model(library, WORKLOADS[name], 1)

    def peakmem_fit(self, name, library):
        """Peak of the whole process, the libraries and the data included."""
        fit_quietly(self.model, *self.data)

    def track_fit_bytes(self, name, library):
        """Bytes a fit adds at its peak to what the warm-up left; Linux only."""
        return bytes_added(lambda: fit_quietly(self.model, *self.data))

    track_fit_bytes.unit = "bytes"

    def track_pickle_bytes(self, name, library):
        """Size of the fitted model in a pickle."""
        return len(pickle.dumps(fit_quietly(self.model, *self.data)))

    track_pickle_bytes.unit = "bytes"


@cache
def _make_rows():
    """Return 80 MB of float32, and labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    return X, rng.integers(CLASSES, size=ROWS)


class FitManyRows:
    """Bytes that an epoch on 200,000 × 100 float32 adds to X, which takes 80 MB.

    The pages of a memory map are read before, so that they count as X.
    """

    params = (("dense", "memmap"), LIBRARIES)
    param_names = ("X", "library")
    timeout = 300

    def setup(self, form, library):
        self.X, self.y = _make_rows()
        self.folder = tempfile.TemporaryDirectory()
        if form == "memmap":
            path = Path(self.folder.name) / "X.npy"
            np.save(path, self.X)
            self.X = np.load(path, mmap_mode="r")
            self.X.sum()
        if library == "fastnn":
            compile_twins("float32")
        self.model = find_class(library, "classification")(
            (50,), batch_size=BATCH, max_iter=1, random_state=0
        )
        rows = 2 * BATCH
        fit_quietly(self.model, self.X[:rows], self.y[:rows])

    def teardown(self, form, library):
        del self.X
        self.folder.cleanup()

    def track_bytes_beyond_X(self, form, library):
        return bytes_added(lambda: fit_quietly(self.model, self.X, self.y))

    track_bytes_beyond_X.unit = "bytes"
