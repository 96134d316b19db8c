"""The keys of [pretrain]: heads divide the width, and each has the size that rotary positions need."""

import pytest
from pydantic import ValidationError

from platypus.run.pretrain_settings import PretrainSettings


@pytest.mark.parametrize(("width", "heads"), [(128, 5), (6, 2)])
def test_heads_have_an_even_size(width: int, heads: int) -> None:
    assert PretrainSettings(hidden_size=128, heads=4).layers == 6
    with pytest.raises(ValidationError, match=f"pretrain.hidden_size = {width} does not divide"):
        PretrainSettings(hidden_size=width, heads=heads)
