"""The one owner of how a request, a catalogue and an answer look as text and as tokens.

Training, evaluation, chat and export all use `Prompt`, so what a model sees in training is what it sees in use. Knows
no models: any tokenizer with the parts of a Hugging Face one will do.

    catalogue_text.py   a catalogue as the text in a prompt
    templates.py        Alpaca's template, the rules of each notation, the frame around a request
    markers.py          numbers behind values of a request, for plans to point to
    prompt.py           request → prompt ids; example → ids and labels; text → Plan | Malformed
    chat_template.py    the same prompt as a Jinja template in a saved tokenizer
"""
