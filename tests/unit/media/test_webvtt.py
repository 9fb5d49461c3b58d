"""Captions from elsewhere: what is kept, what is refused with which line, and that the normal form is stable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.media.webvtt import MAX_BYTES, BadCaptions, Cue, parse_language, parse_webvtt, write_webvtt

FILE = """WEBVTT - 第三课
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0

STYLE
::cue { background: url(https://example.org/spy) }

NOTE who wrote this

intro
00:01.000 --> 00:03.500 align:start position:10%
<v.loud 王老师>同学们<b>好</b></v>

01:02:03.004 --> 01:02:05.000
3 &lt; 5 &amp;&amp; 5 &gt; 3
<i>second</i>   line

00:00:02.000 --> 00:00:04.000
<00:00:02.500>earlier
"""


def test_what_is_said_when_and_by_whom_is_kept_and_nothing_else():
    assert parse_webvtt(FILE.encode()) == (
        Cue(1.0, 3.5, "同学们好", "王老师"),
        Cue(2.0, 4.0, "earlier"),
        Cue(3723.004, 3725.0, "3 < 5 && 5 > 3\nsecond line"),
    )


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_line_ends_and_byte_order_mark_do_not_matter(newline):
    assert parse_webvtt(b"\xef\xbb\xbf" + FILE.replace("\n", newline).encode()) == parse_webvtt(FILE.encode())


def test_the_normal_form_is_what_people_write():
    assert write_webvtt([Cue(1, 3.5, "a < b", "王老师"), Cue(3600, 3601.25, "x\ny")]).decode() == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:03.500\n<v 王老师>a &lt; b\n\n01:00:00.000 --> 01:00:01.250\nx\ny\n"
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "WEBVTT"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nSubRip\n", "WEBVTT"),
        (b"WEBVTTX\n", "WEBVTT"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"WEBVTT\n\n00:01,000 --> 00:02,000\ncommas\n", "Line 3:"),
        (b"WEBVTT\n\nid\n00:02.000 --> 00:01.000\nback\n", "Line 4:"),
        (b"WEBVTT\n\n00:61.000 --> 00:62.000\nx\n", "Line 3:"),
        (b"WEBVTT\n\n00:01.000 --> 99:00:00.000\nx\n", "24"),
        (b"WEBVTT\n\nwhatever\nthis is\n", "Line 3:"),
        (b"WEBVTT\n\n" + b"00:01.000 --> 00:02.000\nx\n\n" * 20_001, "20000"),
        (b"WEBVTT\n\n" + bytes(MAX_BYTES), "MiB"),
    ],
)
def test_what_is_no_webvtt_is_refused_with_its_line(data, says):
    with pytest.raises(BadCaptions, match=says):
        parse_webvtt(data)


def test_tags_cannot_be_smuggled_through_entities():
    (cue,) = parse_webvtt(b"WEBVTT\n\n00:01.000 --> 00:02.000\n&lt;img src=x&gt; --&gt;\n")
    assert cue.text == "<img src=x> -->"
    assert b"<img" not in write_webvtt([cue]) and write_webvtt([cue]).count(b"-->") == 1


@pytest.mark.parametrize("text", ["zh-CN", "en", "zh-Hans-CN", "bo"])
def test_languages(text):
    assert parse_language(text) == text


@pytest.mark.parametrize("text", ["", "..", "zh/CN", "zh-", "Chinese", "zh.CN", "zh-CN\n", "z" * 99])
def test_what_is_no_language_makes_no_file_name(text):
    with pytest.raises(BadCaptions, match="zh-CN"):
        parse_language(text)


_LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12)
_TIME_MS = st.integers(0, 5_000_000)


@given(
    st.lists(st.tuples(_TIME_MS, st.integers(1, 60_000), st.lists(_LINE, min_size=1, max_size=3), st.just("") | _LINE))
)
def test_what_is_written_is_read_back(entries):
    cues = [Cue(at / 1000, (at + long) / 1000, "\n".join(lines), voice) for at, long, lines, voice in entries]
    assert parse_webvtt(write_webvtt(cues)) == tuple(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)))


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"WEBVTT\n\n" + text.encode()))
def test_any_bytes_are_read_or_refused(data):
    try:
        cues = parse_webvtt(data)
    except BadCaptions:
        return
    assert parse_webvtt(write_webvtt(cues)) == cues
