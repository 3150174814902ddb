"""More labelled texts from a few."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from latentia.decoding import Strategy
from latentia.operations.augmentation_gain import gains
from latentia.operations.examples import examples_of
from latentia.operations.gain import Conditions, Gain, Quality
from latentia.operations.lines import Refused, Remarked
from latentia.operations.novelty import Augmented, Method, Plan, known_texts, new_texts
from latentia.operations.operation import operation
from latentia.operations.space import SEARCHED, Space
from latentia.shapes import NonNegativeFloat, NonNegativeInt, PositiveInt, ShareBelowOne

Answer = Augmented | Refused | Conditions | Gain | Quality


@operation
def augment(  # noqa: PLR0913 - the options of a command
    space: Space,
    data: Iterable[tuple[str, str]],
    *,
    method: Method = "neighbours",
    copies: PositiveInt = 1,
    strength: NonNegativeFloat = 1.0,
    threshold: ShareBelowOne = 0.5,
    evaluate: bool = False,
    seed: NonNegativeInt = 0,
    strategy: Strategy = SEARCHED,
) -> Iterator[Augmented | Refused | Conditions | Gain | Quality]:
    r"""Write new texts of each class of a labelled corpus, or measure what they do for classifiers.

    The code of a new text is

    .. math::
        \text{neighbours:} \quad & m(x) + a \, s(x) \, \epsilon \\
        \text{interpolation:} \quad & (1 - t) \, m(x) + t \, m(x'), \quad t \sim U(0, a / 2), \; x' \text{ of } y \\
        \text{mixup:} \quad & (1 - t) \, m(x) + t \, m(x''), \quad t = a \min(u, 1 - u), \;
            u \sim \mathrm{Beta}(0.2, 0.2), \; x'' \text{ not of } y \\
        \text{prior:} \quad & \bar m_y + a \, (u + s(x') \, \epsilon), \quad u \sim N(0, \mathrm{Cov}_y \, m)

    with posteriors of centre ``m`` and spread ``s`` and the strength ``a``; the last has mean and covariance of the
    class's aggregate posterior. On a sphere codes are scaled back to length 1. What is written is kept if a classifier
    of its tokens gives the label more than ``threshold``. Classifiers are fitted to parts of the data; a text is judged
    by one that has not seen the text that it started from, unless this is alone in its class. A text that is one of the
    data, or was written before, is nothing new: it is left out, so that fewer may come than were asked for.

    Args:
        space: Where the texts are encoded.
        data: Texts and their labels; all are held in memory.
        method: Where codes are drawn: around each text (neighbours), between it and another of its class
            (interpolation) or of another (mixup), nearer to the text, whose label it gets; or from its class as a whole
            (prior).
        copies: Texts to write for each text of the data.
        strength: How far codes may lie from the text, or from the centre of the class; at 0 neighbours,
            interpolations and mixtures are reconstructions.
        threshold: Keep a text only if its label is more probable than this; 0 keeps all.
        evaluate: Write no texts, and measure what they do for classifiers trained on few examples.
        seed: Of codes, tokens and splits.
        strategy: How tokens are chosen.

    Source: Bayer, Kaufhold and Reuter, A Survey on Data Augmentation for Text Classification, 2022; for mixtures,
    Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, 2018.

    Raises:
        InputError: If the model has one code a token, there is no usable text, a label is missing, a class has a single
            text and others are to be interpolated, there is one class and two are to be mixed, or there are too few
            texts to evaluate.
    """
    space.require_whole_codes()
    plan = Plan(method, copies, strength, threshold, seed, strategy)
    examples, refused = examples_of(space, data)
    fates = known_texts(space.tokenizer, examples.texts)
    told = gains(space, examples, plan) if evaluate else new_texts(space, examples, plan, fates)
    answers: Iterator[Answer] = itertools.chain(refused, told)
    return Remarked(answers, lambda: [*([] if evaluate else [str(fates)]), *space.remarks_on(examples.texts)])
