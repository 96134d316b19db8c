"""A byte-level BPE tokenizer for a new base, trained on catalogues, requests and answers."""

from collections.abc import Iterator

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from platypus.generation.tasks import RealTasks, Task, sample_task
from platypus.prompt.catalogue_text import render_catalogue
from platypus.prompt.prompt import Prompt
from platypus.prompt.templates import shared_frame
from platypus.run.recipe import Recipe

NO_ROWS = RealTasks()
ATOMS = r"\d|(?<=[a-z])(?=[A-Z])"  # every digit is its own piece, and so is every word of a camelCase name


def prompt_of(recipe: Recipe, tokenizer: PreTrainedTokenizerBase, task: Task, *, context: int | None = None) -> Prompt:
    """The prompt of a task's catalogue; its cutoff is `context`, or else the base's context."""
    return Prompt.of(tokenizer, task.catalogue, recipe.prompt, cutoff=context or recipe.pretrain.context)


def train_tokenizer(recipe: Recipe, real: RealTasks = NO_ROWS, *, tasks: int = 400) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE on `tasks` tasks. Of each prompt, the text that all prompts share is three tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(ATOMS), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<pad>"]
    common = shared_frame(recipe.prompt.notation, markers=recipe.prompt.markers)
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.pretrain.vocabulary - len(common),
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(list(_texts(recipe, real, tasks)), trainer)
    bpe.add_tokens([AddedToken(text, normalized=False) for text in common])
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        model_max_length=recipe.pretrain.context,
        clean_up_tokenization_spaces=False,
    )


def _texts(recipe: Recipe, real: RealTasks, tasks: int) -> Iterator[str]:
    # A prompt's text needs no tokens, so any tokenizer will do.
    untrained = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))  # type: ignore[no-untyped-call]
    share = recipe.pretrain.rows_share
    for i in range(tasks):
        task = sample_task(f"{recipe.seed}/words/{i}", real, share, tools=12, requests=8)
        prompt = prompt_of(recipe, untrained, task)
        yield render_catalogue(task.catalogue)
        for example in task.examples:
            yield prompt.request_text(example.query)
            yield prompt.answer(example)
