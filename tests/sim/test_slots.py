"""What flows into which slot, and publications that come, go and come back: LessonMedia in virtual time."""

import pytest

from classroom.model import Label
from classroom.sfu.core import rtcp
from classroom.sfu.core.events import PublicationAdded, PublicationLive, PublicationRemoved
from classroom.sfu.core.up_track import SILENCE_S
from tests.sim.netem import Conditions
from tests.sim.publisher import camera, mic, slides
from tests.sim.world import World, check_numbers


def shown(reception) -> set[int]:
    """Numbers of the streams that came."""
    return {packet.identity.stream for packet in reception.packets.values()}


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
    assert len(world.happened(PublicationAdded)) == 4 and len(world.media.publications) == 2
    assert world.media.unroutable > 100 and second.streams[6000].plis <= 1
    assert {track.name for track in recorder.tracks.values()} == {"camera", "mic"} and len(recorder.tracks) == 4
    assert [track.over for track in recorder.tracks.values()] == [True, True, False, False]
    check_numbers(receiver)


def test_two_publications_of_one_label_in_one_session_do_not_replace_each_other():
    world = World()
    world.publish(camera(), camera(5000, number=5, pt=100, rtx_pt=None, rtx_ssrc=None))
    world.run(1.0)
    assert [up.publication.name for up in world.media.tracks()] == ["camera", "camera-2"]


def test_a_publisher_that_says_bye_and_comes_back_in_the_same_session():
    world = World()
    publisher = world.publish(camera())
    receiver = world.receive(None)
    world.run(1.0)
    publisher.sending = False
    publisher.uplink.send(rtcp.build_rr(1, []) + rtcp.build_bye([1000, 1001]), world.now)
    world.run(1.0)
    assert [e.reason for e in world.happened(PublicationRemoved)] == ["bye"] and not world.media.publications
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
