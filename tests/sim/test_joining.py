"""Those who join, ask for keyframes, and leave: LessonMedia in virtual time."""

from itertools import pairwise

from classroom.model import Label
from classroom.sfu.core import rtcp
from classroom.sfu.core.forwarding import CATCH_UP_PACKETS
from tests.sim.netem import Conditions
from tests.sim.publisher import camera, mic, slides
from tests.sim.world import World, check_numbers

FAR = Conditions(delay_s=0.05)


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
    publisher = world.publish(camera(keyframe_every=100))
    receiver = world.receive(None)
    world.run(2.5)
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
    assert all(not up.downs and not up.waiting for up in world.media.tracks())
