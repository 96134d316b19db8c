"""Descriptions as servers write them: the first paragraph and sentence, without Markdown, lists and manuals."""

import pytest

from platypus.catalogue.prose import first_paragraph, first_sentence, one_line

SENTENCES = {
    "Fetches a page and\nextracts its text.\n\nArgs:\n  url: where": "Fetches a page and extracts its text",
    "# Search\n\nFind **all** `files` in [the repo](http://x.example/y_(z)). Take care.": "Find all files in the repo",
    "Workspace | Retrieve a page\nError Responses:\n400: Bad request": "Retrieve a page",
    "Searches snake_case_names of *parts*, e.g. bolts. Then sorts.": "Searches snake_case_names of parts, e.g. bolts",
    "<purpose>Closes a ticket</purpose>\nUSE THIS WHEN: asked": "Closes a ticket",
    "Lists parts\n<examples>\nlist()\n</examples>": "Lists parts",
    "Get the status of job v1.2\nReturns: a text": "Get the status of job v1.2",
    "Finds files that match:\n- a name\n- a size": "Finds files that match",
    "Runs a query.\n```sql\nSELECT 1\n```": "Runs a query",
    "```\nrun()\n```\nRuns a job. Slowly.": "Runs a job",
    "- Lists things\n- Sorts things": "Lists things",
    "Is it open? Says so.": "Is it open",
    "**IMPORTANT**: Never call this twice.\n\nCloses a ticket.": "Closes a ticket",
    "\U0001f6a8 This tool MUST be called first!\n\nStarts a session. Slowly.": "Starts a session",
    "Lists tasks that must be done.\n\nOld ones too.": "Lists tasks that must be done",
    "NOTE: only a warning": "NOTE: only a warning",
    "## Title only": "Title only",
    "": "",
}


@pytest.mark.parametrize(("text", "sentence"), SENTENCES.items())
def test_the_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_the_first_paragraph_has_all_of_its_sentences() -> None:
    assert first_paragraph("Opens it. Slowly,\nbut surely.\nNext line.") == "Opens it. Slowly, but surely."


def test_one_line_has_single_spaces() -> None:
    assert one_line(" Who\n  owns\tit. ") == "Who owns it."
