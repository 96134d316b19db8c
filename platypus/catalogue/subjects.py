"""What a tool is about, told by its name: which one thing it makes, finds or destroys, and which arguments take its id.

`create_issue` makes one issue, and `issue_number` of `add_issue_comment` takes one. Does not know outputs in detail.
"""

import re
from functools import lru_cache

from platypus.catalogue.prose import first_sentence
from platypus.catalogue.schema import Schema, array_items, variants
from platypus.catalogue.tools import Argument, Tool
from platypus.catalogue.words import is_plural, lemma, singular, words

MAKING = {
    *("create", "make", "open", "start", "register", "draft", "insert", "fork", "schedule", "launch", "clone"),
    *("duplicate", "copy", "upload", "run", "submit"),
}
SEARCHING = {"find", "search", "lookup", "look", "resolve"}
RUNNING = {"start", "launch", "open", "run", "submit"}  # of what is made, the state is asked for
FINDING = {"get", "find", "fetch", "retrieve", "resolve", "lookup", "look", "search", "read", "show", "return"}
LISTING = {"list", "query"} | FINDING
DESTROYING = {
    *("delete", "remove", "drop", "destroy", "purge", "erase", "wipe", "truncate", "terminate", "kill"),
    *("uninstall", "revoke", "discard"),
}
ID_WORDS = {
    *("id", "ids", "identifier", "identifiers", "number", "numbers", "key", "keys", "code", "gid", "uid"),
    *("iid", "uuid", "slug", "sha"),
}
SHORT = {  # what the last word of a phrase stands for
    "pull": ("pull", "request"),
    "pr": ("pull", "request"),
    "mr": ("merge", "request"),
    "repo": ("repository",),
    "org": ("organization",),
}
FILLERS = {
    *("a", "an", "the", "new", "current", "my", "one", "single", "up", "authenticated", "active", "latest"),
    *("default", "public", "existing"),
}
FACETS = {"detail", "details", "info", "information", "data", "object", "metadata"}
PLACES = {  # where things are
    *("owner", "repo", "repository", "org", "organization", "workspace", "project", "team", "database"),
    *("namespace", "bucket", "collection", "table", "account", "site", "tenant", "guild", "server", "context"),
    *("cluster", "region", "environment"),
}
WRITTEN = {("message",), ("comment",), ("reply",), ("thread",)}  # what is held by something else
PREPOSITIONS = {
    *("by", "from", "in", "of", "for", "with", "to", "at", "on", "via", "using", "and", "or", "as", "into"),
    *("that", "which"),
}
PEOPLE = {
    *("user", "person", "member", "owner", "author", "assignee", "creator", "reporter", "reviewer"),
    *("requester", "employee"),
}
_VERBS = {
    *MAKING,
    *LISTING,
    *DESTROYING,
    *("add", "update", "edit", "post", "patch", "set", "close", "merge", "send", "move", "assign", "confirm"),
    *("approve", "reopen", "invite", "toggle", "generate", "convert"),
    *("verify", "rename", "change", "modify", "archive", "restore", "publish", "share", "cancel", "complete", "enable"),
    *("disable", "pause", "resume", "stop", "watch", "attach", "reply", "rank", "lock"),
}


def is_destructive(tool: Tool) -> bool:
    """Whether a call may destroy something: by the tool's `destructiveHint` and `readOnlyHint`, else by its verb."""
    if tool.annotations.get("readOnlyHint") is True or tool.annotations.get("destructiveHint") is False:
        return False
    return tool.annotations.get("destructiveHint") is True or _verb(tool.name, "") in DESTROYING


def is_look_up(tool: Tool) -> bool:
    """Whether a call only reads: by the tool's `readOnlyHint`, else by its verb."""
    hint = tool.annotations.get("readOnlyHint")
    return bool(hint) if hint is not None else _verb(tool.name, tool.description) in LISTING


def is_maker(tool: Tool) -> bool:
    """Whether a call makes something that does not run by itself: an issue, not a job."""
    return _verb(tool.name, tool.description) in MAKING - RUNNING


def subject(tool: Tool) -> tuple[str, ...]:
    """The words for the thing that the tool acts on: `jira_create_issue` → issue, `stories-create` → stories."""
    return _subject(tool.name, tool.description)


@lru_cache(maxsize=8192)
def _subject(name: str, description: str) -> tuple[str, ...]:
    parts = words(name)
    place = next((i for i, word in enumerate(parts) if word in _VERBS), None)
    if place is None:
        parts = words(first_sentence(description))
        place = 0 if parts and lemma(parts[0]) in _VERBS else None
    if place is None:
        return ()
    return _phrase(parts[place + 1 :]) or _phrase(parts[:place])


@lru_cache(maxsize=8192)
def _verb(name: str, description: str) -> str:
    """The verb of the name, or that of the description."""
    told = [lemma(word) for word in words(first_sentence(description))[:4]]
    return next((word for word in (*words(name)[:4], *told) if word in _VERBS), "")


def _phrase(parts: list[str]) -> tuple[str, ...]:
    """The words up to the first preposition, without fillers, facets (`details`) and words for ids."""
    end = next((i for i, word in enumerate(parts) if word in PREPOSITIONS), len(parts))
    kept = [word for word in parts[:end] if word not in FILLERS | FACETS | ID_WORDS and not word.isdigit()]
    return tuple(kept[:-1]) + SHORT.get(kept[-1], (kept[-1],)) if kept else ()


