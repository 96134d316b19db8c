"""Reports as Markdown and HTML: the layout by hand, and text shown as text."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from platypus.reports import Section, as_html, as_markdown, bar_plot, escaped, markdown_table

SECTIONS = (
    Section("Rows", "Some text.", table=[["kind", "rows"], ["a_b", "12"], ["c", "3"]]),
    Section("Samples", samples=["<b> & *c*", "plain"]),
    Section("Tools", bars={"search": 1200, "close": 300}),
)


def test_markdown_by_hand() -> None:
    assert as_markdown("Title", SECTIONS) == (
        "# Title\n\n"
        "## Rows\n\nSome text.\n\n| kind | rows |\n| --- | ---: |\n| a\\_b | 12 |\n| c | 3 |\n\n"
        "## Samples\n\n- \\<b\\> & \\*c\\*\n- plain\n\n"
        "## Tools\n\n|  | rows |\n| --- | ---: |\n| search | 1,200 |\n| close | 300 |\n"
    )


def test_cells_and_samples_stay_on_one_line() -> None:
    page = as_markdown("Title", [Section("Rows", table=[["a\nb"], ["c\r\nd"]], samples=["e\n\n# f"])])
    assert page == "# Title\n\n## Rows\n\n| a b |\n| --- |\n| c d |\n\n- e \\# f\n"


def test_only_columns_of_numbers_are_aligned_on_the_right() -> None:
    table = markdown_table([["a", "b", "c"], ["1", "2 %", "x"], ["2", "n/a", "3"]])
    assert table.splitlines()[1] == "| ---: | --- | --- |"
    assert markdown_table([["a", "b"]]).splitlines() == ["| a | b |", "| --- | --- |"]


@given(st.text())
def test_markdown_escapes_are_undone_by_taking_the_backslashes_out(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", escaped(text)) == " ".join(text.split())
    assert not re.search(r"(?<!\\)[`*_\[\]<>|#]", re.sub(r"\\\\", "", escaped(text)))


def body(page: str) -> ElementTree.Element:
    """The body of a page, which is well-formed XML when all its tags are closed and its text is escaped."""
    return ElementTree.fromstring(page[page.index("<body>") : page.index("</html>")])


def test_a_page_has_every_part_and_shows_text_as_text() -> None:
    page = body(as_html("A & <i>", SECTIONS))
    assert [heading.text for heading in page.iter("h1")] == ["A & <i>"]
    assert [heading.text for heading in page.iter("h2")] == ["Rows", "Samples", "Tools"]
    assert [[cell.text for cell in row] for row in page.iter("tr")] == [["kind", "rows"], ["a_b", "12"], ["c", "3"]]
    assert [sample.text for sample in page.iter("li")] == ["<b> & *c*", "plain"]
    assert len(list(page.iter("{http://www.w3.org/2000/svg}rect"))) == 2


def test_a_long_name_in_a_plot_is_shortened() -> None:
    text = bar_plot({"x" * 36: 1, "y" * 37: 1})
    assert "x" * 36 in text and "y" * 35 + "…" in text and "y" * 36 not in text


def test_bars_are_as_long_as_their_numbers() -> None:
    text = bar_plot({"a & b": 200, "c": 50, **{f"n{i}": 1 for i in range(30)}})
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', text)]
    assert widths[:2] == [400, 100] and len(widths) == 20
    assert "a &amp; b" in text and "and 12 more" in text
    assert bar_plot({}).count("<rect") == 0
