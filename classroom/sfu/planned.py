"""What was negotiated, made into what the core works with."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from classroom.sfu.core.down_track import DownTrack
from classroom.sfu.core.downlink import Downlink
from classroom.sfu.core.peers import IncomingMedia, Slot
from classroom.sfu.core.send_log import SendClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classroom.sfu.core.send_log import SendLog
    from classroom.sfu.core.sink import Burst, Resend, Sink
    from classroom.sfu.negotiate import SlotPlan, UpPlan


def incoming_media(plan: UpPlan) -> IncomingMedia:
    """What a publisher will send in one m-section."""
    return IncomingMedia(
        mid=plan.mid,
        kind=plan.kind,
        label=plan.label,
        pt=plan.pt,
        clock_rate_hz=plan.clock_rate_hz,
        rtx_pt=plan.rtx_pt,
        ssrc=plan.ssrc,
        rtx_ssrc=plan.rtx_ssrc,
        rids=plan.rids,
        nack=plan.nack,
        pause=plan.pause,
        mid_ext=plan.mid_ext,
        rid_ext=plan.rid_ext,
        rrid_ext=plan.rrid_ext,
        twcc_ext=plan.twcc_ext,
        audio_level_ext=plan.audio_level_ext,
        capture_time_ext=plan.capture_time_ext,
    )


def make_downlink(
    plans: Sequence[SlotPlan], log: SendLog, last_time_bps: float | None
) -> Downlink[Burst | Resend] | None:
    """The measured path of a receiver; None when it neither reports arrivals nor estimates."""
    if not any(plan.twcc_ext or plan.send_time_ext for plan in plans):
        return None
    return Downlink(log, last_time_bps)


def make_slots(plans: Sequence[SlotPlan], sink: Sink, log: SendLog) -> list[Slot]:
    """The slots of a receiver, with first numbers that nobody can guess (RFC 3550 §5.1).

    Stamps are negotiated only with RTX: without it a lost packet is repeated as it was.
    """
    clock = SendClock()
    return [
        Slot(
            plan.kind,
            plan.wish,
            DownTrack(
                sink,
                ssrc=plan.ssrc,
                pt=plan.pt,
                clock_rate_hz=plan.clock_rate_hz,
                rtx_ssrc=plan.rtx_ssrc,
                rtx_pt=plan.rtx_pt,
                red_pt=plan.red_pt,
                twcc_ext=plan.twcc_ext,
                send_time_ext=plan.send_time_ext,
                send_log=log if plan.twcc_ext else clock if plan.send_time_ext else None,
                capture_time_ext=plan.capture_time_ext,
                playout_delay_ext=plan.playout_delay_ext,
                first_seq=secrets.randbits(15),
                first_ts=secrets.randbits(32),
            ),
            named=plan.named,
        )
        for plan in plans
    ]
