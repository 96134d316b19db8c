#!/usr/bin/env bash
# Trains a planner for nine tools from Llama 2 13b, the original project's job: generates and refines examples, then trains
# the adapter.
#
#   scripts/fine-tuning.sh                                       one device
#   GPUS=4 scripts/fine-tuning.sh                                four devices of this machine
#   RUN=runs/mine RECIPE=mine.toml scripts/fine-tuning.sh        another recipe
#   scripts/fine-tuning.sh --force                               arguments go to `platypus train`
#   scripts/fine-tuning.sh --help                                this text
#
# Environment variables: RUN, RECIPE, GPUS, and PYTHON, in which platypus is installed. Relative paths are relative to the
# working folder. By default, all three paths are in the project: runs/llama-2-13b, recipes/llama-2-13b.toml, and
# .venv/bin/python, which `make lint` sets up. Stages that are done are skipped. Next: scripts/merge.sh.
#
# Several machines with a shared RUN: run generate and refine on one of them, then this on each, with NODE = 0, 1, …
#   torchrun --nnodes=2 --node-rank=NODE --nproc-per-node=8 --rdzv-backend=c10d --rdzv-endpoint=FIRST_MACHINE:29500 \
#     -m platypus train RUN
set -euo pipefail
source "$(dirname "$0")/start.sh"

RECIPE=${RECIPE:-$PROJECT/recipes/llama-2-13b.toml}
GPUS=${GPUS:-1}

[ -f "$RECIPE" ] || fail "RECIPE is $RECIPE, and there is no such file in $PWD. Name another one: RECIPE=FILE $0"
[[ $GPUS =~ ^[1-9][0-9]*$ ]] || fail "GPUS is $GPUS. Give the number of devices: GPUS=4 $0"

if grep -q '^catalogue *=' "$RECIPE"; then # without a catalogue there are only the recipe's data files
  "$PYTHON" -m platypus generate "$RUN" --recipe "$RECIPE"
fi
"$PYTHON" -m platypus refine "$RUN" --recipe "$RECIPE"

if [ "$GPUS" -gt 1 ]; then # the module of `torchrun`, so that PYTHON's own is used
  "$PYTHON" -m torch.distributed.run --standalone --nproc-per-node="$GPUS" \
    -m platypus train "$RUN" --recipe "$RECIPE" "$@"
else
  "$PYTHON" -m platypus train "$RUN" --recipe "$RECIPE" "$@"
fi
