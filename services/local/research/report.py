"""A report in three forms of the same tables and charts: a page, Markdown for the documents, JSON with all that was measured.

It says nothing that depends on when or where it was made.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from services.local.research.charts import Chart, stacked

STYLE = """
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif;
  color: #1f2933; margin: 2rem auto; max-width: 880px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #e4e8ec; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; }
th { color: #66727f; font-weight: 600; } code { background: #f4f6f8; padding: .1rem .3rem; border-radius: 3px; }
svg { max-width: 100%; height: auto; }
"""


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; the first column is what a row is about."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Report:
    """What was asked, by which command, and what was found; `name` is the beginning of every file's name."""

    name: str
    title: str
    asked: str
    paragraphs: Sequence[str]
    tables: Sequence[Table]
    charts: Sequence[Chart]
    measured: dict[str, Any]

    def files(self) -> dict[str, str]:
        """Every file by its name."""
        return {
            f"{self.name}.html": as_page(self),
            f"{self.name}.md": as_markdown(self),
            f"{self.name}.svg": stacked(self.charts),
            f"{self.name}.json": json.dumps(self.measured, indent=1, sort_keys=True) + "\n",
        }

    def write(self, folder: Path) -> list[Path]:
        """Write all files into a folder, and return them. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for name, text in self.files().items():
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
        return written


def as_page(report: Report) -> str:
    """The report as one HTML file that needs nothing else."""
    body = [
        f"<h1>{escape(report.title)}</h1>",
        f"<p><code>{escape(report.asked)}</code></p>",
        *(f"<p>{escape(text)}</p>" for text in report.paragraphs),
        *(page_table(table) for table in report.tables),
        "<h2>Over time</h2>",
        stacked(report.charts),
    ]
    head = f"<meta charset='utf-8'><title>{escape(report.title)}</title><style>{STYLE}</style>"
    return f"<!doctype html>\n<html lang='en'><head>{head}</head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"


def page_table(table: Table) -> str:
    """One table as HTML."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<h2>{escape(table.title)}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>"


def as_markdown(report: Report) -> str:
    """The report as a page of the documents."""
    parts = [f"# {report.title}", f"`{report.asked}`", *report.paragraphs]
    for table in report.tables:
        parts += [f"## {table.title}", markdown_table(table)]
    parts += ["## Over time", f"![{report.title}: over time]({report.name}.svg)"]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    """One table as Markdown."""
    lines = ["| " + " | ".join(table.head) + " |", "|---|" + "---:|" * (len(table.head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in table.rows)])
