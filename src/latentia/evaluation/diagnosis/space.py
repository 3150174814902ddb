"""Verdicts on the space: collapsed, ignored, holed, without noise, spent on form, at odds with its labels."""

from __future__ import annotations

from latentia.evaluation.diagnosis.evidence import MOST_SURE, Evidence, Fact, Number, Verdict, number
from latentia.evaluation.measure import Result

NO_INFORMATION = 0.1
"""Nats a sequence below which a code says nothing."""

PAID, WORTH = 0.5, 1 / 3
"""Nats of KL above which a rate is paid, and the share of it that should be information."""

SATURATED = 0.8
"""Share of its cap above which the corpus is too small to show how much information there is."""

NO_NOISE, FREE = 0.1, 0.02
"""Share of the codes' variance that is noise below which posteriors are points, if it costs so little of a swap."""

WORST = 3
"""Dimensions and texts that are named where a space has holes."""

ACTIVE = 0.01
"""Variance of the means from which a unit is active (Burda et al., 2016)."""

EMPTY = 0.1
"""Share of the prior's mass, beyond what is expected, above which a space has holes."""

TOLD = 0.03
"""Share of the sequences without the most frequent label that must be told right beyond it for labels to be told."""

DOMINATED = 0.5
"""Share of a dimension's variance above which one thing explains it."""

COLLAPSED = "train with `--recipe default` or `--recipe bn`"
BOUNDED = (
    "their batch-normalised posterior means keep the KL above a bound, so that the decoder finds a code worth using"
)


def collapsed(evidence: Evidence) -> Verdict | None:
    """Find codes that say nothing of their sequence, or a small part of what is paid for them."""
    information, kl = _information(evidence), _kl(evidence)
    if information is None:
        return None
    shown = information.value < SATURATED * evidence.evaluation["mutual_information"]["cap"]
    wasted = kl.value > PAID and shown and information.value < WORTH * kl.value
    if information.value >= NO_INFORMATION and not wasted:
        return None
    facts = (
        ("information, nats", f"{information}"),
        ("KL, nats", f"{kl}"),
        ("active units", f"{evidence.evaluation['active_units']} of {evidence.evaluation['latent_dim']}"),
        *_swap(evidence),
    )
    if not wasted:
        sure = information.below(NO_INFORMATION)
        sentence = "fully collapsed: the posteriors are the prior, and the decoder is a language model"
        return Verdict("collapsed", sentence, facts, sure, COLLAPSED, BOUNDED)
    return Verdict(
        "rate without information",
        "collapsed in all but its KL: every sequence pays for a code that says little or nothing of it",
        facts,
        information.below(WORTH * kl.value),
        "train with `--recipe default`, or add `--set objective.kind=DensityGap`",
        "a committed rate bounds the KL of each posterior from the prior, not what tells the posteriors apart; the "
        "density gap asks for the aggregate to match, which leaves each posterior free to differ",
    )


def partly_collapsed(evidence: Evidence) -> Verdict | None:
    """Find dimensions that no sequence uses; a fault where they are more than half."""
    active, total = evidence.evaluation["active_units"], evidence.evaluation["latent_dim"]
    information = _information(evidence)
    if active == total or (information is not None and information.value < NO_INFORMATION):
        return None
    variances = [number(dimension["variance_of_means"]) or Number(0.0, 0.0) for dimension in _dimensions(evidence)]
    unused = [place for place, variance in enumerate(variances) if variance.value < ACTIVE]
    return Verdict(
        "partly collapsed",
        f"{total - active} of {total} dimensions are the same for every sequence",
        (
            ("active units", f"{active} of {total}"),
            ("unused dimensions", _shown(unused)),
            *((("information, nats", f"{information}"),) if information else ()),
        ),
        max((variances[place].below(ACTIVE) for place in unused), default=MOST_SURE),
        COLLAPSED if 2 * active < total else f"nothing, or `--set model.latent_dim={active}`",
        BOUNDED if 2 * active < total else "the ELBO prunes what it does not need, and unused dimensions cost nothing",
        healthy=2 * active >= total,
    )


