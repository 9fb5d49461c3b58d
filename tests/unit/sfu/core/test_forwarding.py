"""What leaves when, on a path that takes it slowly: nothing twice, nothing out of order, no number without a packet."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.capture_clock import CaptureClock, PublisherClock
from classroom.sfu.core.down_track import PADDING_BYTES, DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.forwarding import Forwarding
from classroom.sfu.core.pacer import PICTURE_STALE_S, Priority
from classroom.sfu.core.rtp import build_rtp, parse_rtp
from classroom.sfu.core.send_log import SendLog
from classroom.sfu.core.up_track import SPACING_S, UpTrack

SPS, SLICE = b"\x67", b"\x41"
SLOW_BPS = 200_000


class Path:
    """One publisher's picture on its way to one receiver."""

    def __init__(self, estimate_bps: float | None = SLOW_BPS, kind: TrackKind = TrackKind.VIDEO, **options) -> None:
        publication = Publication(PublicationId("p"), ParticipantId("t"), Label.CAMERA, kind, "camera")
        rate = 90_000 if kind is TrackKind.VIDEO else 48_000
        self.up = UpTrack(publication, 1, rate, CaptureClock(PublisherClock(), rate), nack=True)
        log = SendLog()
        self.down = DownTrack(
            None, ssrc=9, pt=102, clock_rate_hz=rate, rtx_ssrc=10, rtx_pt=103, twcc_ext=5, send_log=log, **options
        )
        self.downlink = None if estimate_bps is None else Downlink(log)
        if self.downlink is not None and estimate_bps is not None:
            self.downlink.remb(estimate_bps, 0.0)
        self.down.downlink = self.downlink
        if kind is TrackKind.AUDIO:
            self.down.priority = Priority.VOICE
        self.forwarding = Forwarding()
        self.left: list[tuple[float, int, int]] = []  # (when, number, number of the publisher)
        self.resent: list[bytes] = []

    def plug(self, now: float = 0.0, **options) -> None:
        self.forwarding.plug(self.down, self.up, now, **options)

    def comes(self, now: float, *seqs: int, keyframe: bool = False, size: int = 1000) -> None:
        for n, seq in enumerate(seqs):
            payload = (SPS if keyframe and n == 0 else SLICE) + bytes(size)
            packet = parse_rtp(build_rtp(pt=96, seq=seq, ts=round(now * 90_000), ssrc=1, payload=payload))
            assert self.up.receive(packet, now, now)
            self.forwarding.touch(self.up)
        self.take(now)

    def take(self, now: float) -> None:
        self.forwarding.plan()
        for burst in self.forwarding.take_bursts():
            for packet in burst.packets:
                self.left.append((now, packet.ext_seq + burst.seq_offset, packet.ext_seq & 0xFFFF))
        self.resent += [data for _, data in self.forwarding.take_resends()]

    def passes(self, since: float, until: float) -> None:
        for step in range(round((until - since) * 1000)):
            now = since + step / 1000
            for downlink in self.forwarding.held():
                self.forwarding.release(downlink, None, now)
            self.take(now)

    @property
    def numbers(self) -> list[int]:
        return [number for _, number, _ in self.left]


def test_what_the_path_cannot_take_waits_and_leaves_in_order():
    path = Path()
    path.plug()
    path.comes(0.0, *range(10), keyframe=True)
    assert 1 <= len(path.left) < 10 and path.forwarding.held() == [path.downlink]
    assert path.forwarding.next_timeout() < 0.1
    path.passes(0.0, 0.5)
    assert [seq for _, _, seq in path.left] == list(range(10)) and path.numbers == sorted(path.numbers)
    assert path.left[-1][0] > 0.05
    assert path.forwarding.held() == [] and path.forwarding.next_timeout() == float("inf")


def test_without_a_downlink_everything_leaves_at_once():
    path = Path(None)
    path.plug()
    path.comes(0.0, *range(50), keyframe=True)
    assert len(path.left) == 50


def test_voice_never_waits():
    path = Path(SLOW_BPS, TrackKind.AUDIO)
    path.plug()
    path.comes(0.0, *range(100))
    assert len(path.left) == 100


