"""A base in 4 or 8 bits, through bitsandbytes: how it is asked for, and what must be kept from happening to it.

What is quantised are the linear layers, but not the output layer. Knows nothing of adapters.
"""

import torch
from transformers import BitsAndBytesConfig
from transformers.utils.import_utils import is_bitsandbytes_available

from platypus.errors import ModelError
from platypus.run.settings import Quantisation


def quantisation_config(kind: Quantisation, *, dtype: torch.dtype, where: str) -> BitsAndBytesConfig | None:
    """What transformers is told when it opens the base `where` to compute in `dtype`; None for a base as it is.

    NF4 is that of QLoRA (arXiv 2305.14314): 64 weights share a scale, and the scales are quantised once more. Its bits
    are stored as `dtype`, because FSDP2 shards floating-point tensors only; int8 cannot be sharded at all. That one is
    LLM.int8() (arXiv 2208.07339), where a column with an outlier is computed apart for the whole batch: what an example
    gives may depend a little on its neighbours. Raises ModelError where bitsandbytes is missing or too old.
    """
    if kind == "none":
        return None
    if not is_bitsandbytes_available():
        raise ModelError(
            f'quantise = "{kind}" needs the package bitsandbytes',
            where=where,
            remedy="Install it: pip install 'platypus-llm[quantise]'",
        )
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype,
    )


def keep_gradients(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights for inference, as it does on some CPUs in the first evaluation.

    There is no way back from that layout, and no gradient passes through it: they would be zero from then on, silently.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
