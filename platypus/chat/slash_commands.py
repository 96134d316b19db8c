"""The commands of a conversation: what a line that begins with `/` does.

A command that fails says why, and leaves the conversation as it was.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from platypus.catalogue.reading import read_catalogue
from platypus.catalogue.tools import Catalogue
from platypus.chat.conversation import Conversation, Turn
from platypus.chat.correcting import STEPWISE, correct_by_steps, read_typed
from platypus.chat.explaining import explain
from platypus.chat.lines import Suggestion, last_word
from platypus.chat.showing import alternative_lines, explanation_lines, malformed_text, tool_lines
from platypus.chat.texts import TextOptions
from platypus.decoding.results import DecodingLimits
from platypus.errors import PlatypusError, RunError
from platypus.files import expanded, write_whole
from platypus.plan.notation import print_plan
from platypus.plan.plan import Malformed, Plan
from platypus.prompt.catalogue_text import render_catalogue
from platypus.run.folder import Run

ALTERNATIVES, MOST = 5, 50  # plans that are looked for, unless told otherwise; and at most
SEARCH = 20.0  # seconds for that, where no time limit is set
SUGGESTED = 20  # requests that completion offers
PATHS = ("/save ", "/tools add ")  # what is followed by the name of a file


@dataclass(frozen=True)
class Command:
    """A command: what follows its name, what it does in words, and what does it. `plans`: only a planner has it."""

    usage: str
    about: str
    run: Callable[[Conversation, str], None]
    plans: bool | None = None


def hear(conversation: Conversation, line: str) -> bool:
    """Carry out a command or answer a request. Returns whether the conversation goes on."""
    if line == "/quit":
        return False
    name, _, rest = line.partition(" ")
    try:
        if not line.startswith("/"):
            conversation.answer(line)
        elif name not in _known(conversation):
            conversation.screen.say(f"no command {name} (/help lists them)", style="red")
        else:
            COMMANDS[name].run(conversation, rest.strip())
    except KeyboardInterrupt:
        conversation.screen.say("\nstopped (/quit leaves)", style="yellow")
    except PlatypusError as error:
        conversation.screen.say(str(error), style="red")
    return True


def suggestions(conversation: Conversation, line: str, earlier: Sequence[str]) -> Iterator[Suggestion]:
    """What may complete a line: commands, options, names of tools, earlier requests."""
    name, space, rest = line.partition(" ")
    known, word = _known(conversation), last_word(line)
    tools = [tool.name for tool in conversation.tools or () if tool.name.startswith(word)]
    if line.startswith("/") and not space:
        for command in (*known, "/quit"):
            if command.startswith(name):
                yield Suggestion(command, len(name), known[command].about if command in known else "leave")
    elif name == "/tools" and " " not in rest:
        yield from (Suggestion(one, len(word)) for one in (*_starting(("add", "remove"), word), *tools))
    elif name == "/set" and " " not in rest:
        yield from (Suggestion(one, len(word)) for one in _starting([key.name for key in fields(TextOptions)], word))
    else:
        asked = [one for one in dict.fromkeys(earlier) if one != line and not one.startswith("/")]
        yield from (Suggestion(one, len(line), "asked before") for one in _starting(asked, line)[:SUGGESTED])
        if word:
            yield from (Suggestion(tool, len(word), "a tool") for tool in tools)


def _starting(texts: Sequence[str], begin: str) -> list[str]:
    return [text for text in texts if text.startswith(begin)]


def _known(conversation: Conversation) -> dict[str, Command]:
    """The commands that this conversation has."""
    plans = conversation.tools is not None
    return {name: command for name, command in COMMANDS.items() if command.plans in (None, plans)}


def _help(conversation: Conversation, _: str) -> None:
    shown = {f"{name} {command.usage}".strip(): command.about for name, command in _known(conversation).items()}
    shown["/quit"] = "leave (so does the end of input, Ctrl-D)"
    width = max(map(len, shown))
    lines = [f"  {usage:{width}}  {about}" for usage, about in shown.items()]
    conversation.screen.say("\n".join(["Type a request and press Enter.", *lines]))


# ---------------------------------------------------------------- plans


def _alternatives(conversation: Conversation, rest: str) -> None:
    count = _number(rest or str(ALTERNATIVES), most=MOST, what="how many plans")
    turn, planner = conversation.last, conversation.state.planner
    seconds = planner.settings.seconds or SEARCH
    with conversation.screen.talk.status("looking for other plans …"):
        limits = DecodingLimits(conversation.max_new_tokens, seconds)
        found = planner.narrowed(turn.request).best(turn.request, count, limits)
    conversation.offered = tuple(found)
    present = turn.answer if isinstance(turn.answer, Plan) else None
    conversation.screen.say_lines(alternative_lines(found, present))
    if len(found) < count:
        conversation.screen.say(f"{len(found)} found: no more in {seconds:g} s, or there are no more", style="yellow")
    if found:
        conversation.screen.say("/choose NUMBER takes one", style="dim")


def _choose(conversation: Conversation, rest: str) -> None:
    if not conversation.offered:
        raise RunError("there is nothing to choose from", remedy="/alternatives looks for other plans.")
    number = _number(rest, most=len(conversation.offered), what="which plan")
    offered = conversation.offered
    plan = offered[number - 1].plan
    chosen = replace(conversation.last, answer=plan, kept="", tools=conversation.tools)
    conversation.change_last(f"the choice of plan {number}", chosen)
    conversation.offered = offered  # so that another one can be chosen
    conversation.screen.show(plan)
    conversation.screen.say("/keep keeps it as the right one", style="dim")


def _explain(conversation: Conversation, _: str) -> None:
    plan, tools = conversation.last_plan, conversation.tools
    assert tools is not None  # since there is a plan
    if not plan.steps:
        raise RunError("there is nothing to explain: the plan is empty", remedy="/tools lists what can be done.")
    reading = conversation.state.planner.reading(conversation.last.request)
    plan = reading.plan_as_read(plan, tools)
    conversation.screen.say_lines(explanation_lines(explain(reading.read, plan, tools), plan))


def _correct(conversation: Conversation, rest: str) -> None:
    tools, lines, answer = conversation.tools, conversation.lines, conversation.last.answer
    assert tools is not None  # only planners have this command
    present = answer if isinstance(answer, Plan) else Plan()
    try:
        if not rest:
            conversation.screen.say(STEPWISE, style="dim")
            plan: Plan | Malformed = correct_by_steps(
                present, tools, ask=lines.ask, complain=lambda text: conversation.screen.say(text, style="yellow")
            )
        else:
            plan = read_typed(_edited(conversation, present, rest) if rest in ("calls", "json") else rest, tools)
    except (EOFError, KeyboardInterrupt):
        conversation.screen.say("\nthe plan is as it was", style="yellow")
        return
    if isinstance(plan, Malformed):
        raise RunError(malformed_text(plan), remedy="Nothing is kept: correct it, and say it again.")
    conversation.screen.show(plan)
    _keep_plan(conversation, plan)


def _edited(conversation: Conversation, plan: Plan, notation: str) -> str:
    written = json.dumps(plan.to_json(), indent=2, ensure_ascii=False) if notation == "json" else ""
    edited = conversation.lines.edit(written or print_plan(plan, "calls"))
    if edited is None:
        raise RunError("there is no editor here", remedy="Say the plan: /correct PLAN, as JSON on one line.")
    return edited


def _keep(conversation: Conversation, _: str) -> None:
    _keep_plan(conversation, conversation.last_plan)


def _keep_plan(conversation: Conversation, plan: Plan) -> None:
    conversation.keep(plan)
    kept = conversation.corrections
    waiting = f"{len(kept.waiting())} in {kept.path} to be learned by: {kept.command}"
    conversation.screen.say(f"kept as right; {waiting}", style="dim")


def _run(conversation: Conversation, rest: str) -> None:
    from platypus.chat.running import run_in_chat
    from platypus.execution.terminal import ending

    run, turn, tools = conversation.corrections.run, conversation.last, conversation.tools
    plan = conversation.last_plan
    if run is None or tools is None:
        raise RunError("what runs these tools is not known here", remedy="Open a run: platypus chat RUN")
    if turn.doubtful:
        raise RunError("the planner is not sure of this plan", remedy="/keep it first, or /correct it.")
    if rest not in ("", "dry"):
        raise RunError(f"{rest!r} is not known", remedy="/run, or /run dry")
    execution = run_in_chat(plan, tools, run, turn.request, conversation.screen.say, dry_run=rest == "dry")
    conversation.screen.say(ending(execution), style="dim")


def _tools(conversation: Conversation, rest: str) -> None:
    tools, (what, _, which) = conversation.tools, rest.partition(" ")
    assert tools is not None  # only planners have this command
    known = tools.tool(rest)
    if what == "add":
        new = read_catalogue(_needed(which, "/tools add FILE"))
        conversation.use_tools(f"the tools of {which}", Catalogue((*tools.tools, *new.tools)))
        conversation.screen.say(f"{len(tools) + len(new)} tools, {', '.join(tool.name for tool in new)} among them")
    elif what == "remove":
        if tools.tool(_needed(which, "/tools remove NAME")) is None:
            raise RunError(f"no tool is named {which!r}", remedy="/tools lists them.")
        if len(tools) == 1:
            raise RunError("it is the last tool, and a planner needs one", remedy="Add others first: /tools add FILE")
        left = tools.subset(tool.name for tool in tools if tool.name != which)
        conversation.use_tools(f"the removal of {which}", left)
        conversation.screen.say(f"{len(left)} tools, without {which}")
    elif known is not None:
        conversation.screen.say(render_catalogue(Catalogue((known,))))
    else:
        found = [*tool_lines(tools, rest)]
        conversation.screen.say_lines(found)
        if not found:
            conversation.screen.say(f"no tool is like {rest!r} (/tools lists all)", style="yellow")


# ---------------------------------------------------------------- texts


def _set(conversation: Conversation, rest: str) -> None:
    options, (name, _, value) = conversation.state.options, rest.partition(" ")
    if name:
        if name not in {key.name for key in fields(TextOptions)}:
            raise RunError(f"there is no setting {name!r}", remedy="/set lists them.")
        if name == "stop":
            new = replace(options, stop=tuple(_stop_texts(value)))
        elif name == "seed":
            new = replace(options, seed=_seed(value))
        else:
            new = replace(options, **{name: _read_number(value, name)})  # type: ignore[arg-type]
        conversation.change(f"the setting {name}", options=new)
    options = conversation.state.options
    stops = ", ".join(map(json.dumps, options.stops(conversation.state.planner.prompt))) or "none"
    known = f"temperature {options.temperature:g}, top_p {options.top_p:g}, seed {options.seed}, stop {stops}"
    conversation.screen.say(known, style="dim")


def _stop_texts(value: str) -> list[str]:
    """One text, or several in a JSON list: `"\\n\\n"`, `["###", "User:"]`, `User:`; none where nothing is said."""
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return [value] if value else []
    texts = read if isinstance(read, list) else [read]
    return texts if all(isinstance(text, str) for text in texts) else [value]


def _system(conversation: Conversation, text: str) -> None:
    if conversation.state.planner.prompt.template != "chat":
        raise RunError('a system message needs a model that was trained with template = "chat"')
    conversation.change("the system message", system=text)
    told = f"the system message is now {text!r}" if text else "there is no system message now"
    conversation.screen.say(told, style="dim")


# ---------------------------------------------------------------- the conversation


def _json(conversation: Conversation, _: str) -> None:
    screen, turns = conversation.screen, conversation.state.turns
    screen.as_json = not screen.as_json
    plans = [turn.answer for turn in turns if isinstance(turn.answer, Plan)]
    if plans:
        screen.show(plans[-1])
    else:
        screen.say(f"plans will be shown {'as JSON' if screen.as_json else 'readable'}", style="dim")


def _copy(conversation: Conversation, _: str) -> None:
    answer = conversation.last.answer
    text = answer.text if isinstance(answer, Malformed) else str(answer)
    terminal = next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)
    if terminal is None:
        raise RunError("there is no terminal whose clipboard could be set", remedy="/save FILE writes a file.")
    terminal.write(f"\033]52;c;{base64.b64encode(text.encode()).decode()}\a")  # OSC 52 of xterm
    terminal.flush()
    conversation.screen.say(f"{len(text)} characters sent to the terminal's clipboard", style="dim")


def _save(conversation: Conversation, rest: str) -> None:
    turns, remedy = conversation.state.turns, "Name another file."
    path = expanded(_needed(rest, "/save FILE"), error=RunError, remedy=remedy)
    if path.exists():
        raise RunError("exists already", where=str(path), remedy=remedy)
    left_out = 0
    if path.suffix == ".jsonl":
        rows = [row for turn in turns if (row := _row(turn, conversation.corrections.run))]
        left_out = len(turns) - len(rows)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        text = "\n".join(f"> {turn.request}\n\n{conversation.text(turn)}\n" for turn in turns)
    try:
        write_whole(path, text)
    except OSError as error:
        raise RunError(f"cannot be written: {error.strerror}", where=str(path), remedy=remedy) from error
    saved = len(turns) - left_out
    without = f", {left_out} without a valid plan left out" if left_out else ""
    conversation.screen.say(f"{saved} turn{'s' * (saved != 1)} saved in {path}{without}", style="dim")


def _row(turn: Turn, run: Run | None) -> dict[str, Any] | None:
    """A turn as a row, with its tools if they are not those of the run; None for an answer that is no valid plan."""
    match turn.answer:
        case Plan():
            own = run.catalogue if run else None
            brought = {"tools": turn.tools.to_json()} if turn.tools and turn.tools != own else {}
            return {"query": turn.request, "plan": turn.answer.to_json(), **brought}
        case Malformed():
            return None
        case _:
            return {"instruction": turn.request, "output": turn.answer}


def _history(conversation: Conversation, _: str) -> None:
    for turn in conversation.state.turns:
        conversation.screen.say(f"> {turn.request}\n{conversation.text(turn)}")


def _undo(conversation: Conversation, _: str) -> None:
    conversation.screen.say(f"undone: {conversation.undo()}", style="dim")


def _number(text: str, *, most: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise RunError(f"say {what}: a number from 1 to {most}")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise RunError(f"seed is a whole number from 0, not {text!r}", remedy="/set seed NUMBER")
    return int(text)


def _read_number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise RunError(f"{what} is a number, not {text!r}", remedy=f"/set {what} NUMBER") from error


def _needed(text: str, usage: str) -> str:
    if not text:
        raise RunError("something is missing", remedy=usage)
    return text


COMMANDS = {
    "/alternatives": Command(
        "[K]", "the K likeliest plans for the last request, with probabilities", _alternatives, True
    ),
    "/choose": Command("NUMBER", "take one of them", _choose, True),
    "/explain": Command("", "which words of the request went into which argument", _explain, True),
    "/correct": Command(
        "[PLAN | calls | json]", "say the right plan: step by step, here, or in an editor", _correct, True
    ),
    "/keep": Command("", "keep the plan as the right one; the next refine learns it", _keep, True),
    "/run": Command("[dry]", "run the plan by the recipe's policy; dry: with made-up results", _run, True),
    "/tools": Command("[WORDS | NAME | add FILE | remove NAME]", "the tools of this conversation", _tools, True),
    "/json": Command("", "show plans as JSON, or readable again; the last plan is shown once more", _json, True),
    "/set": Command("[temperature | top_p | seed | stop VALUE]", "how answers are drawn", _set, False),
    "/system": Command("[TEXT]", "the system message of a model with a chat template", _system, False),
    "/copy": Command("", "put the last answer on the clipboard of the terminal", _copy),
    "/save": Command("FILE", "write the conversation: as rows (.jsonl), else as text", _save),
    "/history": Command("", "list requests and answers", _history),
    "/undo": Command("", "take back the last request, choice, correction or other change", _undo),
    "/help": Command("", "this list", _help),
}
