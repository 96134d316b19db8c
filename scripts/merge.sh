#!/usr/bin/env bash
# Merges the adapter of scripts/fine-tuning.sh into its base; the result is a plain Hugging Face folder, RUN/merge/model.
#
#   scripts/merge.sh                     the run of scripts/fine-tuning.sh
#   RUN=runs/mine scripts/merge.sh       another run; it has its own copy of the recipe
#   scripts/merge.sh --force             arguments go to `platypus merge`
#
# Environment variables: RUN, relative to the project, and PYTHON, in which platypus is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

RUN=${RUN:-runs/llama-2-13b}
PYTHON=${PYTHON:-.venv/bin/python}

"$PYTHON" -m platypus merge "$RUN" "$@"
