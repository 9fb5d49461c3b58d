"""What slots show and play, and the names of publications."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, SessionId, SlotWish, TrackKind
from classroom.sfu.core.assignment import Direction, assign, unique_name
from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.peers import IncomingMedia, Receiver, Slot

VIDEO, AUDIO = TrackKind.VIDEO, TrackKind.AUDIO
NOTHING_DECIDED = Direction()


def media(name: str, kind: TrackKind = VIDEO, participant: str = "t") -> IncomingMedia:
    label = Label(name.partition("-")[0])
    made = IncomingMedia("0", kind, label, 96, 90_000)
    made.publication = Publication(PublicationId(f"id of {name}"), ParticipantId(participant), label, kind, name)
    return made


def slot(kind: TrackKind, wish: SlotWish, **options) -> Slot:
    return Slot(kind, wish, DownTrack(None, ssrc=1, pt=96, clock_rate_hz=90_000), **options)


def shown(
    slots: list[Slot], there: list[IncomingMedia], direction: Direction = NOTHING_DECIDED, speakers=()
) -> list[str | None]:
    receiver = Receiver(SessionId("s"), ParticipantId("me"), None, slots, 0.0)
    assign(receiver, there, direction, [PublicationId(f"id of {name}") for name in speakers])
    return [None if s.media is None else s.media.publication.name for s in slots]


CAMERA, CAMERA_2, SLIDES, SCREEN = (media(name) for name in ("camera", "camera-2", "slides", "screen"))
MIC = media("mic", AUDIO)
EAST, WEST, MINE = (
    media("camera-e", participant="e"),
    media("camera-w", participant="w"),
    media("camera-m", participant="me"),
)
EAST_MIC, WEST_MIC, MY_MIC = (media(f"mic-{p[0]}", AUDIO, p) for p in ("e", "w", "me"))
EVERYBODY = frozenset(ParticipantId(p) for p in ("e", "w", "me"))


@pytest.mark.parametrize(
    ("kind", "wish", "there", "expected"),
    [
        pytest.param(VIDEO, "programme", [MIC, SLIDES, CAMERA], "camera", id="programme"),
        pytest.param(VIDEO, "programme", [SCREEN, SLIDES], "slides", id="programme without camera"),
        pytest.param(VIDEO, "programme", [SCREEN], "screen", id="programme of the screen"),
        pytest.param(VIDEO, "programme", [MIC], None, id="sound is no programme"),
        pytest.param(VIDEO, "camera", [CAMERA_2], None, id="only the main camera"),
        pytest.param(VIDEO, "camera", [CAMERA_2, CAMERA], "camera", id="the main one of two"),
        pytest.param(VIDEO, "slides", [SCREEN, SLIDES], "slides", id="slides before screen"),
        pytest.param(VIDEO, "slides", [SCREEN], "screen", id="screen in place of slides"),
        pytest.param(VIDEO, "screen", [SLIDES], None, id="slides in place of the screen: no"),
        pytest.param(AUDIO, "mic", [MIC, CAMERA], "mic", id="sound"),
        pytest.param(AUDIO, "mic", [media("mic")], None, id="kinds do not mix"),
        pytest.param(VIDEO, "programme", [], None, id="nothing there"),
        pytest.param(VIDEO, "floor", [EAST], None, id="nobody has the floor"),
    ],
)
def test_choice(kind, wish, there, expected):
    assert shown([slot(kind, SlotWish(wish))], there) == [expected]


def test_a_pin_overrides_the_wish():
    assert shown([slot(VIDEO, SlotWish.SLIDES, pinned=CAMERA_2.publication.id)], [SLIDES, CAMERA, CAMERA_2]) == [
        "camera-2"
    ]
    assert shown([slot(VIDEO, SlotWish.SLIDES, pinned=CAMERA_2.publication.id)], [SLIDES]) == [
        None
    ]  # dark until it comes


@pytest.mark.parametrize(
    ("programme", "expected"),
    [("camera-e", "camera-e"), ("mic", "camera"), ("gone", "camera"), (None, "camera")],
    ids=["chosen", "no picture", "gone", "not chosen"],
)
def test_the_director_chooses_the_programme(programme, expected):
    assert shown([slot(VIDEO, SlotWish.PROGRAMME)], [CAMERA, EAST, MIC], Direction(programme)) == [expected]


def test_who_is_on_the_programme_goes_on_seeing_the_main_picture():
    assert shown([slot(VIDEO, SlotWish.PROGRAMME)], [CAMERA, MINE, EAST], Direction("camera-m")) == ["camera"]


def test_a_tile_shows_what_it_is_named_for_whoever_has_the_floor():
    slots = [slot(VIDEO, SlotWish.TILE, named="camera-w"), slot(VIDEO, SlotWish.TILE, named="camera-x")]
    assert shown(slots, [CAMERA, EAST, WEST], Direction("camera-e", EVERYBODY)) == ["camera-w", None]
    assert shown([slot(VIDEO, SlotWish.TILE, named="mic-w")], [WEST_MIC]) == [None]


def test_nobody_sees_or_hears_itself():
    slots = [slot(VIDEO, SlotWish.FLOOR), slot(AUDIO, SlotWish.SPEAKER)]
    assert shown(slots, [MINE, MY_MIC], Direction(floor=EVERYBODY), ["mic-m"]) == [None, None]


def test_each_of_the_floor_has_one_slot_and_keeps_it():
    slots = [slot(VIDEO, SlotWish.FLOOR), slot(VIDEO, SlotWish.FLOOR), slot(VIDEO, SlotWish.FLOOR)]
    assert shown(slots, [MINE, EAST, WEST], Direction(floor=EVERYBODY)) == ["camera-e", "camera-w", None]
    assert shown(slots, [WEST, EAST], Direction(floor=EVERYBODY)) == ["camera-e", "camera-w", None]
    assert shown(slots, [EAST, WEST], Direction(floor=frozenset({ParticipantId("w")}))) == [None, "camera-w", None]


def test_the_loudest_are_played_each_in_its_place():
    slots = [slot(AUDIO, SlotWish.MIC), slot(AUDIO, SlotWish.SPEAKER), slot(AUDIO, SlotWish.SPEAKER)]
    third = media("mic-x", AUDIO, "x")
    there = [MIC, EAST_MIC, WEST_MIC, third]
    assert shown(slots, there, Direction(), ["mic-e", "mic-w", "mic-x"]) == ["mic", "mic-e", "mic-w"]
    assert shown(slots, there, Direction(), ["mic-w", "mic-e", "mic-x"]) == ["mic", "mic-e", "mic-w"]
    assert shown(slots, there, Direction(), ["mic-x", "mic-w", "mic-e"]) == ["mic", "mic-x", "mic-w"]
    assert shown(slots, there, Direction(), []) == ["mic", None, None]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [(set(), "camera"), ({"mic"}, "camera"), ({"camera"}, "camera-2"), ({"camera", "camera-2"}, "camera-3"),
     ({"camera-2"}, "camera")],
)  # fmt: skip
def test_unique_name(taken, expected):
    assert unique_name("camera", taken) == expected
