"""What a reader of an evaluation must know before trusting its numbers."""

from __future__ import annotations

from typing import Any

UNKNOWN_SHARE, FEW_SEQUENCES, NEAR_THE_CAP = 0.2, 100, 0.95


def remarks_on(result: dict[str, Any]) -> list[str]:
    """Say what limits the numbers of an evaluation; nothing where nothing does.

    >>> remarks_on({"sentences": 7, "out_of_vocabulary": 0.0, "mutual_information": {"value": 0.1, "cap": 1.9}})
    ['there are 7 sequences: standard errors of so few are rough']
    """
    count, share, information = result["sentences"], result["out_of_vocabulary"], result["mutual_information"]
    found = []
    if count < FEW_SEQUENCES:
        found.append(f"there are {count:,} sequences: standard errors of so few are rough")
    if share > UNKNOWN_SHARE:
        found.append(
            f"{share:.0%} of the tokens are outside the vocabulary, and each is scored as one token that stands for "
            "all: perplexities look better than they are, and compare with those of no other vocabulary"
        )
    if (information["value"] or 0.0) > NEAR_THE_CAP * information["cap"]:
        found.append(f"the information is at its cap, log {count:,}: it may be larger, evaluate on more text")
    return found
