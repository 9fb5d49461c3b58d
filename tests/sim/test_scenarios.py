"""Who joins, leaves, publishes and shows what: LessonMedia in virtual time."""

from itertools import pairwise

import pytest

from classroom.model import Label
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.lesson import CATCH_UP_PACKETS
from classroom.sfu.core.ntp import FRACTION
from classroom.sfu.core.up_track import SILENCE_S
from tests.sim.netem import Conditions
from tests.sim.publisher import camera, mic, slides
from tests.sim.world import LAN, World, check_numbers

FAR = Conditions(delay_s=0.05)


def shown(reception) -> set[int]:
    """Numbers of the streams that came."""
    return {packet.identity.stream for packet in reception.packets.values()}


# --- joining -----------------------------------------------------------------------------------------------------


def test_a_late_joiner_gets_the_cached_keyframe():
    world = World()
    publisher = world.publish(camera())
    world.run(5.5)
    sending = publisher.streams[1000]
    latest = max(frame for frame, _ in sending.sent_packets)
    newest_keyframe = latest - latest % 60
    receiver = world.receive(None)
    joined_s = world.now
    world.run(0.01)
    burst = receiver.receptions[0].in_order
    assert (burst[0].identity.frame, burst[0].identity.index, burst[0].identity.keyframe) == (newest_keyframe, 0, True)
    assert burst[-1].identity.frame >= latest - 1 and all(p.arrived_s - joined_s <= 0.01 for p in burst)
    assert len({p.identity.frame for p in burst}) == burst[-1].identity.frame - newest_keyframe + 1  # the complete GOP
    times = [p.ts for p in burst if p.identity.index == 0]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert all(0 < step < 3000 for step in steps[:-1]) and 0 < steps[-1] <= 3000  # moved together, then live
    world.run(1.0)
    assert len(receiver.receptions[0].decodable()) == len({p.identity.frame for p in receiver.receptions[0].in_order})
    assert sending.plis == 0  # nobody was asked
    check_numbers(receiver)


def test_a_joiner_in_the_midst_of_a_long_gop_has_a_new_keyframe_asked_for():
    world = World()
    publisher = world.publish(camera(keyframe_every=0))
    world.run(CATCH_UP_PACKETS / 90 + 1)
    receiver = world.receive(None)
    world.run(0.5)
    first = receiver.receptions[0].in_order[0]
    assert publisher.streams[1000].plis == 1 and first.identity.keyframe and first.identity.index == 0
    check_numbers(receiver)


def test_a_joiner_is_asked_for_again_until_the_keyframe_comes():
    world = World()
    publisher = world.publish(camera(keyframe_every=0), down=Conditions(outages=((106.0, 108.2),)))
    world.run(6.0)
    receiver = world.receive(None)
    world.run(2.0)
    assert not receiver.receptions[0].packets
    world.run(1.0)
    assert receiver.receptions[0].packets and publisher.streams[1000].plis == 1
    assert world.media.publishers


def test_a_receiver_that_is_there_first_starts_with_the_first_packet():
    world = World()
    receiver = world.receive(None, Label.SLIDES, Label.MIC)
    world.run(1.0)
    assert all(not reception.packets for reception in receiver.receptions)  # silent until it comes
    publisher = world.publish(camera(), slides(), mic())
    world.run(1.0)
    for reception in receiver.receptions:
        assert reception.in_order[0].identity.frame == 0 and reception.gaps == 0
        assert reception.reports_before_first >= 1
    assert publisher.streams[1000].plis == 0


def test_fifty_joiners_within_100_ms_cost_at_most_two_keyframes():
    world = World()
    publisher = world.publish(camera(keyframe_every=0), down=FAR)
    world.run(6.0)
    receivers = []
    for _ in range(50):
        receivers.append(world.receive(None))
        world.run(0.002)
    world.run(1.0)
    assert 1 <= publisher.streams[1000].plis <= 2
    for receiver in receivers:
        assert receiver.receptions[0].in_order[0].identity.keyframe and receiver.receptions[0].gaps == 0


