"""What a slot shows, and the names of publications."""

import pytest

from classroom.model import Label, ParticipantId, Publication, PublicationId, TrackKind
from classroom.sfu.core.peers import Slot, choose_publication, unique_name

VIDEO, AUDIO = TrackKind.VIDEO, TrackKind.AUDIO


def publication(name: str, kind: TrackKind = VIDEO) -> Publication:
    label = Label(name.partition("-")[0])
    return Publication(PublicationId(f"id of {name}"), ParticipantId("t"), label, kind, name)


CAMERA, CAMERA_2, SLIDES, SCREEN = (publication(n) for n in ("camera", "camera-2", "slides", "screen"))
MIC = publication("mic", AUDIO)


@pytest.mark.parametrize(
    ("kind", "wish", "there", "expected"),
    [
        pytest.param(VIDEO, None, [MIC, SLIDES, CAMERA], CAMERA, id="programme"),
        pytest.param(VIDEO, None, [SCREEN, SLIDES], SLIDES, id="programme without camera"),
        pytest.param(VIDEO, None, [SCREEN], SCREEN, id="programme of the screen"),
        pytest.param(VIDEO, None, [MIC], None, id="sound is no programme"),
        pytest.param(VIDEO, Label.CAMERA, [CAMERA_2], None, id="only the main camera"),
        pytest.param(VIDEO, Label.CAMERA, [CAMERA_2, CAMERA], CAMERA, id="the main one of two"),
        pytest.param(VIDEO, Label.SLIDES, [SCREEN, SLIDES], SLIDES, id="slides before screen"),
        pytest.param(VIDEO, Label.SLIDES, [SCREEN], SCREEN, id="screen in place of slides"),
        pytest.param(VIDEO, Label.SCREEN, [SLIDES], None, id="slides in place of the screen: no"),
        pytest.param(AUDIO, Label.MIC, [MIC, CAMERA], MIC, id="sound"),
        pytest.param(AUDIO, None, [MIC], MIC, id="sound without a label"),
        pytest.param(AUDIO, None, [publication("mic", VIDEO)], None, id="kinds do not mix"),
        pytest.param(VIDEO, None, [], None, id="nothing there"),
    ],
)
def test_choice(kind, wish, there, expected):
    assert choose_publication(Slot(kind, wish, None), there) == expected


def test_a_pin_overrides_the_label():
    slot = Slot(VIDEO, Label.SLIDES, None, pinned=CAMERA_2.id)
    assert choose_publication(slot, [SLIDES, CAMERA, CAMERA_2]) == CAMERA_2
    assert choose_publication(slot, [SLIDES, CAMERA]) is None  # dark until it comes


@pytest.mark.parametrize(
    ("taken", "expected"),
    [(set(), "camera"), ({"mic"}, "camera"), ({"camera"}, "camera-2"), ({"camera", "camera-2"}, "camera-3"),
     ({"camera-2"}, "camera")],
)  # fmt: skip
def test_unique_name(taken, expected):
    assert unique_name("camera", taken) == expected
