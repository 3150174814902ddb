"""Whether a classifier tells the ends that a model imputes from real ones, beside a language model's.

usage: python benchmarks/imputation.py --run RUN --data FILE [--texts N] [--methods A,B] [--sweeps N] [--json FILE]

The last fifth of each text is taken away, at least a word, and imputed with as many tokens: by alternating inference
(modes) and by the most frequent fill of a chain (gibbs). The baseline is the same decoder as a left-to-right language
model: its code is the centre of the prior, the same for all texts, and a beam of 15 looks for the best end. No fill
holds UNK, and only texts without UNK are taken, so that neither rare words nor length tell the two apart.

Adversarial error is the accuracy of a classifier that tells imputed from real texts less the 1/2 of one that cannot:
the lower, the better. It reads the end and the two words before it, as single words or as n-grams up to three, is
trained on half of the texts, each real beside imputed, and tested on the other half. Errors are binomial.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, on imputing missing words.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import latentia
from latentia.data import Columns, read_texts
from latentia.decoding import Template, search_blanks
from latentia.operations import Imputed, TextSpace
from latentia.operations.blanks import blanked
from latentia.recipes.runs import sources_of
from latentia.shapes import UNK

SHARE, WIDTH, SEEN, SHORTEST = 0.2, 15, 2, 5
CLASSIFIERS = {"single words": (1, 1), "n-grams up to three": (1, 3)}


def main() -> None:
    """Impute, tell apart, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--methods", default="modes,gibbs")
    parser.add_argument("--sweeps", type=int, default=20)
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    space = latentia.load(arguments.run)
    read = read_texts([arguments.data], Columns(sources_of(arguments.run).columns.text))
    texts = list(islice((text for text in read if usable(space, text)), arguments.texts))
    ends = {"language model, beam 15": of_language_model(space, texts)}
    for method in arguments.methods.split(","):
        ends[f"imputed, {method}"] = imputed(space, texts, method, arguments.sweeps)
    print(f"{len(texts):,} texts\n\n{'adversarial error':<28}" + "".join(f"{name:>28}" for name in CLASSIFIERS))
    rows = {name: adversarial_errors(list(map(seen, texts)), list(map(seen, given))) for name, given in ends.items()}
    for name, row in rows.items():
        shown = (f"{value:+.3f} ± {error:.3f}" for value, error in row.values())
        print(f"{name:<28}" + "".join(f"{each:>28}" for each in shown))
    for name, given in ends.items():
        print(f"\n{name}: {given[0]}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def usable(space: TextSpace, text: str) -> bool:
    words = text.split()
    return SHORTEST <= len(words) <= space.max_tokens and UNK not in space.tokenizer.encode(text)


def taken(text: str) -> int:
    """Words that are taken away."""
    return max(1, round(SHARE * len(text.split())))


def cut(text: str) -> str:
    words, count = text.split(), taken(text)
    return " ".join(words[:-count] + ["___"] * count)


def seen(text: str) -> str:
    """What a classifier reads: the end and two words before it."""
    return " ".join(text.split()[-taken(text) - SEEN :])


def imputed(space: TextSpace, texts: Sequence[str], method: str, sweeps: int) -> list[str]:
    answers = space.impute(map(cut, texts), method=method, sweeps=sweeps)
    return [answer.text if isinstance(answer, Imputed) else str(answer) for answer in answers]


def of_language_model(space: TextSpace, texts: Sequence[str]) -> list[str]:
    """Search the best end of each text under the prior's centre."""
    code = space.model.unit_prior().centre.reshape(1, 1, -1)
    found = [blanked(cut(text), space.tokenizer, 1) for text in texts]
    written = []
    for each in found:
        template = Template.of([each.opened(((UNK,) * each.sizes[0][0],), (0,))])
        with torch.no_grad():
            tokens, _ = search_blanks(space.model.decoder(code), template, WIDTH)
        written.append(each.written((tuple(tokens[template.blank].tolist()),), space.tokenizer)[0])
    return written


def adversarial_errors(real: Sequence[str], made: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Excess accuracy of each classifier over one half, with its standard error."""
    half = len(real) // 2
    return {name: _excess(real, made, half, reach) for name, reach in CLASSIFIERS.items()}


def _excess(real: Sequence[str], made: Sequence[str], half: int, reach: tuple[int, int]) -> tuple[float, float]:
    words = CountVectorizer(token_pattern=r"\S+", ngram_range=reach, binary=True)
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    model.fit([*real[:half], *made[:half]], [1] * half + [0] * half)
    others = len(real) - half
    accuracy = model.score([*real[half:], *made[half:]], [1] * others + [0] * others)
    return accuracy - 0.5, math.sqrt(accuracy * (1 - accuracy) / (2 * others))


if __name__ == "__main__":
    main()
