"""Turn the measurements of the peer comparison into tables."""

from statistics import median

from .tables import format_number, format_table
from .workloads import WORKLOADS

_FRAMEWORKS = ("torch", "torch.compile", "jax")


def print_report(results, names, missing, markdown):
    """Print the table of times, the table of checks, and the libraries.

    Parameters
    ----------
    results : dict
        What `measure_workload` returned, by workload.
    names : list of str
        Libraries asked for, in the order of the columns.
    missing : dict
        Why a library could not be used, by library.
    markdown : bool
        Markdown tables instead of aligned text.
    """
    header = ["us per mini-batch", *names, "sklearn/fastnn", "best framework/fastnn"]
    rows = [_time_row(name, result, names) for name, result in results.items()]
    print(format_table(header, rows, markdown))
    print()
    header = ["check", "library", "epochs", "median/best", "first run s", "loss"]
    rows = [row for name, result in results.items() for row in _checks(name, result)]
    print(format_table(header, rows, markdown))
    print()
    for name in names:
        if name in missing:
            print(f"{name}: not measured ({missing[name]})")
    for line in _settings(results):
        print(line)


def microseconds_per_batch(workload, result, library):
    """Return the best time of a mini-batch, or None where there is none."""
    found = result["libraries"].get(library)
    if found is None:
        return None
    batches = WORKLOADS[workload].batches * result["epochs"]
    return 1e6 * min(found["seconds"]) / batches


def _ratio(value, base):
    if value is None or base is None:
        return ""
    return f"{format_number(value / base)}x"


def _time_row(workload, result, names):
    times = {n: microseconds_per_batch(workload, result, n) for n in names}
    known = [times[n] for n in _FRAMEWORKS if times.get(n) is not None]
    best = min(known, default=None)
    return [
        workload,
        *(format_number(times[n]) for n in names),
        _ratio(times.get("sklearn"), times.get("fastnn")),
        _ratio(best, times.get("fastnn")),
    ]


def _checks(workload, result):
    for library, found in result["libraries"].items():
        spread = median(found["seconds"]) / min(found["seconds"])
        yield [
            workload,
            library,
            result["epochs"],
            f"{spread:.2f}",
            f"{found['first_s']:.2f}",
            f"{found['first_loss']:.3f} -> {found['loss']:.3f}",
        ]


def _settings(results):
    """Return each library's own words once, with the workloads they hold for."""
    where = {}
    for workload, result in results.items():
        for found in result["libraries"].values():
            where.setdefault(found["describe"], []).append(workload)
    for text, workloads in where.items():
        everywhere = len(workloads) == len(results)
        yield text if everywhere else f"{text} ({', '.join(workloads)})"
