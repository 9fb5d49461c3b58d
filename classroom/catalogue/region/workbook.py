"""Tables in files: what is read of CSV and Excel files, and what is written. Blocks; see apart.py.

A file is of whoever sends it: its size, the size it unpacks to, its rows, columns and cells are bounded.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill

from classroom.catalogue.region.cells import MAX_CELL_CHARS, is_empty, neutral
from classroom.catalogue.region.sheets import NOTES, SHEETS, Sheet, key_of
from classroom.catalogue.region.tables import (
    MAX_COLUMNS,
    MAX_FILE_BYTES,
    MAX_MEMBERS,
    MAX_ROWS,
    MAX_UNPACKED_BYTES,
    BadFile,
    HeaderFault,
    RawRow,
    RawSheet,
    Tables,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import PurePath

    from classroom.catalogue.region.cells import Cell

_SKIPPED = {key_of(NOTES), "说明", "notes", "readme"}
_HEADER = Font(bold=True)
_REQUIRED = PatternFill("solid", fgColor="FFF2CC")
_WIDTH = 18


def read_tables(files: Iterable[tuple[PurePath, bytes]]) -> Tables:
    """The tables of files with their names, of which the ending counts: .xlsx or .csv. Raises BadFile."""
    sheets: list[RawSheet] = []
    faults: list[HeaderFault] = []
    left = MAX_ROWS
    for path, data in files:
        if len(data) > MAX_FILE_BYTES:
            most = MAX_FILE_BYTES >> 20
            raise BadFile(
                f"{path.name} 太大，上限 {most} MB，请分成几个文件。 "
                f"{path.name} is too large; the limit is {most} MB: split it."
            )
        alone = path.suffix.lower() != ".xlsx"
        tables = _csv(path, data) if alone else _workbook(path, data)
        for title, rows in tables:
            place = path.name if alone else f"{path.name} / {title}"
            found = _sheet(place, title, rows, left, faults)
            if found is not None:
                left -= len(found.rows)
                sheets.append(found)
    return Tables(sheets, faults)


def write_tables(tables: Iterable[tuple[Sheet, Iterable[Mapping[str, str]]]]) -> bytes:
    """A workbook with these rows, by the code's names of the columns, none of which is taken for a formula."""
    book = Workbook(write_only=True)
    for sheet, rows in tables:
        page = _page(book, sheet)
        for row in rows:
            page.append([_cell(page, row.get(column.name, "")) for column in sheet.columns])
    return _bytes(book)


def write_template() -> bytes:
    """An empty workbook to be filled in: every sheet with an example, which an import skips, and notes."""
    book = Workbook(write_only=True)
    notes = book.create_sheet(NOTES)
    for width, letter in zip((14, 22, 26, 10, 22, 44), "ABCDEF", strict=True):
        notes.column_dimensions[letter].width = width
    headers = ("工作表 Sheet", "列 Column", "English", "必填 Required", "示例 Example", "说明 Note")
    notes.append([_cell(notes, header, font=_HEADER) for header in headers])
    for sheet in SHEETS:
        for column in sheet.columns:
            required = "是 yes" if column.required else ""
            notes.append([sheet.zh, column.zh, column.en, required, column.example, column.note])
        notes.append([])
    notes.append(
        ["示例行不会被导入；导入只增改，不删除。 Example rows are not imported; an import never removes anything."]
    )
    for sheet in SHEETS:
        page = _page(book, sheet)
        page.append([_cell(page, column.example) for column in sheet.columns])
    return _bytes(book)


def _sheet(
    place: str, title: str, rows: Iterator[tuple[Cell, ...]], left: int, faults: list[HeaderFault]
) -> RawSheet | None:
    """Its rows below the first one that is not empty, which has the headers."""
    numbered = enumerate(rows, 1)
    top = next((row for _, row in numbered if not all(map(is_empty, row))), None)
    if top is None:
        return None
    headers = ["" if is_empty(cell) else str(_bounded(cell)).strip() for cell in top]
    sheet = _known(title, headers)
    if sheet is None:
        if key_of(title) not in _SKIPPED:
            names = "、".join(each.zh for each in SHEETS)
            faults.append(
                HeaderFault(
                    place,
                    None,
                    f"不知道这是什么表，请命名为：{names}",
                    f"it is not known what this is; call it {', '.join(each.name for each in SHEETS)}",
                )
            )
        return None
    columns = _columns(place, sheet, headers, faults)
    example = {column.name: column.example for column in sheet.columns if column.example}
    found: list[RawRow] = []
    for at, row in numbered:
        told = {name: _bounded(cell) for name, cell in zip(columns, row, strict=False) if name and not is_empty(cell)}
        if not told or {name: str(cell) for name, cell in told.items()} == example:
            continue
        if len(found) == left:
            raise BadFile(
                f"一次最多导入 {MAX_ROWS} 行，请分成几个文件。 "
                f"At most {MAX_ROWS} rows are imported at once; split the file."
            )
        found.append(RawRow(at, told))
    return RawSheet(sheet, place, found)


