"""Messages to a shop's help desk, labelled, with few reports of fraud among them.

usage: python docs/cookbook/data/messages.py write FOLDER    all.txt, valid.txt, test.tsv, few-1.tsv ... few-5.tsv
       python docs/cookbook/data/messages.py check FOLDER    how many texts of new-1.tsv ... new-5.tsv are sound
       python docs/cookbook/data/messages.py judge FOLDER    classifiers with and without what balances them
"""

from __future__ import annotations

import sys
from itertools import cycle, islice
from pathlib import Path
from random import Random
from statistics import mean, stdev

from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, precision_score, recall_score
from sklearn.pipeline import make_pipeline
from templates import Templates, different, read, write

SHARED = {
    "hello": ["hello", "hi", "good morning", "dear team", "excuse me"],
    "item": ["lamp", "table", "chair", "jacket", "kettle", "bicycle", "tent", "clock", "mirror", "carpet"],
    "money": ["payment", "card", "account", "bill", "bank", "refund"],
    "when": ["yesterday", "today", "this morning", "last week", "on monday", "on friday", "last night"],
    "please": ["please help", "please answer", "thank you", "please call me", "what can i do"],
    "text": ["{hello} {said}", "{said} {please}", "{hello} {said} {please}", "{said}"],
}
TOPICS = {
    "delivery": [
        "my {item} has not arrived {when}",
        "the driver left my {item} at the wrong door {when}",
        "where is the {item} that i ordered {when}",
        "nobody brought the {item} that was promised {when}",
        "i was not at home {when} and the {item} is gone",
    ],
    "payment": [
        "my {money} was refused {when}",
        "the {money} shows the wrong amount for the {item}",
        "i paid for the {item} {when} and got no {money}",
        "i want to change the {money} for my {item}",
        "the {money} of {when} is not on my list",
    ],
    "fraud": [
        "somebody used my {money} {when}",
        "i never ordered the {item} on my {money}",
        "there is a {money} of {when} that i do not know",
        "a stranger changed my {money} {when}",
        "i did not buy the {item} that you sent {when}",
        "someone else got a {item} with my {money}",
        "the {money} for the {item} was not made by me",
    ],
}
MESSAGES = {topic: Templates({**SHARED, "said": said}) for topic, said in TOPICS.items()}
RARE = "fraud"
UNLABELLED = {"delivery": 5000, "payment": 4000, "fraud": 500}
FEW = {"delivery": 200, "payment": 200, "fraud": 10}
VALID, TEST, DRAWS = 500, 400, 5
Row = tuple[str, str]


def write_files(folder: Path) -> None:
    """Write texts without labels to learn a space from, five small labelled sets, and a test; no text twice."""
    random = Random(4)
    few: list[list[Row]] = [[] for _ in range(DRAWS)]
    unlabelled, test = [], []
    for topic, templates in MESSAGES.items():
        number = UNLABELLED[topic] + TEST + DRAWS * FEW[topic]
        texts = iter(different(templates, number, random))
        test += [(next(texts), topic) for _ in range(TEST)]
        for rows in few:
            rows += [(next(texts), topic) for _ in range(FEW[topic])]
        unlabelled += list(texts)
    random.shuffle(unlabelled)
    write(folder, "valid.txt", unlabelled[:VALID])
    write(folder, "all.txt", unlabelled[VALID:])
    for name, rows in {"test": test, **{f"few-{draw}": rows for draw, rows in enumerate(few, 1)}}.items():
        random.shuffle(rows)
        write(folder, f"{name}.tsv", ["text\tlabel", *map("\t".join, rows)])


def rows_of(path: Path) -> list[Row]:
    """Return texts and labels of a file."""
    found = (line.split("\t") for line in read(path))
    header = next(found)
    return [(cells[header.index("text")], cells[header.index("label")]) for cells in found]


def repeated(rows: list[Row]) -> list[Row]:
    """Repeat the texts of each class until all have as many as the largest."""
    of_class = {topic: [row for row in rows if row[1] == topic] for topic in TOPICS}
    most = max(map(len, of_class.values()))
    return [row for own in of_class.values() for row in islice(cycle(own), most)]


def numbers(rows: list[Row], test: list[Row]) -> list[float]:
    """Return precision, recall and F1 of the rare class, and the F1 of all classes averaged, in percent."""
    model = make_pipeline(CountVectorizer(), LogisticRegression(max_iter=1000)).fit(*zip(*rows, strict=True))
    texts, truth = zip(*test, strict=True)
    said = model.predict(texts)
    of_rare = [
        of(truth, said, labels=[RARE], average="macro", zero_division=0)
        for of in (precision_score, recall_score, f1_score)
    ]
    return [100 * number for number in (*of_rare, f1_score(truth, said, average="macro"))]


def judge(folder: Path) -> None:
    """Compare classifiers of the small sets with and without what balances them."""
    test = rows_of(folder / "test.tsv")
    found: dict[str, list[list[float]]] = {}
    for draw in range(1, DRAWS + 1):
        rows, new = rows_of(folder / f"few-{draw}.tsv"), rows_of(folder / f"new-{draw}.tsv")
        sets = {"as they are": rows, "repeated": repeated(rows), "with new texts": repeated(rows + new)}
        for name, own in sets.items():
            found.setdefault(name, []).append(numbers(own, test))
    print(f"{'':16} precision  recall      F1  F1 of all")
    for name, draws in found.items():
        print(f"{name:16}" + "".join(f"{mean(column):10.1f}" for column in zip(*draws, strict=True)))
    gains = [new[2] - old[2] for new, old in zip(found["with new texts"], found["repeated"], strict=True)]
    print(f"gain in F1 over repeated, by draw: {' '.join(f'{gain:+.1f}' for gain in gains)}")
    print(f"mean {mean(gains):+.1f}, standard error {stdev(gains) / DRAWS**0.5:.1f}")


def check(folder: Path) -> None:
    """Count the new texts, and those of them that the templates of their class can make."""
    new = [row for draw in range(1, DRAWS + 1) for row in rows_of(folder / f"new-{draw}.tsv")]
    print(f"{len(new)} new texts, {sum(MESSAGES[label].allows(text) for text, label in new)} of them sound")
    for text, label in [row for row in new if not MESSAGES[row[1]].allows(row[0])][:4]:
        print(f"  not {label}: {text}")


if __name__ == "__main__":
    {"write": write_files, "judge": judge, "check": check}[sys.argv[1]](Path(sys.argv[2]))