def ignored(evidence: Evidence) -> Verdict | None:
    """Find a decoder that reads nothing from codes that say something."""
    swap, information = evidence.number("CodeUse", "swap_cost"), _information(evidence)
    if swap is None or swap.value >= NO_INFORMATION or (information and information.value < NO_INFORMATION):
        return None
    return Verdict(
        "latent ignored",
        "the codes differ, and the decoder writes the same whichever it is given",
        (*_swap(evidence), ("information, nats", f"{information}")),
        swap.below(NO_INFORMATION),
        "train with `--recipe default`, or raise `model.decoder.dropout.words`",
        "a decoder that is told less of the words before has to read the code",
    )


def vanishing_variance(evidence: Evidence) -> Verdict | None:
    """Find posteriors that are points: an autoencoder in disguise."""
    noise, cost, swap = (evidence.number("CodeUse", key) for key in ("noise_share", "noise_cost", "swap_cost"))
    information = evidence.evaluation["mutual_information"]
    if noise is None or cost is None or swap is None or noise.value >= NO_NOISE or cost.value >= FREE * swap.value:
        return None
    return Verdict(
        "posterior variance vanishing",
        "an autoencoder in disguise: the posteriors are points, and between them nothing was trained",
        (
            ("share of the codes' variance that is noise", f"{noise}"),
            ("cost of the noise, nats", f"{cost}"),
            ("information of its cap, nats", f"{number(information)} of {information['cap']:.3g}"),
        ),
        noise.below(NO_NOISE),
        "train with `--recipe density-gap`, or with the ELBO, `--set objective.beta=1` and weights that reach 1",
        "noise is what makes neighbouring codes mean similar things; only the KL at its full weight pays for it",
    )


def holes(evidence: Evidence) -> Verdict | None:
    """Find prior mass where no posterior is, or that is decoded to text worse than that of posteriors.

    Where posteriors are narrow even the codes of other texts lie between them, and the second alone shows the holes.
    """
    found = evidence.measured("Holes")
    if not found:
        return None
    thin, bad = found["thin"], found["text"]["bad"]
    of_thin, of_bad = (Number(share["value"] - share["expected"], share["standard_error"]) for share in (thin, bad))
    excess = max(of_thin, of_bad)
    if excess.value < EMPTY:
        return None
    where = "lies where no text is encoded" if excess == of_thin else "decodes to worse text than codes of texts do"
    return Verdict(
        "holes",
        f"about {excess.value:.0%} of the prior's mass {where}",
        (
            (f"prior mass where the aggregate is thin, {thin['expected']:.2f} without holes", f"{number(thin)}"),
            (f"prior mass that decodes to bad text, {bad['expected']:.2f} without holes", f"{number(bad)}"),
            ("two-sample test, p", f"{found['two_sample']['p_value']:.2g}"),
            ("KL(p(z) || q(z)), nats, draws", f"{evidence.evaluation['joint_gap']:.3g}"),
            *_where(evidence),
        ),
        excess.above(EMPTY),
        "train with `--recipe density-gap`, or, where posteriors are Gaussian, `--set model.prior.kind=LearnedMixture`",
        "the density gap pulls the aggregate over the whole prior; a learned prior moves to where the aggregate is",
    )


def _where(evidence: Evidence) -> list[Fact]:
    """The dimensions that miss most of the prior, and what is written at the worst of its codes."""
    gaps, texts = evidence.evaluation["marginal_gap_per_dimension"], evidence.measured("Holes")["text"]["worst"]
    most = sorted(range(len(gaps)), key=lambda place: -gaps[place])[:WORST]
    listed = ", ".join(f"{place} ({gaps[place]:.2g})" for place in most)
    facts = [("dimensions of the largest KL(p(z_i) || q(z_i)), nats, quadrature", listed)] if listed else []
    return [*facts, *(("written there, for instance", repr(each["text"])) for each in texts[:WORST])]


