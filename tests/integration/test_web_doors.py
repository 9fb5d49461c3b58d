"""WHIP and WHEP over real sockets: every status of docs/protocol.md §2."""

import asyncio
import json
import re

import pytest

from tests.unit.web.running_node import FRAGMENT, SDP, make_offer, running


def code_of(response) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    problem = json.loads(response._body)
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    assert (problem["type"], problem["status"]) == ("about:blank", response.status)
    assert re.search("[一-鿿].*[a-z]", problem["detail"]), "in Chinese and in English"
    return response.status, problem["code"]


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path) as doors:
        yield doors


@pytest.fixture(scope="module")
def watch() -> str:
    return asyncio.run(make_offer())


@pytest.fixture(scope="module")
def send() -> str:
    return asyncio.run(make_offer(sending=True))


def fragment(ufrag: str | None = "new1", pwd: str = "p" * 22) -> str:
    credentials = "" if ufrag is None else f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n"
    candidate = "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n"
    return f"{credentials}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n{candidate}"


async def test_a_capture_agent_opens_the_lesson_and_a_classroom_receives_it(doors, send, watch):
    response = await doors.offer("whip", doors.token("capture"), send)
    assert response.status == 201
    assert response.content_type == SDP
    assert re.fullmatch(r"/whip/maths/[\w-]+", response.headers["Location"])
    assert re.fullmatch(r'"[^"]+"', response.headers["ETag"])
    answer = await response.text()
    assert "a=ice-lite" in answer
    assert "H264" in answer
    assert "a=recvonly" in answer
    response = await doors.offer("whep", doors.token("classroom"), watch)
    assert response.status == 201
    assert response.headers["Location"].startswith("/whep/maths/")
    assert "a=sendonly" in await response.text()


async def test_what_is_no_sdp_opens_no_lesson(doors):
    for sdp in ("", "hello", "v=0\r\n", "v=0\r\nm=video\r\n", "\0" * 100):
        assert code_of(await doors.offer("whip", doors.token("capture"), sdp)) == (400, "bad_sdp")
    assert code_of(await doors.ask("GET", "/api/lessons/maths", doors.token("teacher"))) == (404, "unknown_lesson")
    response = await doors.ask(
        "POST", "/whip/maths", doors.token("capture"), data=b"\xff\xfe", headers={"Content-Type": SDP}
    )
    assert code_of(response) == (400, "bad_sdp")


async def test_an_offer_without_our_codecs_is_refused(doors, send):
    await doors.offer("whip", doors.token("capture"), send)
    vp8 = await make_offer(codec="video/VP8")
    assert code_of(await doors.offer("whep", doors.token("observer"), vp8)) == (422, "unacceptable_offer")


