"""Workers: everything arrives in order, stops when asked to, and fails in the open."""

from __future__ import annotations

import threading

from addon.jobs import Failed, Finished, Job


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
