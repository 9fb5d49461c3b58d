"""What somebody tries who has read the source: over real sockets, against a whole server."""

from __future__ import annotations

import asyncio
import gzip
import time
from datetime import UTC, datetime

import jwt
import pytest

from classroom.live.service import MAX_OF_ONE
from classroom.model import LessonId, ParticipantId, Role
from classroom.web.auth import (
    Claims,
    ViewerKey,
    issue_delivery_token,
    issue_operator_token,
    issue_viewer_key,
)
from classroom.web.context import CONTEXT
from classroom.web.identity import SAFE
from classroom.web.oidc import _key
from classroom.web.rights import ROUTES, Right
from tests.integration.test_web_rights import code_of, path_of
from tests.unit.web.people import Visitor, paired, signed_in
from tests.unit.web.running_node import SDP, SECRET, make_offer, running
from tests.unit.web.school_day import NOON, VILLAGE, fill

OTHER = "chinese"


@pytest.fixture
async def doors(tmp_path):
    async with running(tmp_path, bad_tokens_per_minute=1000, timezone=NOON) as doors:
        await fill(doors)
        yield doors


async def test_no_door_that_changes_something_takes_a_cookie_alone(doors):
    """A form, a link or a script of another site sends the cookies of a browser, and nothing else of ours."""
    by_cookie = set(Right) - {Right.PUBLIC, Right.PAIRING, Right.BEARER}
    who = {"account": await signed_in(doors, "operator"), "device": await paired(doors, VILLAGE)}
    taken = []
    for (method, pattern), right in ROUTES.items():
        if method in SAFE or right not in by_cookie:
            continue
        for name, visitor in who.items():
            forged = Visitor(doors, visitor.cookies)
            response = await forged.ask(method, path_of(pattern), json={})
            if await code_of(response) not in ("csrf", "not_signed_in", "unauthorized"):
                taken.append((method, pattern, name, response.status))
    assert taken == []
    assert (await who["account"].ask("GET", "/api/accounts")).status == 200  # nobody was signed out by that


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_no_form_of_another_site_signs_anybody_in_or_pairs_a_browser(doors, kind):
    for path in ("/api/session", "/api/pairing", "/api/pairing/poll"):
        response = await doors.ask("POST", path, data='{"login":"x","password":"y"}', headers={"Content-Type": kind})
        assert response.status == 415


async def test_a_browser_keeps_nothing_that_somebody_planted_in_it(doors):
    """Session fixation: the session begins with signing in, whatever the browser came with."""
    boss, attacker = await signed_in(doors, "operator"), await signed_in(doors, "teacher", school_id=1)
    body = {"login": "wang", "name": "王秀英", "role": "teacher", "school_id": 1}
    password = (await (await boss.ask("POST", "/api/accounts", json=body)).json())["password"]
    for planted in ("A" * 43, attacker.cookies["session"]):
        headers = {"Cookie": f"session={planted}"}
        response = await doors.ask(
            "POST", "/api/session", json={"login": "wang", "password": password}, headers=headers
        )
        assert response.status == 204 and response.cookies["session"].value != planted
        assert (await Visitor(doors, {"session": planted}).ask("GET", "/api/today")).status == 401


async def test_sockets_take_no_cookie_from_another_site(doors):
    device = await paired(doors, VILLAGE)
    cookies = {"Cookie": f"device={device.cookies['device']}"}
    here = str(doors.client.make_url("")).rstrip("/")
    for origin in ("http://evil.example", here.replace("127.0.0.1", "127.0.0.1.evil.example"), "null", "", f"{here}9"):
        socket = await doors.client.ws_connect("/ws/device", headers={**cookies, "Origin": origin})
        assert (await socket.receive_json())["code"] == "unauthorized"
        await socket.receive()
        assert socket.close_code == 4401


def forged_tokens(doors) -> dict[str, str]:
    """Everything that is signed here, or looks like it, and is no token of somebody in the lesson."""
    now = time.time()
    claims = Claims(LessonId("maths"), Role.CLASSROOM, ParticipantId("a1"), "", int(now), int(now) + 900)
    payload = {"lesson": "maths", "role": "teacher", "sub": "a1", "name": "", "iat": int(now), "exp": int(now) + 900}
    return {
        "a link": issue_viewer_key(SECRET, ViewerKey(LessonId("maths"), None, int(now) + 900)),
        "an operator's": issue_operator_token(SECRET, now, 900),
        "for deliveries": issue_delivery_token(SECRET, claims, now),
        "unsigned": jwt.encode(payload, None, algorithm="none"),
        "another key's": jwt.encode(payload, "x" * 32, algorithm="HS256"),
        "of single sign-on": jwt.encode(payload, _key(doors.client.app[CONTEXT]), algorithm="HS256"),
        "the recorder's": jwt.encode({**payload, "role": "recorder"}, SECRET, algorithm="HS256"),
        "another node's": jwt.encode({**payload, "role": "node"}, SECRET, algorithm="HS256"),
        "for ever": jwt.encode({k: v for k, v in payload.items() if k != "exp"}, SECRET, algorithm="HS256"),
        "a path's": jwt.encode({**payload, "lesson": "../maths"}, SECRET, algorithm="HS256"),
        "of another lesson": doors.token("teacher", OTHER),
        "a credential": "A" * 43,
    }


