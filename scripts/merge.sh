#!/usr/bin/env bash
# Merge what scripts/fine-tuning.sh has trained into its base: a plain Hugging Face folder, RUN/merge/model.
#
#   scripts/merge.sh                     the job of the original
#   RUN=runs/mine scripts/merge.sh       another one; the run has its own copy of the recipe
#   scripts/merge.sh --force             what stands behind it goes to `platypus merge`
#
# From the environment: RUN, relative to the project, and PYTHON, where platypus is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

RUN=${RUN:-runs/llama-2-13b}
PYTHON=${PYTHON:-.venv/bin/python}

"$PYTHON" -m platypus merge "$RUN" "$@"
