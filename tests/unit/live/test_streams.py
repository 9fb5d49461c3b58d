"""Whatever happens to a lesson and to connections: each client knows the lesson as it is, and hears nothing twice."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from classroom.live.lesson import LiveLesson
from classroom.live.participant import Person
from classroom.live.streams import MAX_AWAY, MAX_KEPT, RESUME_FOR, Streams
from classroom.messages import LinkView, Note, Pong, ReportView, SessionEnded, VolumeSet
from classroom.model import FloorMode, Label, LessonId, ParticipantId, Publication, PublicationId, Role, TrackKind
from classroom.web.wire import Wire
from tests.unit.live.folding import fold, known

NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)
TEACHER = Person(ParticipantId("teacher"), Role.TEACHER, "王老师")
EAST, WEST = (Person(ParticipantId(name), Role.CLASSROOM, name) for name in ("east", "west"))
PEOPLE = (TEACHER, EAST, WEST)
GOOD = LinkView("good", "none", 20, 0.0, 4000)


class Client:
    """A page: it keeps what it knows, and the number of it, over its connections."""

    def __init__(self, person: Person, streams: Streams, wire: Wire) -> None:
        self.person, self.streams, self.wire = person, streams, wire
        self.feed = None
        self.state = None
        self.stream: str | None = None
        self.notes: list[str] = []
        self.snapshots = 0

    def connect(self, wall: datetime) -> None:
        self.feed = self.streams.open(self.person, self.stream, self.state["seq"] if self.state else 0, wall)

    def leave(self, wall: datetime) -> None:
        self.streams.leave(self.feed, wall)
        self.feed = None

    def reload(self) -> None:
        self.state = self.stream = None

    async def take(self, limit: int = 10_000) -> list[str]:
        """What is on its way, all of it or so much."""
        self.feed.put(Pong())
        texts = []
        while len(texts) < limit:
            told = await self.feed.take()
            if isinstance(told.message, Pong):
                return texts
            texts.append(self.wire.text(told))
        return texts

    def hear(self, text: str) -> None:
        message = json.loads(text)
        self.state = fold(self.state, message)
        if message["type"] == "snapshot":
            self.snapshots += 1
            self.stream = message["stream"]
        if message["type"] == "note":
            self.notes.append(message["text"])


class Clients(RuleBasedStateMachine):
    """Anything happens, in any order."""

    @initialize(sizes=st.sampled_from([(4, 8), (8, 3), (256, 512)]))
    def begin(self, sizes: tuple[int, int]) -> None:
        self.runner = asyncio.Runner()
        self.wall = NOON
        self.lesson = LiveLesson(LessonId("maths"))
        self.lesson.start(NOON)
        self.streams = Streams(lambda who: self.lesson.snapshot(who, self.wall), *sizes)
        wire = Wire()
        self.clients = [Client(person, self.streams, wire) for person in (*PEOPLE, EAST)]
        self.said = 0
        for client in self.clients:
            self.connect(client)

    def teardown(self) -> None:
        for client in self.clients:
            if client.feed is None:
                self.connect(client)
        self.all_know()
        self.runner.close()

    def connect(self, client: Client) -> None:
        client.connect(self.wall)
        self.streams.tell(self.lesson.join(client.person, self.wall))

    def leave(self, client: Client) -> None:
        client.leave(self.wall)
        self.streams.tell(self.lesson.leave(client.person.id, self.wall))

    def all_know(self) -> None:
        for client in self.clients:
            if client.feed is None:
                continue
            for text in self.runner.run(client.take()):
                client.hear(text)
            truth = asdict(self.lesson.snapshot(client.person.id, self.wall))
            if client.person.role is Role.CLASSROOM:
                for participant in truth["participants"]:
                    if participant["id"] == client.person.id:
                        continue
                    participant["link"] = participant["report"] = None
            assert known(client.state) == known(json.loads(json.dumps(truth)))
            assert len(client.notes) == len(set(client.notes)), "a note came twice"

    clients_ = st.integers(0, 3)
    some = st.integers(0, 9)
    people = st.sampled_from([EAST.id, WEST.id])

    @rule(number=clients_, sent=some, arrived=some)
    def lose_connection(self, number: int, sent: int, arrived: int) -> None:
        """Of what waits only a part is sent, and of that only a part arrives."""
        client = self.clients[number]
        if client.feed is not None:
            for text in self.runner.run(client.take(sent))[:arrived]:
                client.hear(text)
            self.leave(client)

    @rule(reloaded=st.sampled_from([False, False, False, True]), hears=st.booleans())
    def come_back(self, reloaded: bool, hears: bool) -> None:
        for client in self.clients:
            if client.feed is None:
                if reloaded:
                    client.reload()
                self.connect(client)
        if hears:
            self.all_know()

    @rule(number=clients_, before=some, sent=some, arrived=some, between=some, noted=st.booleans())
    def blink(self, number: int, before: int, sent: int, arrived: int, between: int, noted: bool) -> None:
        """The whole of it at once: seldom otherwise do the steps fall so that they matter to each other."""
        client = self.clients[number]
        self.come_back(False, False)
        self.turn_pages(list(range(before)))
        if noted:
            self.write(client.person.id)
        self.lose_connection(number, sent, arrived)
        self.turn_pages(list(range(between)))
        self.come_back(False, True)

    @rule(number=clients_)
    def come_back_before_the_server_knows(self, number: int) -> None:
        client = self.clients[number]
        if client.feed is not None:
            former = client.feed
            self.connect(client)
            self.streams.leave(former, self.wall)
            self.streams.tell(self.lesson.leave(client.person.id, self.wall))

    @rule(seconds=st.sampled_from([1, 29, 61, 700]))
    def wait(self, seconds: int) -> None:
        self.wall += timedelta(seconds=seconds)
        self.streams.forget_expired(self.wall)
        self.streams.tell(self.lesson.forget_absent(self.wall))

    @rule()
    def hear_everything(self) -> None:
        self.all_know()

    @rule(
        what=st.sampled_from(["call", "return", "mute", "unmute", "raise", "lower"]),
        who=people,
        beside=st.booleans(),
    )
    def act(self, what: str, who: ParticipantId, beside: bool) -> None:
        if who not in self.lesson.classrooms():
            return
        match what:
            case "call":
                deltas = self.lesson.call_on(who, beside, self.wall)
            case "return":
                deltas = self.lesson.return_floor(who, self.wall)
            case "mute" | "unmute":
                deltas = self.lesson.mute(who, what == "mute", self.wall)
            case _:
                deltas = self.lesson.raise_hand(who, what == "raise")
        self.streams.tell(deltas)

    @rule(mode=st.sampled_from(FloorMode))
    def set_mode(self, mode: FloorMode) -> None:
        self.streams.tell(self.lesson.set_mode(mode))

    @rule(pages=st.lists(st.integers(1, 50), min_size=1, max_size=9))
    def turn_pages(self, pages: list[int]) -> None:
        for page in pages:
            self.streams.tell(self.lesson.turn_page(page, NOON))

    @rule(who=people, live=st.booleans())
    def publish(self, who: ParticipantId, live: bool) -> None:
        if live:
            camera = Publication(PublicationId(who), who, Label.CAMERA, TrackKind.VIDEO, f"camera-{who}")
            self.streams.tell(self.lesson.add_publication(camera))
        else:
            self.streams.tell(self.lesson.remove_publication(PublicationId(who)))

    @rule(rtt_ms=st.integers(0, 2000), who=people, children=st.integers(0, 60))
    def measure(self, rtt_ms: int, who: ParticipantId, children: int) -> None:
        self.streams.tell(self.lesson.set_links({who: LinkView("fair", "distance", rtt_ms, 0.0, 900)}))
        self.streams.tell(self.lesson.report(who, ReportView(children=children)))

    @rule(who=st.sampled_from([person.id for person in PEOPLE]))
    def write(self, who: ParticipantId) -> None:
        self.said += 1
        self.streams.tell_one(who, Note(0, str(self.said), ""))
        self.streams.tell_one(who, SessionEnded(0, "s", ""))


TestClients = Clients.TestCase
TestClients.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def lesson():
    live = LiveLesson(LessonId("maths"))
    live.start(NOON)
    return live


@pytest.fixture
def streams(lesson):
    return Streams(lambda who: lesson.snapshot(who, NOON))


async def join(streams, lesson, person, wall=NOON) -> Client:
    client = Client(person, streams, Wire())
    client.connect(wall)
    streams.tell(lesson.join(person, wall))
    for text in await client.take():
        client.hear(text)
    return client


async def hear(client: Client) -> list[str]:
    texts = await client.take()
    for text in texts:
        client.hear(text)
    return [json.loads(text)["type"] for text in texts]


async def test_within_a_minute_a_client_hears_what_it_missed_and_later_everything(streams, lesson):
    east = await join(streams, lesson, EAST)
    for away, expected in ((RESUME_FOR, ["resumed", "lesson_changed"]), (RESUME_FOR * 1.01, ["snapshot"])):
        east.leave(NOON)
        streams.tell(lesson.turn_page((lesson.page or 0) + 1, NOON))
        east.connect(NOON + away)
        assert await hear(east) == expected
        assert east.state["lesson"]["page"] == lesson.page


async def test_nobody_goes_on_in_the_stream_of_another(streams, lesson):
    east = await join(streams, lesson, EAST)
    west = Client(WEST, streams, Wire())
    west.stream, west.state = east.stream, east.state
    west.connect(NOON)
    assert await hear(west) == ["snapshot"]
    assert west.stream != east.stream


async def test_nobody_goes_on_in_a_stream_from_which_it_was_expelled(streams, lesson):
    """Whether its connection still stood, or it was away already."""
    for away in (False, True):
        east = await join(streams, lesson, EAST)
        before, feed = east.stream, east.feed
        if away:
            east.leave(NOON)
        streams.expel(EAST.id, "its token is void")
        if not away:
            streams.leave(feed, NOON)
        east.connect(NOON)
        assert await hear(east) == ["snapshot"]
        assert east.stream != before


@pytest.mark.parametrize("seq", [-1, 0, 7, 10**9])
async def test_a_number_that_the_stream_never_had_gives_a_snapshot(streams, lesson, seq):
    east = await join(streams, lesson, EAST)
    east.state = {**east.state, "seq": seq}
    east.connect(NOON)
    assert await hear(east) == ["snapshot"]


async def test_notes_and_the_latest_volume_wait_for_who_is_away(streams, lesson):
    east = await join(streams, lesson, EAST)
    east.leave(NOON)
    for number in range(2 * MAX_KEPT):
        streams.tell_one(EAST.id, VolumeSet(0, number))
        streams.tell_one(EAST.id, Note(0, str(number), ""))
    east.reload()
    east.connect(NOON)
    assert await hear(east) == ["snapshot", *["note"] * (MAX_KEPT - 2), "volume_set", "note"]
    assert east.notes[-1] == str(2 * MAX_KEPT - 1)
    east.leave(NOON)
    east.connect(NOON)
    assert await hear(east) == ["resumed"]


async def test_notes_wait_for_who_is_silent_and_are_told_once(streams, lesson):
    east = await join(streams, lesson, EAST)
    streams.tell_one(EAST.id, Note(0, "unread", ""))
    streams.hear(east.feed, silent=True)
    streams.tell_one(EAST.id, Note(0, "unheard", ""))
    assert await hear(east) == []
    streams.hear(east.feed, silent=False)
    assert await hear(east) == ["note", "note"]
    streams.hear(east.feed, silent=True)
    streams.tell_one(EAST.id, Note(0, "cut", ""))
    former = east.feed
    east.connect(NOON)  # it has come back in another connection before the first one was given up
    assert await hear(east) == ["resumed", "note"]
    streams.hear(former, silent=False)
    streams.leave(former, NOON)
    assert await hear(east) == []
    assert east.notes == ["unread", "unheard", "cut"]


async def test_classrooms_are_not_told_how_others_are(streams, lesson):
    teacher, east = await join(streams, lesson, TEACHER), await join(streams, lesson, EAST)
    await hear(teacher)
    streams.tell(lesson.set_links({EAST.id: GOOD, TEACHER.id: GOOD}))
    streams.tell(lesson.report(EAST.id, ReportView(children=31)))
    assert await hear(teacher) == ["participant_changed"] * 3
    assert await hear(east) == ["participant_changed"] * 2, "its own link and report, not the teacher's"
    assert [p["report"] and p["report"]["children"] for p in teacher.state["participants"]] == [None, 31]
    west = await join(streams, lesson, WEST)
    assert [(p["link"], p["report"]) for p in west.state["participants"]] == [(None, None)] * 3


async def test_a_classroom_is_told_how_its_own_link_is_from_the_first_snapshot_on(streams, lesson):
    east = await join(streams, lesson, EAST)
    streams.tell(lesson.set_links({EAST.id: GOOD}))
    await hear(east)
    assert [p["link"] and p["link"]["word"] for p in east.state["participants"]] == ["good"]
    east.reload()
    east.connect(NOON)
    await hear(east)
    assert [p["link"] and p["link"]["word"] for p in east.state["participants"]] == ["good"]


async def test_a_client_that_takes_nothing_holds_up_nobody_and_costs_no_more(streams, lesson):
    slow, quick = await join(streams, lesson, WEST), await join(streams, lesson, EAST)
    for page in range(1, 2000):
        streams.tell(lesson.turn_page(page, NOON))
        if page % 100 == 0:
            await hear(quick)
    await hear(quick)
    assert (quick.snapshots, quick.state["lesson"]["page"]) == (1, 1999)
    heard = await hear(slow)
    assert len(heard) <= 257
    assert (slow.snapshots, slow.state["lesson"]["page"]) == (2, 1999)


async def test_a_client_that_comes_and_goes_leaves_few_streams_behind(streams, lesson):
    for _ in range(10):
        east = await join(streams, lesson, EAST)
        east.leave(NOON)
    assert len(streams._clients) == MAX_AWAY
    assert not streams.connected
    streams.forget_expired(NOON + 2 * RESUME_FOR)
    assert not streams._clients
