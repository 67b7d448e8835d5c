"""Workers: everything arrives in order, stops when asked to, and fails in the open."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from mouthpiece.errors import RigError

from addon.jobs import Failed, Finished, Job, Working


def drain(job):
    job.wait(10)
    assert not job.alive
    return list(job.messages())


def test_messages_arrive_in_order_and_end():
    messages = drain(Job(iter(range(5))))
    assert messages[:-1] == [0, 1, 2, 3, 4]
    assert isinstance(messages[-1], Finished)


def test_the_work_is_done_by_another_thread():
    def steps():
        yield threading.get_ident()

    assert drain(Job(steps()))[0] != threading.get_ident()


def test_cancelling_stops_the_work_and_closes_it():
    go, closed = threading.Event(), []

    def steps():
        try:
            for number in range(1000):
                yield number
                go.wait(10)
        finally:
            closed.append(True)

    job = Job(steps())
    job.cancel()
    go.set()
    job.wait(10)
    assert not job.alive and closed == [True]
    assert len([message for message in job.messages() if isinstance(message, int)]) <= 1


def test_a_failure_is_the_last_message():
    error = ValueError("no")

    def steps():
        yield 1
        raise error

    messages = drain(Job(steps()))
    assert messages[0] == 1 and isinstance(messages[1], Failed) and messages[1].error is error


def test_asking_never_waits():
    go = threading.Event()

    def steps():
        go.wait(10)
        yield 1

    job = Job(steps())
    assert list(job.messages()) == []
    go.set()
    job.wait(10)


def test_a_file_saved_during_a_bake_opens_without_one(tmp_path):
    import bpy

    bpy.context.window_manager.mouthpiece.running = True
    path = str(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path, load_ui=True)
    assert not bpy.context.window_manager.mouthpiece.running


class Timers:
    """Stands in for the window manager: timers that are running, and the state the panel looks at."""

    def __init__(self):
        self.running = []
        self.mouthpiece = SimpleNamespace(running=False, cancelled=False, progress=0.0, message="", remarks="")
        self.windows = ()

    def event_timer_add(self, seconds, window):
        self.running.append(object())
        return self.running[-1]

    def event_timer_remove(self, timer):
        self.running.remove(timer)

    def modal_handler_add(self, operator):
        pass


@pytest.fixture
def context():
    return SimpleNamespace(window_manager=Timers(), window=None, workspace=None)


class Counting(Working):
    """Counts to ``stop`` in a worker; numbers are its results, the text "done" its end."""

    _last = str

    def __init__(self, steps, wrong=None):
        self.steps, self.wrong, self.reports, self.seen = steps, wrong, [], []

    def report(self, kind, text):
        self.reports.append((kind, text))

    def _result(self, context, message):
        self.seen.append(message)
        if message == self.wrong:
            raise RigError("That cannot be.") if message == 1 else ZeroDivisionError

    def ended(self, context):
        """Look at messages as timer events make Blender do, and return how it ended."""
        self._begin(context, iter(self.steps()))
        self._job.wait(20)
        return self.modal(context, SimpleNamespace(type="TIMER"))


def put_away(context):
    return not context.window_manager.running and not context.window_manager.mouthpiece.running


def test_an_operator_ends_with_its_last_message(context):
    operator = Counting(lambda: iter([1, 2, "done"]))
    assert operator.ended(context) == {"FINISHED"} and operator.seen == [1, 2, "done"] and put_away(context)


def test_an_error_on_the_way_is_reported_and_the_next_work_can_begin(context):
    operator = Counting(lambda: iter([1, "done"]), wrong=1)
    assert operator.ended(context) == {"CANCELLED"} and put_away(context)
    assert operator.reports == [({"ERROR"}, "That cannot be.")]
    assert context.window_manager.mouthpiece.remarks == "That cannot be."  # Blender's own message goes with a click


def test_a_bug_on_the_way_goes_on_to_blender_and_the_next_work_can_begin(context):
    operator = Counting(lambda: iter([2, "done"]), wrong=2)
    with pytest.raises(ZeroDivisionError):
        operator.ended(context)
    assert put_away(context)


def test_work_that_ends_without_a_last_message_is_cancelled(context):
    operator = Counting(lambda: iter([1]))
    assert operator.ended(context) == {"CANCELLED"} and put_away(context)


def test_a_worker_that_is_told_to_exit_ends_the_work(context):
    def steps():
        yield 1
        raise SystemExit(3)

    operator = Counting(steps)
    with pytest.raises(SystemExit):
        operator.ended(context)
    assert put_away(context)
