"""A larger model behind an OpenAI-compatible endpoint, as a source of requests.

Every reply is checked.

    pace.py             when the next question may be sent
    endpoint.py         questions and replies: stored replies, retries, rate limit, budget
    prompts.py          the questions to a teacher; its replies → requests and plans
    teacher.py          which questions are sent, and which requests are kept
"""
