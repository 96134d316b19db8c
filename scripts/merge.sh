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

fail() {
  echo "$0: $1" >&2
  exit 1
}

for word in "$@"; do
  case $word in -h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "$0"
    exit
    ;;
  esac
done

PROJECT=$(cd "$(dirname "$0")/.." && pwd)
RUN=${RUN:-$PROJECT/runs/llama-2-13b}
PYTHON=${PYTHON:-$PROJECT/.venv/bin/python}

install="Set up .venv with \`make lint\` in $PROJECT, or name a Python in which platypus is installed: PYTHON=… $0"
command -v "$PYTHON" >/dev/null || fail "PYTHON is $PYTHON, and there is no such program. $install"
"$PYTHON" -c 'import platypus' >/dev/null 2>&1 || fail "platypus is not installed in $PYTHON. $install"
[ -d "$RUN" ] || fail "RUN is $RUN, and there is no such folder in $PWD. Train it first: scripts/fine-tuning.sh"

"$PYTHON" -m platypus merge "$RUN" "$@"
