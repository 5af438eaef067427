"""What the tests of the command line share."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn.cli import main

pd = pytest.importorskip("pandas")


ROWS = 240
QUICK = ["--candidates", "2", "--cv", "2", "--max-iter", "5"]
ROOT = Path(fastnn.cli.__file__).parents[2]


def make_table():
    """Return a table with every kind of column, and two targets."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=ROWS)
    city = rng.choice(["Rome", "Oslo", "Bern"], ROWS)
    signal_ = 2 * size + 3 * (city == "Rome")
    frame = pd.DataFrame(
        {
            "row": np.arange(1, ROWS + 1),
            "size": size,
            "count": rng.integers(0, 9, ROWS),
            "city": city,
            "flag": rng.choice([True, False], ROWS),
            "uid": [f"user-{i:04x}" for i in range(ROWS)],
            "day": pd.date_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            "same": "x",
            "nothing": np.nan,
            "kind": np.where(signal_ > 1, "large", "small"),
            "price": 1e5 + 1e4 * signal_ + rng.normal(size=ROWS),
        }
    )
    frame.loc[::7, "size"] = np.nan
    frame.loc[::5, "city"] = None
    frame["flag"] = frame["flag"].astype(object).mask(frame.index % 9 == 0)
    return frame


def run_quietly(*words):
    """Run the command line in this process; return code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def start(*words, cwd, **options):
    """Start the command line as a program of its own."""
    # The package is found wherever these tests found it.
    path = [entry for entry in (*sys.path, str(ROOT)) if entry]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    return subprocess.Popen(
        [sys.executable, "-m", "fastnn", *(str(word) for word in words)],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def assert_error(words, pattern):
    """Check that a call ends with one line on stderr and code 2."""
    code, _, err = run_quietly(*words)
    assert code == 2
    assert err.startswith("fastnn: error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    assert re.search(pattern, err), err


def number_after(label, text):
    """Return the number that follows a label in what was printed."""
    return float(re.search(re.escape(label) + r":?\s+(-?[\d.]+)", text).group(1))
