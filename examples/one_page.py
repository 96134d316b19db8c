"""The main job on one page: a catalogue → examples → an adapter → a merged model → plans.

    python examples/one_page.py FOLDER

It takes about a minute on two cores; 1,000 examples and more epochs give a good planner (`recipes/demo.toml`). The
command line does the same with more care: `platypus all` checks and splits the examples, goes on after an interruption,
verifies the merged model and measures it.
"""

import sys
from pathlib import Path

import platypus

CATALOGUE = Path(__file__).parent / "worktracker" / "catalogue.json"
REQUESTS = (
    "Find work items owned by DEVU-7, then prioritize them",
    "Find all work items that resemble TKT-123 and put them into the current sprint",
    "Book me a flight to Lisbon",
)


def main(folder: Path, *, examples: int = 200) -> list[platypus.Plan | platypus.Malformed]:
    """Make a planner in an empty folder, and return its plans for the requests."""
    # The tools that plans may use: MCP definitions, OpenAI functions or argument lists, as JSON.
    catalogue = platypus.read_catalogue(CATALOGUE)

    # Requests with their plans, made from the catalogue alone; the same seed gives the same examples.
    wanted = platypus.GenerateSettings(examples=examples)
    rows = list(platypus.generate_examples(catalogue, wanted, seed=0))
    print(f"{len(rows)} examples, the first: {rows[0].query}\n  {rows[0].plan}")

    # A base model, and the prompt that shows it the tools: the same in training and afterwards.
    base = platypus.load_base("embedded")
    prompt = platypus.Prompt(base.tokenizer, catalogue, "calls", cutoff=base.context, markers=True)

    # A LoRA adapter, trained on 16 examples a step; the catalogue in front of them is computed once for all 16.
    settings = platypus.TrainSettings(
        rank=32, alpha=32, target_modules="all-linear", dropout=0.0, learning_rate=4e-3, dtype="float32"
    )
    adapted = platypus.adapt(base, settings, seed=0)
    card = platypus.AdapterCard.of(base, prompt)
    result = platypus.fit(
        adapted,
        prompt.encode_all(rows),
        valid=(),
        settings=settings,
        seed=0,
        folder=folder,
        card=card,
        cut=platypus.StepSplit(settings.batch_size, checkpointing=False),
        processes=platypus.init_processes(),
    )
    print(f"{result.done} steps, loss {result.steps[0].loss:.2f} → {result.steps[-1].loss:.2f}")

    # The adapter in its base, as a Hugging Face folder that needs neither Platypus nor PEFT.
    platypus.merge_adapter(adapted, prompt, folder / "adapter", folder / "model")

    # Plans. The decoder can emit nothing but valid ones.
    planner = platypus.Planner(platypus.load_merged(folder / "model"), prompt)
    plans = [answer.plan for answer in planner.plan(REQUESTS)]
    for request, plan in zip(REQUESTS, plans, strict=True):
        print(f"\n{request}\n  {plan}")
    return plans


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        sys.exit(f"{target}: the folder is not empty. Name another one.")
    main(target)
