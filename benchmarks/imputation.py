r"""Whether classifiers tell the ends that a model imputes from real ones, beside a language model's.

usage: python benchmarks/imputation.py --run RUN --language-model RUN --data FILE [--texts N] [--methods A,B]
       [--sweeps N] [--json FILE]

The last fifth of each text is taken away, at least a word, and imputed with as many tokens: by alternating inference
(modes), by the most frequent fill of all chains (gibbs), and by a draw, the last state of one chain (draw).

The baseline is a left-to-right language model with the same decoder, which writes the end of a text given what stands
before it: the best that a beam of 15 finds, and a draw, one of 64 in proportion to the probability that the text ends
there, which the imputation knows as well. It is a run of the same recipe whose code says nothing: with
ten times the KL from the first step on, the posterior does not depend on the text, and the decoder is trained on codes
that tell it nothing, as a language model. Train it on the data of RUN:

    latentia train DATA --recipe RUN/recipe.yaml --set objective.beta=10 --set objective.weight.kind=Constant \
        --set model.encoder.posterior.kind=GaussianHead --out LANGUAGE_MODEL

Its KL on the texts is measured, and a run whose code tells more than 0.1 nats is refused. Its decoder reads the centre
of the prior, as one code for all texts. No fill holds UNK, and only texts without UNK are taken, so that neither rare
words nor length tell imputed from real.

Adversarial error is the accuracy of a classifier that tells imputed from real texts less the 1/2 of one that cannot:
the lower, the better. A logistic regression reads the end and the two words before it, as single words or as n-grams
up to three; an LSTM reads the whole text. They are trained on half of the texts, each real beside imputed, and tested
on the other half. Errors are binomial. The last column is the mean negative log-likelihood of the whole text in nats
under the language model: how typical it is. A search finds what is typical, and real texts are less so.

Source: Bowman et al., Generating Sentences from a Continuous Space, 2016, section 5, on imputing missing words.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor, nn

import latentia
from latentia.data import Columns, Corpus, Selection, read_texts
from latentia.decoding import Template, draw_blanks, search_blanks
from latentia.operations import Refused, TextSpace
from latentia.operations.blanks import Blanked, blanked
from latentia.operations.completion import Completion
from latentia.operations.space import seeded
from latentia.recipes.runs import sources_of
from latentia.records import Batch
from latentia.shapes import UNK

SHARE, WIDTH, SEEN, SHORTEST = 0.2, 15, 2, 5
DRAFTS = 64
"""Ends that the language model drafts, of which one is chosen: as many as the chains of a text draft together."""

CLASSIFIERS = {"single words": (1, 1), "n-grams up to three": (1, 3)}
EMBEDDING, HIDDEN, EPOCHS, ROWS, RATE, DROPPED = 50, 100, 10, 32, 2e-3, 0.3
"""Of the LSTM that tells texts apart."""

INFORMED = 0.1
"""Nats of a code above which a run is no language model."""

Numbers = dict[str, tuple[float, float]]
Labelled = tuple[list[str], NDArray[np.int64]]
"""Texts, and 1 for each that is real."""


def main() -> None:
    """Impute, tell apart, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True, type=Path)
    parser.add_argument("--language-model", required=True, type=Path, help="a run whose code says nothing")
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--methods", default="modes,gibbs,draw")
    parser.add_argument("--sweeps", type=int, default=20)
    parser.add_argument("--json", help="write the figures here")
    arguments = parser.parse_args()
    space, language = latentia.load(arguments.run), LanguageModel(latentia.load(arguments.language_model))
    read = read_texts([arguments.data], Columns(sources_of(arguments.run).columns.text))
    both = (text for text in read if usable(space, text) and usable(language.space, text))
    texts = list(islice(both, arguments.texts))
    print(f"{len(texts):,} texts; the code of the language model tells {language.require_uninformed(texts):.3f} nats\n")
    ends = {"language model, beam 15": language.searched(texts), "language model, drawn": language.drawn(texts)}
    for method in arguments.methods.split(","):
        ends[f"imputed, {method}"] = imputed(space, texts, method, arguments.sweeps)
    names = [*CLASSIFIERS, "LSTM", "NLL"]
    print(f"{'adversarial error':<26}" + "".join(f"{name:>22}" for name in names))
    rows = {"the texts as they are": {"NLL": language.nll(texts)}}
    show("the texts as they are", rows["the texts as they are"], names)
    for name, given in ends.items():
        rows[name] = {**adversarial_errors(texts, given), "NLL": language.nll(given)}
        show(name, rows[name], names)
    for name, given in ends.items():
        print(f"\n{name}: {given[0]}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def show(name: str, row: Numbers, columns: Sequence[str]) -> None:
    cells = [f"{row[column][0]:+.3f} ± {row[column][1]:.3f}" if column in row else "" for column in columns]
    print(f"{name:<26}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


class LanguageModel:
    """The decoder of a run whose code says nothing, under the centre of the prior."""

    def __init__(self, space: TextSpace) -> None:
        """Keep the run."""
        self.space, self.code = space, space.model.unit_prior().centre.reshape(1, 1, -1)

    @torch.no_grad()
    def require_uninformed(self, texts: Sequence[str]) -> float:
        """Return the mean KL of the posteriors to the prior, and refuse a run whose code is read."""
        batches = Selection.all_of(Corpus.from_texts(texts, self.space.tokenizer)).batches(ROWS)
        prior = self.space.model.unit_prior()
        posteriors = (self.space.model.infer(batch) for batch in batches)
        nats = torch.cat([torch.distributions.kl_divergence(each, prior) for each in posteriors]).mean().item()
        return nats if nats <= INFORMED else sys.exit(f"the code tells {nats:.2f} nats: this run is no language model")

    @torch.no_grad()
    def searched(self, texts: Sequence[str]) -> list[str]:
        """Find the best end of each text."""
        return [
            self._ended(text, 1, lambda ends: search_blanks(self.space.model.decoder(self.code), ends, WIDTH)[0][0])
            for text in texts
        ]

    @torch.no_grad()
    def drawn(self, texts: Sequence[str]) -> list[str]:
        """Draw an end of each text, of those that end there."""
        with seeded(0):
            return [self._ended(text, DRAFTS, self._one_that_ends) for text in texts]

    def _one_that_ends(self, ends: Template) -> Tensor:
        """Choose among drafts by the probability that they end where the text does, which no draft looked at."""
        codes, free = self.code.expand(1, DRAFTS, -1), torch.zeros(DRAFTS, dtype=torch.bool)
        tokens, log_weight = draw_blanks(self.space.model.decoder(codes), ends, free)
        chosen: Tensor = tokens[torch.multinomial(log_weight.softmax(dim=0), 1)[0]]
        return chosen

    @torch.no_grad()
    def nll(self, texts: Sequence[str]) -> tuple[float, float]:
        """Mean negative log-likelihood of texts in nats, EOS counted, with its standard error."""
        batches = (Batch.collate([ids]) for ids in self.space.tokenizer.encode_batch(list(texts)))
        nats = [-self.space.model.decoder(self.code).log_prob(batch).item() for batch in batches]
        return float(np.mean(nats)), float(np.std(nats) / math.sqrt(len(nats)))

    def _ended(self, text: str, drafts: int, filled: Callable[[Template], Tensor]) -> str:
        found = blanked(cut(text), self.space.tokenizer, 1)
        template = Template.of([found.opened(((UNK,) * found.sizes[0][0],), (0,))] * drafts)
        tokens = filled(template)[template.blank[0]]
        return found.written((tuple(tokens.tolist()),), self.space.tokenizer)[0]


def usable(space: TextSpace, text: str) -> bool:
    words = text.split()
    return SHORTEST <= len(words) <= space.max_tokens and UNK not in space.tokenizer.encode(text)


def taken(text: str) -> int:
    """Words that are taken away."""
    return max(1, round(SHARE * len(text.split())))


def cut(text: str) -> str:
    words, count = text.split(), taken(text)
    return " ".join(words[:-count] + ["___"] * count)


def seen(text: str) -> str:
    """What a classifier reads: the end and two words before it."""
    return " ".join(text.split()[-taken(text) - SEEN :])


def imputed(space: TextSpace, texts: Sequence[str], method: str, sweeps: int) -> list[str]:
    if method == "draw":
        return [drawn(space, blanked(cut(text), space.tokenizer, 1), sweeps, row) for row, text in enumerate(texts)]
    chain = {"sweeps": sweeps} if method == "gibbs" else {}
    answers = space.impute(map(cut, texts), method=method, **chain)
    return [str(answer) if isinstance(answer, Refused) else answer.text for answer in answers]


def drawn(space: TextSpace, found: Blanked, sweeps: int, row: int) -> str:
    """Write the last state of one chain."""
    with seeded(0, row):
        fills = Completion(space.model, found).draws(sweeps)[-1][0]
    return found.written(fills, space.tokenizer)[0]


def adversarial_errors(real: Sequence[str], made: Sequence[str]) -> Numbers:
    """Excess accuracy of each classifier over one half, with its standard error."""
    half, others = len(real) // 2, len(real) - len(real) // 2
    trained = ([*real[:half], *made[:half]], np.repeat([1, 0], half))
    tested = ([*real[half:], *made[half:]], np.repeat([1, 0], others))
    right = {name: of_words(reach, trained, tested) for name, reach in CLASSIFIERS.items()}
    right["LSTM"] = of_lstm(trained, tested)
    return {name: (each - 0.5, math.sqrt(each * (1 - each) / (2 * others))) for name, each in right.items()}


def of_words(reach: tuple[int, int], trained: Labelled, tested: Labelled) -> float:
    """Accuracy of a logistic regression on what stands at the end."""
    words = CountVectorizer(token_pattern=r"\S+", ngram_range=reach, binary=True)
    model = make_pipeline(words, LogisticRegression(max_iter=1000))
    model.fit(list(map(seen, trained[0])), trained[1])
    return float(model.score(list(map(seen, tested[0])), tested[1]))


def of_lstm(trained: Labelled, tested: Labelled) -> float:
    """Accuracy of an LSTM that reads whole texts."""
    known = {word: number for number, word in enumerate(sorted({w for text in trained[0] for w in text.split()}), 2)}
    with seeded(0):
        judge = Judge(len(known) + 2)
        optimizer = torch.optim.Adam(judge.parameters(), RATE, weight_decay=1e-5)
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(trained[0])).split(ROWS):
                logits = judge(*padded([trained[0][row] for row in rows], known))
                cost = nn.functional.binary_cross_entropy_with_logits(
                    logits, torch.from_numpy(trained[1])[rows].float()
                )
                optimizer.zero_grad()
                cost.backward()
                optimizer.step()
        with torch.no_grad():
            logits = judge.eval()(*padded(tested[0], known))
    return float(((logits > 0).numpy() == tested[1]).mean())


def padded(texts: Sequence[str], known: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Numbers of words, 1 for one that was not trained on, and 0 after the last; and their count."""
    rows = [torch.tensor([known.get(word, 1) for word in text.split()]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(list(map(len, rows)))


class Judge(nn.Module):
    """An LSTM and a linear layer on its last state."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, EMBEDDING, padding_idx=0)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True)
        self.dropout, self.out = nn.Dropout(DROPPED), nn.Linear(HIDDEN, 1)

    def forward(self, words: Tensor, lengths: Tensor) -> Tensor:
        """Log-odds that texts are real, [N]."""
        states, _ = self.lstm(self.dropout(self.embedding(words)))
        last: Tensor = self.out(self.dropout(states[torch.arange(len(words)), lengths - 1]))[:, 0]
        return last


if __name__ == "__main__":
    main()
