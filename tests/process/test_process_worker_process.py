"""What the supervisor reads from a worker's channel."""

import socket
from collections.abc import Iterator

import pytest

from gatekeeper.process.worker_process import WorkerProcess
from gatekeeper.telemetry.ledger import Ledger


@pytest.fixture
def worker() -> Iterator[tuple[WorkerProcess, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield WorkerProcess(4711, Ledger(1).rows[0], ours), theirs


def read(process: WorkerProcess) -> list[dict[str, object]]:
    messages = process.messages()
    assert messages is not None
    return messages


def test_a_message_that_arrives_in_two_parts_is_one_message(worker: tuple[WorkerProcess, socket.socket]) -> None:
    process, channel = worker
    channel.send(b'{"ready": true}\n{"lea')
    assert read(process) == [{"ready": True}]
    channel.send(b'ving": 3}\n')
    assert read(process) == [{"leaving": 3}]


def test_lines_that_are_no_messages_are_ignored(worker: tuple[WorkerProcess, socket.socket]) -> None:
    process, channel = worker
    channel.send(b'not json\n[1]\n\n{"ready": true}\n')
    assert read(process) == [{"ready": True}]


def test_a_closed_channel_has_no_messages(worker: tuple[WorkerProcess, socket.socket]) -> None:
    process, channel = worker
    channel.close()
    assert process.messages() is None


@pytest.mark.parametrize(("code", "wrong_configuration"), [(1, False), (2, True), (77, False)])
def test_the_end_of_a_worker_tells_the_reason_that_it_reported(
    worker: tuple[WorkerProcess, socket.socket], code: int, wrong_configuration: bool
) -> None:
    process, channel = worker
    channel.send(b'{"failed": "no such file", "code": %d}\n' % code)
    read(process)
    end = process.exited(code)
    assert (end.failure, end.wrong_configuration) == ("no such file", wrong_configuration)


def test_a_worker_that_reported_nothing_ends_without_a_reason(worker: tuple[WorkerProcess, socket.socket]) -> None:
    process, _ = worker
    end = process.exited(-9)
    assert (end.failure, end.wrong_configuration) == ("", False)


@pytest.mark.parametrize(("code", "transient"), [(-9, True), (1, False), (2, False)])
def test_only_a_worker_that_was_killed_may_succeed_the_next_time(
    worker: tuple[WorkerProcess, socket.socket], code: int, transient: bool
) -> None:
    """An exit code is the worker's own doing."""
    process, _ = worker
    assert process.exited(code).transient is transient
