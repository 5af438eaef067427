"""Numba's threading layers: the one that is asked for, and none at all."""

import sys
from pathlib import Path

import pytest
from helpers import run_python

from fastnn import compilation, threads

TBB = Path(sys.prefix, "lib", "libtbb.so.12")

FIT = """
import json, sys, warnings
import numba, numpy as np
from helpers import force_threads, make_data, outputs
from fastnn import MLPClassifier, compilation
warnings.simplefilter("ignore")
{before}
calls = force_threads()
X, y = make_data("multiclass", n=1501, p=40)
model = MLPClassifier((64, 64), batch_size=500, max_iter=4, random_state=0).fit(X, y)
model.predict_proba(X)
compilation.compile_parallel(np.dtype("float64"))
try:
    layer = numba.threading_layer()
except ValueError:
    layer = None
print(json.dumps([layer, calls, model.loss_]))
"""


def fit_with(layer, before=""):
    """Return the layer that was used, how often, and the loss of a small fit."""
    env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    return run_python(FIT.format(before=before), **env)


@pytest.mark.skipif(not TBB.exists(), reason="TBB is not installed by pip here")
@pytest.mark.parametrize("asked", ["tbb", "safe", "forksafe", "threadsafe"])
def test_tbb_is_found_where_pip_puts_it(asked):
    """The system's loader does not look there (numba/numba#6108)."""
    layer, calls, loss = fit_with(asked)
    assert layer == "tbb"
    assert calls["parallel"] > 0
    assert loss == fit_with("workqueue")[2]


def test_a_layer_that_is_missing_means_one_thread():
    """Numba raises where a parallel kernel is compiled; nobody has asked for one."""
    hide = "sys.prefix = '/nowhere'; sys.modules['numba.np.ufunc.tbbpool'] = None"
    layer, calls, loss = fit_with("tbb", hide)
    assert layer is None
    assert calls["parallel"] == 0
    assert loss == fit_with("workqueue")[2]


def test_warmup_leaves_out_what_needs_threads(monkeypatch):
    monkeypatch.setattr(threads, "can_start", lambda: False)
    taken = []
    units = {"a": type("Unit", (), {"parallel": True})()}
    monkeypatch.setattr(compilation, "units", lambda: units)
    compilation.compile_all(report=lambda *words: taken.append(words))
    assert taken == []
