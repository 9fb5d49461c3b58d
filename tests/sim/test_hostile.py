"""Publishers that are wrong, broken or hostile: replay, truncation, clashing SSRCs, no keyframes. In virtual time."""

import random

import pytest

from classroom.model import Label
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, PublicationRemoved
from classroom.sfu.core.rtp import build_rtp
from tests.sim.netem import Conditions
from tests.sim.publisher import camera, mic
from tests.sim.receiver import Receiver
from tests.sim.world import World, check_numbers


def streams_of(receiver: Receiver) -> list[set[int]]:
    """For each slot the numbers of the streams that came."""
    return [{p.identity.stream for p in reception.packets.values()} for reception in receiver.receptions]


def overhear(publisher, change) -> list[bytes]:
    """Let ``change`` decide what is sent in the place of each RTP packet; returns what was to be sent."""
    send, heard = publisher.uplink.send, []

    def changed(data: bytes, now: float) -> None:
        if rtcp.is_rtcp(data):
            send(data, now)
            return
        heard.append(data)
        for other in change(data):
            send(other, now)

    publisher.uplink.send = changed
    return heard


def test_everything_replayed_twice_changes_nothing():
    world = World()
    publisher = world.publish(camera(), mic())
    receiver, recorder = world.receive(None, Label.MIC), world.record()
    heard = overhear(publisher, lambda data: [data])
    world.run(2.0)
    before = list(heard)
    for _ in range(2):
        world.run(1.0)
        for data in before:
            publisher.uplink.send(data, world.now)
    world.run(1.0)
    publisher.sending = False
    world.run(0.5)
    for reception, ssrc in zip(receiver.receptions, (1000, 3000), strict=True):
        assert reception.gaps == 0 and reception.repeated == 0
        assert len(reception.packets) == publisher.streams[ssrc].packets
    seqs = [seq for track in recorder.tracks.values() for seq, _, _ in track.packets]
    assert len(seqs) == sum(s.packets for s in publisher.streams.values())
    check_numbers(receiver)


@pytest.mark.parametrize("seed", range(3))
def test_truncated_packets_are_counted_or_passed_on_and_harm_nothing_else(seed):
    world, rng = World(seed), random.Random(seed)
    bad, good = world.publish(camera()), world.publish(camera(5000, number=5), mic(), participant="village")
    receiver = world.receive(None, Label.MIC)
    world.run(0.5)
    cut_short = []

    def cut(data: bytes) -> list[bytes]:
        if rng.random() > 0.05:
            return [data]
        cut_short.append(data[: rng.choice((0, 1, 3, 7, 11, 12, 40))])
        return [cut_short[-1], data] if rng.random() < 0.5 else [cut_short[-1]]

    overhear(bad, cut)
    world.run(10.0)
    assert world.media.malformed >= 0.5 * len(cut_short) > 20
    assert not world.happened(PublicationRemoved)
    picture, sound = receiver.receptions
    assert not picture.conflicts and picture.gaps <= 2
    assert sound.gaps == 0 and len(sound.packets) >= 0.99 * good.streams[3000].packets
    assert bad.streams[1000].plis <= 2 + 10 / 0.5


def test_two_publishers_with_the_same_ssrcs_are_two_publishers():
    world = World()
    rough = Conditions(delay_s=0.01, loss=0.03)
    teacher = world.publish(camera(), mic(), participant="teacher", up=rough)
    village = world.publish(camera(number=5), mic(number=6), participant="village", up=rough)
    main, guest = world.receive(None, Label.MIC), world.receive(Label.CAMERA)
    world.run(0.5)
    other = next(e.publication for e in world.happened(PublicationAdded) if e.publication.name == "camera-2")
    guest.slots[0].pinned = other.id
    world.publish(mic(7000, number=7), participant="third")  # slots are looked at again whenever somebody publishes
    world.run(5.0)
    assert streams_of(main) == [{1}, {3}]
    assert guest.receptions[0].in_order[-1].identity.stream == 5
    for publisher in (teacher, village):  # each was asked for what it had lost
        sending = publisher.streams[1000]
        assert 0 < sending.nacked <= 2 * publisher.uplink.lost
        publisher.sending = False
    world.run(1.0)
    assert main.receptions[0].gaps == 0
    world.leave(village, "gone")
    assert len(world.media.publications) == 3 and len(world.happened(PublicationRemoved)) == 2
    for receiver in (main, guest):
        check_numbers(receiver)


