"""The code of the documents runs as it stands there."""

import re
import warnings
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "docs").is_dir():
    pytest.skip("the documents are not installed", allow_module_level=True)
OPTIONAL = re.compile(r"^(?:from|import) (optuna|distributed)\b", re.MULTILINE)
TABLES = re.compile(r"\b(convergence_study|learning_rate_range)\(")


def blocks(name):
    """Return the Python code of a document, block by block."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(code, namespace):
    """Run code after what has been run in a namespace before; return the namespace."""
    for package in OPTIONAL.findall(code):
        pytest.importorskip(package)
    if TABLES.search(code):
        pytest.importorskip("pandas")
    with warnings.catch_warnings():
        # Examples train for few epochs.
        warnings.simplefilter("ignore", ConvergenceWarning)
        exec(compile(code, "<document>", "exec"), namespace)
    return namespace


def search_in(namespace):
    """Return the best score of the search that a block has made, checked."""
    search = namespace["search"]
    assert set(search.best_params_) <= set(search.best_estimator_.get_params())
    return search.best_score_


SEARCH = blocks("docs/hyperparameter_search.md")


def titles():
    """Return the first word that tells a block from the others."""
    return [re.search(r"(\w+)\(", code).group(1) for code in SEARCH[1:]]


# Of Dask: a port that is in use, and sockets that are closed late.
@pytest.mark.filterwarnings("ignore:Port .* is already in use:UserWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("code", SEARCH[1:], ids=titles())
def test_blocks_about_the_search(code):
    """Each continues the first, and no other."""
    namespace = run(SEARCH[0], {"__name__": "__main__"})
    assert "search" not in namespace
    run(code, namespace)
    if "search" in namespace:
        # Guessing among ten digits is right in a tenth of the cases.
        assert search_in(namespace) > 0.5
    else:
        assert {"best", "curves"} & set(namespace)


def test_epochs_of_halving_are_those_in_the_text():
    (code,) = (code for code in SEARCH if "HalvingRandomSearchCV(\n" in code)
    search = run(code, run(SEARCH[0], {}))["search"]
    assert search.n_epochs_trained_ == 3 * (9 * 2 + 3 * 4 + 1 * 12)
    resources = zip(search.n_candidates_, search.n_resources_, strict=True)
    assert 3 * sum(n * epochs for n, epochs in resources) == 162


def test_blocks_of_the_readme():
    """They continue each other; the last are fragments that import nothing."""
    namespace = run("from fastnn import *", {"__name__": "__main__"})
    codes = blocks("README.md")
    for code in codes:
        run(code, namespace)
    assert len(codes) >= 3
    assert search_in(namespace) > 0.5
