"""How a request, a catalogue and an answer look as text and as tokens. This is decided here and nowhere else.

Training, evaluation, chat and export all use `Prompt`, so a model sees in use what it saw in training. Does not know
models: any tokenizer with the methods of a Hugging Face tokenizer will do.

    catalogue_text.py   a catalogue as the text in a prompt
    templates.py        Alpaca's template, the rules of each notation, the frame around a request
    invocation.py       the tokens from which an activated adapter acts
    number_words.py     numbers that people say in words
    markers.py          numbers after values of a request, which plans use in place of the values
    conversations.py    a base's own chat template: conversations → ids, and which of them are learned
    base_files.py       the small files of a base: its context, and a tokenizer that opens at once
    prompt.py           request → prompt ids; example → ids and labels; text → Plan | Malformed
    chat_template.py    the same prompt as a Jinja template in a saved tokenizer
"""