def test_what_waited_too_long_is_dropped_and_its_numbers_go_to_what_follows():
    path = Path()
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    for n in range(1, 60):  # 2 Mbit/s into 0.2
        path.comes(n / 100, *range(10 * n, 10 * n + 3))
        path.passes(n / 100, (n + 1) / 100)
    assert path.down.up is None and path.down.next_up is path.up, "it waits for a keyframe"
    assert path.up.take_keyframe_request(SPACING_S)
    sent = len(path.left)
    path.comes(3.0, 700, 701, keyframe=True)
    path.passes(3.0, 3.5)
    assert path.down.up is path.up and len(path.left) == sent + 2
    assert path.numbers[sent] == max(path.numbers[:sent]) + 1, "a number that nothing left under is not missed"
    assert path.numbers[sent - 1] > path.numbers[0]
    assert max(at for at, _, seq in path.left[:sent] if seq) < 0.6 + PICTURE_STALE_S + 2


def test_after_a_drop_it_does_not_begin_with_what_was_dropped():
    path = Path()
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    for n in range(1, 60):
        path.comes(n / 100, *range(10 * n, 10 * n + 3))
        path.passes(n / 100, (n + 1) / 100)
    sent = len(path.left)
    path.comes(1.0, 650)
    path.passes(1.0, 1.5)
    assert len(path.left) == sent


def test_a_start_that_was_dropped_leaves_nothing_behind_under_numbers_that_are_given_again():
    """What filled a hole behind the keyframe in the same batch belongs to the start that did not fit."""
    path = Path()
    path.plug()
    path.comes(0.0, 0, 1, *range(3, 450), 2, keyframe=True)
    assert path.down.up is None and len(path.left) == 1
    path.passes(0.0, 1.0)
    path.comes(SPACING_S, *range(450, 456), keyframe=True)
    path.passes(SPACING_S, SPACING_S + 1.0)
    assert [seq for _, _, seq in path.left] == [0, *range(450, 456)]
    assert len(set(path.numbers)) == len(path.numbers)


def test_of_whom_nothing_left_may_begin_with_another_layer_from_the_cache():
    busy, path, layer = Path(), Path(first_seq=700), Path(None)
    path.downlink = path.down.downlink = busy.downlink
    path.forwarding, path.left = busy.forwarding, busy.left
    busy.plug()
    busy.comes(0.0, *range(10), keyframe=True)
    path.plug()
    path.comes(0.1, 0, 1, keyframe=True)
    sent = len(path.left)
    path.passes(3.0, 3.001)  # nobody had a turn until then: all that waited is stale
    assert path.down.up is None and len(path.left) == sent
    layer.comes(3.1, 0, 1, keyframe=True)
    path.forwarding.plug(path.down, layer.up, 3.2)
    path.passes(3.2, 3.7)
    assert path.down.up is layer.up
    assert [(number & 0xFFFF, seq) for _, number, seq in path.left[sent:]] == [(700, 0), (701, 1)]


def test_sound_that_came_late_is_sent_again_with_the_copies_that_it_left_with():
    """A report that changes the copies may come between: two texts under one number would break SRTP."""
    path = Path(None, TrackKind.AUDIO, red_pt=63)
    path.plug()
    sent: dict[int, bytes] = {}

    def come(*seqs: int) -> None:
        for seq in seqs:
            assert path.up.receive(
                parse_rtp(build_rtp(pt=111, seq=seq, ts=960 * seq, ssrc=1, payload=bytes(9))), seq / 50, 0.0
            )
            path.forwarding.touch(path.up)
        path.forwarding.plan()
        for burst in path.forwarding.take_bursts():
            sent.update({(p.ext_seq + burst.seq_offset) & 0xFFFF: p.payload for p in burst.packets})

    come(*range(10))
    path.down.redundancy.lost(0.2, 0.05, 0.2)
    come(10, 12, 11)
    assert len(sent) == 13
    for number, payload in sent.items():
        assert parse_rtp(path.down.retransmission(number, 1.0, 0.0)).payload[2:] == payload, number


