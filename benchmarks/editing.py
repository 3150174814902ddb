"""Sentiment edited by moving codes: how many texts flip, and what of each is kept, over strengths and beside baselines.

usage: python benchmarks/editing.py --run RUN --data DIR [--texts N] [--way WAY] [--strengths A,B] [--candidates N]
       [--refine N] [--rewrite all|words] [--strategy NAME] [--json FILE]

DIR holds train.tsv, valid.tsv and test.tsv with the columns label and text, of two labels. Each text is moved towards
the other label than its own, along what tells apart the labelled texts of one half of train, up to 5,000 of a label.
The judge is a logistic regression on the words and pairs of words of the other half, less what also stands in the
first: it knows nothing of the model, and the edit knows nothing of it. A text counts as flipped when the judge reads
the other label in it. Content is BLEU of the edited against the source text, as sacrebleu computes it over all of
them.

The curve over strengths is that of valid. Of the strengths that flip 70 % there the one that keeps most is taken, or
the one that flips most if none does, and test is edited at that one strength alone. With several candidates a text is
written at as many strengths up to the given one, and `edit` chooses among them.

Baselines on the test texts: as they are, their reconstructions, and without their most polar words, those which the
judge's weights give most to the text's own label. It bounds what a method could do that knew the judge.
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
from latentia.decoding import Ancestral, Beam, Greedy, Strategy
from latentia.operations import Edited, Refused, TextSpace

GOAL_FLIPPED, GOAL_CONTENT = 0.70, 40.0
DELETED = (1, 2, 3)
LISTED = 5_000
Texts = Sequence[str]


def main() -> None:
    """Choose a strength on valid, measure it on test, print and write."""
    given = _arguments()
    space, (texts, labels) = latentia.load(given.run), read(given.data / "train.tsv")
    editor = Editor(space, texts[::2], labels[::2], given)
    unseen = set(texts[::2])
    others = [(text, label) for text, label in zip(texts[1::2], labels[1::2], strict=True) if text not in unseen]
    judge = Judge(*zip(*others, strict=True))
    valid, test = (readable(space, *read(given.data / f"{split}.tsv"), given.texts) for split in ("valid", "test"))
    print(
        f"judge: accuracy {judge.accuracy(*test):.3f} on {len(test[0]):,} test texts; edited by {given.way}, ", end=""
    )
    print(f"candidates {given.candidates}\n\n{'':<34}{'flipped':>9}{'BLEU':>8}  goal\nvalid")
    curve = {
        float(strength): judged(judge, *valid, editor.edited(*valid, float(strength))) for strength in given.strengths
    }
    for strength, row in curve.items():
        show(f"edited, strength {strength:g}", row)
    best = chosen(curve)
    print("test")
    rows = baselines(space, judge, *test, editor.strategy)
    rows[f"edited, strength {best:g}"] = judged(judge, *test, editor.edited(*test, best))
    show(f"edited, strength {best:g}", rows[f"edited, strength {best:g}"])
    if given.json:
        Path(given.json).write_text(json.dumps({"valid": curve, "test": rows}, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--way", default="means", choices=("means", "normal", "guided"))
    parser.add_argument(
        "--strengths", default=["0.5", "1", "1.5", "2", "3", "4", "6"], type=lambda given: given.split(",")
    )
    parser.add_argument("--candidates", type=int, default=1)
    parser.add_argument("--threshold", type=float, default=0.7)
    parser.add_argument("--refine", type=int, default=0)
    parser.add_argument("--rewrite", default="all", choices=("all", "words"))
    parser.add_argument("--strategy", default="Beam", choices=("Beam", "Greedy", "Ancestral"))
    parser.add_argument("--width", type=int, default=5, help="of the beam")
    parser.add_argument("--temperature", type=float, default=0.5, help="of draws")
    parser.add_argument("--json", help="write the figures here")
    return parser.parse_args()


def chosen(curve: dict[float, list[float]]) -> float:
    """Return the strength that keeps most of those that flip enough, or flips most."""
    enough = [strength for strength, row in curve.items() if row[0] >= GOAL_FLIPPED]
    return max(enough, key=lambda each: curve[each][1]) if enough else max(curve, key=lambda each: curve[each][0])


class Editor:
    """Moves texts towards the other of two labels than their own, along what tells some labelled texts apart."""

    def __init__(self, space: TextSpace, texts: Texts, labels: Texts, given: argparse.Namespace) -> None:
        """Take the first readable texts of each label."""
        self.space, self.given = space, given
        strategies = {"Beam": Beam(given.width), "Greedy": Greedy(), "Ancestral": Ancestral(given.temperature)}
        self.strategy: Strategy = strategies[given.strategy]
        rows = {
            name: [text for text, label in zip(texts, labels, strict=True) if label == name] for name in set(labels)
        }
        self.lists = {name: readable(space, own, own, LISTED)[0] for name, own in sorted(rows.items())}

    def edited(self, texts: Texts, labels: Texts, strength: float) -> list[str]:
        """Edit each text, in order."""
        edited = dict.fromkeys(range(len(texts)), "")
        for name, own in self.lists.items():
            (other,) = self.lists.keys() - {name}
            places = [place for place, label in enumerate(labels) if label == name]
            answers = self.space.edit(
                [texts[place] for place in places],
                from_=own,
                to=self.lists[other],
                strength=strength,
                way=self.given.way,
                candidates=self.given.candidates,
                threshold=self.given.threshold,
                refine=self.given.refine,
                rewrite=self.given.rewrite,
                strategy=self.strategy,
            )
            for place, answer in zip(places, answers, strict=True):
                edited[place] = answer.edited if isinstance(answer, Edited) else ""
        return list(edited.values())


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


def baselines(
    space: TextSpace, judge: Judge, texts: Texts, labels: Texts, strategy: Strategy
) -> dict[str, list[float]]:
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
