"""Where networks are trained: in this process, or by workers elsewhere."""

import math
import warnings
from contextlib import nullcontext, suppress

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from ._candidates import front_key, is_pipeline
from ._evaluation import Evaluator

# Backends of this machine: threads of this process do what they can do.
_LOCAL = ("LokyBackend", "ThreadingBackend", "SequentialBackend")
_CHUNKS_PER_WORKER = 4
_ATTEMPTS = 4


def workers_elsewhere(n_jobs):
    """Return the number of workers of a joblib backend that is not the usual one, or 0.

    The usual ones are threads and processes on this machine, which have nothing to
    offer that threads in this process have not.
    """
    backend, _ = get_active_backend()
    if n_jobs == 1 or type(backend).__name__ in _LOCAL:
        return 0
    n_workers = effective_n_jobs(n_jobs)
    return n_workers if n_workers > 1 else 0


def threads_here(n_jobs):
    """Return how many threads the engine may use; None lets it decide."""
    backend, configured = get_active_backend()
    if n_jobs is None and configured in (None, 1):
        return None
    if type(backend).__name__ not in _LOCAL:  # one worker elsewhere, or n_jobs=1
        return 1
    return effective_n_jobs(n_jobs)


class DistributedEvaluator:
    """Hands chunks of the candidates to workers of joblib's active backend.

    Each worker does with its chunk what `Evaluator` does with all. A chunk whose
    worker is lost is given to another one.

    Parameters
    ----------
    estimator, X, y, settings : as for `Evaluator`
    n_jobs : int or None
    """

    def __init__(self, estimator, X, y, settings, n_jobs):
        self.estimator, self.X, self.y, self.settings = estimator, X, y, settings
        self.n_jobs, self.n_epochs = n_jobs, 0
        settings.n_threads = 1

    def __call__(self, candidates, splits, listener=None):
        """Return a dict of results for each pair, candidate by candidate.

        There is never a listener: what it tells would have to be sent back.
        """
        chunks = dict(enumerate(self._chunks(candidates, len(splits))))
        done, failure = {}, None
        for _ in range(_ATTEMPTS):
            left = {number: chunks[number] for number in chunks if number not in done}
            if not left:
                break
            try:
                self._send(left, candidates, splits, done)
            except _Raised as raised:
                raise raised.error from None
            except Exception as error:  # a worker, or what it held, was lost
                failure = error
        if len(done) < len(chunks):
            raise RuntimeError(
                f"{len(chunks) - len(done)} of {len(chunks)} chunks of the search were "
                f"lost with their workers, {_ATTEMPTS} times in a row."
            ) from failure
        results = {}
        for results_of_chunk, n_epochs in done.values():
            results.update(results_of_chunk)
            self.n_epochs += n_epochs
        return [results[place] for place in sorted(results)]

    def _chunks(self, candidates, n_splits):
        """Return lists of pairs; what shares transformers and fold stays together."""
        groups = {}
        for number, parameters in enumerate(candidates):
            key = None
            if is_pipeline(self.estimator):
                key = front_key(self.estimator, parameters)
            for split in range(n_splits):
                groups.setdefault((key, split), []).append((number, split))
        n_pairs = len(candidates) * n_splits
        n_chunks = max(1, workers_elsewhere(self.n_jobs)) * _CHUNKS_PER_WORKER
        size = math.ceil(n_pairs / n_chunks) if n_pairs else 1
        return [
            group[start : start + size]
            for group in groups.values()
            for start in range(0, len(group), size)
        ]

    def _send(self, chunks, candidates, splits, done):
        """Have chunks evaluated and put what comes back into `done`."""
        jobs = []
        for number, pairs in chunks.items():
            of_candidates = {c: candidates[c] for c, _ in pairs}
            of_splits = {s: splits[s] for _, s in pairs}
            totals = len(candidates), len(splits)
            rest = (self.estimator, self.settings, of_candidates, of_splits, totals)
            jobs.append((number, pairs, rest))
        backend, _ = get_active_backend()
        # one by one where it can be, so that what is done is kept if others are lost
        at_once = not getattr(backend, "supports_return_generator", False)
        with _sent_to_all(self.X, self.y):
            answers = Parallel(
                n_jobs=self.n_jobs,
                return_as="list" if at_once else "generator_unordered",
                batch_size=1,
                pre_dispatch="all",
            )(
                delayed(evaluate_chunk)(number, pairs, rest, self.X, self.y)
                for number, pairs, rest in jobs
            )
            try:
                _take(answers, done)
            finally:
                _close(answers)


def _take(answers, done):
    """Put what chunks return into `done`, or raise what a fit raised."""
    for answer in answers:
        if isinstance(answer, tuple) and len(answer) == 3:  # a lost task's is not
            number, error, result = answer
            if error is not None:
                raise _Raised(error)
            done[number] = result


def _close(answers):
    """Let go of the answers that have not been taken, if a fit's error ended it.

    joblib warns of them. Threads change warnings' filters under each other's feet, so
    that the warning may be an error in spite of the filter set here.
    """
    if hasattr(answers, "close"):
        with warnings.catch_warnings(), suppress(UserWarning):
            warnings.filterwarnings("ignore", ".* tasks ", UserWarning)
            answers.close()


class _Raised(Exception):
    """Carries an error of a fit, to be told from an error of a worker."""

    def __init__(self, error):
        super().__init__(str(error))
        self.error = error


def _sent_to_all(X, y):
    """Return a context in which X and y are on all workers of Dask, or a plain one."""
    backend, n_jobs = get_active_backend()
    if type(backend).__name__ != "DaskDistributedBackend":
        return nullcontext()
    return parallel_config(
        backend="dask",
        n_jobs=n_jobs,
        client=backend.client,
        scatter=[X, y],
        wait_for_workers_timeout=backend.wait_for_workers_timeout,
        **backend.submit_kwargs,
    )


def evaluate_chunk(number, pairs, rest, X, y):
    """Evaluate some pairs; runs in a worker.

    Returns
    -------
    number : int
        The chunk's.
    error : Exception or None
    result : tuple
        Results by pair, and the number of epochs.
    """
    estimator, settings, candidates, splits, totals = rest
    try:
        evaluator = Evaluator(estimator, X, y, settings)
        results = evaluator(candidates, splits, pairs, totals)
    except Exception as error:
        return number, error, None
    return number, None, (dict(zip(pairs, results, strict=True)), evaluator.n_epochs)
