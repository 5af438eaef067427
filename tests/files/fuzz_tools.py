"""What watches a model file being loaded."""

import contextlib
import io
import os
import sys
import tracemalloc

import numpy as np
from file_tools import (
    X,
    quietly,
)

import fastnn
from fastnn import MLPEstimator, ModelFileError


@contextlib.contextmanager
def little_memory(n_bytes=2**26):
    """Let nothing allocate more than some bytes, where the system can tell."""
    if not os.path.exists("/proc/self/statm"):
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as numbers:
        now = int(numbers.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


class Watch:
    """Watches loads: the memory they take, and code that they run."""

    _RUNS = ("pickle.find_class", "exec", "compile", "import", "os.", "subprocess.")

    def __init__(self):
        self.events, self.active = [], False
        sys.addaudithook(self._hear)

    def _hear(self, event, arguments):
        if self.active and event.startswith(self._RUNS):
            self.events.append((event, arguments))

    def __call__(self, data, traced=True):
        """Return the model in a file's bytes, None if it is refused.

        traced : bool
            Whether to count bytes, which makes a load six times as slow. A large
            allocation fails in any case.
        """
        stream = io.BytesIO(data)
        with little_memory():
            if traced:
                tracemalloc.start()
            self.active = True
            try:
                return fastnn.load(stream)
            except ModelFileError:
                return None
            finally:
                self.active = False
                if traced:
                    self.most = max(self.most, tracemalloc.get_traced_memory()[1])
                    tracemalloc.stop()
                assert not self.events, self.events


_watch = []


def watch():
    """Return what watches; a hook stays for ever, so there is one."""
    if not _watch:
        _watch.append(Watch())
    _watch[0].most = 0
    return _watch[0]


# A file is some 10 kB. What is allocated grows with it, not with what it claims.
MOST_BYTES = 2**21


def model_of():
    """Return a small network that uses much of what a file can hold."""
    y = np.array(["red", "green", "blue"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)]
    network = MLPEstimator(
        (3, 2),
        max_iter=3,
        random_state=0,
        class_weight={"red": 1.0, "green": np.float32(2), "blue": 0.5},
        activation=("relu", "tanh"),
        ema_decay=0.5,
        batch_norm=True,
    )
    network = quietly(network.fit, X, y)
    network.feature_names_in_ = np.array(list("abcde"), object)
    return network
