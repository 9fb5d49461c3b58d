"""The demo district: believable, the same for everybody, and without a conflict at any time of the year."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import date, time, timedelta

import pytest

from classroom.catalogue.region.demo_data import demo_tables
from classroom.catalogue.region.exchange import NotEmpty
from classroom.catalogue.region.importing import Occupied, plan_import
from classroom.catalogue.region.student_numbers import StudentNumbers
from classroom.catalogue.region.values import Term
from classroom.catalogue.region.world import World
from classroom.catalogue.scope import EVERYTHING, of_school
from tests.unit.catalogue.entries import DATABASES
from tests.unit.catalogue.region.town import SECRET, WEDNESDAY, ZONE, open_region


@pytest.mark.parametrize("kind", DATABASES)
async def test_a_day_of_it_has_lessons_with_villages_that_listen(kind, tmp_path):
    async with open_region(kind, tmp_path) as (region, _):
        outcome = await region.exchange.take_in_demo()
        assert outcome.bad == []
        plans = await region.plans.plans_of(WEDNESDAY)
        assert [plan.starts_at.astimezone(ZONE).time() for plan in plans[::3]] == [
            time(8, 40), time(9, 30), time(10, 20), time(14, 0),
        ]  # fmt: skip
        assert len(plans) == 12
        assert {plan.subject for plan in plans} == {"语文", "英语", "数学", "科学"}
        assert all(plan.main.short_name == "海棠路小学" and 42 <= plan.children <= 48 for plan in plans)
        heard = [listener for plan in plans for listener in plan.listeners]
        assert len({listener.place.short_name for listener in heard}) == 10
        assert all(6 <= listener.children <= 15 and listener.assistant for listener in heard)
        village = next(listener for listener in heard if listener.place.short_name == "山坪小学")
        assert await region.plans.plans_of(WEDNESDAY, of_school(village.place.school_id))
        with pytest.raises(NotEmpty):
            await region.exchange.take_in_demo()
        again = await region.exchange.take_in_demo(into_existing=True)
        assert (again.bad, again.changes) == ([], [])


def test_it_is_the_same_for_everybody():
    assert demo_tables(WEDNESDAY) == demo_tables(WEDNESDAY)


@pytest.mark.parametrize("month", range(1, 13))
def test_on_any_day_there_is_a_term_and_no_conflict(month):
    for day in (1, 14, 28):
        today = date(2026, month, day)
        world = World()
        outcome = plan_import(demo_tables(today), world, StudentNumbers(SECRET), EVERYTHING, Occupied(date(2025, 1, 1)))
        assert list(outcome.bad) == []
        (term,) = (known.value for known in world.all(Term))
        assert term.starts_on <= today < term.ends_on
        days = [today + timedelta(days=number) for number in range(7)]
        lessons = Counter(on for each in world.arrangements() for on, _ in each.lessons(days[0], days[-1]))
        # Alternating weeks have one of two. Also the days before and after a term may be among these seven.
        assert lessons == {on: 12 for on in days if is_school_day(on, term)}


OFF = ("01-01 01-03", "02-15 02-23", "04-04 04-06", "05-01 05-05", "06-19 06-21", "09-25 09-27", "10-01 10-07")
WORKED = {"01-04": "01-02", "02-14": "02-20", "02-28": "02-23", "05-09": "05-05", "09-20": "10-06", "10-10": "10-07"}


def is_school_day(day: date, term: Term) -> bool:
    """By the notice of the State Council."""
    if day.year == 2026:
        if f"{day:%m-%d}" in WORKED:
            return term.starts_on <= date.fromisoformat(f"2026-{WORKED[f'{day:%m-%d}']}") <= term.ends_on
        if any(first <= f"{day:%m-%d}" <= last for first, last in map(str.split, OFF)):
            return False
    return day.isoweekday() <= 5 and term.starts_on <= day <= term.ends_on


def classroom(*arguments, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "classroom", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        env={"PATH": "", "LANG": "C.UTF-8", "COLUMNS": "200", **environment},
        check=False,
    )


def test_the_command_line_fills_exports_and_imports(tmp_path):
    environment = {"CLASSROOM_RECORDINGS": str(tmp_path)}
    done = classroom("demo-data", **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Imported: " in done.stdout
    done = classroom("demo-data", **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--into-existing" in done.stderr
    exported = tmp_path / "大足.xlsx"
    assert classroom("region", "export", exported, **environment).returncode == 0
    done = classroom("region", "import", exported, **environment)
    assert done.returncode == 0
    assert "Imported: 0." in done.stdout
    bad = tmp_path / "班级.csv"
    bad.write_text("学校代码,年级,班级\n3150011101,六年级,1班\n1,六年级,2班\n", encoding="utf-8")
    done = classroom("region", "import", bad, "--dry-run", **environment)
    assert (done.returncode, done.stderr) == (1, "")
    assert "班级.csv" in done.stdout
    assert "找不到“1”" in done.stdout
    assert "Errors: 1; nothing was imported." in done.stdout


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    done = classroom("region", "import", tmp_path / "nothing.xlsx", CLASSROOM_RECORDINGS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("无法读取")
    assert "Traceback" not in done.stderr
    done = classroom("region", "template", tmp_path / "template.xlsx")
    assert done.returncode == 0
    assert (tmp_path / "template.xlsx").read_bytes()[:2] == b"PK"
