"""Which words of a text are found by which question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classroom.catalogue.excerpt import MAX_CHARS, excerpt
from classroom.catalogue.terms import MAX_PHRASE_TERMS, MAX_PHRASES, Phrase, marks, phrases, terms

TEXTS = {
    "乘": "乘",
    "乘法": "乘法 法",
    "乘法口诀": "乘法 法口 口诀 诀",
    "乘法，口诀。": "乘法 法 口诀 诀",
    "乘法\n口诀": "乘法 法 口诀 诀",
    "3D打印": "3d 打印 印",
    "打印3D模型": "打印 印 3d 模型 型",
    "ATP与DNA": "atp 与 dna",
    "Hello, World!": "hello world",
    "don't": "don t",
    "3.14": "3 14",
    "2×3=6": "2 3 6",
    "第12页": "第 12 页",
    "ＡＢＣ１２３": "abc123",
    "Ｆｕｌｌ　ｗｉｄｔｈ": "full width",
    "CO₂ cm²": "co2 cm2",
    "①②": "12",
    "café naïve Straße": "cafe naive strasse",
    "cafe\u0301": "cafe",
    "ΑΒΓ": "αβγ",
    "人教PEP版": "人教 教 pep 版",
    "々〇": "々〇 〇",
    "かな": "かな な",
    "한국": "한국 국",
    "𠮷野家": "𠮷野 野家 家",
    "《静夜思》——李白": "静夜 夜思 思 李白 白",
    "": "",
    " \t\n，。！？…—“”'\"*()^:<>|&": "",
    "🙂乘法🙂": "乘法 法",
    "\x00\ud800乘": "乘",
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items(), ids=lambda value: ascii(value)[:30])
def test_the_terms_of_a_text(text, expected):
    assert " ".join(term.text for term in terms(text)) == expected


QUERIES = {
    "乘": [("乘", True)],
    "乘法": [("乘法", False)],
    "乘法口诀": [("乘法 法口 口诀", False)],
    "乘法 口诀": [("乘法", False), ("口诀", False)],
    "“乘法 口诀”": [("乘法 法 口诀", False)],
    '"let\'s eat" 单词': [("let s eat", True), ("单词", False)],
    '"unfinished phrase': [("unfinished phrase", True)],
    "apple": [("apple", True)],
    "ab": [("ab", False)],
    "12": [("12", False)],
    "2026年": [("2026 年", True)],
    "3D打印": [("3d 打印", False)],
    "打印3": [("打印 印 3", False)],
    "乘法 乘法": [("乘法", False)],
    "乘法，口诀": [("乘法 法 口诀", False)],
    "AND OR NOT NEAR(a b)": [("and", True), ("or", False), ("not", True), ("near a", False), ("b", False)],
    "乘* OR 1=1; DROP TABLE lessons --": [
        ("乘", True), ("or", False), ("1 1", False), ("drop", True), ("table", True), ("lessons", True)
    ],
    "' | 'x':* & !'y' <-> (": [("x", False), ("y", False)],
    "*": [],
    '"': [],
    "": [],
}  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), QUERIES.items(), ids=lambda value: ascii(value)[:30])
def test_what_is_asked_for(query, expected):
    assert phrases(query) == [Phrase(tuple(words.split()), prefix) for words, prefix in expected]


def test_a_question_is_bounded():
    assert len(phrases(" ".join(f"w{number}" for number in range(100)))) == MAX_PHRASES
    assert len(phrases("乘法口诀" * 1000)[0].terms) == MAX_PHRASE_TERMS


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("乘法口诀表", "口诀", ["口诀"]),
        ("乘法口诀表", "乘", ["乘"]),
        ("乘法口诀表", "表", ["表"]),
        ("加法和乘法，乘法口诀", "乘法", ["乘法", "乘法"]),
        ("乘法口诀", "乘法 法口", ["乘法口"]),
        ("乘法，口诀", "乘法口诀", []),
        ("Apples and apple", "apple", ["Apples", "apple"]),
        ("ＣＡＦＥ́ 咖啡", "café", ["ＣＡＦＥ"]),
        ("3D打印机", "3d打印", ["3D打印"]),
        ("《静夜思》——李白", "李白", ["李白"]),
    ],
)
def test_what_was_found_is_marked(text, query, expected):
    assert [text[start:end] for start, end in marks(terms(text), phrases(query))] == expected


def test_an_excerpt_shows_the_first_place_and_counts_as_javascript_does():
    shown, spans = excerpt("甲" * 60 + "\n" + "𠮷" * 60 + "乘法口诀" + "乙" * 90, phrases("口诀"))
    assert shown.startswith("…") and shown.endswith("…") and len(shown) == MAX_CHARS + 2
    units = shown.encode("utf-16-le")
    assert [units[2 * start : 2 * end].decode("utf-16-le") for start, end in spans] == ["口诀"]


@given(st.text())
def test_terms_are_letters_and_digits_and_stand_where_they_say(text):
    for term in terms(text):
        assert term.text.isalnum()
        assert 0 <= term.start < term.end <= len(text)


@given(
    st.text(alphabet="乘法口诀ab1 ，。Ａ", max_size=30), st.text(alphabet="乘法口诀ab1 ，。Ａ", min_size=1, max_size=6)
)
def test_what_stands_in_a_text_in_letters_is_marked(text, wanted):
    """The search agrees with what people see: an unbroken word that is in the text is found there."""
    if wanted.isalnum() and all("\u4e00" <= char <= "\u9fff" for char in wanted):
        assert bool(marks(terms(text), phrases(wanted))) == (wanted in text)


@given(st.text(max_size=300), st.text(max_size=20))
def test_an_excerpt_is_short_and_its_marks_are_in_it(text, query):
    shown, spans = excerpt(text, phrases(query))
    assert len(shown) <= MAX_CHARS + 2
    assert all(0 <= start < end <= len(shown.encode("utf-16-le", "surrogatepass")) // 2 for start, end in spans)
