"""Time a training step of fastnn beside scikit-learn, PyTorch and JAX.

``python -m benchmarks.peers`` prints microseconds per mini-batch: the wall time
of a run divided by its epochs and by the mini-batches of an epoch. All the
libraries are measured in the same call, taking turns round after round, each
in a process of its own while the others sleep; the best round counts, and the
spread of the rounds is printed too.

What every library does in a timed run: the same number of epochs, from first
weights drawn from the same distribution, on the same rows, in a new random
order each epoch, in mini-batches of the same size including the smaller last
one, with Adam, an L2 penalty, and the mean loss of every epoch handed back to
Python. What differs:

fastnn
    The whole of ``fit`` on a float32 array: validation, label encoding, first
    weights, training. Its own choice of threads.
scikit-learn
    The whole of ``fit`` on a float64 array, which is what most users have.
    BLAS uses as many threads as it likes.
torch (eager)
    The training loop only: network and optimiser exist, the data are tensors.
    float32, fused Adam. Rows are gathered once per epoch, and batches are views
    of that. One thread or all of them, whichever a trial finds faster.
torch.compile
    The same loop with forward, loss and backward compiled; only on request.
JAX
    The training loop only, data on the device. float32. One compiled call
    trains up to 16 epochs: a ``lax.scan`` over the full mini-batches, then the
    smaller last one at its own shape, so no row is padded or dropped.

PyTorch penalises the biases too, as that lets one optimiser call update
everything; the others penalise weights only. Neither PyTorch nor JAX validates
anything, so the comparison leans towards them rather than to fastnn.
Compilation is never inside a timed run. The first run of a workload, which
contains it, is reported apart; a function compiled for one workload is not
compiled again for the next, and fastnn's may come from its cache on disk
(`benchmarks.startup` measures that). A library that is missing leaves its
column empty.
"""

import argparse
import math
import time

from .machine import count_cores, describe_machine, limit_cores
from .peer_report import print_report
from .peer_worker import Worker
from .workloads import SMALL, WORKLOADS

SETTLE_S = 0.05
MAX_EPOCHS = 5000


def choose_epochs(epoch_seconds, shortest, longest):
    """Return the epochs of a timed run, the same for every library.

    Enough that the fastest library runs for `shortest` seconds, unless the
    slowest would then run for more than `longest`.
    """
    wanted = math.ceil(shortest / min(epoch_seconds))
    allowed = math.floor(longest / max(epoch_seconds))
    return max(1, min(wanted, allowed, MAX_EPOCHS))


def measure_workload(workload, workers, repeat, shortest, longest):
    """Train one workload with every library in turn.

    Returns
    -------
    dict
        ``"epochs"``, and per library under ``"libraries"`` the warm-up's
        findings, the seconds of every round and the last loss.
    """
    found = {}
    for name, worker in workers.items():
        found[name] = worker.prepare(workload.name)
        found[name].update(seconds=[], loss=None)
        if found[name]["rows"] != workload.n_samples:
            raise RuntimeError(f"{name} does not train on all the rows")
    epochs = choose_epochs([f["epoch_s"] for f in found.values()], shortest, longest)
    names = list(workers)
    for turn in range(repeat):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            time.sleep(SETTLE_S)  # let the last one's idle threads go to sleep
            seconds, loss = workers[name].run(epochs)
            found[name]["seconds"].append(seconds)
            found[name]["loss"] = loss
    return {"epochs": epochs, "libraries": found}


def start_workers(names, threads):
    """Start a process per library; return those that work, and the missing."""
    workers, missing = {}, {}
    for name in names:
        worker = Worker(name, threads)
        try:
            worker.probe()
        except ImportError as error:
            missing[name] = str(error)
            worker.close()
        else:
            workers[name] = worker
    return workers, missing


def parse_arguments(arguments=None):
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Time a mini-batch of fastnn, scikit-learn, PyTorch and JAX.",
    )
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, metavar="NAME")
    parser.add_argument("--repeat", type=int, help="rounds; 7, or 2 if quick")
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    parser.add_argument("--quick", action="store_true", help="short runs, small nets")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--compile", action="store_true", help="add torch.compile")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--no-jax", action="store_true")
    options = parser.parse_args(arguments)
    if options.workloads is None:
        options.workloads = SMALL if options.quick else tuple(WORKLOADS)
    if options.repeat is None:
        options.repeat = 2 if options.quick else 7
    return options


def choose_libraries(options):
    """Return the names of the libraries asked for."""
    names = ["fastnn", "sklearn"]
    if not options.no_torch:
        names += ["torch", "torch.compile"] if options.compile else ["torch"]
    if not options.no_jax:
        names.append("jax")
    return names


def main(arguments=None):
    """Measure and print."""
    options = parse_arguments(arguments)
    if options.threads is not None:
        limit_cores(options.threads)
    names = choose_libraries(options)
    shortest, longest = (0.02, 0.5) if options.quick else (0.05, 2.0)
    workers, missing = start_workers(names, count_cores())
    if not workers:
        raise SystemExit("none of the libraries could be imported")
    results = {}
    try:
        for name in options.workloads:
            results[name] = measure_workload(
                WORKLOADS[name], workers, options.repeat, shortest, longest
            )
    finally:
        for worker in workers.values():
            worker.close()
    print_report(results, names, missing, options.markdown)
    print("\n".join(describe_machine()))


if __name__ == "__main__":
    main()