def test_fifty_picture_losses_within_100_ms_cost_at_most_two_keyframes():
    world = World()
    publisher = world.publish(camera(keyframe_every=0, first_seq=0), up=FAR, down=FAR)
    receivers = [world.receive(None) for _ in range(50)]
    world.run(10.0)
    before = publisher.streams[1000].plis
    for receiver in receivers:
        receiver.pli(10_000, world.now)
        world.run(0.002)
    world.run(1.0)
    assert 1 <= publisher.streams[1000].plis - before <= 2
    for receiver in receivers:
        assert sum(p.identity.keyframe and p.identity.index == 0 for p in receiver.receptions[0].in_order) >= 2


def test_a_lost_picture_is_mended_from_the_cache_without_a_gap():
    world = World()
    publisher = world.publish(camera())
    receiver, other = world.receive(None), world.receive(None)
    world.run(4.5)
    receiver.pli(10_000, world.now)
    before = len(receiver.receptions[0].packets)
    world.run(0.3)
    picture = receiver.receptions[0]
    again = picture.in_order[before - 5 :]
    assert any(p.identity.keyframe and p.identity.index == 0 for p in again)
    world.run(3.0)
    assert picture.gaps == 0 and picture.repeated == 0
    assert publisher.streams[1000].plis == 0 and receiver.slots[0].down.resent_packets == 0
    assert len(other.receptions[0].complete(1)) == publisher.streams[1000].frame - 1 or other.receptions[0].gaps == 0
    for end in (receiver, other):
        check_numbers(end)


def test_who_asks_again_within_a_second_gets_a_new_keyframe():
    world = World()
    publisher = world.publish(camera())
    receiver = world.receive(None)
    world.run(4.5)
    receiver.pli(10_000, world.now)
    world.run(0.2)
    receiver.pli(10_000, world.now)
    world.run(0.3)
    assert publisher.streams[1000].plis == 1


def test_a_keyframe_whose_first_packet_was_lost_starts_those_who_wait_as_soon_as_it_is_repaired():
    world = World()
    publisher = world.publish(camera(keyframe_every=0, packets_per_keyframe=2))
    world.run(6.0)
    sending = publisher.streams[1000]
    lost = []
    send = publisher.uplink.send

    def lose_first_of_keyframes(data: bytes, now: float) -> None:
        if data[12:14] == b"\x67\x42" and not rtcp.is_rtcp(data):
            lost.append(data)
        else:
            send(data, now)

    publisher.uplink.send = lose_first_of_keyframes
    receiver = world.receive(None)
    world.run(0.4)
    assert len(lost) == 1 and sending.plis == 1 and sending.nacked >= 1
    assert receiver.receptions[0].in_order[0].identity.index == 0
    assert receiver.receptions[0].in_order[0].identity.keyframe
    check_numbers(receiver)


def test_a_receiver_that_leaves_gets_nothing_more_and_disturbs_nobody():
    world = World()
    world.publish(camera(), mic())
    stays, leaves = world.receive(None, Label.MIC), world.receive(None, Label.MIC)
    world.run(1.0)
    world.leave(leaves)
    count = len(leaves.sends)
    world.run(1.0)
    assert len(leaves.sends) == count and stays.receptions[0].gaps == 0
    world.leave(stays)
    assert all(not up.downs and not up.waiting for up in world.media.ups.values())


# --- what flows where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "wish", "expected"),
    [
        pytest.param([camera(), slides()], None, 1, id="the programme is the camera"),
        pytest.param([slides()], None, 2, id="without a camera the programme is the slides"),
        pytest.param([slides(label=Label.SCREEN)], None, 2, id="and last the screen"),
        pytest.param([camera(), slides()], Label.CAMERA, 1, id="camera"),
        pytest.param([camera(), slides()], Label.SLIDES, 2, id="slides"),
        pytest.param([camera(), slides(label=Label.SCREEN)], Label.SLIDES, 2, id="the screen in place of slides"),
        pytest.param([camera(), slides()], Label.SCREEN, None, id="slides are no screen"),
        pytest.param([slides()], Label.CAMERA, None, id="slides are no camera"),
        pytest.param([camera(), mic()], Label.MIC, 3, id="sound"),
    ],
)
def test_slots(published, wish, expected):
    world = World()
    world.publish(*published)
    receiver = world.receive(wish)
    world.run(1.0)
    assert shown(receiver.receptions[0]) == ({expected} if expected else set())


