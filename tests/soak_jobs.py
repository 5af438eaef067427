"""What one round of `soak.py` does in a process of its own, from a seed.

Every job ends in a digest of all that it gave, or in the text of its error. The same
jobs are done by 8 threads at once, in forked children and one after the other, on
several threads of Numba's or on one, and the digests must not differ.
"""

import hashlib
import os
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import numpy as np
from growth_tools import resident
from helpers import force_threads, outputs, weights_of
from hypothesis import Phase, settings
from hypothesis import strategies as st
from property_tools import Case, cases, wild_cases

from fastnn.model_selection import GridSearchCV

N_JOBS, N_FORKED, N_THREADS = 40, 6, 8
# Between two passes over the same jobs: what threads keep, and what the heap is left
# with. Leaks are looked for by `growth_tools`, this is for those of rare options.
MOST_GROWTH = 32 * 2**20


def digest(*arrays):
    """Return a short name of arrays' bits."""
    raw = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(raw).hexdigest()[:16]


def state(model, X):
    """Return the digest of what a model has learnt, and of what it gives."""
    return digest(*weights_of(model), model.loss_, outputs(model, X), model.predict(X))


def fit(case):
    return state(case.make().fit(case.X, case.y, case.weight), case.X)


def go_on(case):
    """Train for an epoch, and for another one after a pickle."""
    model = case.make().partial_fit(case.X, case.y, case.weight, **case.first())
    copy = pickle.loads(pickle.dumps(model))
    return state(copy.partial_fit(case.X, case.y, case.weight), case.X)


def predict(case):
    """Predict rows in several parts."""
    model = case.make().fit(case.X, case.y, case.weight)
    X = case.X.tocsr() if hasattr(case.X, "tocsr") else case.X
    parts = [X[i::3] for i in range(3)]
    return digest(*[outputs(model, part) for part in parts for _ in range(3)])


def search(case):
    grid = {"alpha": [0.0, 0.1], "learning_rate_init": [0.01, 0.001]}
    found = GridSearchCV(case.make(), grid, cv=2, error_score="raise")
    found.fit(case.X, case.y)
    scores = found.cv_results_["mean_test_score"]
    return digest(scores, *weights_of(found.best_estimator_))


WAYS = (fit, fit, go_on, predict, search)


def draw_jobs(seed):
    """Return (way, case) of a round: the same for the same seed."""
    found = []
    wild = st.tuples(st.just(fit), wild_cases().filter(has_a_seed))
    tame = st.tuples(st.sampled_from(WAYS), cases())

    @hypothesis.seed(seed)
    @settings(
        max_examples=N_JOBS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.one_of(tame, tame, wild))
    def collect(job):
        found.append(job)

    collect()
    return found


def has_a_seed(case):
    """Tell whether a fit can be repeated."""
    return case.params["random_state"] is not None


def do(job):
    """Return a job's digest, or its error as text."""
    way, case = job
    try:
        return way(case)
    except ValueError as error:  # a set in its text has another order in each process
        return f"{type(error).__name__}: {str(error).partition('{')[0]}"


def in_child(job):
    """Return what a forked child makes of a job."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(write, do(job).encode()[:4096])
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, f"a forked child ended with status {status}: {describe(job)}"
    return text


def describe(job):
    way, case = job
    return f"{way.__name__} of {case}"


def differing(expected, got, jobs, how):
    """Raise if digests differ, and say which job it was."""
    for job, a, b in zip(jobs, expected, got, strict=True):
        assert a[:4096] == b[:4096], f"{how}: {a} became {b}: {describe(job)}"


def together(seed):
    """Do a round's jobs in every way; return the digests, growth and calls."""
    warnings.simplefilter("ignore")
    calls = force_threads()
    jobs = draw_jobs(seed)
    first = [do(job) for job in jobs]
    with ThreadPoolExecutor(N_THREADS) as pool:
        differing(first, list(pool.map(do, jobs)), jobs, "on threads")
        before = resident()
        differing(first, list(pool.map(do, jobs)), jobs, "on threads, again")
        growth = resident() - before
        shared_model(jobs, pool)
    assert growth < MOST_GROWTH, f"a second pass added {growth} bytes"
    if hasattr(os, "fork"):
        some = jobs[:N_FORKED]
        differing(first[:N_FORKED], [in_child(job) for job in some], some, "forked")
    differing(first, [do(job) for job in jobs], jobs, "after all that")
    return {"digests": first, "growth": growth, "parallel": calls["parallel"]}


def shared_model(jobs, pool):
    """Have all threads predict with one model; a wild case, of `fit`, may be none."""
    case: Case | None = next((case for way, case in jobs if way is not fit), None)
    if case is None:
        return
    model = case.make().fit(case.X, case.y, case.weight)
    expected = digest(outputs(model, case.X))
    found = pool.map(lambda _: digest(outputs(model, case.X)), range(40))
    assert set(found) == {expected}, f"one model, several threads: {case}"


def alone(seed):
    """Do a round's jobs one after the other, on one thread; return the digests."""
    warnings.simplefilter("ignore")
    return {"digests": [do(job) for job in draw_jobs(seed)]}
