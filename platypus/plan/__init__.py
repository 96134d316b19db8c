"""What a planner answers: a `Plan`, which is always valid, or `Malformed`, with its problems named.

Knows catalogues, but no prompts: how a plan looks in a prompt is decided in `platypus.prompt`.

    plan.py             Reference, Step, Plan, Problem, Malformed; strict JSON in and out; validity
    equality.py         whether two plans are the same; a plan's fingerprint
    notation.py         a plan as text: json, calls, and for people
    lenient_json.py     JSON that is nearly right, with every repair named
    repair.py           plans that are nearly right, with every repair named
"""
