"""Verdicts on the training: too short, too little text, too much regularisation, numbers that went wrong."""

from __future__ import annotations

import math

from latentia.evaluation.diagnosis.evidence import MOST_SURE, Evidence, Fact, Record, Verdict

STILL_FALLING = 0.01
"""Relative improvement over the last quarter of the validations above which a run was not done."""

FEW_PASSES = 3
OVERFITTED = 0.25
"""Share of the held-out rate that the training text does not cost."""

OVER_REGULARISED = 0.2
"""Share of the training rate that training mode adds."""

SPIKE = 2.0
"""Times the level before, in one record of a training cost, that is a spike."""


def numerical_trouble(evidence: Evidence) -> Verdict | None:
    """Find records that are not finite, costs that jump to twice their level after the first pass, leaps of the KL."""
    leaps = [record for record in evidence.history.records if record.get("split") == "leap"]
    broken = [record for record in evidence.history.records if record.get("split") != "leap" and not _finite(record)]
    spikes = _spikes([record for record in evidence.history.records if "weight_kl" in record])
    if not broken and not spikes and not leaps:
        return None
    facts = [("records that are not finite", f"{len(broken)}"), ("spikes of the training cost", f"{len(spikes)}")]
    if spikes:
        facts.append(("the first, at step", f"{spikes[0]['step']:,.0f}"))
    if leaps:
        facts.append(("leaps of the KL, the first at step", f"{len(leaps)}, {leaps[0]['step']:,.0f}"))
    return Verdict(
        "numerical trouble",
        "the training cost was not finite, or jumped to twice its level, or its KL leapt",
        tuple(facts),
        MOST_SURE,
        "train with `--set training.optimizer.learning_rate=` half of what it was",
        "a step too long leaves the region where the gradient says anything",
    )


def under_trained(evidence: Evidence) -> Verdict | None:
    """Find a run that was stopped, that was still getting better, or that saw its text too few times to fit it."""
    history, gap = evidence.history, evidence.number("Generalisation", "gap")
    held_out = evidence.number("Generalisation", "held_out")
    falling = _still_falling(history.validations())
    stopped = not history.finished and history.steps < history.planned
    short = history.passes <= FEW_PASSES and gap is not None and held_out is not None
    margin = OVERFITTED / 5 * held_out.value if held_out else 0.0
    unseen = gap.below(margin) if short and gap else 0.0
    if not stopped and falling <= STILL_FALLING and unseen < 0.5:
        return None
    facts = [
        ("steps taken of those planned", f"{history.steps:,} of {history.planned:,}"),
        ("passes over the training text", f"{history.passes:.1f}"),
        *((("improvement over the last quarter", f"{falling:.1%}"),) if falling else ()),
        *((("generalisation gap, nats a token", f"{gap}"),) if gap else ()),
    ]
    return _stopped(facts) if stopped else _could_go_on(facts, max(unseen, falling / (falling + STILL_FALLING)))


def _stopped(facts: list[Fact]) -> Verdict:
    return Verdict(
        "under-trained",
        "the run was stopped before its end",
        tuple(facts),
        MOST_SURE,
        "continue with `latentia train --resume RUN`",
        "what the schedules end with was not reached",
    )


def _could_go_on(facts: list[Fact], confidence: float) -> Verdict:
    return Verdict(
        "under-trained",
        "more training would have gone on helping",
        tuple(facts),
        min(confidence, MOST_SURE),
        "train with `--set training.epochs=` twice as many",
        "held-out text costs hardly more than training text: nothing was learnt by heart yet",
    )


def too_little_data(evidence: Evidence) -> Verdict | None:
    """Find a model that knows its training text much better than other text."""
    gap, held_out = (evidence.number("Generalisation", key) for key in ("gap", "held_out"))
    if gap is None or held_out is None or gap.value < OVERFITTED * held_out.value:
        return None
    return Verdict(
        "too little data",
        f"the model knows its {evidence.history.lines:,} training lines much better than other text",
        (("generalisation gap, nats a token", f"{gap}"), ("held-out rate, nats a token", f"{held_out}")),
        gap.above(OVERFITTED * held_out.value),
        "give more text; without more, raise `model.decoder.dropout.embeddings` and `.states`, or lower "
        "`model.decoder.hidden_dim`",
        "a model with room to learn lines by heart spends it on them",
    )


def over_regularised(evidence: Evidence) -> Verdict | None:
    """Find dropout that costs much where there is little to protect from."""
    cost, gap, rate = (
        evidence.number("Generalisation", key) for key in ("regularisation_cost", "gap", "training_mode")
    )
    if cost is None or gap is None or rate is None:
        return None
    if cost.value < OVER_REGULARISED * rate.value or gap.value > cost.value / 2:
        return None
    return Verdict(
        "over-regularised decoder",
        "dropout costs much more than it protects from",
        (("cost of regularisation, nats a token", f"{cost}"), ("generalisation gap, nats a token", f"{gap}")),
        min(cost.above(OVER_REGULARISED * rate.value), gap.below(cost.value / 2)),
        "train with half of `model.decoder.dropout.words`, `.embeddings` and `.states`",
        "the decoder is trained on inputs that it never sees when it is used, and the gap says it need not be",
    )


def _finite(record: Record) -> bool:
    return all(value is not None and math.isfinite(value) for value in record.values() if not isinstance(value, str))


def _spikes(records: list[Record]) -> list[Record]:
    """Records of a cost at least twice that of the three before, after the first epoch."""
    found = []
    for place in range(3, len(records)):
        level = sorted(record["negative_elbo"] for record in records[place - 3 : place])[1]
        if records[place]["epoch"] > 0 and records[place]["negative_elbo"] > SPIKE * level > 0:
            found.append(records[place])
    return found


def _still_falling(validations: list[Record]) -> float:
    """Relative improvement of what was trained over the last quarter of the validations, at least the last one."""
    if len(validations) < 2:
        return 0.0
    quarter = max(1, len(validations) // 4)
    before, last = validations[-1 - quarter]["loss"], validations[-1]["loss"]
    return max(0.0, float((before - last) / abs(before)))
