"""Compiles a regular expression in a process of its own, which can be ended: some take more time than there is.

usage: python -P compile_pattern.py < PATTERN > TABLE

The table holds the next state for each of 256 bytes, -1 where there is none, as 32-bit integers; states are numbered
from 0, the first. Texts hold no NUL: in its place stands 0 where a text may end, and -1 where not. It is also what the
expression is made to end in: the library returns the leftmost-first match, which of ``a|ab`` takes ``a`` and forgets
the rest, and with an end of its own each alternative stays open until it is seen.
"""

import sys
from array import array

from outlines_core import Index, Vocabulary


def main() -> None:
    """Read the pattern and write its table."""
    pattern = sys.stdin.buffer.read().decode()
    index = Index(rf"(?:{pattern})\x00", Vocabulary(256, {bytes([byte]): [byte] for byte in range(256)}))
    transitions, finals = index.get_transitions(), index.get_final_states()
    first = index.get_initial_state()
    numbers = {state: number for number, state in enumerate([first, *(transitions.keys() - {first})])}
    table = array("i")
    for state in numbers:
        after = transitions.get(state, {})
        table.append(0 if after.get(0) in finals else -1)
        table.extend(numbers.get(after.get(byte), -1) for byte in range(1, 256))
    sys.stdout.buffer.write(table.tobytes())


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(str(error))
