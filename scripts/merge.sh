#!/usr/bin/env bash
# Merges the adapter of scripts/fine-tuning.sh into its base; the result is a plain Hugging Face folder, RUN/merge/model.
#
#   scripts/merge.sh                     the run of scripts/fine-tuning.sh
#   RUN=runs/mine scripts/merge.sh       another run; it has its own copy of the recipe
#   scripts/merge.sh --force             arguments go to `platypus merge`
#   scripts/merge.sh --help              this text
#
# Environment variables: RUN, relative to the working folder, and PYTHON, in which platypus is installed. By default they
# are in the project: runs/llama-2-13b, and .venv/bin/python, which `make lint` sets up.
set -euo pipefail
source "$(dirname "$0")/start.sh"

[ -d "$RUN" ] || fail "RUN is $RUN, and there is no such folder in $PWD. Train it first: scripts/fine-tuning.sh"

"$PYTHON" -m platypus merge "$RUN" "$@"
