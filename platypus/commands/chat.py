"""plan and chat: one request, or a conversation in the terminal, with the model of a run.

A planner answers each request with a plan, whose steps are shown as soon as they are complete. A model without a
catalogue (fine-tuned on instructions) answers in text, token by token. What happens in a conversation is in
`platypus.chat`.
"""

import json
import sys
from io import TextIOWrapper
from pathlib import Path

from platypus.catalogue.tools import Catalogue
from platypus.chat.asking import Screen, ask
from platypus.chat.conversation import Conversation
from platypus.chat.lines import open_lines
from platypus.chat.showing import readable_lines
from platypus.chat.slash_commands import PATHS, hear, suggestions
from platypus.chat.texts import TextOptions
from platypus.errors import RunError
from platypus.inference.opening import UNTRAINED, open_planner, open_untrained
from platypus.inference.planner import Planner
from platypus.plan.plan import Plan
from platypus.run.corrections import CORRECTIONS, Corrections
from platypus.run.folder import Run
from platypus.run.recipe import Recipe
from platypus.run.settings import Decoding


def chat(
    run: Run, *, catalogue: Catalogue | None = None, options: TextOptions | None = None, as_json: bool = False
) -> bool:
    """Answer each line until `/quit` or the end of input, with the run's tools or those of `catalogue`.

    With `as_json` each line is a request, and is answered by a JSON line. Returns whether all of these could be
    answered. Raises RunError for text `options` to a planner.
    """
    if options is not None and (catalogue or run.catalogue):
        raise RunError(
            "a planner answers with the likeliest plan: nothing is drawn, and no text ends it",
            where=str(run.path),
            remedy="Leave out --temperature, --top-p, --seed and --stop; /alternatives shows other plans.",
        )
    planner, most = open_planner(run, catalogue=catalogue), run.recipe.evaluate.max_new_tokens
    conversation = Conversation(planner, most, Corrections.of(run), options=options)
    return _answer_as_json(conversation) if as_json else _converse(conversation, run.path)


def chat_untrained(
    catalogue: Catalogue,
    *,
    decoding: Decoding | None = None,
    seconds: float | None = None,
    today: str | None = None,
    as_json: bool = False,
) -> bool:
    """As `chat`, with the embedded base as it is. Corrections go to a file in the working folder."""
    recipe = Recipe(decode=UNTRAINED).decoded(decoding, seconds=seconds, today=today)
    planner = open_untrained(catalogue, recipe)
    conversation = Conversation(planner, recipe.evaluate.max_new_tokens, Corrections(Path(CORRECTIONS)))
    return _answer_as_json(conversation) if as_json else _converse(conversation, None)


def _take_any_bytes() -> None:
    """Let standard input hold bytes that are no text: each of them becomes U+FFFD."""
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")


def _converse(conversation: Conversation, folder: Path | None) -> bool:
    _take_any_bytes()
    conversation.lines = open_lines(folder, lambda line, earlier: suggestions(conversation, line, earlier), paths=PATHS)
    conversation.screen.say(f"{conversation.original.loaded.source} (/help lists the commands)", style="dim")
    while True:
        try:
            line = conversation.lines.read("> ").strip()
        except EOFError:
            return True
        except KeyboardInterrupt:
            if not conversation.lines.typed:
                raise
            conversation.screen.say("(Ctrl-D or /quit leaves)", style="dim")
            continue
        if line and not hear(conversation, line):
            return True


def _answer_as_json(conversation: Conversation) -> bool:
    _take_any_bytes()
    answered = True
    for line in sys.stdin:
        if request := line.strip():
            said = conversation.answer_as_json(request)
            answered = answered and "error" not in said
            print(json.dumps(said, ensure_ascii=False), flush=True)
    return answered


def plan(run: Run, request: str, *, catalogue: Catalogue | None = None, as_json: bool = False) -> bool:
    """Answer one request with a plan, as `chat` does. Returns whether it is a whole one that the planner is sure of.

    Raises RunError when neither the run has a catalogue nor another is given.
    """
    if run.catalogue is None and catalogue is None:
        raise RunError(
            "the run has no catalogue to plan with",
            where=str(run.path),
            remedy=f"Give one: --catalogue FILE; or ask it for text: platypus chat {run.path}",
        )
    planner = open_planner(run, catalogue=catalogue)
    return _ask_once(planner, request, f"answered by {planner.loaded.source}", recipe=run.recipe, as_json=as_json)


def plan_untrained(request: str, catalogue: Catalogue, recipe: Recipe, *, as_json: bool = False) -> bool:
    """Answer one request with the recipe's base, not fine-tuned. Returns as `plan`."""
    source_note = (
        f"answered by the base {recipe.base!r} as it is; fine-tuned for these tools it plans better (platypus all)"
    )
    return _ask_once(open_untrained(catalogue, recipe), request, source_note, recipe=recipe, as_json=as_json)


def _ask_once(planner: Planner, request: str, source_note: str, *, recipe: Recipe, as_json: bool) -> bool:
    screen = Screen(readable_lines, as_json)
    screen.say(source_note, style="dim")
    answer = ask(planner, request, screen, max_new_tokens=recipe.evaluate.max_new_tokens)
    return isinstance(answer.plan, Plan) and answer.sure and answer.finished
