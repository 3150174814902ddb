"""Small molecules as SMILES, made from fragments, and whether such a string is sound, without a chemistry library.

usage: python docs/cookbook/data/molecules.py write FOLDER     train.jsonl, valid.jsonl and test.txt
       python docs/cookbook/data/molecules.py check FOLDER FILE    how many strings of FILE are sound, and how many new
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from templates import Templates, different, read, write

MOLECULES = Templates(
    {
        "text": [
            "{end}{link}{ring}",
            "{end}{link}{ring}{tail}",
            "{end}{chain}{tail}",
            "{ring}{tail}",
            "{end}{chain}{ring}",
        ],
        "end": ["C", "CC", "N", "O", "F", "Cl", "CN", "CO", "N#C", "CC(C)", "C=C"],
        "link": ["", "C", "CC", "O", "C(=O)", "C(=O)N", "S", "CO"],
        "chain": ["{unit}", "{unit}{unit}", "{unit}{unit}{unit}"],
        "unit": ["C", "CC", "C(C)", "C(O)", "C(N)", "C(F)", "C(=O)", "C=C", "CO", "CN"],
        "ring": [
            "c1ccccc1",
            "c1ccc({side})cc1",
            "c1cc({side})ccc1",
            "c1ccncc1",
            "c1ccoc1",
            "c1ccsc1",
            "C1CCCCC1",
            "C1CCC({side})CC1",
            "C1CCOCC1",
            "C1CC1",
        ],
        "side": ["C", "O", "N", "F", "Cl", "OC", "C#N", "C(=O)O", "C(F)(F)F"],
        "tail": ["{unit}", "{unit}{last}", "{last}"],
        "last": ["C", "O", "N", "F", "Cl", "C#N", "C(=O)O", "C(=O)N", "OC", "S"],
    }
)
SIZES = {"train": 10_000, "valid": 500, "test": 500}
TOKENS = re.compile(r"Cl|[CNOFS]|[cnos]|[=#()]|\d")
VALENCES = {"C": 4, "N": 3, "O": 2, "F": 1, "S": 2, "Cl": 1, "c": 3, "n": 2, "o": 2, "s": 2}
"""Bonds that an atom may have; of an aromatic one, without the electron that it gives to the ring."""


class Bond(NamedTuple):
    """Two atoms, by their places, and how many bonds there are between them."""

    first: int
    second: int
    order: int


class Molecule:
    """Atoms and bonds of a SMILES string of this small kind.

    Raises:
        ValueError: The string is none: what is wrong with it.
    """

    def __init__(self, text: str) -> None:
        self.atoms: list[str] = []
        self.bonds: list[Bond] = []
        self.rings: list[list[int]] = []
        self._parents: dict[int, int] = {}
        self._read(TOKENS.findall(text), text)
        self._check_valences()
        self._check_rings()

    def _read(self, tokens: list[str], text: str) -> None:
        if "".join(tokens) != text or not tokens:
            raise ValueError("unknown characters")
        last, before = -1, "("
        branches: list[int] = []
        opened: dict[str, int] = {}
        for token in tokens:
            if token in VALENCES:
                last = self._add(token, last, before)
            elif before in "=#" or last < 0 or (before == "(" and token not in "=#"):
                raise ValueError("a bond or a branch without an atom")
            elif token == "(":
                branches.append(last)
            elif token == ")":
                last = branches.pop() if branches else _fail("a branch is closed that is not open")
            elif token in opened:
                self._close(opened.pop(token), last)
            elif token.isdigit():
                opened[token] = last
            before = token
        if branches or opened or before in "=#":
            raise ValueError("a ring, a branch or a bond is left open")

    def _add(self, atom: str, last: int, before: str) -> int:
        self.atoms.append(atom)
        new = len(self.atoms) - 1
        if last >= 0:
            self.bonds.append(Bond(last, new, {"=": 2, "#": 3}.get(before, 1)))
            self._parents[new] = last
        return new

    def _close(self, first: int, last: int) -> None:
        self.bonds.append(Bond(first, last, 1))
        ring = [last]
        while ring[-1] != first and ring[-1] in self._parents:
            ring.append(self._parents[ring[-1]])
        self.rings.append(ring)

    def _check_valences(self) -> None:
        used = Counter(atom for bond in self.bonds for atom in bond[:2] for _ in range(bond.order))
        if any(count > VALENCES[self.atoms[atom]] for atom, count in used.items()):
            raise ValueError("an atom has too many bonds")

    def _check_rings(self) -> None:
        for ring in self.rings:
            atoms = [self.atoms[atom] for atom in ring]
            odd = sum(atom in "os" for atom in atoms)
            aromatic = all(atom.islower() for atom in atoms) and (len(atoms), odd) in {(6, 0), (5, 1)}
            if len(atoms) < 3 or not (aromatic or all(atom[0].isupper() for atom in atoms)):
                raise ValueError("no such ring")
        in_rings = {atom for ring in self.rings for atom in ring}
        if any(atom.islower() and number not in in_rings for number, atom in enumerate(self.atoms)):
            raise ValueError("an aromatic atom outside a ring")


def _fail(problem: str) -> int:
    raise ValueError(problem)


def problem_of(text: str) -> str:
    """Return what is wrong with a string; nothing of a sound one."""
    try:
        Molecule(text)
    except ValueError as error:
        return str(error)
    return ""


def kind_of(text: str) -> str:
    """Name the kind of ring that a string has."""
    return "aromatic" if "c1" in text else "ring" if "C1" in text else "chain"


def write_files(folder: Path) -> None:
    """Write different molecules, none of them in two files."""
    texts = iter(different(MOLECULES, sum(SIZES.values()), Random(3)))
    for name, size in SIZES.items():
        part = [next(texts) for _ in range(size)]
        if name == "test":
            write(folder, "test.txt", part)
        else:
            write(folder, f"{name}.jsonl", (json.dumps({"text": text, "kind": kind_of(text)}) for text in part))


def check(folder: Path, file: Path) -> None:
    """Count sound strings, and of these the different ones that are not in the training strings."""
    known = {json.loads(row)["text"] for row in read(folder / "train.jsonl")}
    texts = [json.loads(row)["text"] for row in read(file)] if file.suffix == ".jsonl" else read(file)
    sound = [text for text in texts if not problem_of(text)]
    kinds = Counter(map(kind_of, sound))
    print(f"{len(texts)} strings, {len(sound)} sound, {len(set(sound) - known)} of them new and different")
    print("kinds of the sound: " + ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    for problem, count in Counter(filter(None, map(problem_of, texts))).most_common():
        print(f"not sound: {count}, {problem}, as {next(text for text in texts if problem_of(text) == problem)}")


if __name__ == "__main__":
    {"write": write_files, "check": check}[sys.argv[1]](*map(Path, sys.argv[2:]))
