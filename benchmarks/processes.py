"""Small Python programs, run in processes of their own."""

import os
import subprocess
import sys

_FIT = """
import warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_digits
from {module} import MLPClassifier
X, y = load_digits(return_X_y=True)
MLPClassifier(max_iter=20, random_state=0).fit(X, y)
"""

MODULES = {"sklearn": "sklearn.neural_network", "fastnn": "fastnn"}


def write_import(library):
    """Return a program that only imports the library's estimators."""
    return f"from {MODULES[library]} import MLPClassifier\n"


def write_fit(library):
    """Return a program that fits a classifier to the digits for 20 epochs."""
    return _FIT.format(module=MODULES[library])


def run_program(program, cache_dir=None):
    """Run a program with this interpreter.

    Parameters
    ----------
    program : str
        Python source.
    cache_dir : path-like, optional
        Folder for compiled code, in place of the usual one.

    Raises
    ------
    subprocess.CalledProcessError
        If the program fails.
    """
    environment = dict(os.environ)
    if cache_dir is not None:
        environment["NUMBA_CACHE_DIR"] = os.fspath(cache_dir)
    subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