async def test_what_is_no_token_of_the_lesson_opens_none_of_its_doors(doors):
    assert (await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))).status == 200
    offer = await make_offer(sending=True)
    opened = []
    for name, token in forged_tokens(doors).items():
        tries = {
            "whip": await doors.ask("POST", "/whip/maths", token, data=offer, headers={"Content-Type": SDP}),
            "whep": await doors.ask("POST", "/whep/maths", token, data=offer, headers={"Content-Type": SDP}),
            "state": await doors.ask("GET", "/api/lessons/maths", token),
            "figures": await doors.ask("GET", "/api/lessons/maths/stats", token),
            "end": await doors.ask("POST", "/api/lessons/maths/end", token),
            "metadata": await doors.ask("PUT", "/api/lessons/maths/metadata", token, json={}),
            "links": await doors.ask("POST", "/api/lessons/maths/links", token, json={"holding": "2026-11-1"}),
        }
        allowed = {"an operator's": {"metadata", "links"}}.get(name, set())
        opened += [
            (name, door, it.status) for door, it in tries.items() if it.status not in (401, 403) and door not in allowed
        ]
        async with doors.client.ws_connect("/ws/maths") as socket:
            await socket.send_json({"type": "hello", "token": token})
            told = await socket.receive_json()
            if told["type"] != "error":
                opened.append((name, "control", told["type"]))
    assert opened == []


async def test_a_classroom_is_never_taken_for_the_teacher(doors):
    """By what it publishes, by what it says, by what it delivers, or by whom it says it is."""
    assert (await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))).status == 200
    token = doors.token("classroom", participant="ff00ff00ff00ff00")
    posted = await doors.offer("whip", token, await make_offer(sending=True))
    assert posted.status == 201
    state = await (await doors.ask("GET", "/api/lessons/maths", token)).json()
    assert {one["name"] for one in state["publications"]} <= {"camera-ff00ff00", "mic-ff00ff00"}
    other = await doors.ask("POST", "/whip/maths?participant=a1", token, data=b"v=0", headers={"Content-Type": SDP})
    assert other.status == 403
    assert (await doors.ask("DELETE", posted.headers["Location"], doors.token("classroom"))).status == 403
    assert (await doors.ask("DELETE", posted.headers["Location"].replace("whip", "whep"), token)).status == 404
    for door in ("end", "start"):
        assert (await doors.ask("POST", f"/api/lessons/maths/{door}", token)).status == 403
    inventory = "/api/lessons/maths/deliveries/{}/inventory?label={}&kind=video&now=1"
    for track in ("camera", "slides", "camera-00000000"):
        response = await doors.ask("PUT", inventory.format(track, track.partition("-")[0]), token, data=b"")
        assert response.status == 403
    async with doors.client.ws_connect("/ws/maths") as socket:
        await socket.send_json({"type": "hello", "token": token, "name": "主讲教师"})
        snapshot = await socket.receive_json()
        assert snapshot["type"] == "snapshot"
        commands = [
            {"type": "end_lesson"}, {"type": "call_on", "participant_id": "ff00ff00ff00ff00", "beside": False},
            {"type": "set_mode", "mode": "discuss"}, {"type": "send_note", "text": "x", "participant_id": None},
            {"type": "turn_page", "page": 2}, {"type": "set_volume", "participant_id": "a1", "volume": 0},
            {"type": "mute", "participant_id": None, "muted": True}, {"type": "spotlight", "programme": None},
            {"type": "raise_hand", "raised": True, "participant_id": "a1"},
            {"type": "direct", "programme": None, "floor": []},
        ]  # fmt: skip
        for number, command in enumerate(commands):
            await socket.send_json({**command, "id": str(number)})
        codes = {}
        while len(codes) < len(commands):
            told = await socket.receive_json()
            if told["type"] in ("ack", "error"):
                codes[told["id"]] = told.get("code", "ack")
        assert set(codes.values()) == {"forbidden"}


async def test_after_the_end_nobody_sends_on_but_the_teacher_may_begin_again(doors):
    teacher, room = doors.token("teacher"), doors.token("classroom")
    for door in ("start", "end"):
        assert (await doors.ask("POST", f"/api/lessons/maths/{door}", teacher)).status == 200
    for token in (room, doors.token("capture")):
        response = await doors.offer("whip", token, await make_offer(sending=True))
        assert (response.status, await code_of(response)) == (409, "lesson_ended")
    assert (await doors.offer("whep", room, await make_offer())).status == 409


