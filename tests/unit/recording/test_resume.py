"""What a crash leaves behind, mended and gone on with; which folder a recording goes to."""

import json
import shutil

import pytest

from classroom.model import RecordingState
from classroom.recording.event_log import RecordingBusy
from classroom.recording.lesson_file import DamagedRecording, read_lesson
from classroom.recording.library import find_recording, manifest, media_file
from classroom.recording.repair import repair_recordings
from classroom.recording.track import GapReason
from tests.unit.recording.lesson_source import (
    EPOCH_S,
    Wire,
    encode_audio,
    encode_video,
    feed,
    in_order,
    open_recording,
    record,
)
from tests.unit.recording.playback import as_it_is_now, beeps, flashes, pictures, sound

LOOKAHEAD_S = 0.0065


def crashed(root, seconds=5.0, began_s=EPOCH_S):
    """A recording whose process was killed: nothing is closed. Returns its folder."""
    archive = open_recording(root, began_s)
    wires = [
        Wire("camera", encode_video(seconds), began_s, ssrc=1),
        Wire("mic", encode_audio(seconds), began_s, ssrc=2),
    ]
    feed(archive, in_order(wires))
    copy = root.with_name(root.name + "-after")
    shutil.copytree(root, copy)
    archive.finish(RecordingState.COMPLETE, began_s + seconds)
    return copy, copy / archive.folder.relative_to(root)


def last_segment(track):
    return max(track.glob("*.m4s"))


@pytest.mark.parametrize("torn", [0, 1, 700, 20_000])
def test_startup_mends_what_is_not_live(tmp_path, torn):
    root, folder = crashed(tmp_path / "recordings")
    for track in ("camera", "mic"):
        segment = last_segment(folder / track)
        data = segment.read_bytes()
        segment.write_bytes(data[: len(data) - min(torn, len(data))])
    assert manifest(folder)["state"] == "recording"
    before = len(pictures(as_it_is_now(folder / "camera" / "index.m3u8")))
    assert before == 120, "what was closed plays without being mended"

    assert repair_recordings(root, live={"maths"}) == []
    assert repair_recordings(root) == [folder]
    assert repair_recordings(root) == []

    whole = manifest(folder)
    assert whole["state"] == "interrupted"
    assert whole["duration_s"] > (4.4 if torn == 0 else 3.0)
    assert "#EXT-X-ENDLIST" in (folder / "camera" / "index.m3u8").read_text()
    seen = pictures(folder / "camera" / "index.m3u8")
    assert len(seen) >= before
    start_s, samples = sound(folder / "mic" / "index.m3u8")
    duration_s = {track["name"]: track["duration_s"] for track in whole["tracks"]}
    assert seen[-1][0] + 1 / 30 == pytest.approx(duration_s["camera"], abs=0.001)
    assert start_s + len(samples) / 48_000 == pytest.approx(duration_s["mic"], abs=0.001)
    assert (folder / "master.m3u8").is_file()
    last = json.loads((folder / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["state"]) == ("recording_ended", "interrupted")


def test_a_lesson_that_goes_on_after_a_crash_keeps_its_axis(tmp_path):
    root, folder = crashed(tmp_path / "recordings")
    with (folder / "events.jsonl").open("a") as file:
        file.write('{"event": "half a li')
    segment = last_segment(folder / "camera")
    with segment.open("ab") as file:
        file.write(b"\0\0\1\0moof and no more")

    resumed_s = EPOCH_S + 8.5
    archive = open_recording(root, resumed_s, resume=True)
    assert archive.folder == folder
    wires = [
        Wire("camera", encode_video(4.0), resumed_s + 0.5, ssrc=8, first_seq=3, first_ts=5),
        Wire("mic", encode_audio(4.0), resumed_s + 0.5, ssrc=9, first_seq=4, first_ts=6),
    ]
    archive.finish(RecordingState.COMPLETE, feed(archive, in_order(wires)))

    assert manifest(folder)["state"] == "complete"
    assert manifest(folder)["duration_s"] == pytest.approx(13.0, abs=0.1)
    seen = pictures(folder / "camera" / "index.m3u8")
    assert flashes(seen)[-4:] == pytest.approx([9.0, 10.0, 11.0, 12.0], abs=0.001)
    heard = beeps(*sound(folder / "mic" / "index.m3u8"))  # without holes, or it raises
    assert heard[-4:] == pytest.approx([n + LOOKAHEAD_S for n in (9, 10, 11, 12)], abs=0.005)
    for track in read_lesson(folder).tracks:
        (gap,) = track.gaps
        assert gap.reason is GapReason.RESTART
        assert 4.4 < gap.start_s < 5.01 and gap.end_s == pytest.approx(9.0, abs=0.01)
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text().splitlines()]
    assert "recording_resumed" in events and events[-1] == "recording_ended"
    # The picture format is the same: no second header.
    assert len(list((folder / "camera").glob("init-*.mp4"))) == 1


def test_the_axis_never_runs_back_when_the_clock_is_set_back(tmp_path):
    root, folder = crashed(tmp_path / "recordings")
    resumed_s = EPOCH_S - 3600.0
    archive = open_recording(root, resumed_s, resume=True)
    wires = [Wire("mic", encode_audio(2.0), resumed_s + 1.0, ssrc=9)]
    archive.finish(RecordingState.COMPLETE, feed(archive, in_order(wires)))
    assert archive.folder == folder
    assert 7.4 < manifest(folder)["duration_s"] < 8.05


