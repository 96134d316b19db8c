"""What a read-back says of differences; the comparison itself is tested with the files that are made (test_gguf.py)."""

from platypus.exporting.read_back import ODD_TEXTS, ReadBack


def test_differences_become_sentences() -> None:
    assert ReadBack(3, (), 4, 0).losses == []
    tokens, answers = ReadBack(3, ODD_TEXTS[3:4], 4, 1).losses
    assert "½ cup" in tokens and "other tokens than in training" in tokens
    assert answers == "Of 4 greedy answers without a grammar, 1 are others."
