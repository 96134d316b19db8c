#!/usr/bin/env bash
# tokenizers 0.23.3: the ids that tokenizer.json gives its added tokens are not read.
#
# Source:   tokenizers/src/tokenizer/serialization.rs (Rust), deserializer of TokenizerImpl: a token that the model's
#           vocabulary lacks goes to add_tokens without its id, in the file's order, and gets the next free id.
# Guess:    "added_tokens": [{"id": 10, "content": "<tool_call>", ...}] encodes as 10: many models keep free rows behind
#           their vocabulary, and an adapter may be trained on a marker there. Or an error says that ids need an order
#           and no gap.
# Seen:     Where no token has the ids 3 to 9, that of id 10 is read as 3; saved again, the file says 3.
#           Two tokens of the right ids in the other order exchange their ids: an opening mark encodes as a closing one.
#           Nothing is said of it. In order and with a filler for each id between, ids are as written.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tokenizers==0.23.3
RUST_LOG=warn "$folder/venv/bin/python" -W error - "$folder/tokenizer.json" 2>"$folder/stderr" <<'PYTHON' || failed=yes
import json
import sys

from tokenizers import Tokenizer
from tokenizers.models import WordLevel

path = sys.argv[1]
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
plain = Tokenizer(WordLevel({"yes": 0, "no": 1, "[UNK]": 2}, unk_token="[UNK]"))


def loaded(*added):
    """A tokenizer with these added tokens, written to a file and read from it."""
    tokens = [{"id": number, "content": content, **FLAGS} for number, content in added]
    with open(path, "w") as file:
        json.dump(json.loads(plain.to_str()) | {"added_tokens": tokens}, file)
    return Tokenizer.from_file(path)


gap = loaded((10, "<tool_call>"))
ids, saved = gap.encode("yes<tool_call>no").ids, json.loads(gap.to_str())["added_tokens"][0]["id"]
print("id 10, none between; encoded:", ids, "saved again:", saved)
assert ids == [0, 3, 1] and saved == 3, "changed"
ids = loaded((4, "</tool_call>"), (3, "<tool_call>")).encode("<tool_call>yes</tool_call>").ids
print("id 4 before id 3; encoded:", ids)
assert ids == [4, 0, 3], "changed"
fillers = ((number, f"<unused_{number}>") for number in range(3, 10))
ids = loaded(*fillers, (10, "<tool_call>")).encode("yes<tool_call>no").ids
print("ids 3 to 10; encoded:", ids)
assert ids == [0, 10, 1], "changed"
PYTHON
cat "$folder/stderr"
test -z "${failed:-}"
test ! -s "$folder/stderr" # a warning would be a change as well
echo "as described"
