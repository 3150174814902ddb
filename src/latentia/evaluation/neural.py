"""Perplexities under LSTM language models."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from latentia.decoders import LSTMDecoder
from latentia.errors import DataError
from latentia.evaluation.decoded import TEMPERATURE, prior_samples
from latentia.evaluation.estimates import perplexity
from latentia.evaluation.measure import Line, Measure, Result, beside_real
from latentia.evaluation.subject import Advance, Subject
from latentia.nn import SequenceDropout
from latentia.records import Batch
from latentia.shapes import EOS, AtLeastTwo, PositiveFloat, PositiveInt

HELD_BACK = 10
"""One sequence in so many is not trained on, and says when to stop."""

BATCH, LARGEST_NORM, DROPOUT = 16, 5.0, 0.2
"""Sequences of a step, the norm that its gradient is cut to, and the share of states dropped."""

Ids = Sequence[int]


class NeuralPerplexity(Measure):
    r"""Perplexity a token, EOS counted, of samples and of held-out text under LSTM language models.

    ``forward`` is the perplexity of samples from the prior under a model of the training text: low where samples are
    likely text. ``reverse`` is the perplexity of held-out text under a model of the samples: low where samples cover
    the text. ``forward_of_data`` is that of as many tokens of held-out text, ``reverse_of_training_text`` that under a
    model of as many tokens of training text as the samples have: what real text would reach in their place. One likely
    sentence drawn over and over has a ``forward`` below ``forward_of_data``, and a ``reverse`` that tells.

    Three models are trained, by AdamW, one sequence in ten held back; each is that of the pass after which the
    perplexity of those held back was least, and training stops at the first pass that does not lower it. Errors are
    over sequences, the models taken as given: of another seed they differ by a few percent more.

    Args:
        samples: Sequences from the prior, drawn token by token at temperature 1.
        tokens: Most tokens of training text, and of the held-out text that is scored. Training costs about
            ``passes * (tokens + 2 * tokens of the samples)`` tokens, of the Penn Treebank some 4,000 a second on one
            core: five minutes at the defaults.
        passes: Most passes over what a model is trained on.
        features: Features of embeddings and states.
        learning_rate: Of AdamW.

    Source: Zhao et al., Adversarially Regularized Autoencoders, 2018 (reverse perplexity); Cifka et al., Eval all,
    trust a few, do wrong to none, 2018 (both directions).
    """

    def __init__(
        self,
        samples: AtLeastTwo = 2000,
        tokens: PositiveInt = 100_000,
        passes: PositiveInt = 6,
        features: PositiveInt = 128,
        learning_rate: PositiveFloat = 1e-2,
    ) -> None:
        """Take the sizes."""
        self.samples, self.tokens, self.passes, self.features = samples, tokens, passes, features
        self.learning_rate = learning_rate

    def measure(self, subject: Subject, advance: Advance = lambda _: None) -> Result:
        """Train three models and score with them."""
        samples = prior_samples(subject, self.samples)
        size = _size(samples)
        training, held_out = (each.shuffled(subject.seed) for each in (subject.training, subject.held_out))
        texts = {
            "training_text": list(training.holding(self.tokens).tokens()),
            "samples": samples,
            "as_much_training_text": list(training.holding(size).tokens()),
        }
        models = {name: self._fitted(subject, text, advance) for name, text in texts.items()}
        scored = list(held_out.holding(self.tokens).tokens())
        as_much = list(held_out.holding(min(size, self.tokens)).tokens())
        return {
            "samples": {"sequences": len(samples), "tokens": size, "decoding": "ancestral", "temperature": TEMPERATURE},
            "models": {name: model.told for name, model in models.items()},
            "forward": models["training_text"].perplexity(samples),
            "forward_of_data": models["training_text"].perplexity(as_much),
            "reverse": models["samples"].perplexity(scored),
            "reverse_of_training_text": models["as_much_training_text"].perplexity(scored),
        }

    def lines(self, result: Result) -> Sequence[Line]:
        """Lay out both directions, each beside real text."""
        count = result["samples"]["sequences"]
        return [
            beside_real("forward perplexity, LSTM of training text", result["forward"], result["forward_of_data"], 2),
            beside_real(
                f"reverse perplexity, LSTM of {count:,} samples",
                result["reverse"],
                result["reverse_of_training_text"],
                2,
            ),
        ]

    def work(self, subject: Subject) -> int:
        """Count the passes."""
        return 3 * self.passes

    def unfit(self, subject: Subject) -> str:
        """Say that there is too little text to hold some back."""
        return "" if min(len(subject.training), len(subject.held_out)) > 1 else "there are not two sequences"

    def _fitted(self, subject: Subject, text: Sequence[Ids], advance: Advance) -> LanguageModel:
        with torch.random.fork_rng():
            torch.manual_seed(subject.seed)
            model = LanguageModel(subject.tokenizer.vocabulary_size, self.features)
            model.fit(text, self.passes, self.learning_rate, advance)
        return model


class LanguageModel:
    """An LSTM language model: the decoder of a code that is always 0, its output table that of its inputs.

    Args:
        vocabulary_size: Tokens.
        features: Of embeddings and states.

    Attributes:
        told: Tokens trained on, passes until the weights that were kept, and the perplexity of what was held back.
    """

    def __init__(self, vocabulary_size: int, features: int) -> None:
        """Draw the weights."""
        noise = SequenceDropout(states=DROPOUT)
        self.decoder = LSTMDecoder(vocabulary_size, 1, noise, features, features, tied=True)
        self.told: Result = {}

    def fit(
        self,
        text: Sequence[Ids],
        passes: int,
        learning_rate: float,
        advance: Advance = lambda _: None,
    ) -> None:
        """Train on nine tenths of the sequences, until the perplexity of the others no longer falls.

        The learning rate falls on a line to 0 over all passes.

        Raises:
            DataError: If there is but one sequence.
        """
        if len(text) < 2:
            raise DataError("a language model would be trained on one sequence", "give it more tokens")
        back, kept = text[::HELD_BACK], [each for place, each in enumerate(text) if place % HELD_BACK]
        self._start_from_frequencies(kept)
        optimizer = torch.optim.AdamW(self.decoder.parameters(), lr=learning_rate, fused=True)
        steps = passes * -(-len(kept) // BATCH)
        rate = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / (steps + 1), total_iters=steps)
        best, weights = math.inf, copy.deepcopy(self.decoder.state_dict())
        for done in range(passes):
            self._pass(kept, optimizer, rate)
            estimate = self.perplexity(back)
            advance(1)
            if (estimate["value"] or math.inf) >= best:
                advance(passes - done - 1)
                break
            best, weights = estimate["value"], copy.deepcopy(self.decoder.state_dict())
            self.told = {"trained_on": _size(kept), "passes": done + 1, "held_back": estimate}
        self.decoder.load_state_dict(weights)

    def perplexity(self, text: Sequence[Ids]) -> Result:
        """Perplexity a token, EOS counted; its error takes the model as given."""
        nats = self.negative_log_likelihood(text)
        tokens = torch.tensor([len(each) + 1 for each in text])
        return {**perplexity(nats, tokens), "tokens": _size(text)}

    @torch.no_grad()
    def negative_log_likelihood(self, text: Sequence[Ids]) -> Float64[Tensor, " N"]:
        """Negative log-likelihood of each sequence, EOS counted, in nats."""
        self.decoder.eval()
        nats = torch.empty(len(text), dtype=torch.float64)
        for rows in _groups(text, list(range(len(text)))):
            nats[rows] = self._nats([text[row] for row in rows]).double()
        return nats

    @torch.no_grad()
    def _start_from_frequencies(self, text: Sequence[Ids]) -> None:
        """Let every token begin at its share of the text, one more counted of each."""
        flat = torch.tensor([token for each in text for token in (*each, EOS)])
        counts = flat.bincount(minlength=len(self.decoder.vocabulary.bias)) + 1
        self.decoder.vocabulary.bias.copy_((counts / counts.sum()).log())

    def _pass(
        self, text: Sequence[Ids], optimizer: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler
    ) -> None:
        self.decoder.train()
        groups = _groups(text, torch.randperm(len(text)).tolist())
        for place in torch.randperm(len(groups)).tolist():
            chosen = [text[row] for row in groups[place]]
            optimizer.zero_grad()
            (self._nats(chosen).sum() / _size(chosen)).backward()
            torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), LARGEST_NORM)
            optimizer.step()
            rate.step()

    def _nats(self, text: Sequence[Ids]) -> Float[Tensor, " B"]:
        nats: Tensor = -self.decoder.score(torch.zeros(1, len(text), 1), Batch.collate(text))[0].sum(dim=1)
        return nats


def _groups(text: Sequence[Ids], order: Sequence[int]) -> list[list[int]]:
    """Rows of about equal length together; those of equal length as they are ordered."""
    ordered = sorted(order, key=lambda row: len(text[row]))
    return [ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH)]


def _size(text: Sequence[Ids]) -> int:
    """Tokens, EOS counted."""
    return sum(map(len, text)) + len(text)
