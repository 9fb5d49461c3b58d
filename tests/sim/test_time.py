"""Time: reports, sync of sound and picture, round trips: LessonMedia in virtual time."""

from itertools import pairwise

import pytest

from classroom.model import Label
from classroom.sfu.core import rtcp
from classroom.sfu.core.ntp import FRACTION
from tests.sim.netem import Conditions
from tests.sim.publisher import camera, mic, slides
from tests.sim.world import LAN, World

FAR = Conditions(delay_s=0.05)


def test_the_recorder_sees_a_report_before_the_first_packet_of_each_track_and_true_timestamps():
    world = World()
    publisher = world.publish(camera(), slides(), mic(), ntp_error_s=-33.0, up=FAR)
    world.run(5.0)
    recorder = world.record()  # late: the picture comes from the cache
    world.run(5.0)
    assert {track.name for track in recorder.tracks.values()} == {"camera", "slides", "mic"}
    for name, ssrc in (("camera", 1000), ("slides", 2000), ("mic", 3000)):
        track, sending = recorder.named(name), publisher.streams[ssrc]
        assert track.reports_before_first >= 1
        offsets = set()
        for _, ts, payload in track.packets:
            frame = int.from_bytes(payload[3:7], "big")
            offsets.add((ts - publisher.ts(sending, sending.captured_s[frame])) & 0xFFFF_FFFF)
        assert len(offsets) == 1  # the publisher's timestamps, moved as a whole
        seqs = [seq for seq, _, _ in track.packets]
        assert [(b - a) & 0xFFFF for a, b in pairwise(seqs)] == [1] * (len(seqs) - 1)


def instants(reception, publisher, ssrc, clock_rate_hz) -> list[float]:
    """For each picture: the time that the receiver takes it for, less the time of capture."""
    report = reception.reports[-1]
    sending, apart_s = publisher.streams[ssrc], []
    for packet in reception.in_order:
        ticks = ((packet.ts - report.rtp_ts + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
        apart_s.append(report.ntp / FRACTION + ticks / clock_rate_hz - sending.captured_s[packet.identity.frame])
    return apart_s


@pytest.mark.parametrize("early", [True, False], ids=["reports first", "media first"])
def test_sound_and_picture_are_in_sync_by_their_reports(early):
    world = World()
    publisher = world.publish(
        camera(), mic(), up=Conditions(delay_s=0.03, jitter_s=0.05), ntp_error_s=1234.5, early_report=early
    )  # fmt: skip
    receiver = world.receive(None, Label.MIC)
    world.run(12.0)
    picture = instants(receiver.receptions[0], publisher, 1000, 90_000)[-200:]
    sound = instants(receiver.receptions[1], publisher, 3000, 48_000)[-300:]
    assert max(*picture, *sound) - min(*picture, *sound) <= 0.005
    server_ahead_s = world.ntp_s
    assert picture[-1] - server_ahead_s == pytest.approx(0.03, abs=0.03)  # on the clock of the server


def test_a_slot_that_is_switched_stays_in_sync_with_the_sound():
    world = World()
    publisher = world.publish(camera(), mic(), up=FAR, early_report=True)
    receiver = world.receive(None, Label.MIC)
    world.run(3.0)
    receiver.pli(10_000, world.now)  # moves the picture's timestamps
    world.run(3.0)
    picture = instants(receiver.receptions[0], publisher, 1000, 90_000)[-60:]
    sound = instants(receiver.receptions[1], publisher, 3000, 48_000)[-60:]
    assert max(*picture, *sound) - min(*picture, *sound) <= 0.005


def test_reports_come_every_second_and_count_what_was_sent():
    world = World()
    publisher = world.publish(camera(), mic())
    receiver = world.receive(None, Label.MIC)
    world.run(10.2)
    for reception, slot in zip(receiver.receptions, receiver.slots, strict=True):
        assert 10 <= len(reception.reports) <= 12
        assert reception.reports[-1].packets <= slot.down.packets
        assert reception.reports[-1].packets >= slot.down.packets - 110
    assert world.media.publishers and publisher.streams[1000].packets > 900


def test_round_trips_are_measured_in_both_directions():
    world = World()
    world.publish(camera(), up=FAR, down=FAR)
    receiver = world.receive(None, up=FAR, down=FAR)
    world.run(3.0)
    (publisher,) = world.media.publishers.values()
    assert publisher.rtt_s == pytest.approx(0.1, abs=0.01)  # by RRTR and DLRR
    block = rtcp.ReportBlock(
        10_000, 26, 5, 0, 0, rtcp.ntp_middle(receiver.receptions[0].reports[-1].ntp),
        round((world.now - 0.05 - (receiver.receptions[0].reports[-1].ntp / FRACTION - world.ntp_s)) * 65536),
    )  # fmt: skip
    receiver.uplink.send(rtcp.build_rr(1, [block]), world.now)
    world.run(0.2)
    (state,) = world.media.receivers.values()
    assert state.rtt_s == pytest.approx(0.1, abs=0.01) and state.fraction_lost == pytest.approx(0.1, abs=0.01)


def test_a_receiver_that_asks_for_the_time_is_answered():
    world = World()
    receiver = world.receive(None, down=LAN)
    answers = []
    receiver.send_rtcp = lambda data: answers.extend(rtcp.parse_rtcp(data))
    receiver.uplink.send(rtcp.build_rr(5, []) + rtcp.build_rrtr(5, 0x1122_3344_5566_7788), world.now)
    world.run(0.1)
    (answer,) = [p for p in answers if isinstance(p, rtcp.DelaySinceLastRr)]
    assert (answer.ssrc, answer.lrr, answer.dlrr) == (5, 0x3344_5566, 0)
