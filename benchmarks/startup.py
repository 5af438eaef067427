"""Time whole processes: import, first fit, and fit with a filled cache.

``python -m benchmarks.startup`` starts an interpreter per measurement and takes
the wall time until it has ended. The fits are of `MLPClassifier(max_iter=20)`
to the digits. "cold" is fastnn with an empty cache folder, so that everything
is compiled; "cached" is the next process with the same folder. The cases take
turns, round after round.
"""

import argparse
import subprocess
import tempfile
import time
from statistics import median

from .machine import describe_machine
from .processes import run_program, write_fit, write_import
from .tables import format_number, format_table

CASES = {
    "interpreter alone": ("pass\n", None),
    "sklearn import": (write_import("sklearn"), None),
    "fastnn import": (write_import("fastnn"), "kept"),
    "sklearn import + fit": (write_fit("sklearn"), None),
    "fastnn import + fit, cold": (write_fit("fastnn"), "fresh"),
    "fastnn import + fit, cached": (write_fit("fastnn"), "kept"),
}
BASES = {"import": "sklearn import", "fit": "sklearn import + fit"}


def clock_process(program, cache_dir):
    """Return the wall time of one process in seconds."""
    start = time.perf_counter()
    run_program(program, cache_dir)
    return time.perf_counter() - start


def measure(repeat):
    """Return the seconds of every round, by case; failed cases have a text."""
    seconds = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as kept:
        for case, (program, _) in CASES.items():  # fill files' and Numba's caches
            try:
                run_program(program, kept)
            except subprocess.CalledProcessError as error:
                seconds[case] = error.stderr.strip().splitlines()[-1]
        for _ in range(repeat):
            for case, (program, cache) in CASES.items():
                if isinstance(seconds[case], str):
                    continue
                with tempfile.TemporaryDirectory() as fresh:
                    folder = {"kept": kept, "fresh": fresh}.get(cache)
                    seconds[case].append(clock_process(program, folder))
    return seconds


def report(seconds, markdown):
    """Print best and median of every case, and the ratio to scikit-learn's."""
    rows = []
    for case, times in seconds.items():
        if isinstance(times, str):
            rows.append([case, "", "", f"failed: {times}"])
            continue
        base = seconds[BASES["fit" if "fit" in case else "import"]]
        ratio = ""
        if case.startswith("fastnn") and not isinstance(base, str):
            ratio = f"{format_number(min(times) / min(base))}x"
        best, middle = format_number(min(times)), format_number(median(times))
        rows.append([case, best, middle, ratio])
    header = ["process", "best s", "median s", "to sklearn's (best)"]
    print(format_table(header, rows, markdown))


def main(arguments=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description="Time whole processes that import and fit.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds; 5 by default")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(arguments)
    report(measure(options.repeat), options.markdown)
    print("\n".join(describe_machine()))


if __name__ == "__main__":
    main()