def test_what_stalls_while_it_waits_for_something_else_goes_on_waiting_for_that():
    path, other = Path(), Path(None)
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    path.forwarding.plug(path.down, other.up, 0.0)
    for n in range(1, 60):
        path.comes(n / 100, *range(10 * n, 10 * n + 3))
        path.passes(n / 100, (n + 1) / 100)
    assert path.down.up is None and path.down.next_up is other.up
    assert path.up.waiting == [] and other.up.waiting == [path.down]


def test_a_late_packet_waits_its_turn():
    path = Path()
    path.plug()
    path.comes(0.0, 0, 1, 3, 4, 5, 6, keyframe=True)
    path.comes(0.0, 2)
    path.passes(0.0, 0.5)
    assert sorted(path.numbers) == list(range(path.numbers[0], path.numbers[0] + 7))
    assert path.numbers[-1] != max(path.numbers)


def test_a_joiner_with_little_room_waits_for_a_new_keyframe():
    path = Path(None)
    path.comes(0.0, *range(20), keyframe=True)
    path.plug(0.1, catch_up_bytes=10_000)
    path.take(0.1)
    assert path.left == [] and path.up.waiting == [path.down]
    path.comes(0.2, 20)
    assert path.left == []
    path.comes(0.3, 21, keyframe=True)
    assert len(path.left) == 1 and path.up.waiting == []


def test_a_recorder_does_not_go_back_to_what_another_layer_showed_long_ago():
    path, stopped = Path(None, realtime=False), Path(None)
    stopped.forwarding, stopped.left = path.forwarding, path.left
    stopped.comes(0.0, *range(10), keyframe=True)  # then its link became too thin for it
    path.plug()
    path.comes(9.9, 0, 1, keyframe=True)
    path.forwarding.unplug(path.down, 10.0)
    path.forwarding.plug(path.down, stopped.up, 10.0)
    path.take(10.0)
    assert path.down.next_up is stopped.up and len(path.left) == 2, (
        "it would have moved all that follows by ten seconds"
    )
    stopped.comes(10.1, 10, keyframe=True)
    assert path.down.up is stopped.up and len(path.left) == 3


def test_a_recorder_goes_on_from_the_cache_with_what_is_newer():
    path, other = Path(None, realtime=False), Path(None)
    path.plug()
    path.comes(1.0, 0, 1, keyframe=True)
    path.forwarding.unplug(path.down, 1.5)
    other.comes(2.0, *range(5), keyframe=True)
    path.forwarding.plug(path.down, other.up, 2.1)
    path.take(2.1)
    assert path.down.up is other.up and len(path.left) == 7


def test_a_joiner_gets_from_the_cache_what_its_path_takes():
    path = Path()
    path.comes(0.0, *range(20), keyframe=True)
    path.plug(0.1)
    path.take(0.1)
    assert 0 < len(path.left) < 20
    path.passes(0.1, 1.5)
    assert [seq for _, _, seq in path.left] == list(range(20))


def bridged(age_s: float, count: int, limit_bytes: float = 64_000, **options) -> tuple[Path, Path, Path]:
    """A path that showed something, was to show something else, and has the small layer of that to begin with."""
    path, large, small = (Path(None, **options) for _ in range(3))
    for other in (large, small):
        other.forwarding, other.left = path.forwarding, path.left
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    small.comes(1.0 - age_s, *range(count), keyframe=True)
    path.forwarding.plug(path.down, large.up, 1.0)
    path.forwarding.bridge(path.down, [small.up], 1.0, limit_bytes)
    path.take(1.0)
    return path, large, small