@pytest.mark.parametrize("door", ["whip", "whep"])
async def test_a_token_must_be_there_good_and_for_this(doors, door, send):
    async def answer(token):
        response = await doors.ask("POST", f"/{door}/maths", token, data=send, headers={"Content-Type": SDP})
        return response, code_of(response)

    for token in (None, "", "nonsense", doors.token("teacher") + "x", doors.token("teacher", ttl_s=-60)):
        response, code = await answer(token)
        assert code == (401, "unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await answer(doors.token("teacher", lesson="music")))[1] == (403, "forbidden")


async def test_an_observer_may_not_publish(doors, send):
    assert code_of(await doors.offer("whip", doors.token("observer"), send)) == (403, "forbidden")


async def test_the_participant_must_be_the_one_of_the_token(doors, send):
    token = doors.token("capture")
    headers = {"Content-Type": SDP}
    response = await doors.ask("POST", "/whip/maths?participant=other", token, data=send, headers=headers)
    assert code_of(response) == (403, "forbidden")


async def test_nobody_receives_or_speaks_in_a_lesson_that_nobody_opened(doors, send, watch):
    assert code_of(await doors.offer("whep", doors.token("classroom"), watch)) == (404, "unknown_lesson")
    assert code_of(await doors.offer("whep", doors.token("teacher"), watch)) == (404, "unknown_lesson")
    assert code_of(await doors.offer("whip", doors.token("classroom"), send)) == (404, "unknown_lesson")


@pytest.mark.parametrize("path", ["/whip/..%2Fetc", "/whep/-x", "/whip/" + "x" * 65, "/api/lessons/a.b"])
async def test_a_lesson_id_must_be_one(doors, path):
    method = "GET" if path.startswith("/api") else "POST"
    assert code_of(await doors.ask(method, path, doors.token("teacher"))) == (400, "bad_lesson_id")


async def test_an_ended_lesson_takes_nobody_until_its_teacher_starts_it_again(doors, send, watch):
    teacher, capture = doors.token("teacher"), doors.token("capture")
    await doors.offer("whip", capture, send)
    assert (await doors.ask("POST", "/api/lessons/maths/end", teacher)).status == 200
    assert code_of(await doors.offer("whip", capture, send)) == (409, "lesson_ended")
    assert code_of(await doors.offer("whip", teacher, send)) == (409, "lesson_ended")
    assert code_of(await doors.offer("whep", doors.token("classroom"), watch)) == (409, "lesson_ended")
    assert code_of(await doors.ask("POST", "/api/lessons/maths/start", capture)) == (403, "forbidden")
    assert (await doors.ask("POST", "/api/lessons/maths/start", teacher)).status == 200
    assert (await doors.offer("whip", capture, send)).status == 201


async def test_content_types_are_checked(doors, send):
    token = doors.token("capture")
    response = await doors.ask("POST", "/whip/maths", token, data=send, headers={"Content-Type": "text/plain"})
    assert code_of(response) == (415, "unsupported_media_type")
    location = (await doors.offer("whip", token, send)).headers["Location"]
    response = await doors.ask("PATCH", location, token, data=fragment(), headers={"Content-Type": SDP})
    assert code_of(response) == (415, "unsupported_media_type")


async def test_a_body_over_the_limit_is_refused(doors, send):
    token = doors.token("capture")
    filled = send + "a=x\r\n" * ((256 * 1024 - len(send)) // 5)
    assert (await doors.offer("whip", token, filled)).status == 201
    assert code_of(await doors.offer("whip", token, filled + "a=x\r\n")) == (413, "too_large")


async def test_candidates_are_taken_and_ice_is_restarted(doors, send):
    token = doors.token("capture")
    response = await doors.offer("whip", token, send)
    location, etag = response.headers["Location"], response.headers["ETag"]

    async def patch(text, **headers):
        given = {"Content-Type": FRAGMENT, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await doors.ask("PATCH", location, token, data=text, headers=given)

    assert (await patch(fragment(None), If_Match=etag)).status == 204
    assert (await patch(fragment(None))).status == 204
    assert code_of(await patch(fragment())) == (428, "etag_required")
    assert code_of(await patch(fragment(None), If_Match='"other"')) == (412, "etag_mismatch")
    assert code_of(await patch("nonsense", If_Match=etag)) == (400, "bad_fragment")
    response = await patch(fragment(), If_Match="*")
    assert response.status == 200
    assert response.content_type == FRAGMENT
    assert response.headers["ETag"] != etag
    assert "a=ice-ufrag:" in await response.text()
    assert code_of(await patch(fragment(None), If_Match=etag)) == (412, "etag_mismatch")
    assert (await patch(fragment("again"), If_Match='"*"')).status == 200  # as RFC 9725 writes it in its examples


async def test_a_session_ends_once_and_belongs_to_its_owner_and_door(doors, send):
    token = doors.token("capture")
    location = (await doors.offer("whip", token, send)).headers["Location"]
    assert code_of(await doors.ask("DELETE", location, doors.token("capture"))) == (403, "forbidden")
    assert code_of(await doors.ask("DELETE", location.replace("whip", "whep"), token)) == (404, "unknown_session")
    assert (await doors.ask("DELETE", location, token)).status == 200
    assert code_of(await doors.ask("DELETE", location, token)) == (404, "unknown_session")
    response = await doors.ask("PATCH", location, token, data=fragment(None), headers={"Content-Type": FRAGMENT})
    assert code_of(response) == (404, "unknown_session")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
async def test_other_methods_on_a_session_are_405(doors, method):
    response = await doors.ask(method, "/whip/maths/session", doors.token("capture"))
    assert response.status == 405
    assert set(response.headers["Allow"].replace(" ", "").split(",")) == {"PATCH", "DELETE", "OPTIONS"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_other_methods_on_an_endpoint_are_405(doors, method):
    response = await doors.ask(method, "/whep/maths", doors.token("capture"))
    assert response.status == 405
    assert set(response.headers["Allow"].replace(" ", "").split(",")) == {"POST", "OPTIONS"}
    if method != "HEAD":
        assert code_of(response) == (405, "method_not_allowed")


async def test_pages_of_other_origins_may_use_the_doors(doors, send):
    response = await doors.ask("OPTIONS", "/whip/maths", headers={"Origin": "https://example.org"})
    assert response.status == 204
    assert response.headers["Accept-Post"] == SDP
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "Content-Type", "If-Match"} <= set(
        response.headers["Access-Control-Allow-Headers"].split(", ")
    )
    response = await doors.ask("OPTIONS", "/whep/maths/x")
    assert response.status == 204
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    for response in (
        await doors.offer("whip", doors.token("capture"), send),
        await doors.offer("whip", "bad token", send),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert {"Location", "ETag", "Link"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))


async def test_bad_tokens_are_counted_by_address_and_good_ones_always_pass(tmp_path, send):
    async with running(tmp_path, bad_tokens_per_minute=3) as doors:
        for _ in range(3):
            assert code_of(await doors.offer("whip", "bad", send)) == (401, "unauthorized")
        response = await doors.offer("whip", "bad", send)
        assert code_of(response) == (429, "too_many_requests")
        assert 1 <= int(response.headers["Retry-After"]) <= 20
        assert (await doors.offer("whip", doors.token("capture"), send)).status == 201


async def test_a_full_server_says_so(tmp_path, send, watch):
    async with running(tmp_path, max_sessions=1) as doors:
        location = (await doors.offer("whip", doors.token("capture"), send)).headers["Location"]
        response = await doors.offer("whep", doors.token("classroom"), watch)
        assert code_of(response) == (503, "busy")
        assert response.headers["Retry-After"].isdigit()
        assert location


async def test_a_server_that_stops_takes_nobody_in(doors, send, watch):
    await doors.offer("whip", doors.token("capture"), send)
    await doors.node.service.drain()
    for response in (
        await doors.offer("whip", doors.token("capture"), send),
        await doors.offer("whep", doors.token("classroom"), watch),
        await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher")),
        await doors.ask("GET", "/healthz"),
        await doors.ask("GET", "/ws/maths"),
    ):
        assert code_of(response) == (503, "draining")
        assert response.headers["Retry-After"].isdigit()


async def test_a_fault_of_ours_is_a_500_and_no_more(doors, send, monkeypatch):
    class Broken(Exception):
        pass

    async def break_down(*_):
        raise Broken

    monkeypatch.setattr(doors.media, "publish", break_down)
    assert code_of(await doors.offer("whip", doors.token("capture"), send)) == (500, "internal")
    monkeypatch.undo()
    assert (await doors.offer("whip", doors.token("capture"), send)).status == 201


async def test_whose_token_is_withdrawn_while_it_is_let_in_is_not_let_in(doors, send, monkeypatch):
    publish, withdrawn = doors.media.publish, set()

    async def withdrawn_meanwhile(lesson, participant, *rest):
        session = await publish(lesson, participant, *rest)
        withdrawn.add(participant)
        return session

    monkeypatch.setattr(doors.media, "publish", withdrawn_meanwhile)
    monkeypatch.setattr("classroom.web.withdrawn.Withdrawn.has", lambda _, who, at_s: who in withdrawn)
    response = await doors.offer("whip", doors.token("capture", participant="device"), send)
    assert code_of(response) == (401, "unauthorized")
    assert doors.node.service.sessions(publishing=True) == 0


async def test_a_body_that_does_not_come_is_given_up(doors, monkeypatch):
    monkeypatch.setattr("classroom.web.payload.BODY_S", 0.05)

    async def never():
        yield b"v=0"
        await asyncio.sleep(60)

    response = await doors.ask(
        "POST", "/whip/maths", doors.token("capture"), data=never(), headers={"Content-Type": SDP}
    )
    assert code_of(response) == (408, "too_slow")
