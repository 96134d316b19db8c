"""What a tool does: from its description's first sentence, its title, or its name without the service."""

import pytest

from platypus.generation.requests.tool_sentences import Sentence, described, named, own_words, titled

DESCRIPTIONS = {
    "Fetches and extracts the text of a page.\n\nArgs:\n  url: where": ("fetch and extract", "the text of a page"),
    "Look up and summarise articles from the archive for any topic.": (
        "look up and summarise",
        "articles from the archive",
    ),
    "Creates or updates a label": ("create or update", "a label"),
    "Tool to search for colleagues": ("search", "for colleagues"),
    "A tool for renaming folders": ("rename", "folders"),
    "This tool sends a message to a channel.": ("send", "a message to a channel"),
    "Use this to delete a record, e.g. an old one.": ("delete", "a record"),
    "Allows you to list the files in a folder": ("list", "the files in a folder"),
    "You can use the REST API to add members to teams.": ("add", "members to teams"),
    "Permanently removes an attachment from a task": ("remove", "an attachment from a task"),
    "**IMPORTANT**: Never call this twice.\n\nCloses a ticket.": ("close", "a ticket"),
    "Store | Retrieve an order\nError Responses:\n404: Not found": ("retrieve", "an order"),
    "Performs an upload of a file": ("upload", "of a file"),
    "Create comment": ("create", "a comment"),
    "Lists all teams that the user has access to.": ("list", "all teams I have access to"),
    "Get the logs of a job and returns them as JSON.": ("get", "the logs of a job"),
    "Get an invoice by ID, number, or name": ("get", "an invoice"),
    "Notes an action item for a matter": ("note", "an action item for a matter"),
    "Apply a manifest from a string": ("apply", "a manifest from a string"),
    "Upload one or multiple files": ("upload", "files"),
    "Start here: describe a workbook": ("describe", "a workbook"),
    "List all projects or search for projects by name": ("list", "all projects"),
    "Clear the values and/or rules of a range": ("clear", "the values or rules of a range"),
}


@pytest.mark.parametrize(("description", "sentence"), DESCRIPTIONS.items())
def test_the_first_sentence_in_the_imperative(description: str, sentence: tuple[str, str]) -> None:
    assert described(description) == Sentence(*sentence)


@pytest.mark.parametrize(
    "description",
    [
        "",
        "Issue search",
        "Details of a page",
        "Any user with write access can create a tag.",
        "List, open, close, or select a tab.",
        "Retrieves results for the job_agent ID",
        "Asks the user to confirm",
    ],
)
def test_a_text_that_says_something_else_gives_no_sentence(description: str) -> None:
    assert described(description) is None


@pytest.mark.parametrize(
    ("title", "description", "sentence"),
    [
        ("Get Replay Details", "", ("get", "replay details")),
        ("Create issue", "", ("create", "an issue")),
        ("Click", "", ("click", "")),
        ("Get Sprints from Board", "", ("get", "sprints from the board")),
        ("Search GitHub Code", "", ("search", "GitHub code")),
        ("Update Jira Issue", "Changes a Jira issue", ("update", "the Jira issue")),
        ("list_tables", "", ("list", "tables")),
        ("Read File or URL", "", ("read", "the file or URL")),
    ],
)
def test_titles(title: str, description: str, sentence: tuple[str, str]) -> None:
    assert titled(title, description) == Sentence(*sentence)


def test_a_title_of_two_deeds_or_none_gives_no_sentence() -> None:
    assert titled("Write/Modify PDF", "") is None and titled("Sequential Thinking", "") is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("issues", "create"), ("create", "an issue")),
        (("monitor", "list"), ("list", "monitors")),
        (("add", "comment", "to", "issue"), ("add", "a comment to the issue")),
        (("batch", "create", "labels"), ("create", "labels")),
        (("local", "search"), ("do", "a local search")),
        (("get", "env", "config"), ("get", "environment configuration")),
        (("sign", "in"), ("sign in", "")),
        (("create", "or", "update", "file"), ("create or update", "a file")),
    ],
)
def test_names(words: tuple[str, ...], sentence: tuple[str, str]) -> None:
    assert named(words) == Sentence(*sentence)


def test_a_name_without_a_verb_gives_no_sentence() -> None:
    assert named(("credit", "usage")) is None and named(()) is None


def test_a_service_is_no_word_of_a_name() -> None:
    browser = ["browser_click", "browser_press_key", "browser_navigate", "browser_take_screenshot"]
    assert own_words(browser)["browser_press_key"] == ("press", "key")
    assert own_words(["API-post-page", "API-get-user", "API-move-page"])["API-post-page"] == ("post", "page")
    assert own_words(["mcp__shop__list_orders"]) == {"mcp__shop__list_orders": ("list", "orders")}
    assert own_words(["git_status", "git_diff", "git_create_branch"])["git_status"] == ("status",)


def test_the_object_of_most_tools_is_no_service() -> None:
    names = ["issues_create", "issues_list", "issues_get", "issues_add_sub"]
    assert own_words(names)["issues_create"] == ("issues", "create")
    assert own_words(["getUser", "getOrder", "getTeam"])["getTeam"] == ("get", "team")
