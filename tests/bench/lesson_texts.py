"""What the lessons of a district are about: titles, slides and spoken words, made from word lists and a seed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

WORDS = tomllib.loads((Path(__file__).parents[1] / "data" / "lessons.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class LessonText:
    """One lesson in words; ``course`` is that of the word lists: stage, subject, edition, words."""

    course: dict[str, Any]
    title: str
    chapter: str
    grade: str
    volume: str
    teacher: str
    school: str
    district: str

    def slide(self, random: Random, number: int) -> str:
        """What is written on a page; the first one is the title."""
        return self._fill(random, WORDS["slides"][0] if number == 0 else random.choice(WORDS["slides"][1:]))

    def sentence(self, random: Random) -> str:
        """Something that is said in this lesson."""
        return self._fill(random, random.choice(WORDS["spoken"]))

    def _fill(self, random: Random, template: str) -> str:
        a, b, c = random.sample(self.course["words"], 3)
        return template.format(
            a=a,
            b=b,
            c=c,
            n=random.randint(3, 98),
            m=random.randint(2, 9),
            title=self.title,
            chapter=self.chapter,
            grade=self.grade,
            subject=self.course["subject"],
            edition=self.course["edition"],
        )


def make_text(random: Random, number: int) -> LessonText:
    """A lesson by its number; the first one is always the same, so that people know what to look for."""
    courses = WORDS["courses"]
    first = number == 0
    course = courses[0] if first else random.choices(courses, weights=[course["weight"] for course in courses])[0]
    chapter = course["chapters"][0] if first else random.choice(course["chapters"])
    school = random.choice([name for name in WORDS["schools"] if _teaches(name, course["stage"])])
    volumes = ("必修一", "必修二") if course["stage"] == "高中" else ("上册", "下册")
    teacher = random.choice(WORDS["surnames"]) + random.choice(WORDS["given"])
    return LessonText(
        course=course,
        title=chapter["lessons"][0] if first else random.choice(chapter["lessons"]),
        chapter=chapter["title"],
        grade="三年级" if first else random.choice(course["grades"]),
        volume="上册" if first else random.choice(volumes),
        teacher="王秀英" if first else teacher,
        school=school,
        district=WORDS["districts"][WORDS["schools"].index(school) % len(WORDS["districts"])],
    )


def _teaches(school: str, stage: str) -> bool:
    if stage == "小学":
        return "小学" in school or "九年" in school
    if stage == "初中":
        return ("中学" in school and "高级" not in school) or "九年" in school
    return "高级" in school or "第一中学" in school
