"""Threads that train the members of a population, and one that they tell of it."""

import contextvars
import queue
import sys
import threading
import time
import warnings

from sklearn import config_context, get_config

from ..interrupts import Permit
from ..kernels._shield import shielded

# Seconds of work after which a thread has its networks' ends told. Two threads take
# turns then, which takes long on busy cores, and fits may be shorter than that.
PATIENCE = 0.05


def ignore(number):
    """Do nothing about a network's beginning or end."""


def _start_thread(work, daemon):
    """Return an event that is set when the work is done, and the thread that does it.

    A `join` that is interrupted takes the thread for ended before Python 3.13, and the
    next one does not wait any more. Without `daemon`, the thread that starts this one
    would be listed by `threading.enumerate`, for ever before Python 3.13.
    """
    done = threading.Event()
    context = contextvars.copy_context()  # of NumPy's errstate, for instance

    def run():
        try:
            context.run(work)
        finally:
            done.set()

    thread = threading.Thread(target=run, daemon=daemon)
    thread.start()
    return done, thread


class Crew:
    """Threads that advance members, those with the most work first.

    Parameters
    ----------
    todo : list of members
        The most work comes last.
    n_epochs : int or None
    begins, ends : callable
        As for `Population.advance`.
    """

    def __init__(self, todo, n_epochs, begins, ends):
        self.todo, self.n_epochs = todo, n_epochs
        self.begins, self.ends = begins, ends
        self.places = {member: place for place, member in enumerate(todo)}
        self.news = queue.SimpleQueue()  # of threads, for the one that calls `run`
        self.permit = Permit()  # withdrawn on an interrupt, or a failure
        self.failure = None
        self.config = get_config()  # scikit-learn's, which threads do not inherit

    def run(self, n_threads):
        """Advance all; on an interrupt, let the threads finish their epochs."""
        if sys.is_finalizing():  # threads would start, and wait for ever
            raise RuntimeError("Python is ending, and starts no threads any more.")
        # Threads enter and leave such blocks in any order, so that another's filters
        # may be what is put back last; this one puts back all as it was.
        with warnings.catch_warnings():
            crew = []
            try:
                # Elsewhere, since Python's own start of a thread bears no exception of
                # a signal's handler, and a thread that is not in the list is not
                # waited for.
                daemon = threading.current_thread().daemon
                shielded(lambda: self._recruit(crew, n_threads, daemon))
                self._listen(n_threads)
            finally:
                self.permit.withdraw()
                for done, thread in crew:
                    done.wait()
                    thread.join()
        if self.failure is not None:
            raise self.failure

    def _recruit(self, crew, n_threads, daemon):
        for _ in range(n_threads):
            crew.append(_start_thread(self._work, daemon))

    def _listen(self, n_threads):
        """Make the calls that threads ask for, until all threads have ended."""
        first = -1  # place of the failure
        while n_threads > 0:
            try:
                news = self.news.get(timeout=0.1)  # an interrupt is seen between two
            except queue.Empty:
                continue
            if news is None:
                n_threads -= 1
                continue
            call, members, heard = news
            for member in members:
                place = self.places[member]
                if place < first or not self.permit():
                    continue
                try:
                    call(member.number)
                except Exception as error:
                    # Those before it have begun and may fail as well.
                    self.todo.clear()
                    first, self.failure = place, error
            heard.set()

    def _tell(self, call, members):
        """Have the calling thread make calls; return an event that says it has."""
        heard = threading.Event()
        if call is ignore:
            heard.set()
        else:
            self.news.put((call, members, heard))
        return heard

    def _work(self):
        try:
            with config_context(**self.config):
                self._advance_all()
        except BaseException as failure:  # KeyboardInterrupt of a user's scorer
            if self.failure is None:  # else it is what comes of another one's
                self.failure = failure
            self.permit.withdraw()
        finally:
            self.news.put(None)

    def _advance_all(self):
        while self.permit() and self.todo:
            self._advance_some()

    def _advance_some(self):
        """Advance a member, or several short ones, and have it told."""
        patience = PATIENCE if self.begins is ignore else 0.0
        start, ended = time.perf_counter(), []
        while self.permit():
            try:
                member = self.todo.pop()
            except IndexError:  # another thread was faster
                break
            self._tell(self.begins, [member])
            member.advance(self.n_epochs, self.permit)
            ended.append(member)
            if time.perf_counter() - start >= patience:
                break
        if self.permit():  # else the last one is not at its end
            heard = self._tell(self.ends, ended)
            while self.permit() and not heard.wait(0.1):
                pass
