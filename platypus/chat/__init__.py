"""The conversation of `platypus chat`: requests and commands that are typed, plans and texts that are shown.

Reads lines and prints; the model is asked through `platypus.inference` and `platypus.model`. Nothing is kept but what
was corrected (`platypus.run.corrections`), the history of typed lines, and what `/save` writes.

    explaining.py       where in a request the values of its plan come from
    showing.py          plans, explanations and tools as text for people
    correcting.py       a plan corrected step by step, or typed as text
    lines.py            lines from an editor with history and completion, or from a pipe
    texts.py            a conversation with a model that answers in text: prompts, sampling, stop strings
    asking.py           one request put to a planner, its plan printed step by step
    running.py          a plan run before the eyes of a user
    conversation.py     the turns so far, what is undone, and requests answered
    slash_commands.py   the commands of a conversation
"""
