"""Charts and tables of reports: round ticks, well-formed pictures, the same text in every form."""

from html import escape
from xml.etree import ElementTree as ET

import pytest

from services.local.research.charts import Chart, Line, round_step, stacked
from services.local.research.report import Report, Table, as_markdown, as_page

HOUR_MS = 3_600_000
COURSE = [(hour * HOUR_MS, hour * hour - 40) for hour in range(100)]
CHART = Chart("A & B", [Line("one < two", "#000000", COURSE), Line("zero", "#111111", [(0, 0)])], str)
REPORT = Report(
    "name", "Title", "the command", ["Why."], [Table("Table", ("", "a"), [("x", "1")])], [CHART], {"b": 1, "a": 2}
)

STEPS = [(1, 1), (5, 1), (6, 2), (10, 2), (11, 5), (26, 10), (499, 100), (501, 200)]


@pytest.mark.parametrize(("span", "step"), STEPS)
def test_steps_are_round_and_few(span: int, step: int) -> None:
    assert round_step(span) == step


def test_a_picture_is_well_formed_and_holds_its_lines() -> None:
    root = ET.fromstring(stacked([CHART, CHART]))  # noqa: S314 - our own
    lines = [element for element in root.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 4
    points = [tuple(map(float, point.split(","))) for point in lines[0].attrib["points"].split()]
    assert len(points) == len(COURSE)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    lowest = COURSE.index(min(COURSE, key=lambda sample: sample[1]))
    assert points[lowest][1] == max(y for _, y in points)


def test_an_empty_course_is_drawn_as_nothing() -> None:
    ET.fromstring(stacked([Chart("Nothing", [Line("none", "#000000", [])], str)]))  # noqa: S314 - our own


def test_a_report_says_the_same_in_every_form() -> None:
    page, markdown = as_page(REPORT), as_markdown(REPORT)
    for word in ("Title", "the command", "Why.", "Table"):
        assert escape(word) in page
        assert word in markdown
    assert "<td>x</td><td>1</td>" in page
    assert "| x | 1 |" in markdown
    assert list(REPORT.files()) == ["name.html", "name.md", "name.svg", "name.json"]
