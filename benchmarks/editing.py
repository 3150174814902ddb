"""Sentiment edited by moving codes: how many texts flip, and what of each is kept, over strengths and beside baselines.

usage: python benchmarks/editing.py --run RUN --data DIR [--texts N] [--way WAY] [--strengths A,B] [--json FILE]

DIR holds train.tsv and test.tsv with the columns label and text, of two labels. The judge is a logistic regression on
the words and pairs of words of the training texts, which knows nothing of the model; its own accuracy on the test texts
is printed. Each test text is moved towards the other label than its own. A text counts as flipped when the judge reads
the other label in it. Content is BLEU of the edited against the source text, as sacrebleu computes it over all of them.

Baselines in the same run: the texts as they are, their reconstructions, and the texts without their most polar words,
those which the judge's weights give most to the text's own label.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path

import sacrebleu
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import latentia
from latentia.decoding import Beam
from latentia.operations import Edited, Refused, TextSpace

GOAL_FLIPPED, GOAL_CONTENT = 0.70, 40.0
DELETED = (1, 2, 3)
Texts = Sequence[str]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--way", default="means", choices=("means", "normal", "guided"))
    parser.add_argument("--strengths", default="0.5,1,1.5,2,3,4,6")
    parser.add_argument("--width", type=int, default=5, help="of the beam")
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    space, judge = latentia.load(arguments.run), Judge(*read(arguments.data / "train.tsv"))
    texts, labels = read(arguments.data / "test.tsv")
    print(f"judge: accuracy {judge.accuracy(texts, labels):.3f} on {len(texts):,} test texts")
    texts, labels = readable(space, texts, labels, arguments.texts)
    print(f"{len(texts):,} texts are edited, by {arguments.way}\n\n{'':<34}{'flipped':>9}{'BLEU':>8}  goal")
    rows = baselines(space, judge, texts, labels, Beam(arguments.width))
    for strength in map(float, arguments.strengths.split(",")):
        edited = towards_the_other(space, texts, labels, judge.names, strength, arguments.way, Beam(arguments.width))
        rows[f"edited, strength {strength:g}"] = judged(judge, texts, labels, edited)
        show(f"edited, strength {strength:g}", rows[f"edited, strength {strength:g}"])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


class Judge:
    """A classifier of words and pairs of words, apart from any latent space."""

    def __init__(self, texts: Texts, labels: Texts) -> None:
        """Fit."""
        self.model: Pipeline = make_pipeline(
            CountVectorizer(token_pattern=r"\S+", ngram_range=(1, 2), min_df=2, binary=True),
            LogisticRegression(max_iter=500, C=0.3),
        )
        self.model.fit(texts, labels)
        self.names: list[str] = list(self.model.classes_)

    def accuracy(self, texts: Texts, labels: Texts) -> float:
        """Share of texts whose label it reads."""
        return float(self.model.score(texts, labels))

    def reads(self, texts: Texts) -> list[str]:
        """Label of each text."""
        return list(self.model.predict(texts))

    def without_polar(self, text: str, label: str, count: int) -> str:
        """Remove the words whose weights say most for a label."""
        vectorizer, regression = (step for _, step in self.model.steps)
        sign = 1 if label == self.names[1] else -1
        words = text.split()
        weights = [
            sign * regression.coef_[0][vectorizer.vocabulary_[word]] if word in vectorizer.vocabulary_ else 0.0
            for word in words
        ]
        polar = sorted(range(len(words)), key=lambda place: -weights[place])[:count]
        return " ".join(word for place, word in enumerate(words) if place not in polar)


def baselines(space: TextSpace, judge: Judge, texts: Texts, labels: Texts, strategy: Beam) -> dict[str, list[float]]:
    """What no edit, a reconstruction and the deletion of words reach."""
    rows = {"the texts as they are": judged(judge, texts, labels, texts)}
    rows["reconstructed"] = judged(
        judge, texts, labels, [str(each) for each in space.reconstruct(texts, strategy=strategy)]
    )
    for count in DELETED:
        shortened = [judge.without_polar(text, label, count) for text, label in zip(texts, labels, strict=True)]
        rows[f"without the {count} most polar words"] = judged(judge, texts, labels, shortened)
    for name, row in rows.items():
        show(name, row)
    return rows


def towards_the_other(
    space: TextSpace, texts: Texts, labels: Texts, names: Texts, strength: float, way: str, strategy: Beam
) -> list[str]:
    """Edit each text towards the label that it has not."""
    edited = dict.fromkeys(range(len(texts)), "")
    for name in names:
        places = [place for place, label in enumerate(labels) if label != name]
        answers = space.edit(
            [texts[place] for place in places], attribute=name, strength=strength, way=way, strategy=strategy
        )
        for place, answer in zip(places, answers, strict=True):
            edited[place] = answer.edited if isinstance(answer, Edited) else ""
    return list(edited.values())


def judged(judge: Judge, texts: Texts, labels: Texts, changed: Texts) -> list[float]:
    """Share read with the other label, and BLEU against the texts."""
    flipped = sum(read != label for read, label in zip(judge.reads(changed), labels, strict=True)) / len(texts)
    return [flipped, sacrebleu.corpus_bleu(list(changed), [list(texts)], tokenize="none", force=True).score]


def show(name: str, row: Sequence[float]) -> None:
    reached = "reached" if row[0] >= GOAL_FLIPPED and row[1] >= GOAL_CONTENT else ""
    print(f"{name:<34}{row[0]:>9.3f}{row[1]:>8.2f}  {reached}", flush=True)


def readable(space: TextSpace, texts: Texts, labels: Texts, count: int) -> tuple[list[str], list[str]]:
    """Take the first texts that the model can read."""
    fit = space.answered(texts, lambda chosen, _: list(chosen.texts()))
    kept = [place for place, each in enumerate(fit) if not isinstance(each, Refused)][:count]
    return [texts[place] for place in kept], [labels[place] for place in kept]


def read(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row["text"] for row in rows], [row["label"] for row in rows]


if __name__ == "__main__":
    main()
