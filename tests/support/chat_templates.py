"""Chat templates in the shapes of those of published models, and tokenizers that have them."""

from transformers import PreTrainedTokenizerFast

from tests.support.tiny_models import TEXTS, byte_bpe_tokenizer

ASK = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}" + ASK
)
MARKED = (  # the same, and it says which part the assistant says
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|im_end|>{% endif %}{{ '\n' }}{% endfor %}" + ASK
)
HALF_MARKED = MARKED.replace("<|im_end|>{% endgeneration %}", "{% endgeneration %}<|im_end|>")
INST = (  # nothing asks for an answer but the end of the question; the text is trimmed; EOS ends an answer
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'assistant' %} {{ message.content | trim }}</s>"
    "{% else %}[INST] {{ message.content | trim }} [/INST]{% endif %}{% endfor %}"
)
CLOSED = (  # EOS at the end of a whole conversation, behind the token that ends a turn
    "{% for message in messages %}<|{{ message.role }}|>\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}</s>{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)
THINKING = (  # an empty thought before the last answer, and none before earlier ones
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if loop.last and message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}"
    "{{ message.content }}<|im_end|>\n{% endfor %}" + ASK
)
MOVED = (  # the system's text before the last question, if nothing follows it
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content + '\n' %}{% set turns = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}{% for message in turns %}"
    "{% if message.role == 'assistant' %}{{ message.content }}</s>"
    "{% else %}<|im_start|>{% if loop.last %}{{ system }}{% endif %}{{ message.content }}<|im_end|>{% endif %}"
    "{% endfor %}"
)
ENDLESS = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
SPACE = (  # what asks for an answer ends with a space, which tokenizers join with the first word
    "{% for message in messages %}{{ message.role }}: {{ message.content }}"
    "{% if message.role == 'assistant' %}</s>{% else %}{{ '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def chat_tokenizer(template: str | None = CHATML, *, bos: bool = False) -> PreTrainedTokenizerFast:
    """A byte-level BPE with the tokens of ChatML, whose EOS is another one, as of many a base."""
    tokenizer = byte_bpe_tokenizer(bos=bos, texts=[*TEXTS, "assistant: hello there, user: hello you " * 20])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = template
    return tokenizer
