"""What an observer tells of a lesson: a real one, in virtual time."""

import json
import pickle
from dataclasses import asdict

import pytest

from classroom.live.link import Cause, Link, Verdict, judge
from classroom.model import Label, LessonId, SlotWish
from classroom.sfu.core.histogram import Histogram
from classroom.sfu.core.layers import Reason
from classroom.sfu.core.observer import INTERVAL_S, LessonObserver
from tests.sim.netem import Conditions
from tests.sim.publisher import PAYLOAD_BYTES, camera, mic
from tests.sim.world import World

CAMERA_PACKETS_PER_S = 30 * 3 + 0.5 * 9  # and nine more for a keyframe each two seconds


def watched(world: World) -> tuple[LessonObserver, Histogram]:
    delays = Histogram()
    return LessonObserver(LessonId("maths"), world.media, delays), delays


def test_rates_are_those_since_the_answer_before():
    world = World()
    world.publish(camera(), mic())
    world.receive(None, Label.MIC)
    observer, delays = watched(world)
    world.run(3.0)
    first = observer.observe(world.now)
    assert [receiver.bitrate_bps for receiver in first.receivers] == [0.0]
    world.run(4.0)
    delays.observe(0.003)
    second = observer.observe(world.now)
    (receiver,) = second.receivers
    picture, sound = receiver.slots
    assert picture.bitrate_bps == pytest.approx(8 * PAYLOAD_BYTES * CAMERA_PACKETS_PER_S, rel=0.1)
    assert sound.bitrate_bps == pytest.approx(8 * PAYLOAD_BYTES * 50, rel=0.1)
    assert receiver.bitrate_bps == picture.bitrate_bps + sound.bitrate_bps
    assert receiver.packets > 900 and receiver.octets == receiver.packets * PAYLOAD_BYTES
    assert (picture.publication, picture.layer, picture.layers, picture.reason) == ("camera", 0, 1, Reason.NONE)
    assert (sound.publication, sound.wish) == ("mic", SlotWish.MIC)
    told = {publication.name: publication for publication in second.publications}
    assert set(told) == {"camera", "mic"} and all(publication.live for publication in told.values())
    (layer,) = told["camera"].layers
    assert layer.receivers == 1 and layer.keyframes == 4 and layer.loss == 0 and not layer.paused
    assert layer.bitrate_bps == pytest.approx(8 * (PAYLOAD_BYTES + 12) * CAMERA_PACKETS_PER_S, rel=0.3)
    assert sum(second.delay_counts) == 1 and second.delay_sum_s == 0.003


def test_who_asks_again_at_once_gets_the_same_answer():
    world = World()
    world.publish(camera())
    observer, _ = watched(world)
    world.run(1.0)
    first = observer.observe(world.now)
    assert observer.observe(world.now + INTERVAL_S / 2) is first
    assert observer.observe(world.now + INTERVAL_S) is not first


def test_loss_is_that_of_late_and_the_counts_are_of_all_time():
    world = World()
    publisher = world.publish(camera(nack=False), up=Conditions(loss=0.2))
    observer, _ = watched(world)
    world.run(5.0)
    (before,) = observer.observe(world.now).publications
    assert before.layers[0].loss == pytest.approx(0.2, abs=0.07) and before.layers[0].lost > 50
    publisher.uplink.conditions = Conditions()
    world.run(0.1)
    observer.observe(world.now + INTERVAL_S)
    world.run(5.0)
    (after,) = observer.observe(world.now).publications
    assert after.layers[0].loss == 0 and after.layers[0].lost >= before.layers[0].lost
    assert after.layers[0].keyframe_requests == 0


def test_nothing_is_lost_where_nothing_came():
    world = World()
    publisher = world.publish(camera())
    observer, _ = watched(world)
    world.run(1.0)
    observer.observe(world.now)
    publisher.sending = False
    world.run(2.0)
    observer.observe(world.now)
    world.run(2.0)
    (publication,) = observer.observe(world.now).publications
    assert publication.layers[0].loss == 0 and not publication.live


def test_who_waits_for_a_keyframe_is_told_so_and_an_empty_slot_is_empty():
    world = World()
    publisher = world.publish(camera(keyframe_every=0))
    publisher.streams[1000].keyframe_wanted, publisher.streams[1000].keyframe_at_s = False, float("inf")
    world.receive(None, Label.MIC)
    observer, _ = watched(world)
    world.run(1.0)
    stats = observer.observe(world.now)
    picture, sound = stats.receivers[0].slots
    assert (picture.layer, picture.layers, picture.reason) == (None, 1, Reason.NO_KEYFRAME)
    assert (sound.publication, sound.layer, sound.layers, sound.reason) == (None, None, 0, Reason.NONE)
    assert stats.publications[0].layers[0].keyframe_requests >= 1


def test_what_was_not_forwarded_is_counted_by_reason():
    world = World()
    publisher = world.publish(camera())
    world.receive(None)
    world.run(1.0)
    (session,) = world.media.publishers
    sent = next(iter(publisher.streams[1000].history.values()))
    for data in (sent, b"\x80", b"\x80\x7f" + bytes(20)):
        world.media.receive(session, data, world.now)
    observer, _ = watched(world)
    assert observer.observe(world.now).dropped == {"malformed": 1, "unroutable": 1, "duplicate": 1}


def test_the_answer_is_fit_for_pickle_and_json():
    world = World()
    world.publish(camera(), mic())
    world.receive(None, Label.MIC)
    world.record()
    observer, _ = watched(world)
    world.run(2.0)
    stats = observer.observe(world.now)
    assert len(stats.receivers) == 2
    assert pickle.loads(pickle.dumps(stats)) == stats
    assert json.loads(json.dumps(asdict(stats)))["publications"][0]["name"] == "camera"


def test_the_path_of_a_receiver_is_told_and_why_it_gets_less():
    world = World()
    world.publish(camera(payload_bytes=1100), mic())  # 800 kbit/s
    narrow = Conditions(delay_s=0.02, rate_bps=300_000)
    world.receive(None, Label.MIC, twcc=True, down=narrow)
    world.receive(None, Label.MIC, twcc=True)
    world.receive(None)
    observer, _ = watched(world)
    world.run(20.0)
    slow, fast, silent = observer.observe(world.now).receivers
    assert slow.estimate_bps is not None and slow.estimate_bps < 400_000 and slow.queue_delay_s is not None
    assert (slow.slots[0].layer, slow.slots[0].reason) == (None, Reason.BANDWIDTH)
    assert slow.slots[1].layer == 0
    assert judge(slow) == Verdict(Link.POOR, Cause.NO_PICTURE)
    assert fast.estimate_bps is not None and fast.estimate_bps > 800_000
    assert fast.slots[0].layer == 0 and judge(fast) == Verdict(Link.GOOD, Cause.NONE)
    assert silent.estimate_bps is None and silent.queue_delay_s is None and silent.dropped_packets == 0
