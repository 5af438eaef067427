"""Run the library for as long as you like, and stop at the first thing that is wrong.

    python tests/soak.py --minutes 10           # random work, see `soak_jobs`
    python tests/soak.py --minutes 1 --seed 7   # the rounds from seed 7 on
    python tests/soak.py --memory               # growth of memory, see `growth_tools`

A round is some forty random jobs (fits, continued fits through pickles, predictions,
searches), done in a process under a random threading layer by 8 threads at once, in
forked children and in turn, and once more in a fresh process on one thread. All must
give the same bits. Exits with 1 at the first failure, and prints the seed that repeats
it. Nothing of this is collected by pytest.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROUND_SECONDS = 300  # a round takes some twenty; longer is a hang
FULL = {
    "n_fits": 10_000,
    "n_predictions": 100_000,
    "n_clones": 1_000,
    "n_parallel": 500,
    "first_share": 0.3,
}
MOST_GROWTH = 5_000_000  # bytes, of fits, of predictions, and of clones


def child(code, *args, **env):
    """Return what code prints in a new process, as JSON, or raise."""
    here = Path(__file__).resolve().parent
    paths = [str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **env},
        capture_output=True,
        text=True,
        timeout=None if code == _MEMORY else ROUND_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-6000:]}"
        )
    return json.loads(done.stdout.strip().splitlines()[-1])


_TOGETHER = """
import json, sys
import soak_jobs
print(json.dumps(soak_jobs.together(int(sys.argv[1]))))
"""
_ALONE = _TOGETHER.replace("together(", "alone(")
_MEMORY = """
import json, sys
import growth_tools
print(json.dumps(growth_tools.measure(**json.loads(sys.argv[1]))))
"""


def round_of(seed, layers):
    """Do the round of a seed and return its report, or raise."""
    draw = random.Random(seed)
    layer = draw.choice(layers)
    threads = str(draw.choice((2, 3, 4, 7)))
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": threads}
    report = child(_TOGETHER, seed, **env)
    other = child(_ALONE, seed, NUMBA_NUM_THREADS="1")
    if report["digests"] != other["digests"]:
        pairs = zip(report["digests"], other["digests"], strict=True)
        wrong = [i for i, (a, b) in enumerate(pairs) if a != b]
        raise RuntimeError(f"jobs {wrong} give other bits in a fresh process")
    if not report["parallel"]:
        raise RuntimeError("nothing ran on threads, so nothing of them was tested")
    return {**report, "layer": layer}


def soak(minutes, seed):
    """Do rounds until the time is over; return the exit status."""
    from helpers import threading_layers

    layers = threading_layers()
    start, rounds = time.monotonic(), []
    while not rounds or time.monotonic() - start < 60 * minutes:
        try:
            rounds.append(round_of(seed, layers))
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"FAILED in seed {seed}: {error}")
            print(f"repeat it: python tests/soak.py --minutes 0 --seed {seed}")
            return 1
        seed += 1
    jobs = sum(len(report["digests"]) for report in rounds)
    refused = sum(": " in text for report in rounds for text in report["digests"])
    used = {layer: sum(r["layer"] == layer for r in rounds) for layer in layers}
    calls = sum(report["parallel"] for report in rounds)
    growth = max(report["growth"] for report in rounds) / 1e6
    print(
        f"{len(rounds)} rounds, {jobs} jobs, {refused} of them refused: the same bits "
        f"in 6 ways\nrounds by threading layer: {used}; calls on threads: {calls}\n"
        f"growth in a second pass: {growth:.1f} MB at most; "
        f"{time.monotonic() - start:.0f} s"
    )
    return 0


def memory():
    """Measure growth on the full scale; return the exit status."""
    report = child(_MEMORY, json.dumps(FULL), NUMBA_NUM_THREADS="2")
    growth = report["growth"]
    groups = {"fits": 0, "predictions": 0, "clone": 0}
    for name, (grown, blocks) in growth.items():
        group = name if name in groups else "fits"
        group = "predictions" if "predictions" in name else group
        groups[group] += grown
        print(f"{name:24s} {grown / 1e3:10.1f} kB, Numba's blocks {blocks}")
    print(f"{report['parallel']} calls on threads, {report['allocated']} allocations")
    print({name: f"{grown / 1e6:.2f} MB" for name, grown in groups.items()})
    sound = all(grown < MOST_GROWTH for grown in groups.values())
    sound &= not any(any(blocks) for _, blocks in growth.values())
    print("as promised" if sound else f"FAILED: more than {MOST_GROWTH / 1e6:g} MB")
    return 0 if sound and report["parallel"] else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    parser.add_argument("--memory", action="store_true")
    given = parser.parse_args()
    return memory() if given.memory else soak(given.minutes, given.seed)


if __name__ == "__main__":
    sys.exit(main())
