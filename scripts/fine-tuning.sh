#!/usr/bin/env bash
# The original's job: a planner for nine tools from Llama 2 13b. Makes and refines the examples, then trains the adapter.
#
#   scripts/fine-tuning.sh                                       one device
#   GPUS=4 scripts/fine-tuning.sh                                four devices of this machine
#   RUN=runs/mine RECIPE=mine.toml scripts/fine-tuning.sh        another job
#   scripts/fine-tuning.sh --force                               what stands behind it goes to `platypus train`
#
# From the environment: RUN, RECIPE, GPUS, and PYTHON, where platypus is installed (`make lint` sets up .venv); paths are
# relative to the project. What is done already is skipped. scripts/merge.sh goes on from here.
#
# Several machines that see the same RUN: run the first lines on one of them, then on each, with its own NODE = 0, 1, …
#   torchrun --nnodes=2 --node-rank=NODE --nproc-per-node=8 --rdzv-backend=c10d --rdzv-endpoint=FIRST_MACHINE:29500 \
#     -m platypus train RUN
set -euo pipefail
cd "$(dirname "$0")/.."

RUN=${RUN:-runs/llama-2-13b}
RECIPE=${RECIPE:-recipes/llama-2-13b.toml}
GPUS=${GPUS:-1}
PYTHON=${PYTHON:-.venv/bin/python}

if grep -q '^catalogue *=' "$RECIPE"; then # without one there are only the recipe's own examples
  "$PYTHON" -m platypus generate "$RUN" --recipe "$RECIPE"
fi
"$PYTHON" -m platypus refine "$RUN" --recipe "$RECIPE"

if [ "$GPUS" -gt 1 ]; then # `torchrun` by its module, so that it is PYTHON's own
  "$PYTHON" -m torch.distributed.run --standalone --nproc-per-node="$GPUS" \
    -m platypus train "$RUN" --recipe "$RECIPE" "$@"
else
  "$PYTHON" -m platypus train "$RUN" --recipe "$RECIPE" "$@"
fi
