"""The catalogue on SQLite and on PostgreSQL: the same tests, the same answers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest

from classroom.catalogue.catalogue import HITS, title_key
from classroom.catalogue.database import BadDatabaseUrl, CatalogueUnavailable, database_url
from classroom.catalogue.library import FACETS, LibraryQuery, Sort
from classroom.catalogue.metadata import DatedMetadata, Metadata
from classroom.catalogue.passages import Kind
from classroom.catalogue.terms import marks, phrases, terms
from classroom.model import LessonId
from tests.unit.catalogue.entries import BEGAN, DATABASES, entry, new_url, open_catalogue

MATHS, LATER = LessonId("maths"), BEGAN + timedelta(days=30)


@pytest.fixture(params=DATABASES)
async def catalogue(request, tmp_path):
    async with open_catalogue(new_url(request.param), tmp_path) as catalogue:
        yield catalogue


async def found(catalogue, text="", **query) -> list[str]:
    """The lessons that are found, in order."""
    page = await catalogue.library(LibraryQuery(text=text, **query))
    assert page.total >= len(page.items)
    return [item.lesson for item in page.items]


async def fill(catalogue) -> None:
    """Six lessons of two stages."""
    for number, (lesson, stage, grade, subject, title, teacher) in enumerate(
        [
            ("m3", "小学", "三年级", "数学", "分数的初步认识", "王秀英"),
            ("m2", "小学", "二年级", "数学", "乘法口诀", "王秀英"),
            ("c3", "小学", "三年级", "语文", "秋天的雨", "李建国"),
            ("p8", "初中", "八年级", "物理", "凸透镜成像的规律", "张卫东"),
            ("p9", "初中", "九年级", "物理", "欧姆定律", "王秀英"),
            ("bare", "", "", "", "", ""),
        ]
    ):
        said = {"stage": stage, "grade": grade, "subject": subject, "title": title, "teacher": teacher}
        await catalogue.put(entry(lesson, day=number, said=said))


async def test_facets_narrow_in_their_order(catalogue):
    await fill(catalogue)
    page = await catalogue.library(LibraryQuery(filters={"stage": "小学", "subject": "数学"}))

    def counts(facet):
        return [(value.value, value.count) for value in page.facets[facet]]

    assert list(page.facets) == list(FACETS)
    assert counts("stage") == [("小学", 3), ("初中", 2)]  # not narrowed by itself or what comes after it
    assert counts("grade") == [("二年级", 1), ("三年级", 2)]  # in the order of school years
    assert counts("subject") == [("数学", 2), ("语文", 1)]
    assert counts("teacher") == [("王秀英", 2)]
    assert (page.total, [item.lesson for item in page.items]) == (2, ["m2", "m3"])
    page = await catalogue.library(LibraryQuery(text="王秀英", since=BEGAN + timedelta(days=1)))
    assert counts("stage") == [("小学", 1), ("初中", 1)]  # text and time narrow all of them


async def test_order_pages_and_times(catalogue):
    await fill(catalogue)
    everything = ["bare", "p9", "p8", "c3", "m2", "m3"]
    assert await found(catalogue) == everything
    assert await found(catalogue, sort=Sort.OLDEST) == everything[::-1]
    # by pronunciation: bare, chéng, fēn, ōu, qiū, tū
    assert await found(catalogue, sort=Sort.TITLE) == ["bare", "m2", "m3", "p9", "c3", "p8"]
    assert await found(catalogue, page_size=2, page=2) == ["p8", "c3"]
    assert await found(catalogue, page_size=4, page=2) == ["m2", "m3"]
    assert await found(catalogue, page=9) == []
    day = timedelta(days=1)
    assert await found(catalogue, since=BEGAN + day, until=BEGAN + 3 * day) == ["c3", "m2"]


async def test_where_it_was_found_ranks_and_is_shown(catalogue):
    await catalogue.put(entry("caption", day=4, captions=["上课", "今天学乘法", "乘法有什么用"]))
    await catalogue.put(entry("slide", day=3, slides=["封面", "乘法的意义"]))
    await catalogue.put(entry("people", day=2, people=["乘法小学"]))
    await catalogue.put(entry("title", day=1, said={"title": "乘法口诀"}))
    await catalogue.put(entry("nothing", day=5, slides=["加法，减法", "乘，法"]))
    page = await catalogue.library(LibraryQuery(text="乘法"))
    assert [item.lesson for item in page.items] == ["title", "people", "slide", "caption"]
    title, _, slide, caption = (item.hits for item in page.items)
    assert [(hit.kind, hit.at_s, hit.text, hit.marks) for hit in title] == [(Kind.TITLE, None, "乘法口诀", [(0, 2)])]
    assert [(hit.kind, hit.at_s) for hit in slide] == [(Kind.SLIDE, 60.0)]
    assert [(hit.at_s, hit.marks) for hit in caption] == [(5.0, [(3, 5)]), (10.0, [(0, 2)])]
    assert await found(catalogue, "乘法", sort=Sort.NEWEST) == ["caption", "slide", "people", "title"]


FOUND = [
    ("乘", {"table", "maths"}),
    ("诀", {"table"}),
    ("口诀", {"table"}),
    ("法口", {"table"}),
    ("乘法口诀", {"table"}),
    ("口诀乘法", set()),
    ("口诀 乘法", {"table"}),
    ("乘法 王", {"maths"}),
    ("３Ｄ", {"maths"}),
    ("3d打印", {"maths"}),
    ("APPLE", {"english"}),
    ("appl", {"english"}),
    ("ppl", set()),
    ("12", {"english"}),
    ("1", set()),
    ('"an apple"', {"english"}),
    ('"apple an"', set()),
    ("café", {"english"}),
    ("的", set()),
    ("。！", set()),
    ("' OR 1=1 --", set()),
    ('") OR passage_terms MATCH ("', set()),
    ("乘法' | '口诀", {"table"}),
    ("* - ^ : ( ) { } NEAR/2", set()),
    ("\\' \\", set()),
    ("x" * 5000, set()),
]


async def test_words_find_what_people_would_find(catalogue):
    await catalogue.put(entry("table", slides=["乘法口诀表"], captions=["我们背口诀"]))
    await catalogue.put(entry("maths", slides=["整数乘法，3D 打印"], people=["王老师"]))
    await catalogue.put(entry("english", slides=["An apple, 12 Cafe\u0301s"]))
    assert [(text, set(await found(catalogue, text))) for text, _ in FOUND] == FOUND


async def test_the_databases_find_what_the_marks_say(catalogue):
    """Whatever is asked, a passage is found exactly when its words can be marked: both ways of looking agree."""
    random = Random(3)
    texts = ["".join(random.choices("乘法口诀表 ab1，", k=12)) for _ in range(40)]
    for number, text in enumerate(texts):
        await catalogue.put(entry(f"l{number}", slides=[text], title="·"))
    for _ in range(60):
        query = "".join(random.choices("乘法口诀表ab1", k=random.randint(1, 3)))
        expected = {f"l{number}" for number, text in enumerate(texts) if marks(terms(text), phrases(query))}
        assert set(await found(catalogue, query, page_size=100)) == expected, query


async def test_some_hits_of_each_are_shown(catalogue):
    await catalogue.put(entry("much", captions=[f"第 {n} 次说乘法" for n in range(300)]))
    await catalogue.put(entry("little", captions=["乘法"]))
    page = await catalogue.library(LibraryQuery(text="乘法"))
    assert {item.lesson: len(item.hits) for item in page.items} == {"much": HITS, "little": 1}
    assert page.items[0].lesson == "much"  # the more often the better


async def test_what_people_say_about_a_lesson(catalogue):
    assert await catalogue.metadata(MATHS) is None
    said = DatedMetadata(Metadata(title="分数", keywords=("分子", "分母"), description="一\n二"), BEGAN)
    await catalogue.set_metadata(MATHS, said.metadata, said.updated_at)  # before it is recorded
    assert await catalogue.metadata(MATHS) == said
    assert await found(catalogue) == []
    assert await catalogue.put(entry("maths")) == said
    page = await catalogue.library(LibraryQuery(text="分母"))
    assert [item.title for item in page.items] == ["分数"]


async def test_the_newer_word_counts(catalogue):
    older, newer = {"title": "旧"}, Metadata(title="新")
    assert (await catalogue.put(entry("maths", said=older))).metadata.title == "旧"
    await catalogue.set_metadata(MATHS, newer, LATER)
    assert (await catalogue.put(entry("maths", said=older))).metadata == newer
    beside = DatedMetadata(Metadata(title="从备份来"), LATER + timedelta(seconds=1))
    assert await catalogue.put(entry("maths", metadata=beside)) == beside
    assert await found(catalogue, "新") == []
    assert await found(catalogue, "备份") == ["maths"]


async def test_a_recording_changes_while_it_grows(catalogue):
    await catalogue.put(entry("maths", state="recording", duration_s=10.0, captions=["早上好"]))
    await catalogue.put(entry("maths", state="complete", duration_s=20.0, captions=["早上好", "再见"], seen="2"))
    page = await catalogue.library(LibraryQuery())
    assert [(item.state, item.duration_s) for item in page.items] == [("complete", 20.0)]
    assert await found(catalogue, "再见") == await found(catalogue, "早上") == ["maths"]
    await catalogue.put(entry("maths", captions=["再见"], seen="3"))
    assert await found(catalogue, "早上") == []
    assert await catalogue.seen() == {"2026/09/maths": "3"}


async def test_holdings_are_recordings_of_one_lesson(catalogue):
    await catalogue.put(entry("maths", said={"title": "分数"}))
    await catalogue.put(entry("maths", day=1, holding="2026-09-2", captions=["第二次"]))
    page = await catalogue.library(LibraryQuery())
    assert [(item.lesson, item.holding, item.title) for item in page.items] == [
        ("maths", "2026-09-2", "分数"),
        ("maths", "2026-09-1", "分数"),
    ]
    page = await catalogue.library(LibraryQuery(text="第二次"))
    assert [item.holding for item in page.items] == ["2026-09-2"]


async def test_a_recording_whose_folder_is_gone_is_marked(catalogue):
    await catalogue.put(entry("maths", captions=["早上好"]))
    await catalogue.mark_missing(["2026/09/maths"])
    (item,) = (await catalogue.library(LibraryQuery(text="早上"))).items
    assert (item.state, item.cover) == ("missing", None)
    assert "disk" in item.detail
    assert await catalogue.seen() == {}
    await catalogue.put(entry("maths", captions=["早上好"]))
    (item,) = (await catalogue.library(LibraryQuery(text="早上"))).items
    assert (item.state, item.detail) == ("complete", None)
    await catalogue.forget_recordings()
    assert await found(catalogue) == []


async def test_odd_texts_are_stored(catalogue):
    odd = "乘法\0口诀 \ud800 🙂 𠮷"
    await catalogue.put(entry("maths", slides=[odd, " ", ""], title=odd, detail=odd, people=[odd]))
    await catalogue.put(entry("long", slides=["甲" * 100_000]))
    assert await found(catalogue, "口诀") == ["maths"]


async def test_many_readers_and_writers_at_once(catalogue):
    async def write(number):
        await catalogue.put(entry(f"l{number}", captions=["乘法"] * 20))
        return await found(catalogue, "乘法", page_size=100)

    answers = await asyncio.gather(*(write(number) for number in range(25)))
    assert all(answers)
    assert len(await found(catalogue, "乘法", page_size=100)) == 25


@pytest.mark.parametrize("kind", DATABASES)
async def test_what_was_kept_is_there_after_a_restart(kind, tmp_path):
    url = new_url(kind)
    async with open_catalogue(url, tmp_path) as catalogue:
        await catalogue.put(entry("maths", captions=["乘法"]))
    async with open_catalogue(url, tmp_path) as catalogue, open_catalogue(url, tmp_path) as another:
        assert await found(catalogue, "乘法") == await found(another, "乘法") == ["maths"]


async def test_a_damaged_file_is_put_aside(tmp_path):
    async with open_catalogue(None, tmp_path) as catalogue:
        await catalogue.put(entry("maths"))
    (tmp_path / "catalogue.db").write_bytes(b"no database" * 1000)
    async with open_catalogue(None, tmp_path) as catalogue:
        assert await found(catalogue) == []
    assert (tmp_path / "catalogue.broken").read_bytes().startswith(b"no database")


async def test_a_database_that_does_not_answer_is_said_without_its_password(tmp_path, caplog):
    url = "postgresql://classroom:hunter2@127.0.0.1:9/nothing"
    with pytest.raises(CatalogueUnavailable, match="Try again"):
        async with open_catalogue(url, tmp_path):
            pass
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("url", ["mysql://root:hunter2@host/x", "nonsense", "", "postgresql://[::1:bad/"])
def test_an_address_that_is_none_is_refused_without_telling_it(url, tmp_path):
    with pytest.raises(BadDatabaseUrl) as refused:
        database_url(url, tmp_path)
    assert "hunter2" not in str(refused.value)


def test_titles_are_sorted_as_they_are_spoken():
    titles = ["乘法", "分数", "Ｂ", "apple", "圆", "C", "八"]
    assert sorted(titles, key=title_key) == ["apple", "Ｂ", "C", "八", "乘法", "分数", "圆"]
