"""What leaves a slow connection first, what does not leave at all, and that no frame is cut."""

import random

import pytest

from classroom.sfu.transport.backlog import (
    CHUNK_BYTES,
    MAX_CONTROL_BYTES,
    MAX_PICTURE_BYTES,
    MAX_PICTURE_WAIT_S,
    MAX_VOICE_BYTES,
    Backlog,
    Urgency,
)


def frame(number: int, size: int = 1000) -> bytes:
    return number.to_bytes(4, "big") * (size // 4)


def drain(backlog: Backlog, at_once: int = CHUNK_BYTES) -> bytes:
    out = b""
    while chunk := backlog.chunk():
        out += chunk[:at_once]
        backlog.sent(len(chunk[:at_once]))
    return out


def test_control_leaves_before_voice_and_voice_before_pictures():
    backlog = Backlog()
    backlog.push(frame(1), Urgency.PICTURE, 0)
    backlog.push(frame(2), Urgency.VOICE, 0)
    backlog.push(frame(3), Urgency.CONTROL, 0)
    backlog.push(frame(4), Urgency.PICTURE, 0)
    assert backlog.size_bytes == 4000
    assert drain(backlog) == frame(3) + frame(2) + frame(1) + frame(4)
    assert not backlog and backlog.size_bytes == 0 and backlog.chunk() == b""


def test_a_frame_that_has_begun_is_finished_before_anything_else():
    backlog = Backlog()
    backlog.begin(b"rest")
    backlog.push(frame(1), Urgency.CONTROL, 0)
    assert backlog.chunk() == b"rest"
    backlog.sent(2)
    assert backlog.chunk() == b"st" and backlog.size_bytes == 1002
    assert drain(backlog) == b"st" + frame(1)


@pytest.mark.parametrize("at_once", [1, 3, 999, 1000, 1001, 100_000])
def test_voice_overtakes_pictures_at_the_border_of_a_chunk_only(at_once):
    backlog = Backlog()
    for n in range(100):
        backlog.push(frame(n), Urgency.PICTURE, 0)
    out = backlog.chunk()[:at_once]
    backlog.sent(len(out))
    backlog.push(frame(500), Urgency.VOICE, 0)
    out += drain(backlog, at_once)
    frames = [out[at : at + 1000] for at in range(0, len(out), 1000)]
    assert sorted(frames) == sorted([frame(n) for n in range(100)] + [frame(500)])
    assert frames.index(frame(500)) == CHUNK_BYTES // 1000 + 1


def test_new_pictures_are_dropped_when_there_is_no_room_and_voice_is_not():
    backlog = Backlog()
    for n in range(MAX_PICTURE_BYTES // 1000 + 7):
        backlog.push(frame(n), Urgency.PICTURE, 0)
    backlog.push(frame(999), Urgency.VOICE, 0)
    assert backlog.dropped == [0, 0, 7]
    assert drain(backlog).startswith(frame(999) + frame(0) + frame(1))


def test_new_pictures_are_dropped_while_one_waits_too_long():
    backlog = Backlog()
    backlog.push(frame(1), Urgency.PICTURE, 0)
    backlog.push(frame(2), Urgency.PICTURE, MAX_PICTURE_WAIT_S)
    backlog.push(frame(3), Urgency.PICTURE, MAX_PICTURE_WAIT_S + 0.01)
    assert backlog.dropped == [0, 0, 1]
    assert drain(backlog) == frame(1) + frame(2)
    backlog.push(frame(4), Urgency.PICTURE, 9)
    assert drain(backlog) == frame(4)


def test_old_voice_makes_room_for_new():
    backlog = Backlog()
    for n in range(MAX_VOICE_BYTES // 1000 + 5):
        backlog.push(frame(n), Urgency.VOICE, 0)
    assert backlog.dropped == [0, 5, 0]
    assert drain(backlog).startswith(frame(5))


def test_control_is_never_dropped_and_its_overflow_shows():
    backlog = Backlog()
    count = MAX_CONTROL_BYTES // 1000 + 1
    for n in range(count):
        assert not backlog.overflowed
        backlog.push(frame(n), Urgency.CONTROL, 0)
    assert backlog.overflowed and backlog.dropped == [0, 0, 0]
    assert len(drain(backlog)) == count * 1000
    assert not backlog.overflowed


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_kernel_takes_at_a_time_frames_stay_whole_and_in_order(seed):
    rng = random.Random(seed)
    backlog, out, sent = Backlog(), b"", {urgency: [] for urgency in Urgency}
    for n in range(300):
        urgency = rng.choice(list(Urgency))
        data = urgency.to_bytes(1, "big") + rng.randbytes(rng.randrange(40))
        sent[urgency].append(data)
        backlog.push(len(data).to_bytes(2, "big") + data, urgency, n / 1000)
        if rng.random() < 0.7:
            size = rng.randrange(60)
            out += backlog.chunk()[:size]
            backlog.sent(size)
    out += drain(backlog)
    got = {urgency: [] for urgency in Urgency}
    while out:
        size = int.from_bytes(out[:2], "big")
        got[Urgency(out[2])].append(out[2 : 2 + size])
        out = out[2 + size :]
    assert got == sent and backlog.dropped == [0, 0, 0]
