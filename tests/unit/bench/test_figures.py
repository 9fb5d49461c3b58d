"""What the bench computes from what it measured."""

import math

import pytest

from tests.bench.doors import read_description
from tests.bench.figures import percentile, ratios
from tests.bench.joining import left_behind
from tests.bench.saturation import summarize


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7.0], 50, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 99, 4.0),
        (list(range(1, 101)), 99, 99),
        (list(range(1, 201)), 99, 198),
        ([1.0, 2.0], 0, 1.0),
    ],
)
def test_a_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    assert math.isnan(percentile([], 99))


def row(server: str, receivers: int, cpu_us: float) -> dict[str, object]:
    return {"server": server, "variant": "", "receivers": receivers, "cpu_us_per_packet": cpu_us}


def test_ratios_are_taken_under_the_same_load_only() -> None:
    rows = [row("ours", 50, 6), row("other", 50, 30), row("ours", 100, 5), row("other", 80, 20)]
    (ratio,) = ratios(rows, "ours")
    assert (ratio["receivers"], ratio["to"]) == (50, "other")
    assert (ratio["cpu_per_packet"], ratio["the_other_way"]) == (pytest.approx(0.2), pytest.approx(5))


def step(kpps: float, delay_p99_ms: float) -> dict[str, float]:
    rest = dict.fromkeys(("cpu_percent", "cpu_us_per_packet", "lost_percent", "load_percent"), 0.0)
    return {"packets_per_s": kpps * 1000, "delay_p99_ms": delay_p99_ms, **rest}


def test_saturation_is_the_last_step_within_the_limit_and_the_one_next_to_its_half() -> None:
    found = summarize([step(13, 2), step(26, 3), step(39, 5), step(52, 19), step(65, 21)])
    assert (found["kpps"], found["delay_p99_ms"], found["half_kpps"], found["half_delay_p99_ms"]) == (52, 19, 26, 3)


def test_what_is_left_behind_is_told_by_type() -> None:
    assert left_behind({"Peer": 2, "Lesson": 1, "Cache": 1}, {"Peer": 5, "Lesson": 1}) == {"Cache": -1, "Peer": 3}


def test_a_description_gives_ipv4_udp_candidates_and_the_payload_type_of_h264() -> None:
    sdp = "\r\n".join(
        [
            "v=0",
            "m=video 9 UDP/TLS/RTP/SAVPF 102 103",
            "a=ice-ufrag:u",
            "a=ice-pwd:p",
            "a=fingerprint:sha-256 AB:CD",
            "a=setup:actpass",
            "a=rtpmap:102 H264/90000",
            "a=rtpmap:103 rtx/90000",
            "a=candidate:1 1 udp 5 192.0.2.2 4000 typ host",
            "a=candidate:2 1 udp 4 fd00::2 4001 typ host",
            "a=candidate:3 1 tcp 3 192.0.2.2 4002 typ host tcptype passive",
        ]
    )
    agreed = read_description("s", sdp)
    assert agreed.pt == 102
    assert agreed.remote.candidates == (("192.0.2.2", 4000),)
    assert (agreed.remote.ufrag, agreed.remote.pwd, agreed.remote.fingerprint) == ("u", "p", "sha-256 AB:CD")
    assert agreed.remote.setup == "passive"  # we are the DTLS client of one who would be either