def test_a_small_layer_is_shown_from_the_cache_until_the_large_one_begins():
    path, large, small = bridged(0.02, 10)
    assert path.down.up is small.up and path.down.next_up is large.up and len(path.left) == 1 + 10
    small.comes(1.04, 10)
    assert len(path.left) == 1 + 11
    large.comes(1.08, 0, keyframe=True)
    small.comes(1.09, 11)
    assert path.down.up is large.up and path.down.next_up is None
    assert len(path.left) == 1 + 11 + 1 and small.up.downs == small.up.waiting == large.up.waiting == []
    assert path.numbers == list(range(path.numbers[0], path.numbers[0] + 13))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"age_s": 0.6, "count": 10}, id="comes no more"),
        pytest.param({"age_s": 0.02, "count": 10, "limit_bytes": 9_000}, id="would take the path too long"),
        pytest.param({"age_s": 0.02, "count": 10, "realtime": False}, id="a recorder has true times"),
        pytest.param({"age_s": 0.02, "count": 0}, id="has no keyframe"),
    ],
)
def test_no_bridge_of_what_cannot_begin(options):
    path, large, _ = bridged(**options)
    assert path.down.up is path.up and path.down.next_up is large.up and len(path.left) == 1


def test_what_comes_from_the_cache_may_take_as_long_as_a_keyframe():
    """All of it is needed for the first live picture; the first of it may have passed without waiting."""
    path = Path()
    for n in range(40):
        path.comes(n / 25, n, keyframe=n == 0)
    path.plug(2.0)
    path.passes(2.0, 3.0)
    assert path.left[-1][0] > 2.0 + PICTURE_STALE_S and [seq for _, _, seq in path.left] == list(range(40))
    assert path.down.up is path.up and path.down.next_up is None


def test_who_waits_with_nothing_to_show_begins_again_from_the_cache_of_the_same_layer():
    path = Path(None)
    path.plug()
    path.comes(0.0, *range(5), keyframe=True)
    path.forwarding._stall(path.down, 0.1)
    path.forwarding.bridge(path.down, [path.up], 0.2, 64_000)
    path.take(0.2)
    assert path.down.up is path.up and path.down.next_up is None and path.up.waiting == []
    assert [seq for _, _, seq in path.left] == [*range(5), *range(5)]


def test_who_asks_again_while_the_keyframe_is_on_its_way_gets_all_of_it():
    path = Path(100_000)
    path.plug()
    path.comes(0.0, *range(45), keyframe=True)
    for at in (1.1, 2.2, 3.3):
        path.passes(at - 1.1, at)
        path.forwarding.restart(path.down, at)
    first = [seq for _, _, seq in path.left][:45]
    assert first == list(range(45))


@pytest.mark.parametrize("how", ["unplugged", "another is directed"])
def test_what_is_shown_no_more_does_not_leave_before_what_is_to_be_shown(how):
    path, other = Path(), Path(None)
    path.plug()
    path.comes(0.0, *range(30), keyframe=True)
    left = len(path.left)
    assert 0 < left < 30
    other.forwarding, other.left = path.forwarding, path.left
    if how == "unplugged":
        path.forwarding.unplug(path.down, 0.01)
        assert path.downlink.queued_bytes == 0 and path.downlink.dropped_items == 0
    path.forwarding.plug(path.down, other.up, 0.01)
    other.comes(0.02, 0, keyframe=True)
    path.passes(0.02, 0.1)
    assert [seq for _, _, seq in path.left] == [*range(left), 0]
    assert path.numbers == list(range(path.numbers[0], path.numbers[0] + left + 1))


def test_another_layer_follows_what_waits():
    path, larger = Path(), Path(None)
    larger.up.publication = path.up.publication
    path.plug()
    path.comes(0.0, *range(10), keyframe=True)
    larger.forwarding, larger.left = path.forwarding, path.left
    path.forwarding.plug(path.down, larger.up, 0.01)
    larger.comes(0.02, 0, keyframe=True)
    path.passes(0.02, 1.0)
    assert [seq for _, _, seq in path.left] == [*range(10), 0]


def test_what_has_just_come_is_not_sent_again_from_the_cache():
    path = Path(None)
    path.plug()
    path.comes(0.0, *range(5), keyframe=True)
    path.forwarding._stall(path.down, 0.1)
    packet = parse_rtp(build_rtp(pt=96, seq=5, ts=18_000, ssrc=1, payload=SLICE + bytes(1000)))
    assert path.up.receive(packet, 0.2, 0.2)
    path.forwarding.touch(path.up)
    assert path.forwarding.bridge(path.down, [path.up], 0.2, 64_000)
    path.take(0.2)
    assert [seq for _, _, seq in path.left] == [*range(5), *range(6)] and len(set(path.numbers)) == 11


