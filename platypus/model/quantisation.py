"""A base in 4 or 8 bits, through bitsandbytes.

All linear layers except the output layer are quantised. Knows nothing of adapters.
"""

import torch
from transformers import BitsAndBytesConfig
from transformers.utils.import_utils import is_bitsandbytes_available

from platypus.errors import ModelError
from platypus.run.settings import Quantisation


def quantisation_config(kind: Quantisation, *, dtype: torch.dtype, where: str) -> BitsAndBytesConfig | None:
    """The config with which transformers quantises a base that computes in `dtype`; None for kind "none".

    NF4 is that of QLoRA (arXiv 2305.14314): 64 weights share a scale, and the scales are quantised as well. Its bits
    are stored as `dtype`, because FSDP2 shards floating-point tensors only; int8 cannot be sharded at all. int8 is
    LLM.int8() (arXiv 2208.07339): a column with an outlier is computed separately for the whole batch, so an example's
    result may depend slightly on its neighbours. Raises ModelError, with `where`, if bitsandbytes is missing or too
    old.
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

    The repacking cannot be undone, and no gradient passes through that layout: all would be zero, without an error.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