def dominated(evidence: Evidence) -> Verdict | None:
    """Find what is spent on the length and on the first word, dimension by dimension, each weighted by its KL."""
    found = evidence.measured("Dominance")
    if not found:
        return None
    kl, used = _kl_of_dimensions(evidence), _used(evidence)
    taken = {
        what: [each["value"] > DOMINATED and active for each, active in zip(found[what], used, strict=True)]
        for what in ("length", "first_token")
    }
    either = [any(pair) for pair in zip(*taken.values(), strict=True)]
    if not any(either):
        return None
    share = sum(part for part, hit in zip(kl, either, strict=True) if hit) / max(sum(kl), 1e-12)
    names = {"length": "length", "first_token": "first word"}
    facts = [
        (f"dimensions that the {names[what]} explains", _shown([place for place, hit in enumerate(hits) if hit]))
        for what, hits in taken.items()
    ]
    surest = max(
        (Number(e["value"], e["standard_error"]) for what in taken for e in found[what]), key=lambda n: n.value
    )
    return Verdict(
        "form dominates",
        f"{share:.0%} of the KL is in dimensions that stand for the length or the first word",
        (*facts, ("variance explained, at most", f"{surest}")),
        surest.above(DOMINATED),
        "pool the states where the encoder reads the last one, `--set model.encoder.pooling.kind=MeanPooling`, "
        "or blank words with `--recipe daae`",
        "the last state remembers where a sentence ended, and a recurrent decoder gains most from its first word",
        healthy=share <= DOMINATED,
    )


def labels_unrelated(evidence: Evidence) -> Verdict | None:
    """Find labels that nothing in the text tells."""
    probe, words, chance = _probes(evidence)
    told = chance + TOLD * (1 - chance)
    if words is None or words.value > told:
        return None
    return Verdict(
        "labels unrelated",
        "the labels are unrelated to the text: its words do not tell them",
        _accuracies(probe, words, chance),
        words.below(told),
        "check the label column: it may be shuffled, or of another file",
        "labels of a text are told by its words at least now and then",
    )


def labels_lost(evidence: Evidence) -> Verdict | None:
    """Find labels that the words tell and the codes do not; worth knowing, for nobody asked the codes to."""
    probe, words, chance = _probes(evidence)
    told = chance + TOLD * (1 - chance)
    if probe is None or words is None or words.value <= told or probe.value > told:
        return None
    return Verdict(
        "labels not in the codes",
        "the words tell the labels, and the codes do not",
        _accuracies(probe, words, chance),
        min(probe.below(told), words.above(told)),
        "train with more information in the codes: `--recipe free-bits-total`, or more of `model.latent_dim`",
        "what the decoder can guess from the words before is left out of the code",
        healthy=True,
    )


def _probes(evidence: Evidence) -> tuple[Number | None, Number | None, float]:
    """Accuracy of a linear probe of the codes and of a bag of words, and the share of the most frequent label."""
    found = evidence.measured("Representation")
    majority = found["majority"]["value"] if found else 0.0
    return number(found.get("linear")), number(found.get("bag_of_words")), float(majority)


def _accuracies(probe: Number | None, words: Number, chance: float) -> tuple[Fact, ...]:
    return (
        ("linear probe of the codes", f"{probe}"),
        ("bag of words", f"{words}"),
        ("most frequent label", f"{chance:.3g}"),
    )


def _information(evidence: Evidence) -> Number | None:
    return number(evidence.evaluation["mutual_information"])


def _kl(evidence: Evidence) -> Number:
    return Number(evidence.evaluation["kl"], evidence.evaluation["standard_errors"]["kl"])


def _swap(evidence: Evidence) -> tuple[Fact, ...]:
    swap, texts = (evidence.number("CodeUse", key) for key in ("swap_cost", "different_texts"))
    if swap is None:
        return ()
    return ("cost of the code of another sequence, nats", f"{swap}"), ("texts that it changes", f"{texts}")


def _dimensions(evidence: Evidence) -> list[Result]:
    """What is known of each dimension, in the order of the code."""
    found: list[Result] = evidence.measured("Information").get("dimensions", [])
    return sorted(found, key=lambda dimension: int(dimension["index"]))


def _used(evidence: Evidence) -> list[bool]:
    """Tell of each dimension whether it is active; where that was not measured, that it may be."""
    known = [dimension["variance_of_means"]["value"] >= ACTIVE for dimension in _dimensions(evidence)]
    return known or [True] * int(evidence.evaluation["latent_dim"])


def _kl_of_dimensions(evidence: Evidence) -> list[float]:
    """KL of each dimension; where there is none, as on a sphere, all count alike."""
    known = [dimension["kl"]["value"] for dimension in _dimensions(evidence)]
    return known if known and None not in known else [1.0] * int(evidence.evaluation["latent_dim"])


def _shown(places: list[int]) -> str:
    listed = ", ".join(str(place) for place in places[:12])
    return (listed + (", ..." if len(places) > 12 else "")) or "none"
