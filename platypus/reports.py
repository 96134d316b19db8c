"""Reports as Markdown and as one HTML page: sections with text, tables, samples and bar plots.

A page loads nothing from the network. This module does not know what is reported.
"""

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

BARS = 20  # shown in one plot


class Section(NamedTuple):
    """A title, a text, a table (its first row is the header) or samples, and the bars of a plot."""

    title: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    samples: Sequence[str] = ()
    bars: Mapping[str, float] = {}


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; its first row is the header. Columns of numbers are right-aligned. Cells must be escaped."""
    head, *rest = rows
    numeric = [bool(rest) and all(row[i][:1].isdigit() for row in rest) for i in range(len(head))]
    lines = [head, ["---:" if is_numeric else "---" for is_numeric in numeric], *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """The sections as one Markdown page."""
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [section.text] if section.text else []
        table = section.table or (
            [["", "rows"], *([k, f"{v:,}"] for k, v in section.bars.items())] if section.bars else []
        )
        if table:
            parts.append(markdown_table([[escaped(cell) for cell in row] for row in table]))
        if section.samples:
            parts.append("\n".join(f"- {escaped(sample)}" for sample in section.samples))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """The text on one line, with the special characters of Markdown escaped."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in " ".join(text.split()))


STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}li{overflow-wrap:anywhere}svg text{font:13px system-ui,sans-serif}"
)


def as_html(title: str, sections: Sequence[Section]) -> str:
    """The sections as one HTML page that needs no other file."""
    body = "\n".join(_html(section) for section in sections)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = f"<h1>{html.escape(title)}</h1>\n{body}"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _html(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{html.escape(section.text)}</p>")
    if section.table:
        cells = [[html.escape(cell) for cell in row] for row in section.table]
        rows = [f"<tr><th>{'</th><th>'.join(cells[0])}</th></tr>"]
        rows += [f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in cells[1:]]
        parts.append(f"<table>{''.join(rows)}</table>")
    if section.bars:
        parts.append(bar_plot(section.bars))
    if section.samples:
        parts.append(f"<ul>{''.join(f'<li>{html.escape(sample)}</li>' for sample in section.samples)}</ul>")
    return "\n".join(parts)


def bar_plot(bars: Mapping[str, float]) -> str:
    """The first BARS bars as an SVG element: horizontal, each with its name and number."""
    shown = list(bars.items())[:BARS]
    maximum = max((value for _, value in shown), default=0) or 1
    lines = []
    for i, (name, value) in enumerate(shown):
        width, y = 400 * value / maximum, 24 * i
        lines.append(f'<text x="260" y="{y + 16}" text-anchor="end">{html.escape(shortened(name, 36))}</text>')
        lines.append(f'<rect x="268" y="{y + 4}" width="{width:.1f}" height="16" fill="#4477aa"/>')
        lines.append(f'<text x="{274 + width:.1f}" y="{y + 16}">{value:,}</text>')
    more = "" if len(bars) <= BARS else f"<p>and {len(bars) - BARS} more</p>"
    size = f'width="760" height="{24 * len(shown) + 4}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(lines)}</svg>{more}'


def shortened(text: str, most: int) -> str:
    """The text, cut to `most` characters with `…` at its end if it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
