"""A larger model behind an OpenAI-compatible endpoint, as a source of requests.

Each of them is checked.

    endpoint.py         questions and replies: stored replies, retries, rate limits, budget
    prompts.py          what a teacher is asked; its replies → requests and plans
    teacher.py          which requests are asked for, and which are kept
"""
