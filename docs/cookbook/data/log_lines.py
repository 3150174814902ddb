"""Log lines of a made-up shop, and a day of them in which odd ones are planted.

usage: python docs/cookbook/data/log_lines.py write FOLDER    train.txt, valid.txt, sound.txt, day.txt, planted.json
       python docs/cookbook/data/log_lines.py check FOLDER FILE    how many of the lines found are planted ones
       python docs/cookbook/data/log_lines.py rare FOLDER N    the same of the lines with the rarest words
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path
from random import Random

from templates import Templates, read, write

LINES = Templates(
    {
        "text": [
            "info cart {add} item {item} for user {user}",
            "info cart checked out by user {user} with {few} items",
            "info payment of {amount} accepted by {bank} for user {user}",
            "warning payment of {amount} refused by {bank} reason {refusal}",
            "info order {order} {step} by worker {worker}",
            "info get {page} status 200 in {fast} ms",
            "warning get {page} status 404 in {fast} ms",
            "error get {page} status 500 in {slow} ms",
            "info login of user {user} from {place}",
            "warning login of user {user} refused attempt {few}",
            "info backup of {table} finished in {slow} ms",
            "error worker {worker} lost connection to {table} retry {few}",
        ],
        "add": ["added", "removed"],
        "item": [f"i-{number}" for number in range(100, 140)],
        "user": [f"u-{number}" for number in range(100, 160)],
        "order": [f"o-{number}" for number in range(100, 140)],
        "worker": [f"w-{number}" for number in range(1, 9)],
        "few": [str(number) for number in range(1, 6)],
        "fast": [str(number) for number in range(4, 60, 2)],
        "slow": [str(number) for number in range(900, 5000, 100)],
        "amount": ["5 eur", "12 eur", "30 eur", "75 eur", "140 eur"],
        "bank": ["north bank", "card house", "quickpay"],
        "refusal": ["expired", "limit", "unknown"],
        "step": ["packed", "sent", "returned"],
        "page": ["/", "/cart", "/search", "/item", "/login", "/help"],
        "place": ["office", "phone", "home", "shop"],
        "table": ["orders", "users", "stock"],
    }
)
ODD = {
    "new words": [
        "error kernel killed process of worker w-3 out of memory",
        "warning certificate of quickpay ends within three days",
        "error disk of stock is full",
        "info user u-121 changed role to administrator",
        "warning clock of worker w-7 drifts",
    ],
    "wrong value": [
        "info get /cart status 200 in 4800 ms",
        "info get /search status 200 in 3300 ms",
        "error get /help status 500 in 8 ms",
        "info backup of orders finished in 6 ms",
        "info cart checked out by user u-117 with 140 items",
    ],
    "wrong pair": [
        "info payment of 75 eur accepted by office for user u-104",
        "info order u-130 packed by worker w-2",
        "info get /item status 500 in 12 ms",
        "warning login of user w-4 refused attempt 2",
        "error worker w-5 lost connection to quickpay retry 3",
    ],
    "broken": [
        "info cart added item",
        "warning payment of 30 eur refused",
        "login of user u-155 from home info",
        "error get /login status 500 in 2100 ms error get /login status 500 in 2100 ms",
        "info order o-122 sent by worker",
    ],
    "odd together": [f"warning login of user u-140 refused attempt {number}" for number in range(1, 6)],
}
SIZES = {"train.txt": 10_000, "valid.txt": 500, "sound.txt": 980, "day": 980}


def write_files(folder: Path) -> None:
    """Write lines, which may repeat themselves as those of a log do; the planted ones stand among those of the day."""
    random = Random(2)
    parts = {name: [LINES.draw(random) for _ in range(size)] for name, size in SIZES.items()}
    planted = {line: kind for kind, odd in ODD.items() for line in odd}
    day = [*parts.pop("day"), *planted]
    random.shuffle(day)
    for name, part in [*parts.items(), ("day.txt", day)]:
        write(folder, name, part)
    write(folder, "planted.json", [json.dumps(planted)])


def check(folder: Path, file: str) -> None:
    """Judge the lines that were found, the oddest first."""
    report([json.loads(row)["text"] for row in read(Path(file))], json.loads("".join(read(folder / "planted.json"))))


def rare(folder: Path, number: str) -> None:
    """Judge the lines whose words were on average the rarest in the training lines: what takes no model."""
    counts = Counter(word for line in read(folder / "train.txt") for word in line.split())

    def score(line: str) -> float:
        words = line.split()
        return sum(math.log(1 + counts[word]) for word in words) / len(words)

    found = sorted(read(folder / "day.txt"), key=score)[: int(number)]
    report(found, json.loads("".join(read(folder / "planted.json"))))


def report(found: list[str], planted: dict[str, str]) -> None:
    """Say how many of the first 10, 20, ... lines are planted, and how many of each kind."""
    for k in (10, 20, 40):
        if k <= len(found):
            hits = sum(line in planted for line in found[:k])
            print(f"first {k}: {hits} planted, precision {hits / k:.2f}")
    kinds = Counter(planted[line] for line in found if line in planted)
    print(f"of all {len(found)}: " + ", ".join(f"{kind} {kinds[kind]} of {len(odd)}" for kind, odd in ODD.items()))


if __name__ == "__main__":
    task, folder, *rest = sys.argv[1:]
    {"write": write_files, "check": check, "rare": rare}[task](Path(folder), *rest)