def test_slides_take_the_slot_back_from_the_screen():
    world = World()
    world.publish(slides(label=Label.SCREEN))
    receiver = world.receive(Label.SLIDES)
    world.run(1.0)
    other = world.publish(slides(4000, number=4))
    world.run(2.0)
    assert receiver.receptions[0].in_order[-1].identity.stream == 4
    world.leave(other)
    world.run(2.0)
    assert receiver.receptions[0].in_order[-1].identity.stream == 2
    assert receiver.receptions[0].gaps == 0
    check_numbers(receiver)


def test_two_publishers_of_the_same_label_have_two_publications_and_the_first_is_shown():
    world = World()
    first = world.publish(camera(), participant="teacher")
    receiver = world.receive(Label.CAMERA)
    world.run(1.0)
    world.publish(camera(5000, number=5), participant="village")
    world.run(1.0)
    names = [event.publication.name for event in world.happened(PublicationAdded)]
    assert names == ["camera", "camera-2"] and shown(receiver.receptions[0]) == {1}
    world.leave(first)
    world.run(1.0)
    assert shown(receiver.receptions[0]) == {1}  # the other one is not what the slot wants


def test_a_slot_can_be_pinned_to_a_publication():
    world = World()
    world.publish(camera(), participant="teacher")
    world.publish(camera(5000, number=5), participant="village")
    world.run(0.5)
    pinned = next(e.publication for e in world.happened(PublicationAdded) if e.publication.name == "camera-2")
    receiver = world.receive(Label.CAMERA)
    receiver.slots[0].pinned = pinned.id
    world.receive(None)  # slots are looked at again whenever somebody comes
    world.publish(mic())
    world.run(3.0)
    assert receiver.receptions[0].in_order[-1].identity.stream == 5
    check_numbers(receiver)


def test_republishing_keeps_numbers_seamless():
    world = World()
    first = world.publish(camera(), mic())
    receiver = world.receive(None, Label.MIC)
    world.run(3.0)
    world.leave(first, "gone")
    world.run(1.3)
    second = world.publish(camera(first_seq=5, first_ts=77), mic(first_seq=9, first_ts=88), ntp_error_s=12.0)
    world.run(3.0)
    names = [event.publication.name for event in world.happened(PublicationAdded)]
    assert names == ["camera", "mic", "camera", "mic"]  # the same names: the same folders of the recording
    for reception, clock_rate_hz in zip(receiver.receptions, (90_000, 48_000), strict=True):
        assert reception.gaps == 0 and not reception.conflicts
        packets = reception.in_order
        seam = next(n for n in range(1, len(packets)) if packets[n].arrived_s - packets[n - 1].arrived_s > 1.0)
        assert packets[seam].ext_seq == packets[seam - 1].ext_seq + 1
        elapsed_s = (packets[seam].ts - packets[seam - 1].ts) / clock_rate_hz
        assert elapsed_s == pytest.approx(packets[seam].arrived_s - packets[seam - 1].arrived_s, abs=0.05)
    assert len(receiver.slots[0].down.numbers.runs) >= 2
    assert second.streams[1000].plis == 0
    check_numbers(receiver)


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "all in one batch"])
def test_publishing_again_replaces_the_former_publication_and_is_not_replaced_back(batched):
    """The former session still sends, perhaps for ever (a page left open): it must not take the slot back."""
    world = World()
    world.publish(camera(), mic())
    receiver = world.receive(None, Label.MIC)
    recorder = world.record()
    world.run(2.0)
    # Captured in the same instant, both sessions' packets reach the core in one batch.
    lag = Conditions(delay_s=0.002 if batched else 0.0071)
    second = world.publish(camera(6000, number=6), mic(7000, number=7), up=lag)
    world.run(3.0)
    for number, reception in enumerate(receiver.receptions):
        streams = [packet.identity.stream for packet in reception.in_order]
        switch = streams.index(6 + number)
        assert set(streams[:switch]) == {(1, 3)[number]} and set(streams[switch:]) == {6 + number}
        assert reception.gaps == 0 and not reception.conflicts
    assert (
        receiver.receptions[0]
        .in_order[[p.identity.stream for p in receiver.receptions[0].in_order].index(6)]
        .identity.keyframe
    )
    assert [e.reason for e in world.happened(PublicationRemoved)] == ["replaced", "replaced"]
    assert len(world.happened(PublicationAdded)) == 4 and len(world.media.ups) == 2
    assert world.media.unroutable > 100 and second.streams[6000].plis <= 1
    assert {track.name for track in recorder.tracks.values()} == {"camera", "mic"} and len(recorder.tracks) == 4
    assert [track.over for track in recorder.tracks.values()] == [True, True, False, False]
    check_numbers(receiver)


