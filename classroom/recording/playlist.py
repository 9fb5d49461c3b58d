"""HLS playlists (RFC 8216): of a track while it grows, and of the pair of camera and sound."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Players expect a target duration that stays; a picture that was held through an outage may still exceed it.
MIN_TARGET_DURATION_S = 4


@dataclass(slots=True)
class Segment:
    """A segment file of a track. ``start`` and ``duration`` in ticks of the track, ``init`` as numbered in its name."""

    number: int
    start: int
    duration: int
    samples: int
    size_bytes: int
    init: int

    @property
    def file_name(self) -> str:
        """Name of the segment's file in the folder of its track."""
        return f"{self.number:06d}.m4s"


def init_name(number: int) -> str:
    """Name of the CMAF header that is in force from segment ``number`` on."""
    return f"init-{number:06d}.mp4"


def segment_entry(segment: Segment, new_init: bool, timescale_hz: int, epoch_s: float) -> str:
    """The lines of a segment; ``epoch_s`` is the time, in seconds since 1970, that ticks count from."""
    # No EXT-X-DISCONTINUITY with a new header: only the picture format changes, time goes on (docs/recording.md).
    header = f'#EXT-X-MAP:URI="{init_name(segment.init)}"\n' if new_init else ""
    return (
        f"{header}#EXT-X-PROGRAM-DATE-TIME:{iso_time(epoch_s + segment.start / timescale_hz)}\n"
        f"#EXTINF:{segment.duration / timescale_hz:.6f},\n{segment.file_name}\n"
    )


def media_playlist(entries: Iterable[str], longest_s: float, ended: bool) -> str:
    """The playlist of one track, of the entries of its segments; ``longest_s`` is the duration of the longest one."""
    target_s = max(MIN_TARGET_DURATION_S, math.ceil(longest_s))
    head = (
        f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target_s}\n#EXT-X-PLAYLIST-TYPE:EVENT\n"
        "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    )
    return head + "".join(entries) + ("#EXT-X-ENDLIST\n" if ended else "")


@dataclass(frozen=True, slots=True)
class Rendition:
    """What the master playlist says of a track; bit rates over a segment. ``width_px`` is None for sound."""

    name: str
    codec: str
    peak_bps: int
    average_bps: int
    width_px: int | None = None
    height_px: int | None = None
    folder: str = ""

    @property
    def playlist(self) -> str:
        """The address of its playlist; the folder is called like the track if nothing else is said."""
        return f"{self.folder or self.name}/index.m3u8"


def master_playlist(video: Rendition | None, audio: Rendition | None) -> str | None:
    """The playlist that plays camera and sound together, or the one of them that there is; None without any."""
    main = video or audio
    if main is None:
        return None
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    together = [main] if video is None or audio is None else [video, audio]
    attributes = [
        f"BANDWIDTH={max(1, sum(r.peak_bps for r in together))}",
        f"AVERAGE-BANDWIDTH={max(1, sum(r.average_bps for r in together))}",
        f'CODECS="{",".join(r.codec for r in together)}"',
    ]
    if video is not None:
        attributes.append(f"RESOLUTION={video.width_px}x{video.height_px}")
        if audio is not None:
            lines.append(
                f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="{audio.name}",DEFAULT=YES,AUTOSELECT=YES,'
                f'CHANNELS="2",URI="{audio.playlist}"'
            )
            attributes.append('AUDIO="sound"')
    lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), main.playlist, ""]
    return "\n".join(lines)


def iso_time(unix_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
