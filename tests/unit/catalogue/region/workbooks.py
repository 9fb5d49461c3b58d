"""A small region as an office has it in its spreadsheets, and what is read of such files."""

from __future__ import annotations

import csv
import io
from pathlib import PurePath

from openpyxl import Workbook, load_workbook

NUMBER = "G50011120160101123X"
REGION = {
    "区划": [["区划代码", "名称", "上级代码"], ["500111", "大足区", "500000"], ["500000", "重庆市", ""]],
    "学校": [
        ["学校代码", "学校名称", "简称", "区划代码"],
        ["5001110001", "大足区龙岗小学", "龙岗小学", "500111"],
        ["5001110002", "大足区山坪小学", "山坪小学", "500111"],
    ],
    "教室": [
        ["学校代码", "教室名称", "可主讲"],
        ["5001110001", "录播教室", "是"],
        ["5001110002", "多媒体教室", ""],
    ],
    "班级": [
        ["学校代码", "年级", "班级", "人数", "常用教室"],
        ["5001110001", "三年级", "1班", "45", ""],
        ["5001110002", "三年级", "1班", "12", "多媒体教室"],
    ],
    "教职工": [
        ["学校代码", "工号", "姓名", "学科"],
        ["5001110001", "101", "李红梅", "语文"],
        ["5001110002", "201", "陈志强", ""],
    ],
    "学生": [
        ["学校代码", "学籍号", "姓名", "年级", "班级"],
        ["5001110002", NUMBER, "张小雨", "三年级", "1班"],
    ],
    "学期": [["学期", "开始日期", "结束日期"], ["2026年秋", "2026/9/1", "2027年1月22日"]],
    "作息": [
        ["学校代码", "作息名称", "启用日期", "节次", "上课", "下课"],
        *(["5001110001", "夏季作息", "2026-09-01", f"第{n}节", f"{7 + n}：30", f"{8 + n}:10"] for n in (1, 2, 3)),
    ],
    "订阅": [
        ["学期", "学科", "主讲学校代码", "主讲年级", "主讲班级", "听讲学校代码", "听讲年级", "听讲班级", "听讲教室",
         "辅助教师工号"],
        ["2026年秋", "语文", "5001110001", "三年级", "1班", "5001110002", "三年级", "1班", "多媒体教室", "201"],
    ],
    "课表": [
        ["学期", "星期", "节次", "单双周", "学校代码", "主讲教室", "年级", "班级", "教师工号", "学科"],
        ["2026年秋", "星期三", "2", "", "5001110001", "录播教室", "三年级", "1班", "101", "语文"],
    ],
}  # fmt: skip


def book(tables, name="大足.xlsx"):
    workbook = Workbook()
    workbook.remove(workbook.active)
    for title, rows in tables.items():
        page = workbook.create_sheet(title)
        for row in rows:
            page.append(row)
    out = io.BytesIO()
    workbook.save(out)
    return PurePath(name), out.getvalue()


def sheet(name, rows, encoding="utf-8"):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return PurePath(f"{name}.csv"), out.getvalue().encode(encoding)


def cells(data):
    """Everything in a workbook."""
    found = load_workbook(io.BytesIO(data))
    return {page.title: [tuple(row) for row in page.iter_rows(values_only=True)] for page in found.worksheets}


def faults(outcome):
    return [(bad.place, bad.row, bad.column) for bad in outcome.bad]
