"""Replies that a shop sends to its customers.

usage: python docs/cookbook/data/replies.py write FOLDER     train.txt, valid.txt and test.txt
       python docs/cookbook/data/replies.py check FOLDER FILE    how many texts of FILE are sound, and how many new
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

from templates import Templates, different, read, write

REPLIES = Templates(
    {
        "text": ["{news} .", "{opening} {news} .", "{news} , {closing} .", "{opening} {news} , {closing} ."],
        "opening": ["hello ,", "good news :", "dear customer ,", "a short note :", "as you asked ,"],
        "news": [
            "{thing} {past} {before}",
            "{thing} will {future} {after}",
            "{thing} is {state}",
            "we {did} {thing} {before}",
            "we will {future_act} {thing} {after}",
            "{person} will {future_act} {thing} {after}",
        ],
        "thing": ["your {item}", "your new {item}", "the {item} you ordered", "the {colour} {item}"],
        "item": ["lamp", "table", "chair", "jacket", "kettle", "bicycle", "tent", "clock", "mirror", "carpet"],
        "colour": ["blue", "green", "red", "black", "white"],
        "past": ["left our warehouse", "was sent", "was repaired", "came back", "was delayed"],
        "future": ["arrive", "be sent", "be repaired", "be replaced", "reach you"],
        "state": ["on its way", "sold out", "ready for you", "still in repair", "waiting at the {place}"],
        "place": ["post office", "corner shop", "main desk"],
        "did": ["sent", "packed", "checked", "repaired", "found"],
        "future_act": ["send", "bring", "replace", "repair", "check"],
        "person": ["a driver", "our partner", "my colleague"],
        "before": ["yesterday", "this morning", "last week", "on monday"],
        "after": ["tomorrow", "next week", "on friday", "within two days", "before noon"],
        "closing": [
            "thank you for {virtue}",
            "we are sorry for the {trouble}",
            "please {request} if you need help",
            "there is nothing to pay",
        ],
        "virtue": ["waiting", "your patience", "your order", "your trust"],
        "trouble": ["delay", "trouble", "mistake"],
        "request": ["call us", "write to us", "visit us"],
    }
)
SIZES = {"train.txt": 8000, "valid.txt": 500, "test.txt": 500}


def write_files(folder: Path) -> None:
    """Write different replies, none of them in two files."""
    texts = iter(different(REPLIES, sum(SIZES.values()), Random(1)))
    for name, size in SIZES.items():
        write(folder, name, (next(texts) for _ in range(size)))


def check(folder: Path, file: Path) -> None:
    """Count texts that the templates can make, and of these the different ones that are not in the training texts."""
    texts, known = read(file), set(read(folder / "train.txt"))
    sound = [text for text in texts if REPLIES.allows(text)]
    print(f"{len(texts)} texts, {len(sound)} sound, {len(set(sound) - known)} of them new and different")
    for text in [text for text in texts if not REPLIES.allows(text)][:5]:
        print(f"  not sound: {text}")


if __name__ == "__main__":
    {"write": write_files, "check": check}[sys.argv[1]](*map(Path, sys.argv[2:]))
