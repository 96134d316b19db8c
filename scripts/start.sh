# What both scripts begin with: `source` it. It answers --help with the head of the script, and sets and checks PROJECT,
# RUN and PYTHON.

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