async def test_one_token_does_not_take_the_places_of_all(doors):
    assert (await doors.ask("POST", "/api/lessons/maths/start", doors.token("teacher"))).status == 200
    greedy, offer = doors.token("classroom", participant="g" * 16), await make_offer()
    modest = await doors.offer("whep", doors.token("classroom"), offer)
    answers = [await doors.offer("whep", greedy, offer) for _ in range(MAX_OF_ONE + 8)]
    assert {answer.status for answer in answers} == {modest.status} == {201}
    service = doors.node.service
    async with asyncio.timeout(30):
        while service.sessions(publishing=False) > MAX_OF_ONE + 1:
            await asyncio.sleep(0.02)
    assert service.sessions(publishing=False) == MAX_OF_ONE + 1
    assert (await doors.ask("DELETE", answers[0].headers["Location"], greedy)).status == 404
    assert (await doors.ask("DELETE", answers[-1].headers["Location"], greedy)).status == 200


async def raw(doors, path: str, *headers: str) -> bytes:
    """An answer to a request that no client would send."""
    reader, writer = await asyncio.open_connection(doors.client.host, doors.client.port)
    lines = [f"GET {path} HTTP/1.1", *(headers or ("Host: x",)), "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


async def test_no_path_leads_out_of_a_recording_or_of_the_pages(doors, tmp_path):
    secret = b"the secret of this server"
    (tmp_path / ".state" / "secret").write_bytes(secret)
    key = f"?key={issue_viewer_key(SECRET, ViewerKey(LessonId('maths'), None, int(time.time()) + 900))}"
    up = ("..", "%2e%2e", "%2e%2e%2f..", "..%2f..", "..%5c..", "....//..", "%252e%252e", "..;", "%c0%ae%c0%ae", "..%00")
    for steps in range(1, 6):
        for dots in up:
            way = "/".join([dots] * steps)
            for path in (
                f"/media/maths/{way}/.state/secret{key}",
                f"/media/maths/2026-11-1/{way}/.state/secret{key}",
                f"/media/{way}/.state/secret{key}",
                f"/assets/{way}/.state/secret",
                f"/{way}/.state/secret",
                f"/api/lessons/{way}/recording{key}",
            ):
                answer = await raw(doors, path)
                assert secret not in answer and b"root:" not in answer
                assert answer.split(b" ", 2)[1] in (b"400", b"401", b"403", b"404"), (path, answer[:80])
    assert secret not in await raw(doors, f"/media/maths//{tmp_path}/.state/secret{key}")


async def test_a_small_body_does_not_become_a_large_one(doors):
    bomb = gzip.compress(b" " * (200 << 20), compresslevel=9)
    assert len(bomb) < 256 << 10
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await doors.ask("POST", "/api/session", data=bomb, headers=headers)
    assert response.status == 413


async def test_what_a_browser_calls_the_server_is_written_nowhere_unchecked(doors):
    for host in ("evil.example; script-src *", "evil.example\t*", "<b>", "evil.example,self"):
        answer = await raw(doors, "/trust", f"Host: {host}")
        head = answer.partition(b"\r\n\r\n")[0].decode()
        assert "evil" not in head and "<b>" not in answer.decode(), answer
    picture = await raw(doors, "/api/pairing/7F3K-92MP/qr.svg", 'Host: x"><script>')
    assert b"<script" not in picture


async def test_pages_run_no_script_but_ours_and_stand_in_no_frame(doors):
    for path in ("/", "/signin", "/admin", "/api/session", "/nothing", "/api/oidc/callback"):
        response = await doors.ask("GET", path)
        policy = dict(
            part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'self'" and "script-src" not in policy
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert (policy["object-src"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
        assert policy["frame-ancestors"] == "'self'"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_metrics_are_for_the_machine_and_whom_it_names(tmp_path):
    for settings, statuses in (
        ({"proxies": "127.0.0.1"}, [403, 403]),
        ({"proxies": "127.0.0.1", "metrics_from": "198.51.100.0/24, 2001:db8::/32"}, [403, 200]),
        ({}, [200, 200]),
    ):
        async with running(tmp_path / str(len(settings)), **settings) as doors:
            for address, status in zip(("203.0.113.9", "198.51.100.7"), statuses, strict=True):
                response = await doors.ask("GET", "/metrics", headers={"X-Forwarded-For": address})
                assert response.status == status, (settings, address)


async def test_behind_a_proxy_only_its_word_counts(tmp_path):
    """Whoever may say that it is a proxy has the rate limits of everybody, and cookies without Secure."""
    for proxies, secure in (("", ""), ("127.0.0.1", True), ("192.0.2.1", "")):
        async with running(tmp_path / (proxies or "none"), proxies=proxies) as doors:
            await doors.node.database.opened()
            password = await doors.node.accounts.first(datetime.now(UTC))
            headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
            body = {"login": "admin", "password": password}
            response = await doors.ask("POST", "/api/session", json=body, headers=headers)
            assert response.cookies["session"]["secure"] == secure
            assert response.cookies["browser"]["secure"] == secure
            assert ("Strict-Transport-Security" in response.headers) == bool(secure)
