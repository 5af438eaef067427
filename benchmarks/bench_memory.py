"""Memory of training and of a fitted model."""

import pickle
from pathlib import Path

from .models import LIBRARIES, fit_quietly, load, make_model, warm_up
from .workloads import WORKLOADS

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def _read_status(field):
    """Return one of the kernel's memory counts of this process, in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise LookupError(field)


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
        if not _RESET.exists():
            return float("nan")
        _RESET.write_text("5")  # the peak starts again from what is in use now
        before = _read_status("VmRSS")
        fit_quietly(self.model, *self.data)
        return max(0, _read_status("VmHWM") - before)

    track_fit_bytes.unit = "bytes"

    def track_pickle_bytes(self, name, library):
        """Size of the fitted model in a pickle."""
        return len(pickle.dumps(fit_quietly(self.model, *self.data)))

    track_pickle_bytes.unit = "bytes"
