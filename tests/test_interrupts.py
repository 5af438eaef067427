"""Who may end long work: Ctrl-C on the main thread, a permit that is withdrawn."""

import _thread
import threading
import time

import numpy as np
import pytest
from fastnn.kernels import layout as at

from fastnn import interrupts
from fastnn.learning import randomness
from fastnn.learning.randomness import Bookmark


def table():
    return np.zeros(at.HEADER, np.int64)


def wait_for_stop(net, seconds=30.0):
    """Return whether somebody has the kernels leave off."""
    end = time.monotonic() + seconds
    while not net[at.STOP] and time.monotonic() < end:
        time.sleep(0.001)
    return bool(net[at.STOP])


def in_a_thread(work):
    """Return what `work` returns, or what it raises, in another thread."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_the_main_thread_waits_for_another_one():
    net, places = table(), []
    net[at.STOP] = 1  # an interrupt from before

    def work():
        places.append((threading.current_thread(), int(net[at.STOP])))
        return "done"

    assert interrupts.stoppable(net, work) == "done"
    assert places[0][0] is not threading.main_thread()
    assert places[0][1] == 0


def test_ctrl_c_stops_the_kernels_and_is_raised_when_they_have_ended():
    net, stops = table(), []

    def work():
        _thread.interrupt_main()
        stops.append(wait_for_stop(net))

    with pytest.raises(KeyboardInterrupt):
        interrupts.stoppable(net, work)
    assert stops == [True]


def test_another_thread_without_a_permit_does_its_work_itself():
    net = table()
    thread, outcome = in_a_thread(
        lambda: interrupts.stoppable(net, threading.current_thread)
    )
    thread.join()
    assert outcome == [thread]


def test_a_permit_that_is_withdrawn_stops_the_kernels_of_its_threads():
    """Those of others go on."""
    permit, begun = interrupts.Permit(), threading.Barrier(3)
    mine, others = table(), table()

    def work(net, seconds, given):
        interrupts.permit.set(given)

        def wait():
            begun.wait()
            return wait_for_stop(net, seconds)

        return interrupts.stoppable(net, wait)

    threads = [
        in_a_thread(lambda: work(mine, 30.0, permit)),
        in_a_thread(lambda: work(others, 0.2, interrupts.Permit())),
    ]
    begun.wait()
    assert permit()
    permit.withdraw()
    for thread, _ in threads:
        thread.join()
    assert not permit()
    assert isinstance(threads[0][1][0], KeyboardInterrupt)
    assert threads[1][1] == [False]
    assert mine[at.STOP] == 1
    mine[at.STOP] = 0
    permit.withdraw()  # it has forgotten the tables
    assert mine[at.STOP] == 0


def test_a_permit_that_was_withdrawn_before():
    permit, net = interrupts.Permit(), table()
    permit.withdraw()

    def work():
        interrupts.permit.set(permit)
        return interrupts.stoppable(net, lambda: wait_for_stop(net))

    thread, outcome = in_a_thread(work)
    thread.join()
    assert isinstance(outcome[0], KeyboardInterrupt)
    assert net[at.STOP] == 1


def test_who_is_asked():
    """A permit may be any function; short work does not ask."""
    interrupts.check()
    token = interrupts.permit.set(lambda: False)
    try:
        with interrupts.heeded(False):
            interrupts.check()
        with interrupts.heeded(True), pytest.raises(KeyboardInterrupt):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    finally:
        interrupts.permit.reset(token)
    interrupts.check()


class Counted(np.random.RandomState):
    """A stream that counts its permutations."""

    drawn = 0

    def shuffle(self, order):
        self.drawn += 1
        super().shuffle(order)


@pytest.mark.parametrize("n_rows", [1, 7, 700])
@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_a_bookmark_goes_back_to_the_end_of_an_epoch(n_rows, ahead, monkeypatch):
    """As the twin does that draws everything again; but it draws little."""
    monkeypatch.setattr(randomness, "_DRAWN_AGAIN", 3500)
    n_epochs, stream, twin = 60, Counted(3), np.random.RandomState(3)
    bookmark = Bookmark(stream, n_rows)
    for epoch in range(1, n_epochs + 1):
        stream.shuffle(np.arange(n_rows))
        bookmark.move(epoch, lambda state: state.get_state(legacy=False))
    for _ in range(ahead):  # an epoch that was begun
        stream.shuffle(np.arange(n_rows))
    stream.drawn = 0
    bookmark.go_back(n_epochs)
    assert stream.drawn * n_rows <= 3500 + n_rows
    for _ in range(n_epochs):
        twin.shuffle(np.arange(n_rows))
    assert stream.random_sample() == twin.random_sample()
