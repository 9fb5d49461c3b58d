"""Encodings that nobody takes are paused at their publisher (RFC 7728), and go on when somebody wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from classroom.sfu.core.pause import PauseResume, PauseType, build_pause

if TYPE_CHECKING:
    from classroom.sfu.core.peers import Encoding, Publisher

PAUSE_AFTER_S = 5.0  # a receiver whose link wavers comes back to a layer within this time
REPEAT_S = 1.0  # a request may be lost; a publisher that sends although it is to pause is told again


def pause_or_resume(publisher: Publisher, now: float) -> list[bytes]:
    """The requests to the publisher that are due, as RTCP packets; to be asked several times a second."""
    requests = []
    for media in publisher.media:
        if not media.pause:
            continue
        for encoding in media.encodings:
            track = encoding.track
            if track is None:
                continue
            if track.downs or track.waiting:
                encoding.needed_at_s = now
            wanted = now - encoding.needed_at_s < PAUSE_AFTER_S
            if wanted and encoding.paused:
                encoding.paused = False
                encoding.told_at_s = encoding.resumed_at_s = now
                track.resumes(now, publisher.rtt_s)
                requests.append(_request(publisher, encoding, track.ssrc, PauseType.RESUME))
            elif not wanted and (not encoding.paused or _goes_on(encoding, track.last_received_at_s, now)):
                if not encoding.paused:
                    encoding.paused = True
                    encoding.pause_id = (encoding.pause_id + 1) & 0xFFFF
                encoding.told_at_s = now
                requests.append(_request(publisher, encoding, track.ssrc, PauseType.PAUSE))
            elif (
                wanted and encoding.pause_id and _stays_away(encoding, track.last_received_at_s - publisher.rtt_s, now)
            ):
                encoding.told_at_s = now
                requests.append(_request(publisher, encoding, track.ssrc, PauseType.RESUME))
    return requests


def _goes_on(encoding: Encoding, received_at_s: float, now: float) -> bool:
    return now - encoding.told_at_s > REPEAT_S and now - received_at_s < REPEAT_S / 2


def _stays_away(encoding: Encoding, asked_at_s: float, now: float) -> bool:
    """``asked_at_s``: what came last cannot answer a later request; it was under way when the publisher paused."""
    return now - encoding.told_at_s > REPEAT_S and asked_at_s < encoding.told_at_s


def _request(publisher: Publisher, encoding: Encoding, ssrc: int, kind: PauseType) -> bytes:
    return build_pause(PauseResume(publisher.ssrc, ssrc, kind, encoding.pause_id))