def test_a_bridge_that_stalls_leaves_the_large_layer_awaited():
    path, large, small = bridged(0.02, 10)
    path.forwarding._stall(path.down, 1.01)
    assert path.down.up is None and path.down.next_up is large.up and small.up.downs == small.up.waiting == []
    large.comes(1.1, 0, keyframe=True)
    assert path.down.up is large.up


def test_plugging_what_flows_changes_nothing():
    path = Path(None)
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    path.plug(0.1)
    assert path.down.up is path.up and path.down.next_up is None and path.up.waiting == []


def test_a_restart_needs_a_short_way_from_the_keyframe():
    path = Path(None)
    assert not path.forwarding.restart(path.down, 9.0), "nothing flows"
    path.plug()
    path.comes(0.0, 0, keyframe=True)
    assert path.forwarding.restart(path.down, 9.0)
    path.take(9.0)
    assert [seq for _, _, seq in path.left] == [0, 0]
    path.comes(9.1, *range(1, 500))
    assert not path.forwarding.restart(path.down, 20.0)


def test_retransmissions_wait_for_their_share_of_the_path():
    path = Path()
    path.plug()
    path.comes(0.0, *range(6), keyframe=True)
    path.passes(0.0, 0.5)
    for number in path.numbers:
        data = path.down.retransmission(number & 0xFFFF, 0.5, 0.05)
        path.forwarding.resend(path.down, data, 0.5)
    path.take(0.5)
    first = len(path.resent)
    path.passes(0.5, 0.52)
    assert first < 6
    path.passes(0.52, 2.0)
    assert first <= len(path.resent) <= 6 and path.forwarding.held() == []


@pytest.mark.parametrize("kind", [TrackKind.AUDIO, TrackKind.VIDEO])
def test_without_a_measured_path_they_leave_at_once(kind):
    path = Path(None, kind)
    path.forwarding.resend(path.down, b"again", 0.0)
    path.take(0.0)
    assert path.resent == [b"again"]


def test_who_is_gone_holds_nothing():
    path = Path()
    path.plug()
    path.comes(0.0, *range(10), keyframe=True)
    path.forwarding.unplug(path.down, 0.1)
    path.forwarding.forget(path.downlink)
    assert path.forwarding.held() == []
    path.forwarding.forget(path.downlink)


def test_a_probe_repeats_what_was_sent_last():
    path = Path(None)
    path.plug()
    path.comes(0.0, *range(10), keyframe=True)
    repeated = [parse_rtp(data) for data in path.down.repeats(3000, 1.0)]
    assert [(p.ssrc, p.pt) for p in repeated] == [(10, 103)] * 3
    assert [int.from_bytes(p.payload[:2], "big") for p in repeated] == [n & 0xFFFF for n in path.numbers[:-4:-1]]


@pytest.mark.parametrize("flows", [True, False])
def test_where_there_is_nothing_to_repeat_a_probe_is_padding(flows):
    path = Path(None)
    if flows:
        path.plug()
        path.comes(0.0, 0, keyframe=True, size=100)
    repeated = path.down.repeats(1000, 1.0)
    padding = [parse_rtp(data) for data in repeated if data[0] & 0x20]
    assert sum(len(data) for data in repeated) >= 1000 and len(repeated) - len(padding) == flows
    assert all((p.ssrc, p.pt, p.payload) == (10, 103, b"") for p in padding)
    assert all(len(data) == 12 + 8 + PADDING_BYTES for data in repeated if data[0] & 0x20)
    numbers = [parse_rtp(data).seq for data in repeated]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_without_rtx_there_is_no_probe():
    down = DownTrack(None, ssrc=9, pt=102, clock_rate_hz=90_000)
    assert down.repeats(1000, 0.0) == []
