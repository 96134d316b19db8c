"""Measures how similar generated requests are to real ones.

    python benchmarks/realism.py ../shared/data/seed/catalogue.json ../shared/data/seed/train.jsonl
    PYTHONPATH=/another/checkout python benchmarks/realism.py …     # with another version's generator

Real requests are the rows of a JSONL file with `query` and `plan`. Values are masked first (`DEVU-12` and all values of
the plan become one mark), and of requests that are then equal one is kept, so that neither side is recognised by its
values or by repetition. The `raw` AUC is without masks. Only the classifier that separates the two sides is trained.
"""

import argparse
import json
import re
import time
from pathlib import Path
from random import Random

import numpy as np
from scipy.stats import wasserstein_distance
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from platypus.catalogue.reading import read_catalogue
from platypus.generation.examples import generate_examples
from platypus.generation.requests.phrasing import literals_said
from platypus.run.settings import GenerateSettings

MARK = " xx "
IDS = re.compile(r"\b[A-Za-z]+[-_]?\d+\b|\b\d+\b")


def values(plan: list[dict]) -> list[str]:
    """The strings and numbers of a plan in canonical form, longest first."""

    def texts_in(value: object) -> list[str]:
        if isinstance(value, list):
            return [text for part in value for text in texts_in(part)]
        if isinstance(value, dict):
            return [text for part in value.values() for text in texts_in(part)]
        return [] if value is None or isinstance(value, bool) or str(value).startswith("$$PREV") else [str(value)]

    texts = [text for step in plan for argument in step["arguments"] for text in texts_in(argument["argument_value"])]
    return sorted(set(texts), key=len, reverse=True)


def masked(query: str, plan: list[dict]) -> str:
    """The request in lower case without its values, quotes and ids."""
    for value in values(plan):
        query = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", MARK, query, flags=re.IGNORECASE)
    text = IDS.sub(MARK, query).lower()
    return re.sub(r"\s+", " ", re.sub(r"(?: *xx[ ,]*(?:and |or )?)+", " xx ", re.sub(r"['\"\[\]]", "", text))).strip()


def words(text: str) -> list[str]:
    """The words of a masked request."""
    return [word for word in re.findall(r"[a-z']+", text) if word != "xx"]


def distinct(texts: list[str], n: int) -> float:
    """The share of distinct n-grams among all n-grams."""
    grams = [tuple(w[i : i + n]) for w in map(words, texts) for i in range(len(w) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def self_similarity(texts: list[str]) -> float:
    """The mean TF-IDF cosine of a request and its nearest neighbour."""
    rows = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    near = (rows @ rows.T).toarray()
    np.fill_diagonal(near, 0)
    return float(near.max(axis=1).mean())


def auc(real: list[str], generated: list[str]) -> float:
    """How well a classifier separates the two sides; 0.5 is chance."""
    texts, labels = real + generated, [0] * len(real) + [1] * len(generated)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, texts, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, scores))


def distinct_requests(rows: list[tuple[str, list[dict]]]) -> list[tuple[str, str]]:
    """(request, masked request), one for each masked request."""
    query_by_mask: dict[str, str] = {}
    for query, plan in rows:
        query_by_mask.setdefault(masked(query, plan), query)
    return [(query, mask) for mask, query in query_by_mask.items()]


def figures(real: list[tuple[str, str]], generated: list[tuple[str, str]]) -> dict[str, object]:
    """All figures; both sides have the same number of requests where a figure depends on it."""
    rng = Random(0)
    count = min(len(real), len(generated))
    real_sample, generated_sample = rng.sample(real, count), rng.sample(generated, count)
    real_words = [word for _, mask in real for word in words(mask)]
    generated_words = {word for _, mask in generated for word in words(mask)}
    lengths = [[len(query.split()) for query, _ in side] for side in (real_sample, generated_sample)]
    quartiles = [[int(q) for q in np.percentile(side, (10, 25, 50, 75, 90))] for side in lengths]
    return {
        "requests compared": count,
        "real word types covered": round(len(set(real_words) & generated_words) / len(set(real_words)), 3),
        "real words covered": round(sum(word in generated_words for word in real_words) / len(real_words), 3),
        "words, 10/25/50/75/90%, real": quartiles[0],
        "words, 10/25/50/75/90%, generated": quartiles[1],
        "length distance (words)": round(float(wasserstein_distance(*lengths)), 2),
        **{
            f"distinct-{n}, real | generated": [
                round(distinct([m for _, m in side], n), 3) for side in (real_sample, generated_sample)
            ]
            for n in (1, 2, 3)
        },
        "self-similarity, real | generated": [
            round(self_similarity([m for _, m in side]), 3) for side in (real_sample, generated_sample)
        ],
        "AUC": round(auc([m for _, m in real_sample], [m for _, m in generated_sample]), 3),
        "AUC raw": round(auc([q for q, _ in real_sample], [q for q, _ in generated_sample]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    catalogue = read_catalogue(options.catalogue)
    cpu_started = time.process_time()
    generated = list(generate_examples(catalogue, GenerateSettings(examples=options.examples), seed=options.seed))
    seconds = time.process_time() - cpu_started
    valid = sum(not e.plan.problems(catalogue) and literals_said(e.plan, e.query) for e in generated)
    rows = [json.loads(line) for line in options.real.read_text(encoding="utf-8").splitlines()]
    real_rows = [(row["query"], row["plan"]) for row in rows if row.get("valid", True)]
    generated_rows = [(e.query, e.plan.to_json()) for e in generated if e.plan.steps]
    report = {
        "valid and grounded": f"{valid} of {len(generated)}",
        "examples a second": round(len(generated) / seconds),
        **figures(distinct_requests(real_rows), distinct_requests(generated_rows)),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
