"""One process per library, which trains when it is told to."""

import gc
import multiprocessing
import time
import warnings

from . import contenders
from .workloads import WORKLOADS

_CALIBRATION_S = 0.03


class Worker:
    """Parent's side of the process that runs one library.

    Every library gets a process of its own, so that no thread pool or memory
    of one is in the way of another; all of them sleep while one trains.
    """

    def __init__(self, name, threads):
        context = multiprocessing.get_context("spawn")
        self.name = name
        self._pipe, other = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(other, name, threads), daemon=True
        )
        self._process.start()
        other.close()

    def probe(self):
        """Import the library; ImportError if it is missing."""
        return self._ask("probe", None)

    def prepare(self, workload):
        """Build the network, warm up, and return what was seen, as a dict."""
        return self._ask("prepare", workload)

    def run(self, epochs):
        """Train once; return the seconds and the last loss."""
        return self._ask("run", epochs)

    def close(self):
        """End the process."""
        if self._process.is_alive():
            self._pipe.send(("close", None))
        self._process.join()

    def _ask(self, command, argument):
        self._pipe.send((command, argument))
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self.name} ended") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(pipe, name, threads):
    """Answer commands until told to stop."""
    warnings.simplefilter("ignore")
    contender = None
    while True:
        command, argument = pipe.recv()
        if command == "close":
            return
        try:
            if command == "probe":
                answer = contenders.probe(name)
            elif command == "prepare":
                contender = None  # free the last one first
                contender = contenders.build(name, WORKLOADS[argument], threads)
                answer = _warm_up(contender)
            else:
                answer = _clock(contender, argument)
        except ImportError as error:
            answer = ImportError(str(error))
        except Exception as error:
            answer = RuntimeError(f"{name}: {type(error).__name__}: {error}")
        pipe.send(answer)


def _clock(contender, epochs):
    """Return the seconds of one run from the first weights, and its last loss."""
    contender.reset()
    gc.collect()
    start = time.perf_counter()
    losses = contender.run(epochs)
    return time.perf_counter() - start, losses[-1]


def _warm_up(contender):
    """Compile, find out how long an epoch takes, and choose settings."""
    start = time.perf_counter()
    losses = contender.run(1)
    first = time.perf_counter() - start
    epochs = 1
    seconds, _ = _clock(contender, epochs)
    while seconds < _CALIBRATION_S and epochs < 4096:
        epochs *= 2
        seconds, _ = _clock(contender, epochs)
    contender.tune(lambda: min(_clock(contender, epochs)[0] for _ in range(3)))
    seconds, _ = _clock(contender, epochs)
    return {
        "first_s": first,
        "first_loss": losses[0],
        "epoch_s": seconds / epochs,
        "rows": contender.rows,
        "describe": contender.describe(),
    }
