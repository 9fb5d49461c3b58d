"""Loss, reordering, duplication and wraps between publishers, the core and receivers."""

import pytest

from classroom.model import Label
from classroom.sfu.core.lesson import LessonMedia
from tests.sim.netem import Conditions, GilbertElliott
from tests.sim.publisher import camera, mic
from tests.sim.world import LAN, World, check_numbers

RURAL = Conditions(delay_s=0.05)  # RTT 100 ms


def frames(publisher, ssrc, world, *, until_s: float) -> set[int]:
    """Frames captured before ``until_s`` from now back."""
    return {n for n, at_s in publisher.streams[ssrc].captured_s.items() if at_s <= world.now - until_s}


@pytest.mark.parametrize(
    "loss",
    [
        pytest.param(Conditions(delay_s=0.05, loss=0.05), id="5 % at random"),
        pytest.param(Conditions(delay_s=0.05, bursts=GilbertElliott(0.02, 0.4)), id="5 % in bursts"),
    ],
)
@pytest.mark.parametrize("rtx", [True, False], ids=["RTX", "plain"])
def test_loss_on_the_uplink_is_repaired(loss, rtx):
    world = World()
    options = {} if rtx else {"rtx_pt": None, "rtx_ssrc": None}
    publisher = world.publish(camera(**options), mic(), up=loss, down=RURAL)
    receiver = world.receive(None, Label.MIC)
    world.run(30.0)
    publisher.sending = False
    world.run(1.0)
    assert publisher.uplink.lost > 100
    picture, sound = receiver.receptions
    for reception, ssrc in ((picture, 1000), (sound, 3000)):
        sent = publisher.streams[ssrc].packets
        first = min(p.identity.frame for p in reception.packets.values())
        assert first <= 3
        assert len(reception.packets) >= 0.999 * (sent - 12)
        assert publisher.streams[ssrc].nacked > 0
    assert len(picture.decodable()) >= 0.995 * publisher.streams[1000].frame
    assert publisher.streams[1000].plis <= 1
    check_numbers(receiver)


def test_a_hole_is_asked_for_once_per_round_trip():
    world = World()
    publisher = world.publish(camera(), up=Conditions(delay_s=0.05, loss=0.05), down=RURAL)
    world.receive(None)
    world.run(30.0)
    assert publisher.streams[1000].nacked <= 1.4 * publisher.uplink.lost


def test_loss_on_one_downlink_leaves_the_others_alone():
    world = World()
    publisher = world.publish(camera(), mic())
    good = world.receive(None, Label.MIC)
    world.run(0.5)
    bad = world.receive(None, Label.MIC, down=Conditions(delay_s=0.05, loss=0.1), up=RURAL)
    world.run(20.0)
    before = [reception.repeated for reception in good.receptions]
    publisher.sending = False
    world.run(1.0)
    assert bad.downlink_path.lost > 100
    for reception in bad.receptions:
        assert reception.gaps <= 0.002 * len(reception.packets)
    assert [r.gaps for r in good.receptions] == [0, 0] and before == [0, 0]
    assert publisher.streams[1000].plis == 0 and publisher.streams[1000].nacked == 0
    for receiver in (good, bad):
        check_numbers(receiver)
        assert all(p.identity.total for p in receiver.receptions[0].packets.values())


def test_retransmission_without_rtx_repeats_the_number_and_the_bytes():
    world = World()
    world.publish(camera())
    receiver = world.receive(
        None, down=Conditions(delay_s=0.05, loss=0.1), up=RURAL, rtx=False, capture_time_ext=4
    )  # fmt: skip
    world.run(10.0)
    (picture,) = receiver.receptions
    assert receiver.slots[0].down.resent_packets > 50 and picture.gaps <= 2
    assert not picture.conflicts


@pytest.mark.parametrize("seed", range(3))
def test_duplicates_and_reordering_change_nothing(seed):
    rough = Conditions(delay_s=0.02, duplicate=0.1, reorder=0.1, reorder_s=0.006)
    world = World(seed)
    publisher = world.publish(camera(), mic(), up=rough)
    receiver = world.receive(None, Label.MIC)
    world.run(10.0)
    publisher.sending = False
    world.run(1.0)
    picture, sound = receiver.receptions
    assert picture.gaps == sound.gaps == 0
    assert picture.repeated == sound.repeated == 0  # each packet once, however often it came
    assert picture.complete(1) == set(range(publisher.streams[1000].frame))
    assert publisher.streams[1000].nacked == 0  # late by less than the grace is not lost
    check_numbers(receiver)
    assert world.media.publishers and sum(up.duplicates for up in world.media.tracks()) > 50


