"""How fastnn's time grows with rows, width, depth and batch size.

``python -m benchmarks.scaling`` trains one network again and again, with one of four
sizes changed over a decade, and prints for each a table in Markdown: the wall time of
the whole of ``fit`` divided by its mini-batches, with one thread and with the default.
Epochs are chosen so that a fit takes about as long as asked for, 0.2 s by default. The
settings take turns, round after round; the best round counts.

The last columns divide by what the size should cost, so that a flat column means
growth in proportion: the time of a row for rows and batch sizes, and that of a million
weights for widths and depths.
"""

import argparse
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np

from .machine import describe_machine, limit_cores
from .models import fit_quietly, make_model
from .tables import format_number, format_table
from .workloads import Workload, make_data

BASE = Workload("scaling", 10_000, 64, (128, 128), 10, 200)
MAX_EPOCHS = 5000
# A decade of each size.
SIZES = {
    "rows": (2_000, 5_000, 10_000, 20_000),
    "width": (32, 64, 128, 256, 320),
    "depth": (1, 2, 4, 7, 10),
    "batch": (50, 100, 200, 350, 500),
}
THREADS = {"1 thread": 1, "default": None}


def change(size, value):
    """Return the workload with one of its sizes set."""
    if size == "rows":
        return replace(BASE, n_samples=value)
    if size == "width":
        return replace(BASE, hidden=(value,) * len(BASE.hidden))
    if size == "depth":
        return replace(BASE, hidden=BASE.hidden[:1] * value)
    return replace(BASE, batch=value)


def count_weights(workload):
    """Return the number of weights and biases."""
    sizes = workload.layer_sizes
    return sum((a + 1) * b for a, b in pairwise(sizes))


def clock_fit(workload, n_threads, epochs):
    """Return the seconds of a whole fit of so many epochs."""
    X, y = make_data(workload)
    model = make_model("fastnn", workload, epochs).set_params(n_threads=n_threads)
    start = time.perf_counter()
    fit_quietly(model, X, y)
    seconds = time.perf_counter() - start
    if model.n_iter_ != epochs:
        raise RuntimeError(f"{model.n_iter_} epochs were trained, not {epochs}")
    return seconds


def choose_epochs(workload, n_threads, seconds):
    """Return how many epochs take about so long, compilation left out."""
    clock_fit(workload, n_threads, 1)
    once = clock_fit(workload, n_threads, 1)
    return int(np.clip(seconds / once, 1, MAX_EPOCHS))


def measure(size, values, repeat, seconds):
    """Return the best seconds per mini-batch, by value and threads' label."""
    cases = [(value, label) for value in values for label in THREADS]
    workloads = {value: change(size, value) for value in values}
    epochs = {
        (value, label): choose_epochs(workloads[value], THREADS[label], seconds)
        for value, label in cases
    }
    best = dict.fromkeys(cases, np.inf)
    for _ in range(repeat):
        for case in cases:
            workload, n_threads = workloads[case[0]], THREADS[case[1]]
            taken = clock_fit(workload, n_threads, epochs[case])
            per_batch = taken / (epochs[case] * workload.batches)
            best[case] = min(best[case], per_batch)
    return best


def unit_of(size, workload):
    """Return what a mini-batch's time is divided by, as a number and in words."""
    if size in ("rows", "batch"):
        return workload.n_samples / workload.batches, "µs per row"
    return count_weights(workload) / 1e6, "µs per million weights"


def report(size, values, best):
    """Print one size's table."""
    rows = []
    for value in values:
        workload = change(size, value)
        times = [1e6 * best[value, label] for label in THREADS]
        unit, words = unit_of(size, workload)
        line = [f"{value:,}", f"{workload.batches:,}", f"{count_weights(workload):,}"]
        rows.append(line + [format_number(t) for t in times])
        rows[-1] += [format_number(t / unit) for t in times]
    header = [
        size,
        "batches",
        "weights",
        *(f"µs per batch, {name}" for name in THREADS),
    ]
    header += [f"{words}, {name}" for name in THREADS]
    layers = "-".join(map(str, BASE.layer_sizes))
    print(f"\n### {size.capitalize()}\n")
    print(
        f"The rest: {BASE.n_samples:,} rows, layers {layers}, mini-batches of "
        f"{BASE.batch}.\n"
    )
    print(format_table(header, rows, markdown=True))


def main(arguments=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description="Time fastnn's mini-batches over a decade of sizes.",
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=tuple(SIZES))
    parser.add_argument("--repeat", type=int, default=7, help="rounds; 7 by default")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each fit")
    parser.add_argument("--threads", type=int, help="cores to use; all by default")
    parser.add_argument(
        "--quick", action="store_true", help="smallest and largest, once"
    )
    options = parser.parse_args(arguments)
    if options.threads is not None:
        limit_cores(options.threads)
    for size in options.sizes:
        values = SIZES[size]
        if options.quick:
            values = (values[0], values[-1])
        repeat = 1 if options.quick else options.repeat
        seconds = min(options.seconds, 0.05) if options.quick else options.seconds
        report(size, values, measure(size, values, repeat, seconds))
    print()
    print("\n".join(describe_machine()))


if __name__ == "__main__":
    main()