def test_a_publisher_whose_ssrcs_are_those_of_our_own_streams():
    """10000 is what we send the picture to every receiver under, 20000 its RTX."""
    world = World()
    publisher = world.publish(camera(10_000, rtx_ssrc=20_000), mic(10_001), up=Conditions(delay_s=0.01, loss=0.05))
    receiver = world.receive(None, Label.MIC, down=Conditions(delay_s=0.01, loss=0.05))
    world.run(5.0)
    plis = publisher.streams[10_000].plis
    receiver.pli(10_000, world.now)  # served from the cache
    world.run(1.0)
    publisher.sending = False
    world.run(1.0)
    assert publisher.streams[10_000].plis == plis
    assert publisher.uplink.lost > 20 and receiver.downlink_path.lost > 20
    for reception in receiver.receptions:
        assert reception.gaps == 0
    assert streams_of(receiver) == [{1}, {3}]
    check_numbers(receiver)


def test_a_publisher_that_sends_no_keyframe_is_asked_for_one_with_patience():
    world = World()
    publisher = world.publish(camera(keyframe_every=0), mic())
    publisher.streams[1000].keyframe_wanted = False
    publisher.streams[1000].keyframe_at_s = float("inf")  # it never obeys
    receiver, late = world.receive(None, Label.MIC), None
    world.run(10.0)
    late = world.receive(None)
    world.run(10.0)
    sending = publisher.streams[1000]
    assert 20 <= sending.plis <= 2 * 20 + 1
    assert not receiver.receptions[0].packets and not late.receptions[0].packets
    assert len(receiver.receptions[1].packets) >= 0.99 * publisher.streams[3000].packets
    sending.keyframe_at_s = float("-inf")
    world.run(1.0)
    for picture in (receiver.receptions[0], late.receptions[0]):
        assert picture.in_order[0].identity.keyframe and picture.gaps == 0
    plis = sending.plis
    world.run(5.0)
    assert sending.plis == plis


@pytest.mark.parametrize("jump", [700, 20_000, 32_767, -700, -20_000, -32_768])
def test_a_publisher_whose_numbers_jump_comes_back_with_a_keyframe(jump):
    world = World()
    publisher = world.publish(camera(keyframe_every=0), mic())
    receiver = world.receive(None, Label.MIC)
    world.run(2.0)
    sending = publisher.streams[1000]
    sending.seq = (sending.seq + jump) & 0xFFFF
    sending.history.clear()
    jumped_s = world.now
    world.run(6.0)
    picture = receiver.receptions[0]
    assert not picture.conflicts
    shown = [p for p in picture.decodable() if p.arrived_s > jumped_s + 4]
    assert len(shown) > 40, "the picture is back"
    assert sending.nacked <= 512 and sending.plis <= 10
    assert receiver.receptions[1].gaps == 0


def test_a_publisher_that_changes_resolution_begins_anew_without_a_seam():
    """A new keyframe with larger pictures, timestamps that go on from another origin, the same SSRC."""
    world = World()
    publisher = world.publish(camera(), mic())
    receiver = world.receive(None, Label.MIC)
    world.run(3.0)
    sending = publisher.streams[1000]
    sending.stream = camera(packets_per_frame=9, packets_per_keyframe=60, payload_bytes=1100, first_ts=77)
    sending.keyframe_wanted = True
    world.run(1.0)
    late = world.receive(None)
    world.run(3.0)
    publisher.sending = False
    world.run(0.5)
    for picture in (receiver.receptions[0], late.receptions[0]):
        assert picture.gaps == 0 and not picture.conflicts
        assert picture.decodable()[-1].identity.total == 9
    assert late.receptions[0].in_order[0].identity.total == 60
    shown = [p.identity.frame for p in receiver.receptions[0].decodable()]
    assert shown == list(range(shown[0], shown[0] + len(shown)))


def test_ssrcs_without_end_do_not_add_up():
    """A publisher that sends each packet under an SSRC of its own has one publication at most, and nothing is kept."""
    world = World()
    publisher = world.publish(camera(), mic())
    receiver = world.receive(None, Label.MIC)
    (session,) = world.media.publishers
    world.run(1.0)
    for number in range(5000):
        packet = build_rtp(pt=(96, 97, 111)[number % 3], seq=number, ts=0, ssrc=50_000 + number, payload=b"\x67" * 2)
        world.media.receive(session, packet, world.now)
        world.media.receive(session, rtcp.build_sr(rtcp.SenderReport(50_000 + number, 1, 1, 0, 0)), world.now)
    world.run(2.0)
    (held,) = world.media.publishers.values()
    assert len(world.media.publications) == 2 and len(held.early_reports) <= 64
    assert streams_of(receiver) == [{1}, {3}] and publisher.streams[1000].plis <= 1
    assert [reception.gaps for reception in receiver.receptions] == [0, 0]
    check_numbers(receiver)