def _bounded(cell: Cell) -> Cell:
    """No more of a cell than shows that it is too long: a small file may have one of 100 MB."""
    return cell[: MAX_CELL_CHARS + 1] if isinstance(cell, str) else cell


def _known(title: str, headers: Sequence[str]) -> Sheet | None:
    """By its name (课表, timetable, 大足区课表.csv), else by its headers."""
    name = key_of(title)
    named = [sheet for sheet in SHEETS if name in (sheet.name, sheet.zh)]
    named = named or [sheet for sheet in SHEETS if sheet.zh in name or sheet.name in name]
    if len(named) == 1:
        return named[0]
    told = {key_of(header) for header in headers}
    fitting = [
        sheet
        for sheet in SHEETS
        if all(told & {key_of(column.zh), key_of(column.en)} for column in sheet.columns if column.required)
        and all(any(header in (key_of(c.zh), key_of(c.en)) for c in sheet.columns) for header in told - {""})
    ]
    return fitting[0] if len(fitting) == 1 else None


def _columns(place: str, sheet: Sheet, headers: Sequence[str], faults: list[HeaderFault]) -> list[str | None]:
    """What the code calls each column; None for one without a header."""
    called = {key_of(name): column.name for column in sheet.columns for name in (column.zh, column.en)}
    names: list[str | None] = []
    for header in headers:
        name = called.get(key_of(header))
        if header and name is None:
            known = "、".join(column.zh for column in sheet.columns)
            faults.append(HeaderFault(place, header, f"没有这一列；有：{known}", "there is no such column; remove it"))
        elif name is not None and name in names:
            faults.append(HeaderFault(place, header, "这一列出现了两次，请删去一列", "it is there twice; remove one"))
        names.append(name)
    missing = [column.zh for column in sheet.columns if column.required and column.name not in names]
    faults += [HeaderFault(place, name, "缺少这一列，请加上", "this column is missing; add it") for name in missing]
    return names


def _csv(path: PurePath, data: bytes) -> Iterator[tuple[str, Iterator[tuple[Cell, ...]]]]:
    """UTF-8, with or without a mark, else GB 18030, which is what a Chinese Excel writes."""
    if path.suffix.lower() not in (".csv", ".txt"):
        raise BadFile(
            f"{path.name} 不是 .xlsx 或 .csv，请另存为其中一种。 {path.name} is neither .xlsx nor .csv; save it as one."
        )
    try:
        words = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            words = data.decode("gb18030")
        except UnicodeDecodeError:
            raise BadFile(
                f"{path.name} 的编码无法识别，请存为 UTF-8 的 CSV。 "
                f"{path.name} is neither UTF-8 nor GB 18030; save it as UTF-8."
            ) from None
    if "\0" in words:
        raise BadFile(f"{path.name} 不是文本文件，请存为 CSV。 {path.name} is not text; save it as CSV.")
    head = words.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(words, newline=""), delimiter="\t" if "\t" in head and "," not in head else ",")

    def rows() -> Iterator[tuple[Cell, ...]]:
        try:
            for row in reader:
                yield tuple(row[:MAX_COLUMNS])
        except csv.Error as error:
            raise BadFile(
                f"{path.name} 第 {reader.line_num} 行无法解析，请检查引号。 "
                f"Line {reader.line_num} of {path.name} cannot be parsed ({error}); look at its quotation marks."
            ) from error

    yield path.stem, rows()


def _workbook(path: PurePath, data: bytes) -> Iterator[tuple[str, Iterator[tuple[Cell, ...]]]]:
    unreadable = BadFile(
        f"{path.name} 无法读取，请在 Excel 或 WPS 中另存为 .xlsx。 {path.name} cannot be read; save it as .xlsx again."
    )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise unreadable from error
    # What a member says of its size is as much as zipfile unpacks of it.
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise BadFile(f"{path.name} 解压后太大，请分成几个文件。 {path.name} unpacks to too much; split it.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and validations, which we do not read
        try:
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            for page in book.worksheets:
                page.reset_dimensions()  # what a file says of them need not be so
                rows: Any = page.iter_rows(max_col=MAX_COLUMNS, values_only=True)
                first = list(islice(rows, 1))
                yield page.title, chain(first, rows)
        except BadFile:
            raise
        except Exception as error:  # whatever a broken file brings the parser to
            raise unreadable from error


def _page(book: Workbook, sheet: Sheet) -> Any:
    page: Any = book.create_sheet(sheet.zh)
    page.freeze_panes = "A2"
    for number, _ in enumerate(sheet.columns):
        page.column_dimensions[chr(ord("A") + number)].width = _WIDTH
    headers = []
    for column in sheet.columns:
        cell = _cell(page, column.zh + ("*" if column.required else ""), font=_HEADER)
        if column.required:
            cell.fill = _REQUIRED
        headers.append(cell)
    page.append(headers)
    return page


def _cell(page: Any, words: str, font: Font | None = None) -> Any:
    """A cell of text, also where it looks like a number: Excel would take the beginning of a code away."""
    cell: Any = WriteOnlyCell(page, neutral(words) or None)
    if words:
        cell.data_type = "s"
    cell.number_format = "@"
    if font is not None:
        cell.font = font
    return cell


def _bytes(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