def test_sequence_numbers_and_timestamps_wrap_in_mid_stream():
    world = World()
    publisher = world.publish(
        camera(first_seq=65_530, first_ts=2**32 - 9000), mic(first_seq=65_530, first_ts=2**32 - 9000)
    )
    receiver = world.receive(None, Label.MIC, down=Conditions(delay_s=0.01, loss=0.05), up=LAN)
    world.run(5.0)
    publisher.sending = False
    world.run(1.0)
    for reception, number in zip(receiver.receptions, (1, 3), strict=True):
        assert reception.gaps == 0
        assert len(reception.complete(number)) >= 0.99 * publisher.streams[number * 1000].frame
    check_numbers(receiver)


def test_more_than_a_wrap_of_packets_in_one_run_still_can_be_sent_again():
    world = World()
    publisher = world.publish(mic(interval_s=0.001))
    receiver = world.receive(Label.MIC, down=Conditions(delay_s=0.01, loss=0.01))
    world.run(70.0)
    publisher.sending = False
    world.run(1.0)
    (sound,) = receiver.receptions
    assert len(sound.packets) > 65_536 and receiver.downlink_path.lost > 500
    assert sound.gaps == 0 and not sound.conflicts
    assert len(receiver.slots[0].down.numbers.runs) == 1


def test_packets_older_than_the_cache_are_dropped_and_counted():
    world = World()
    publisher = world.publish(camera())
    receiver = world.receive(None)
    world.run(2.0)
    first = next(iter(publisher.streams[1000].history.values()))
    world.run(10.0)  # 900 packets and more: the ring of 1024 has turned
    (up,) = world.media.tracks()
    duplicates = up.duplicates
    (session,) = world.media.publishers
    world.media.receive(session, first, world.now)
    world.run(1.0)
    assert up.duplicates == duplicates + 1
    assert receiver.receptions[0].repeated == 0 and receiver.receptions[0].gaps == 0


def test_a_nack_for_what_has_left_the_cache_is_not_answered():
    world = World()
    world.publish(camera())
    receiver = world.receive(None)
    world.run(1.0)
    (down,) = (slot.down for slot in receiver.slots)
    seq = receiver.receptions[0].order[0] & 0xFFFF
    world.run(15.0)
    assert down.retransmission(seq, world.now, 0.1) is None


def test_an_outage_of_the_uplink_ends_with_a_keyframe_for_everybody():
    world = World()
    publisher = world.publish(
        camera(keyframe_every=0, packets_per_frame=8), up=Conditions(delay_s=0.02, outages=((105.0, 108.5),)), down=LAN
    )  # fmt: skip
    receiver = world.receive(None)
    world.run(15.0)
    picture = receiver.receptions[0]
    after = [p for p in picture.decodable() if p.arrived_s > 108.5]
    assert after and after[0].identity.keyframe and after[0].arrived_s < 110.5
    assert publisher.streams[1000].plis >= 1
    check_numbers(receiver)


@pytest.mark.parametrize("nack", [True, False], ids=["NACK", "no NACK"])
def test_padding_without_payload_keeps_its_number_and_makes_no_loss(nack):
    """Browsers that have no RTX probe the path with empty packets of the media stream."""
    world = World()
    publisher = world.publish(camera(nack=nack))
    receiver = world.receive(None)
    world.run(1.0)
    sending = publisher.streams[1000]
    for _ in range(20):
        padding = bytearray(next(reversed(sending.history.values()))[:12])
        padding[0] |= 0x20
        padding[2:4] = sending.seq.to_bytes(2, "big")
        sending.seq = (sending.seq + 1) & 0xFFFF
        publisher.uplink.send(bytes(padding) + bytes(99) + b"\x64", world.now)
        world.run(0.1)
    reception = receiver.receptions[0]
    assert reception.gaps == 0
    assert sum(not p.payload for p in reception.packets.values()) == 20
    assert sending.nacked == 0 and sending.plis == 0


def test_padding_alone_makes_no_publication():
    world = World()
    world.publish(camera())
    world.media.receive(next(iter(world.media.publishers)), bytes.fromhex("a060000000000000000003e8") + b"\1", 100.0)
    assert isinstance(world.media, LessonMedia) and not world.media.publications
