"""Requests to a caretaker, more or less formal.

usage: python docs/cookbook/data/styles.py write FOLDER    train.jsonl, valid.jsonl, formal.txt and casual.txt
       python docs/cookbook/data/styles.py check FILE...    how formal edited texts are, and what is lost
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from statistics import mean

from templates import Templates, read, write

STYLES = {
    "formal": {
        "address": ["dear sir ,", "good afternoon ,"],
        "wish": ["would you kindly", "could you please"],
        "when": ["at your convenience", "without undue delay"],
        "end": ["kind regards", "yours faithfully"],
    },
    "casual": {
        "address": ["hey there ,", "hi again ,"],
        "wish": ["can you just", "you gotta quickly"],
        "when": ["when you can", "really really soon"],
        "end": ["cheers mate", "thanks tons"],
    },
}
SLOTS = list(STYLES["formal"])
TASKS = [
    "repair the door , it will not close",
    "check the heater , it stays cold",
    "clean the window , nobody sees through",
    "start the lift , people must climb",
    "replace the lamp , we sit in darkness",
    "copy the key , one was lost",
    "open the sink , water stands inside",
    "cover the roof , rain comes down",
    "paint the gate , rust is everywhere",
    "silence the alarm , it rings all night",
]
EVERY = {slot: [*STYLES["formal"][slot], *STYLES["casual"][slot]] for slot in SLOTS}
SHAPE = {"text": ["{address} {wish} {task} , {when} , {end}"], "task": TASKS}
SOUND = Templates({**EVERY, **SHAPE})
OWN = 0.85
"""Odds that a part of a text is of the text's own style."""
SIZES = {"train": 4000, "valid": 250}
TESTED = 100


def drawn(style: str, random: Random, own: float) -> str:
    """Draw a request each part of which is of its own style with some odds, and else of the other."""
    (other,) = STYLES.keys() - {style}
    styles = {slot: style if random.random() < own else other for slot in SLOTS}
    return Templates({**{slot: STYLES[of][slot] for slot, of in styles.items()}, **SHAPE}).draw(random)


def write_files(folder: Path) -> None:
    """Write labelled requests of both styles, and some of one style alone to be changed."""
    random = Random(5)
    for name, size in SIZES.items():
        rows = [{"text": drawn(style, random, OWN), "style": style} for style in STYLES for _ in range(size)]
        random.shuffle(rows)
        write(folder, f"{name}.jsonl", map(json.dumps, rows))
    for style in STYLES:
        write(folder, f"{style}.txt", (drawn(style, random, 1.0) for _ in range(TESTED)))


def formality(text: str) -> float:
    """Return the share of a text's parts that are formal."""
    found = [phrase in f" {text} " for style in STYLES for phrase in _phrases(style)]
    formal = sum(found[: len(found) // 2])
    return formal / max(1, sum(found))


def _phrases(style: str) -> list[str]:
    return [f" {phrase} " for slot in SLOTS for phrase in STYLES[style][slot]]


def task(text: str) -> str:
    """Return the task that a request is about, if it holds one as a whole."""
    return next((task for task in TASKS if f" {task} " in text), "")


def check(*files: str) -> None:
    """Say of edited texts how formal they are, how many are sound, and how many are about the same."""
    print(f"{'':14} formal  sound  same task")
    for file in files:
        rows = [json.loads(row) for row in read(Path(file))]
        formal = mean(formality(row["edited"]) for row in rows)
        sound = mean(SOUND.allows(row["edited"]) for row in rows)
        same = mean(task(row["text"]) == task(row["edited"]) for row in rows)
        print(f"{Path(file).name:14}{formal:7.2f}{sound:7.2f}{same:7.2f}")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_files(Path(sys.argv[2]))
    else:
        check(*sys.argv[2:])
