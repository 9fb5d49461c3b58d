"""Playlists as RFC 8216 wants them."""

from classroom.recording.playlist import Rendition, Segment, master_playlist, media_playlist, segment_entry


def test_a_playlist_of_a_growing_track():
    first, second = Segment(1, 45_000, 180_000, 60, 9, 1), Segment(2, 225_000, 405_000, 60, 9, 2)
    entries = [segment_entry(first, True, 90_000, 1.8e9), segment_entry(second, True, 90_000, 1.8e9)]
    assert media_playlist(entries, 4.5, ended=False) == (
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:5\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MAP:URI="init-000001.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:00.500Z\n'
        "#EXTINF:2.000000,\n000001.m4s\n"
        '#EXT-X-MAP:URI="init-000002.mp4"\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:02.500Z\n'
        "#EXTINF:4.500000,\n000002.m4s\n"
    )
    assert media_playlist(entries, 4.5, ended=True).endswith("000002.m4s\n#EXT-X-ENDLIST\n")


def test_the_pair_or_the_one_that_there_is():
    camera = Rendition("camera", "avc1.42C01F", 2_000_000, 1_500_000, 1280, 720)
    mic = Rendition("mic", "opus", 40_000, 30_000)
    both = master_playlist(camera, mic)
    assert 'BANDWIDTH=2040000,AVERAGE-BANDWIDTH=1530000,CODECS="avc1.42C01F,opus",RESOLUTION=1280x720,AUDIO=' in both
    assert 'TYPE=AUDIO,GROUP-ID="sound",NAME="mic"' in both and both.endswith("\ncamera/index.m3u8\n")
    assert "AUDIO" not in master_playlist(camera, None)
    assert master_playlist(None, mic).endswith('CODECS="opus"\nmic/index.m3u8\n')
    assert master_playlist(None, None) is None
