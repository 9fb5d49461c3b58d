"""Full-text search in two databases over the same terms: SQLite FTS5 and PostgreSQL tsvector.

Both have a table ``passage_terms`` with the id of a passage and its terms. Queries reach the database as values of
parameters, made of terms only (terms.py).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import text

from classroom.catalogue.passages import KIND_MASK, KIND_SHIFT, RECORDING_SHIFT, id_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import TextClause

    from classroom.catalogue.terms import Phrase, Term


class FullText(Protocol):
    """How a database searches."""

    insert: TextClause
    delete: TextClause
    found: TextClause

    def document(self, told: Sequence[Term]) -> str:
        """The terms of a passage as the database takes them."""

    def query(self, wanted: Iterable[Phrase]) -> str:
        """Any of the phrases, in the language of the database."""

    def hits(self, recordings: Sequence[int], limit: int) -> tuple[TextClause, dict[str, Any]]:
        """The statement that finds the first passages of each recording, with its parameters but ``query``."""

    def among(self, column: str, parameter: str) -> str:
        """A condition: the column is one of the numbers in a JSON array."""


_FOUND = (
    f"SELECT {{id}} >> {RECORDING_SHIFT} AS recording_id, min(({{id}} >> {KIND_SHIFT}) & {KIND_MASK}) AS kind, "
    "count(*) AS passages FROM passage_terms WHERE {match} GROUP BY 1"
)


_HITS = (
    "SELECT p.recording_id, p.kind, p.start_s, p.text "
    "FROM ({ids}) AS hits JOIN passages p ON p.id = hits.id ORDER BY p.id"
)


class SqliteFullText:
    """FTS5. Its tokenizer ``ascii`` splits at blanks and takes all else as it comes."""

    insert = text("INSERT INTO passage_terms (rowid, terms) VALUES (:id, :terms)")
    delete = text("DELETE FROM passage_terms WHERE rowid BETWEEN :first AND :last")
    found = text(_FOUND.format(id="rowid", match="passage_terms MATCH :query"))
    _first_of_one = (
        "SELECT id FROM (SELECT rowid AS id FROM passage_terms "
        "WHERE passage_terms MATCH :query AND rowid BETWEEN :first{n} AND :last{n} "
        "ORDER BY rowid LIMIT :limit) AS of{n}"
    )

    def document(self, told: Sequence[Term]) -> str:
        """Terms with blanks between."""
        return " ".join(term.text for term in told)

    def query(self, wanted: Iterable[Phrase]) -> str:
        """``"乘法 法口" OR "王" *``."""
        return " OR ".join(f'"{" ".join(phrase.terms)}"{" *" if phrase.prefix else ""}' for phrase in wanted)

    def hits(self, recordings: Sequence[int], limit: int) -> tuple[TextClause, dict[str, Any]]:
        """See FullText."""
        parameters: dict[str, Any] = {"limit": limit}
        for n, recording in enumerate(recordings):
            parameters[f"first{n}"], parameters[f"last{n}"] = id_range(recording)
        ids = " UNION ALL ".join(self._first_of_one.format(n=n) for n in range(len(recordings)))
        return text(_HITS.format(ids=ids)), parameters

    def among(self, column: str, parameter: str) -> str:
        """See FullText."""
        return f"{column} IN (SELECT value FROM json_each(:{parameter}))"


class PostgresFullText:
    """tsvector, written out term by term: no parser or dictionary of the database has a say."""

    insert = text("INSERT INTO passage_terms (id, terms) VALUES (:id, CAST(CAST(:terms AS text) AS tsvector))")
    delete = text("DELETE FROM passage_terms WHERE id BETWEEN :first AND :last")
    _match = "terms @@ CAST(CAST(:query AS text) AS tsquery)"
    found = text(_FOUND.format(id="id", match=_match))
    # OFFSET 0 keeps the planner from asking the index again for each recording: its few hundred passages are looked at.
    _own = (
        "SELECT id, terms FROM passage_terms "
        f"WHERE id BETWEEN wanted.id << {RECORDING_SHIFT} AND ((wanted.id + 1) << {RECORDING_SHIFT}) - 1 OFFSET 0"
    )
    _ids = (
        "SELECT found.id FROM (SELECT CAST(value AS bigint) AS id FROM "
        "json_array_elements_text(CAST(CAST(:recordings AS text) AS json)) AS value) AS wanted CROSS JOIN LATERAL "
        f"(SELECT own.id FROM ({_own}) AS own WHERE {_match} ORDER BY own.id LIMIT :limit) AS found"
    )

    def document(self, told: Sequence[Term]) -> str:
        """``'乘法':1 '法口':2``."""
        return " ".join(f"'{term.text}':{number}" for number, term in enumerate(told, 1))

    def query(self, wanted: Iterable[Phrase]) -> str:
        """``('乘法' <-> '法口') | '王':*``."""
        return " | ".join(
            "(" + " <-> ".join(f"'{term}'" for term in phrase.terms) + (":*" if phrase.prefix else "") + ")"
            for phrase in wanted
        )

    def hits(self, recordings: Sequence[int], limit: int) -> tuple[TextClause, dict[str, Any]]:
        """See FullText."""
        return text(_HITS.format(ids=self._ids)), {"recordings": json.dumps(list(recordings)), "limit": limit}

    def among(self, column: str, parameter: str) -> str:
        """See FullText."""
        array = f"json_array_elements_text(CAST(CAST(:{parameter} AS text) AS json))"
        return f"{column} IN (SELECT CAST(value AS bigint) FROM {array} AS value)"
