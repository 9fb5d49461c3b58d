"""Datagrams come off the socket one by one and whole, however many the kernel hands over at once."""

import random
import socket
import struct
import sys
import time

import pytest

from classroom.sfu.transport.egress import UDP_SEGMENT
from classroom.sfu.transport.ingress import Ingress


@pytest.fixture
def ends():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        sender.connect(receiver.getsockname())
        yield sender, Ingress(receiver)


def taken(ingress: Ingress, calls: int = 64) -> list[bytes]:
    return [bytes(buffer.view[:size]) for buffer, size, _ in ingress.datagrams(calls)]


def send_together(sender: socket.socket, data: bytes, segment_bytes: int) -> None:
    try:
        sender.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", segment_bytes))])
    except OSError:
        pytest.skip("no UDP_SEGMENT here")


def test_datagrams_that_came_one_by_one(ends):
    sender, ingress = ends
    sent = [random.Random(size).randbytes(size) for size in (1, 1500, 0, 700, 700)]
    for data in sent:
        sender.send(data)
    assert taken(ingress) == sent
    assert taken(ingress) == []


@pytest.mark.parametrize("size", [1199, 1200, 1201, 2400, 9000, 40 * 1200])
def test_datagrams_that_came_together_are_taken_with_one_call(ends, size):
    sender, ingress = ends
    data = random.Random(size).randbytes(size)
    send_together(sender, data, 1200)
    assert taken(ingress, calls=1) == [data[at : at + 1200] for at in range(0, size, 1200)]


def test_those_who_change_a_datagram_leave_the_next_one_as_it_is(ends):
    sender, ingress = ends
    send_together(sender, bytes(range(250)), 100)
    came = []
    for buffer, size, _ in ingress.datagrams(1):
        came.append(bytes(buffer.view[:size]))
        buffer.view[:size] = bytes(size)
    assert came == [bytes(range(100)), bytes(range(100, 200)), bytes(range(200, 250))]


def test_who_sent_it_and_no_more_than_was_asked_for(ends):
    sender, ingress = ends
    for number in range(3):
        sender.send(bytes([number]))
    first = list(ingress.datagrams(2))
    assert [address for _, _, address in first] == [sender.getsockname()] * 2
    assert taken(ingress) == [b"\x02"]


def test_a_refusal_of_something_sent_earlier_is_passed_over():
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone,
    ):
        gone.bind(("127.0.0.1", 0))
        nowhere = gone.getsockname()
        gone.close()
        sock.setblocking(False)
        sock.connect(nowhere)
        sock.send(b"?")  # nobody listens: the kernel tells it at the next call
        assert taken(Ingress(sock)) == []


def test_it_knows_when_the_first_datagram_of_a_wake_up_had_come(ends):
    sender, ingress = ends
    sender.send(b"the kernel is asked for the first time and begins to note it")
    assert taken(ingress)
    sender.send(b"first")
    time.sleep(0.05)
    sender.send(b"second")
    before_s = time.monotonic()
    assert taken(ingress) == [b"first", b"second"]
    if sys.platform == "linux":
        assert 0.045 <= before_s - ingress.arrived_s < 5
    assert taken(ingress) == [] and ingress.arrived_s is None


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_step_of_the_clock_of_the_machine_is_no_waiting(ends, monkeypatch, step_s):
    sender, ingress = ends
    sender.send(b"the kernel begins to note the time")
    assert taken(ingress)
    sender.send(b"before the step")
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + step_s)
    before_s = time.monotonic()
    assert taken(ingress) == [b"before the step"]
    assert before_s <= ingress.arrived_s <= time.monotonic()