def test_whoever_opens_a_lesson_that_has_just_begun_is_told_nothing_that_the_master_does_not_play(tmp_path):
    archive = open_recording(tmp_path, EPOCH_S)
    # The first second of sound is on disk before there is a picture, and records are written between the two.
    wires = [
        Wire("mic", encode_audio(8.0), EPOCH_S, ssrc=2),
        Wire("camera", encode_video(6.0), EPOCH_S + 1.3, ssrc=1),
    ]
    told = []

    def watched(events):
        for event in events:
            recording = manifest(archive.folder)
            playlists = [track["playlist"] for track in recording["tracks"]]
            if not told or told[-1] != playlists:
                told.append(playlists)
                master = (archive.folder / "master.m3u8").read_text() if recording["master"] else ""
                assert [playlist for playlist in playlists if playlist not in master] == []
            yield event

    archive.finish(RecordingState.COMPLETE, feed(archive, watched(in_order(wires))))
    assert told == [[], ["mic/index.m3u8"], ["mic/index.m3u8", "camera/index.m3u8"]]


def test_a_crash_in_the_first_segment_of_a_track_leaves_a_master_that_plays(tmp_path):
    root, folder = crashed(tmp_path / "recordings", seconds=1.0)
    assert manifest(folder)["tracks"] == []
    archive = open_recording(root, EPOCH_S + 3.0, resume=True)
    assert [track["name"] for track in manifest(archive.folder)["tracks"]] == ["camera", "mic"]
    master = (folder / "master.m3u8").read_text()
    named = [line for line in master.splitlines() if line.endswith("m3u8")] + ["mic/index.m3u8"]
    assert named == ["camera/index.m3u8", "mic/index.m3u8"] and 'URI="mic/index.m3u8"' in master
    assert all((folder / playlist).is_file() for playlist in named)
    assert len(pictures(as_it_is_now(folder / "camera" / "index.m3u8"))) > 20
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 3.0)


def test_two_recorders_never_write_the_same_recording(tmp_path):
    archive = open_recording(tmp_path, EPOCH_S)
    with pytest.raises(RecordingBusy):
        open_recording(tmp_path, EPOCH_S + 1.0, resume=True)
    assert repair_recordings(tmp_path) == []
    assert read_lesson(archive.folder).state is RecordingState.RECORDING
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 2.0)


def test_which_folder_a_recording_goes_to(tmp_path):
    audio = encode_audio(2.0)

    def hold(began_s, state=RecordingState.COMPLETE, resume=False):
        archive = open_recording(tmp_path, began_s, resume=resume)
        archive.finish(state, feed(archive, in_order([Wire("mic", audio, began_s, ssrc=1)])))
        return archive.folder.relative_to(tmp_path).as_posix()

    # 1800000000 is 15 January 2027.
    assert hold(EPOCH_S) == "2027/01/maths"
    assert hold(EPOCH_S + 600) == "2027/01/maths", "ended by mistake and started again"
    assert hold(EPOCH_S + 7200) == "2027/01/maths.2"
    assert hold(EPOCH_S + 9000, RecordingState.INTERRUPTED) == "2027/01/maths.3"
    assert hold(EPOCH_S + 12_000, resume=True) == "2027/01/maths.3", "the lesson went on, the server was away"
    assert hold(EPOCH_S + 86_400 * 20) == "2027/02/maths"
    assert find_recording(tmp_path, "maths") == tmp_path / "2027/02/maths"
    assert read_lesson(tmp_path / "2027/01/maths").title == "数学课"


def test_an_unfinished_recording_that_is_too_old_is_closed_as_interrupted(tmp_path):
    root, folder = crashed(tmp_path / "recordings")
    archive = open_recording(root, EPOCH_S + 86_400, resume=True)
    assert archive.folder != folder
    assert read_lesson(folder).state is RecordingState.INTERRUPTED
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 86_401)


def test_a_record_that_is_damaged_while_the_server_runs_is_said_and_left_alone(tmp_path):
    folder = record(tmp_path, [Wire("mic", encode_audio(2.0), EPOCH_S, ssrc=1)])
    (folder / "lesson.json").write_text('{"id": "maths"')
    with pytest.raises(DamagedRecording, match=r"已损坏.*damaged"):
        manifest(folder)
    archive = open_recording(tmp_path, EPOCH_S + 10)
    assert archive.folder.name == "maths.2"
    archive.finish(RecordingState.COMPLETE, EPOCH_S + 11)


def test_the_media_door_serves_what_belongs_to_a_recording_and_nothing_else(tmp_path):
    folder = record(tmp_path, [Wire("mic", encode_audio(3.0), EPOCH_S, ssrc=1)])
    assert media_file(folder, "mic/000001.m4s") == (folder / "mic/000001.m4s", "video/iso.segment")
    assert media_file(folder, "master.m3u8") == (folder / "master.m3u8", "application/vnd.apple.mpegurl")
    (folder / "mic/.secret.m4s").write_text("")
    (tmp_path / "outside.mp4").write_text("")
    (folder / "mic" / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    refused = ["lesson.json", "events.jsonl", "mic/none.m4s", "mic/.secret.m4s", "../outside.mp4", "/etc/x.mp4", ""]
    refused += ["mic/../../outside.mp4", "mic//000001.m4s", "mic\\000001.m4s", "mic/link.mp4", "mic", "mic/x\0.mp4"]
    refused += ["./master.m3u8", "mic/a/b.mp4", ".m3u8"]
    assert [path for path in refused if media_file(folder, path) is not None] == []
    for lesson in ("../maths", "maths/..", "*", "", "nobody", "maths.1"):
        assert find_recording(tmp_path, lesson) is None
