"""How long the library takes to answer: a real server with 500 lessons, asked through its API, on both databases."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import ClientSession

from classroom.web.auth import issue_operator_token
from classroom.web.secret import load_secret
from tests.bench.figures import percentile
from tests.bench.lesson_texts import WORDS
from tests.bench.library import write_library
from tests.databases import postgres
from tests.running import serving

FILL_S = 300.0
LOOK_S = 0.5
WARM_UP = 20


async def measure(lessons: int, questions: int) -> list[dict[str, Any]]:
    """One row for each database."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        await asyncio.to_thread(write_library, root, lessons)
        rows = [await _ask_all(root, "SQLite", lessons, questions)]
        server = await asyncio.to_thread(postgres)
        url = await asyncio.to_thread(server.new_database)
        rows.append(await _ask_all(root, "PostgreSQL", lessons, questions, CLASSROOM_DATABASE_URL=url))
    return rows


async def _ask_all(root: Path, database: str, lessons: int, questions: int, **environment: str) -> dict[str, Any]:
    random = Random(11)
    began_s = time.monotonic()
    async with serving(root, **environment) as server:
        token = issue_operator_token(load_secret(root / ".state"), time.time(), 3600)
        async with ClientSession(server.url, headers={"Authorization": f"Bearer {token}"}) as http:

            async def ask(**query: str) -> tuple[float, dict[str, Any]]:
                sent_s = time.perf_counter()
                async with http.get("/api/library", params=query) as response:
                    answer = await response.json()
                return (time.perf_counter() - sent_s) * 1e3, answer

            async with asyncio.timeout(FILL_S):
                while (await ask())[1].get("total") != lessons:
                    await asyncio.sleep(LOOK_S)
            filled_s = time.monotonic() - began_s
            for _ in range(WARM_UP):
                await ask(q=_question(random))
            searches, found = [], 0
            for _ in range(questions):
                took_ms, answer = await ask(q=_question(random))
                searches.append(took_ms)
                found += answer["total"] > 0
            browses = sorted([(await ask(**_filters(random)))[0] for _ in range(questions)])
    searches.sort()
    return {
        "database": database,
        "lessons": lessons,
        "fill_s": filled_s,
        "found_percent": 100 * found / questions,
        "search_p50_ms": percentile(searches, 50),
        "search_p95_ms": percentile(searches, 95),
        "search_max_ms": searches[-1],
        "browse_p95_ms": percentile(browses, 95),
    }


def _question(random: Random) -> str:
    """What somebody types: mostly a word of the subject, or a title, a teacher, two words, a single character."""
    course = random.choice(WORDS["courses"])
    words = course["words"]
    chapter = random.choice(course["chapters"])
    kinds = {
        "word": lambda: random.choice(words),
        "title": lambda: random.choice(chapter["lessons"]),
        "teacher": lambda: random.choice(WORDS["surnames"]) + random.choice(WORDS["given"]),
        "two words": lambda: f"{random.choice(words)} {random.choice(words)}",
        "word and place": lambda: f"{random.choice(words)} {random.choice(WORDS['schools'])[:4]}",
        "spoken": lambda: random.choice(("举手", "课本", "同学们", "听清楚", "练习本", "小组讨论")),
        "one character": lambda: random.choice("的一分水人大数学"),
    }
    return kinds[random.choices(list(kinds), weights=(35, 20, 10, 15, 8, 7, 5))[0]]()


def _filters(random: Random) -> dict[str, str]:
    """What somebody clicks."""
    course = random.choice(WORDS["courses"])
    clicked = [
        ("stage", course["stage"]),
        ("grade", random.choice(course["grades"])),
        ("subject", course["subject"]),
        ("edition", course["edition"]),
    ]
    return dict(clicked[: random.randint(0, len(clicked))])
