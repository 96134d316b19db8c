"""How near generated requests are to real ones.

    python benchmarks/realism.py ../shared/data/seed/catalogue.json ../shared/data/seed/train.jsonl
    PYTHONPATH=/another/checkout python benchmarks/realism.py …     # the same of another version's generator

Real are the rows of a JSONL file with `query` and `plan`. Values are masked first (`DEVU-12` and all that the plan says
become one mark), and of requests that are then the same one is kept, so that neither side is told by its values or by
repetition. `raw` AUC is without masks. Nothing is trained on here but the classifier that tells the two apart.
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
    """The strings and numbers of a plan in its canonical form, the longest first."""

    def texts_in(value: object) -> list[str]:
        if isinstance(value, list):
            return [text for part in value for text in texts_in(part)]
        if isinstance(value, dict):
            return [text for part in value.values() for text in texts_in(part)]
        return [] if value is None or isinstance(value, bool) or str(value).startswith("$$PREV") else [str(value)]

    told = [text for step in plan for argument in step["arguments"] for text in texts_in(argument["argument_value"])]
    return sorted(set(told), key=len, reverse=True)


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
    """The share of n-grams that are different."""
    grams = [tuple(w[i : i + n]) for w in map(words, texts) for i in range(len(w) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


def self_similarity(texts: list[str]) -> float:
    """The mean TF-IDF cosine of a request to the nearest other one."""
    rows = TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
    near = (rows @ rows.T).toarray()
    np.fill_diagonal(near, 0)
    return float(near.max(axis=1).mean())


def auc(real: list[str], made: list[str]) -> float:
    """How well a classifier tells the two apart: 0.5 is not at all."""
    texts, labels = real + made, [0] * len(real) + [1] * len(made)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10, max_iter=1000)
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    said = cross_val_predict(model, texts, labels, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(labels, said))


def unlike(rows: list[tuple[str, list[dict]]]) -> list[tuple[str, str]]:
    """(request, masked request), one for each masked request."""
    kept: dict[str, str] = {}
    for query, plan in rows:
        kept.setdefault(masked(query, plan), query)
    return [(query, mask) for mask, query in kept.items()]


def measured(real: list[tuple[str, str]], made: list[tuple[str, str]]) -> dict[str, object]:
    """Every figure; both sides cut to the same number of requests where a figure depends on it."""
    rng = Random(0)
    count = min(len(real), len(made))
    some, mine = rng.sample(real, count), rng.sample(made, count)
    spoken = [word for _, mask in real for word in words(mask)]
    known = {word for _, mask in made for word in words(mask)}
    lengths = [[len(query.split()) for query, _ in side] for side in (some, mine)]
    quartiles = [[int(q) for q in np.percentile(side, (10, 25, 50, 75, 90))] for side in lengths]
    return {
        "requests compared": count,
        "real word types covered": round(len(set(spoken) & known) / len(set(spoken)), 3),
        "real words covered": round(sum(word in known for word in spoken) / len(spoken), 3),
        "words, 10/25/50/75/90%, real": quartiles[0],
        "words, 10/25/50/75/90%, generated": quartiles[1],
        "length distance (words)": round(float(wasserstein_distance(*lengths)), 2),
        **{
            f"distinct-{n}, real | generated": [round(distinct([m for _, m in side], n), 3) for side in (some, mine)]
            for n in (1, 2, 3)
        },
        "self-similarity, real | generated": [round(self_similarity([m for _, m in side]), 3) for side in (some, mine)],
        "AUC": round(auc([m for _, m in some], [m for _, m in mine]), 3),
        "AUC raw": round(auc([q for q, _ in some], [q for q, _ in mine]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("real", type=Path)
    parser.add_argument("--examples", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    catalogue = read_catalogue(options.catalogue)
    started = time.process_time()
    made = list(generate_examples(catalogue, GenerateSettings(examples=options.examples), seed=options.seed))
    seconds = time.process_time() - started
    valid = sum(not e.plan.problems(catalogue) and literals_said(e.plan, e.query) for e in made)
    rows = [json.loads(line) for line in options.real.read_text(encoding="utf-8").splitlines()]
    told = [(row["query"], row["plan"]) for row in rows if row.get("valid", True)]
    answered = [(e.query, e.plan.to_json()) for e in made if e.plan.steps]
    report = {
        "valid and grounded": f"{valid} of {len(made)}",
        "examples a second": round(len(made) / seconds),
        **measured(unlike(told), unlike(answered)),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