def test_two_publications_of_one_label_in_one_session_do_not_replace_each_other():
    world = World()
    world.publish(camera(), camera(5000, number=5, pt=100, rtx_pt=None, rtx_ssrc=None))
    world.run(1.0)
    assert [up.publication.name for up in world.media.ups.values()] == ["camera", "camera-2"]


def test_a_publisher_that_says_bye_and_comes_back_in_the_same_session():
    world = World()
    publisher = world.publish(camera())
    receiver = world.receive(None)
    world.run(1.0)
    publisher.sending = False
    publisher.uplink.send(rtcp.build_rr(1, []) + rtcp.build_bye([1000, 1001]), world.now)
    world.run(1.0)
    assert [e.reason for e in world.happened(PublicationRemoved)] == ["bye"] and not world.media.ups
    publisher.sending = True
    publisher.streams[1000].next_s = world.now
    publisher.streams[1000].keyframe_wanted = True
    world.run(1.0)
    assert len(world.happened(PublicationAdded)) == 2 and receiver.receptions[0].gaps == 0
    check_numbers(receiver)


def test_a_publisher_that_stops_in_the_middle_of_a_picture():
    world = World()
    publisher = world.publish(camera())
    receiver, recorder = world.receive(None), world.record()
    world.run(2.0)
    send = publisher.uplink.send
    cut = []

    def drop_the_rest(data: bytes, now: float) -> None:
        if cut or (not rtcp.is_rtcp(data) and data[13] & 0x40):  # the last fragment of a picture and all behind
            cut.append(data)
        else:
            send(data, now)

    publisher.uplink.send = drop_the_rest
    world.run(0.5)
    world.leave(publisher, "gone")
    other = world.publish(camera(5000, number=5), participant="teacher")
    world.run(1.0)
    packets = receiver.receptions[0].in_order
    seam = [p.identity.stream for p in packets].index(5)
    assert packets[seam - 1].identity.index == 1 and packets[seam].identity.keyframe
    assert receiver.receptions[0].gaps == 0 and other.streams[5000].plis == 0
    assert [track.over for track in recorder.tracks.values()] == [True, False]
    check_numbers(receiver)


def test_silence_makes_a_publication_not_live_and_packets_make_it_live_again():
    world = World()
    publisher = world.publish(camera())
    receiver = world.receive(None)
    world.run(2.0)
    publisher.sending = False
    stopped_s = world.now
    world.run(SILENCE_S + 2)
    (silent,) = [(at, e) for at, e in world.events if isinstance(e, PublicationLive)]
    assert not silent[1].live and SILENCE_S <= silent[0] - stopped_s <= SILENCE_S + 0.3
    publisher.sending = True
    publisher.streams[1000].next_s = world.now
    publisher._next_report_s = world.now
    world.run(1.0)
    assert [e.live for e in world.happened(PublicationLive)] == [False, True]
    assert len(world.happened(PublicationAdded)) == 1 and receiver.receptions[0].gaps == 0
    check_numbers(receiver)


# --- time --------------------------------------------------------------------------------------------------------


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
