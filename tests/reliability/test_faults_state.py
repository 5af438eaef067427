"""Nothing global is changed, and results do not depend on where work is done."""

import importlib.util
import json

from helpers import run_python, threading_layers

LAYERS = threading_layers()

STATE = """
import json, locale, os, random, signal, sys, threading, time, warnings
import numba, numpy as np, sklearn, threadpoolctl
from numba.core import config
import pandas, polars, pytest
try:  # imports rich, if there is one, which draws a random colour
    import sklearn.callback
except ImportError:
    pass
if sys.argv[1:] == ["torch"]:
    import torch
X = np.random.RandomState(0).standard_normal((300, 20))
def state():
    pools = sorted((p["filepath"], p["num_threads"])
                   for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas")
    key, *rest = np.random.get_state()[1:]
    # Numbers below the smallest normal ones are not taken for 0.
    tiny = np.full(3, 5e-324) * 1.0
    found = {
        "random": [key.tolist(), rest], "python": random.getstate(),
        "errors": np.geterr(), "print": np.get_printoptions(),
        "filters": list(warnings.filters), "environment": dict(os.environ),
        "layer": config.THREADING_LAYER, "cache": config.CACHE_DIR,
        "threads": numba.get_num_threads(), "blas": pools,
        "sklearn": sklearn.get_config(), "path": list(sys.path),
        "recursion": sys.getrecursionlimit(), "hooks": [sys.excepthook,
        threading.excepthook, sys.gettrace(), sys.getprofile()],
        "signals": [signal.getsignal(s) for s in sorted(signal.valid_signals())
                    if s not in (signal.SIGKILL, signal.SIGSTOP)],
        "locale": locale.setlocale(locale.LC_ALL), "folder": os.getcwd(),
        "tiny": (tiny > 0).tolist(), "alive": threading.active_count(),
        "umask": (os.umask(0o22), os.umask(0o22))[0],
    }
    if "torch" in sys.modules:
        found["torch"] = torch.get_num_threads(), torch.initial_seed()
    return found
def changes(before):
    after = state()
    return [key for key in before if before[key] != after[key]]
os.umask(0o22)
before = state()
import fastnn
from fastnn.model_selection import GridSearchCV
found = {"import": changes(before)}
y = (X[:, 0] > 0).astype(int)
for solver in ("adam", "sgd", "lbfgs"):
    for n_threads in (1, 2):
        for name in ("MLPClassifier", "MLPRegressor", "MLPEstimator"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = getattr(fastnn, name)(
                    (9,), max_iter=3, random_state=0, solver=solver,
                    n_threads=n_threads)
                model.fit(X, y)
                if solver != "lbfgs":
                    model.partial_fit(X, y)
                    GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2, n_jobs=2).fit(X, y)
            model.score(X, y)
            found[f"{solver} {n_threads} {name}"] = changes(before)
for wrong in (X[:0], X * np.nan):
    try:
        model.fit(wrong, y)
    except ValueError:
        found["error"] = changes(before)
random.seed(1)
np.random.rand()
found["seen"] = changes(before)
print(json.dumps(found))
"""


def test_nothing_global_is_changed():
    """Nor anything of PyTorch's, where it is installed."""
    torch = importlib.util.find_spec("torch") is not None
    found = run_python(STATE, args=("torch",) if torch else ())
    # Were it blind, it would not see a number drawn from either global generator.
    assert sorted(found.pop("seen")) == ["python", "random"]
    assert len(found) == 2 + 18
    assert {case: keys for case, keys in found.items() if keys} == {}


CROSS = """
import hashlib, itertools, json, os, sys, warnings
import joblib, numba, numpy as np
from helpers import force_threads, make_data, weights_of
import fastnn
warnings.simplefilter("ignore")
X, y = make_data("multiclass", n=203, p=9)

def work(n_threads, size):
    '''Fit, predict in batches of that size; return a digest, the layer and calls.'''
    from fastnn import threads
    if threads.run_parallel.__name__ != "counted":
        threads.calls = force_threads()
    calls = threads.calls
    before = calls["parallel"]
    model = fastnn.MLPEstimator((17, 5), max_iter=3, random_state=0, batch_size=50,
                                n_threads=n_threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    parts = [model.predict_proba(X[i:i + size]) for i in range(0, len(X), size)]
    raw = b"".join(a.tobytes() for a in [*weights_of(model), np.concatenate(parts)])
    digest = hashlib.sha256(raw).hexdigest()
    return digest, calls["parallel"] - before, os.getpid()

def everywhere():
    cases = list(itertools.product((1, 2, 3, 4, 7), (1, 64, 203)))
    found = {}
    for backend in ("sequential", "threading", "multiprocessing", "loky"):
        for n_jobs in json.loads(sys.argv[1]):
            run = joblib.Parallel(n_jobs=n_jobs, backend=backend)
            got = run(joblib.delayed(work)(*case) for case in cases)
            found[f"{backend} {n_jobs}"] = [
                sorted({digest for digest, _, _ in got}), sum(n for _, n, _ in got),
                len({place for _, _, place in got})]
    return found
print(json.dumps(everywhere()))
"""


def test_results_do_not_depend_on_where_work_is_done():
    """Every threading layer, scheduler, number of jobs and threads, and batch."""
    digests, parallel, processes = set(), {}, {}
    for layer in LAYERS:
        env = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "8"}
        # All numbers of jobs with one layer; that takes many processes.
        n_jobs = [1, 2, 4] if layer == LAYERS[0] else [2]
        found = run_python(CROSS, args=(json.dumps(n_jobs),), timeout=280, **env)
        assert len(found) == 4 * len(n_jobs)
        for case, (seen, n_parallel, n_processes) in found.items():
            digests.update(seen)
            parallel[layer, case] = n_parallel
            processes[layer, case] = n_processes
    assert len(digests) == 1, json.dumps(sorted(digests))
    # Threads were used in every layer, and several processes where they were asked for.
    assert all(parallel[layer, "sequential 2"] > 50 for layer in LAYERS)
    assert all(parallel[layer, "threading 2"] > 0 for layer in LAYERS)
    assert all(processes[layer, "loky 2"] > 1 for layer in LAYERS)
    assert all(processes[layer, "multiprocessing 2"] > 1 for layer in LAYERS)
    assert processes[LAYERS[0], "loky 4"] > 2


PLAIN = """
import hashlib, io, json, sys
import numpy as np
import fastnn
X = np.random.RandomState(0).standard_normal((60, 4))
y = (X[:, 0] > 0).astype(int)
digest = hashlib.sha256()
for solver in ("sgd", "lbfgs"):
    model = fastnn.MLPClassifier((5,), solver=solver, max_iter=400, tol=1e-2,
                                 random_state=0).fit(X, y)
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    digest.update(fastnn.load(file).predict_proba(X).tobytes())
neuron = fastnn.Perceptron(shuffle=False).fit(X, y)
digest.update(neuron.predict(X).tobytes())
print(json.dumps([digest.hexdigest(), sys.flags.optimize, sys.flags.dev_mode]))
"""


def test_the_interpreter_s_options():
    """They change no number; nothing that counts is asserted or in a docstring."""
    digest, *modes = run_python(PLAIN, PYTHONOPTIMIZE="", PYTHONDEVMODE="")
    assert modes == [0, False]
    other = {"PYTHONOPTIMIZE": "2", "PYTHONDEVMODE": "1", "LC_ALL": "C"}
    assert run_python(PLAIN, PYTHONUTF8="0", **other) == [digest, 2, True]