def identified(argument: Argument, consumer: Tool) -> tuple[str, ...]:
    """The words for the thing whose id the argument takes: `issue_number` → issue; none if it takes no id."""
    is_id = str(argument.schema.get("format", "")).endswith("id")
    return _identified(argument.name, str(argument.schema.get("description", "")), subject(consumer), is_id)


@lru_cache(maxsize=16384)
def _identified(name: str, prose: str, about: tuple[str, ...], is_id: bool) -> tuple[str, ...]:
    parts = words(name)
    told = re.match(r"(?i)(?:the |an? |optional )*(?:[a-z]+ ){0,2}g?ids?\b", prose) is not None
    if not (parts and parts[-1] in ID_WORDS) and not told and not is_id:
        return ()
    own = _phrase([singular(word) for word in (parts[1:] if parts[:1] == ["add"] else parts)])
    if len(own) > 1 and own[0] in DESTROYING | {"confirm", "approve", "verify"}:  # `remove_label_ids`
        return ()
    bare = not own and set(parts) <= {"id", "ids", "identifier", "gid", "uid"}
    return own or (tuple(singular(word) for word in about) if bare else ())


def takes_a_place(argument: Argument, consumer: Tool) -> bool:
    """Whether the argument says where things are: the id of something, a repository, a workspace, a database."""
    return bool(identified(argument, consumer)) or (words(argument.name) or [""])[-1] in PLACES


def makes(consumer: Tool, argument: Argument) -> bool:
    """Whether the consumer makes what the argument holds: nothing that exists already is put there."""
    if _stems(subject(consumer)) != _stems(tuple(words(argument.name))):
        return False
    verb = _verb(consumer.name, consumer.description)
    return verb in MAKING or (
        verb in ("add", "update", "edit") and "properties" in (array_items(argument.schema) or {})
    )


@lru_cache(maxsize=8192)
def _stems(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(singular(word).removesuffix("s") for word in parts)


def supplies(tool: Tool, output: Schema, consumer: Tool, argument: Argument) -> bool:
    """Whether the tool makes or finds the one thing (or, as a typed list, the things) whose id the argument takes.

    What was just made is neither looked up nor destroyed, unless it is something that runs, such as a job. What was got
    whole is not got again by its id.
    """
    parts = words(argument.name) or [argument.name]
    wanted, given, verb = identified(argument, consumer), subject(tool), _verb(tool.name, tool.description)
    if not given or (not wanted and tool.name not in argument.description):
        return False
    listed = any(variant.get("type") == "array" for variant in variants(output))
    many = array_items(argument.schema) is not None
    one = not is_plural(given[-1]) or _of_one(tool, given, verb)
    named = re.search(rf"(?<![\w-]){re.escape(tool.name)}(?![\w-])", argument.description) is not None
    if not wanted and named and parts[-1] in ID_WORDS:
        return one and not listed  # an id of which the prose says whence it comes
    if not wanted or not _same(given, wanted) or _takes(tool, wanted):
        return False
    if is_look_up(consumer) and (is_maker(tool) or (verb not in SEARCHING and _same(subject(consumer), wanted))):
        return False
    if verb in MAKING and (is_destructive(consumer) or _is_place(consumer, argument) or _holds(consumer, argument)):
        return False
    if listed or (is_plural(parts[-1]) and not many):
        return listed and many and verb in LISTING | MAKING
    return one and verb in MAKING | FINDING


def _of_one(tool: Tool, given: tuple[str, ...], verb: str) -> bool:
    """Whether a tool named after many things is about one of them: `stories-create`, not `iterations-get-active`."""
    told = verb in MAKING or singular(given[-1]) in words(first_sentence(tool.description))
    return words(tool.name)[0] == given[0] and told


def _holds(consumer: Tool, argument: Argument) -> bool:
    """Whether the argument is what holds a message that the consumer needs: there is none yet in a new channel."""
    if array_items(argument.schema) is not None:
        return False
    others = [identified(other, consumer) for other in consumer.arguments if other.required and other != argument]
    own = identified(argument, consumer)
    return own[-1:] not in WRITTEN and any(other[-1:] in WRITTEN for other in others)


def _is_place(consumer: Tool, argument: Argument) -> bool:
    """Whether the argument only says where the thing is that the consumer changes: nothing is in a new board yet."""
    if argument.required or array_items(argument.schema) is not None:
        return False
    if {"to", "new", "target", "destination", "parent"} & set(words(argument.name)):
        return False
    return any(other.required and other != argument and identified(other, consumer) for other in consumer.arguments)


def _takes(tool: Tool, thing: tuple[str, ...]) -> bool:
    """Whether the tool takes the id of such a thing itself."""
    return any(_same(taken, thing) for other in tool.arguments if (taken := identified(other, tool)))


def takes_its_own(tool: Tool) -> bool:
    """Whether the tool takes the id of the thing that it is about: what it returns is known already."""
    return bool(subject(tool)) and _takes(tool, subject(tool))


def _same(given: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether one of the phrases ends with the other, or both are people: `parent issue` and `issue`."""
    short, long = sorted((_stems(given), _stems(wanted)), key=len)
    return bool(short) and (long[-len(short) :] == short or (given[-1] in PEOPLE and wanted[-1] in PEOPLE))
