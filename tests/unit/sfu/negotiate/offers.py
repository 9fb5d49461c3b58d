"""Offers to answer: real ones, and such as are written for a test."""

import itertools
from pathlib import Path

from classroom.sfu.negotiate import LocalTransport, Negotiated, answer_offer, parse_offer

OFFERS = Path(__file__).parents[3] / "data" / "offers"
REAL = sorted(path.stem for path in OFFERS.glob("*.sdp"))
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
TRANSPORT = ["a=ice-ufrag:abcd", "a=ice-pwd:" + "p" * 22, f"a=fingerprint:{FINGERPRINT}", "a=setup:actpass"]
LOCAL = LocalTransport(
    "ourufrag", "ourpassword", "sha-256 " + ":".join(["AB"] * 32), (("192.0.2.1", 8189), ("2001:db8::1", 8189))
)


def real(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


def answered(text: str, publishing: bool) -> Negotiated:
    numbers = itertools.count(1000)
    return answer_offer(
        parse_offer(text), LOCAL, publishing=publishing, cname="sfu", random32=lambda: next(numbers)
    )  # fmt: skip


def sections(answer: str) -> list[list[str]]:
    """The lines of each m-section."""
    found: list[list[str]] = []
    for line in answer.splitlines():
        if line.startswith("m="):
            found.append([])
        if found:
            found[-1].append(line)
    return found


def values(section: list[str], name: str) -> list[str]:
    return [line.partition(":")[2] for line in section if line.startswith(f"a={name}:")]


def m_section(
    kind: str, mid: str | None, *lines: str, port: int = 9, mux: bool = True, direction: str = "sendrecv"
) -> list[str]:
    codec = (
        [f"m=audio {port} UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2"]
        if kind == "audio"
        else [
            f"m=video {port} UDP/TLS/RTP/SAVPF 96 97",
            "a=rtpmap:96 H264/90000",
            "a=fmtp:96 packetization-mode=1;profile-level-id=42e01f",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
        ]
    )
    mids = [] if mid is None else [f"a=mid:{mid}"]
    return [*codec, *mids, *(["a=rtcp-mux"] if mux else []), f"a={direction}", *lines]


def offer(*parts: list[str], bundle: str | None = "") -> str:
    if bundle == "":
        bundle = " ".join(line[6:] for part in parts for line in part if line.startswith("a=mid:"))
    group = [] if bundle is None else [f"a=group:BUNDLE {bundle}"]
    return "\r\n".join(
        ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", *group, *TRANSPORT, *itertools.chain(*parts), ""]
    )
