"""A merged model as other programs take it: folders, GGUF files, grammars, requests, and how to start them.

Knows no run folders.

    planner_files.py    the grammar, the schema, and the text around a request
    targets.py          the programs: what each is given, how it is started and asked, what it cannot promise
    readme.py           the page beside an export
    model_folder.py     a Hugging Face folder again, in other shards, or in 8 or 4 bits [torch]
    modelfile.py        Ollama's description of a model
    pretokenizers.py    which of llama.cpp's ways to split a text is a tokenizer's
    llama_server.py     a GGUF file in llama.cpp: its prompts, its answers
    gguf.py             a model as a GGUF file, whole or quantised [torch]
    read_back.py        a GGUF file compared with its folder [torch]
"""
