"""English-looking sentences from a grammar whose entropy and probabilities are known exactly."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random

from latentia.data.lexicon import ENGLISH, Lexicon, Topic, Verb
from latentia.data.productions import Option, Productions, options
from latentia.errors import InputError

FACTORS = ("topic", "sentiment", "tense", "number")
SIZES: Mapping[str, int] = {"train": 20_000, "valid": 1_000, "test": 2_000}

_RANK_EXPONENT = 1.6
_COPULA = {
    ("past", "singular"): "was",
    ("past", "plural"): "were",
    ("present", "singular"): "is",
    ("present", "plural"): "are",
}


class Grammar:
    """Sentences with four factors: ``topic``, ``sentiment``, ``tense`` and ``number``.

    The factors are drawn first, uniformly, and each can be read off the sentence: the topic and the
    number from the subject, the sentiment from an adjective or adverb that every sentence has, the
    tense from the verb. Words are drawn with probability proportional to ``rank ** -1.6``. Every
    sentence has exactly one derivation, so ``entropy`` is the entropy of the sentences and the least
    negative log-likelihood that any model can reach on average.

    Args:
        lexicon: The words.

    >>> grammar = Grammar()
    >>> round(grammar.entropy(), 3)
    12.616
    >>> grammar.factors("the chefs will prepare the awful soup tomorrow")
    {'topic': 'food', 'sentiment': 'negative', 'tense': 'future', 'number': 'plural'}
    """

    def __init__(self, lexicon: Lexicon = ENGLISH) -> None:
        self.lexicon = lexicon
        self._levels = {
            "topic": tuple(lexicon.topics),
            "sentiment": tuple(lexicon.adjectives),
            "tense": tuple(lexicon.times),
            "number": tuple(lexicon.determiners),
        }
        self._roots = {_symbol("S", *levels): levels for levels in product(*self._levels.values())}
        self._productions = Productions(_rules(lexicon, list(self._roots)))

    @property
    def levels(self) -> Mapping[str, Sequence[str]]:
        """The values of each factor."""
        return self._levels

    @property
    def vocabulary(self) -> frozenset[str]:
        """Every word that can occur."""
        return self._productions.words("S")

    @property
    def lengths(self) -> tuple[int, int]:
        """Words of the shortest and of the longest sentence."""
        return self._productions.lengths("S")

    def entropy(self) -> float:
        """Return the entropy of a sentence in nats, exactly."""
        return self._productions.entropy("S")

    def log_probability(self, text: str) -> float:
        """Return the log-probability of a text in nats; minus infinity outside the language."""
        words = text.split()
        # A sentence of other words cannot be derived, and most roots are ruled out by a single word.
        roots = [root for root in self._roots if self._productions.words(root).issuperset(words)]
        probability = math.fsum(self._productions.probability(root, words) for root in roots) / len(self._roots)
        return math.log(probability) if probability > 0 else -math.inf

    def factors(self, text: str) -> dict[str, str]:
        """Read the factors off a sentence.

        Raises:
            InputError: The text is not a sentence of the grammar.
        """
        words = text.split()
        for root, levels in self._roots.items():
            if self._productions.words(root).issuperset(words) and self._productions.probability(root, words) > 0:
                return dict(zip(FACTORS, levels, strict=True))
        raise InputError(f"{text!r} is not a sentence of the grammar", "give a text that Grammar().sample makes")

    def sample(self, n: int, seed: int) -> tuple[list[str], dict[str, list[str]]]:
        """Draw sentences independently.

        Args:
            n: How many.
            seed: Any integer; the same one gives the same sentences on every platform.

        Returns:
            The sentences, and for each factor its value in each sentence.
        """
        random = Random(seed)
        names = list(self._roots)
        roots = [names[int(random.random() * len(names))] for _ in range(n)]
        texts = [" ".join(self._productions.sample(root, random)) for root in roots]
        columns = zip(*(self._roots[root] for root in roots), strict=True) if n else ([] for _ in FACTORS)
        return texts, {factor: list(values) for factor, values in zip(FACTORS, columns, strict=True)}

    def sentences(self) -> list[tuple[str, float]]:
        """List every derivation and its probability; only for a small lexicon."""
        return [(" ".join(words), probability) for words, probability in self._productions.sentences("S")]


def write_grammar(folder: Path | str, sizes: Mapping[str, int] = SIZES, seed: int = 0) -> dict[str, Path]:
    """Write ``train.jsonl``, ``valid.jsonl`` and ``test.jsonl``, independent draws with a column for each factor.

    Args:
        folder: Where to write; it is made if need be.
        sizes: Sentences of each file by its name.
        seed: The same seed gives the same files.

    Returns:
        The path of each file by its name.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    grammar = Grammar()
    paths = {}
    for offset, (name, size) in enumerate(sizes.items()):
        texts, factors = grammar.sample(size, seed=seed * len(sizes) + offset)
        rows = ({"text": text, **{key: factors[key][i] for key in FACTORS}} for i, text in enumerate(texts))
        paths[name] = folder / f"{name}.jsonl"
        paths[name].write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return paths


def _rules(lexicon: Lexicon, roots: list[str]) -> dict[str, list[Option]]:
    """Write the whole grammar: shared words, words of each topic, and one sentence symbol for each set of factors."""
    rules = {
        "S": options([(1, root) for root in roots]),
        "DESCRIPTION": _ranked(lexicon.descriptions),
        "DEGREE": _ranked(lexicon.degrees),
        "PREPOSITION": _ranked(lexicon.prepositions),
    }
    rules |= {_symbol("ADJECTIVE", key): _ranked(words) for key, words in lexicon.adjectives.items()}
    rules |= {_symbol("CHARACTER", key): _ranked(words) for key, words in lexicon.characters.items()}
    rules |= {_symbol("ADVERB", key): _ranked(words) for key, words in lexicon.adverbs.items()}
    rules |= {_symbol("TIME", key): _ranked(words) for key, words in lexicon.times.items()}
    rules |= {_symbol("DETERMINER", key): _ranked(words) for key, words in lexicon.determiners.items()}
    for topic, words in lexicon.topics.items():
        rules |= _topic_rules(topic, words, lexicon)
    for topic, sentiment, tense, number in product(
        lexicon.topics, lexicon.adjectives, lexicon.times, lexicon.determiners
    ):
        rules |= _sentence_rules(topic, sentiment, tense, number)
    return rules


def _topic_rules(topic: str, words: Topic, lexicon: Lexicon) -> dict[str, list[Option]]:
    """Write subjects by number, verbs by tense and number, objects and places of a topic."""
    rules = {_symbol("OBJECT", topic): _ranked(words.objects), _symbol("PLACE", topic): _ranked(words.places)}
    for index, number in enumerate(("singular", "plural")):
        rules[_symbol("SUBJECT", topic, number)] = _ranked([pair.split("/")[index] for pair in words.subjects])
    for tense, number in product(lexicon.times, lexicon.determiners):
        for kind, verbs in (("TRANSITIVE", words.transitive), ("INTRANSITIVE", words.intransitive)):
            rules[_symbol(kind, topic, tense, number)] = _ranked([_inflected(verb, tense, number) for verb in verbs])
    return rules


def _inflected(verb: Verb, tense: str, number: str) -> str:
    """Return the form of a verb that agrees with its subject."""
    forms = {"past": verb.past, "future": f"will {verb.base}"}
    return forms.get(tense, verb.third if number == "singular" else verb.base)


def _sentence_rules(topic: str, sentiment: str, tense: str, number: str) -> dict[str, list[Option]]:
    """Write the sentences of one set of factors: subject, predicate, and perhaps a place and a time."""
    factors = (topic, sentiment, tense, number)
    subject, predicate = _symbol("NOUN_PHRASE", topic, number), _symbol("PREDICATE", *factors)
    place, time = f"PREPOSITION the {_symbol('PLACE', topic)}", _symbol("TIME", tense)
    adjective, copula = _symbol("ADJECTIVE", sentiment), _COPULA.get((tense, number), "will be")
    verb = _symbol("TRANSITIVE", topic, tense, number)
    action = _symbol("INTRANSITIVE", topic, tense, number)
    determiner, noun = _symbol("DETERMINER", number), _symbol("SUBJECT", topic, number)
    return {
        _symbol("S", *factors): options(
            [
                (80, f"{subject} {predicate} WHEN[{tense}]"),
                (12, f"{subject} {predicate} {place} WHEN[{tense}]"),
                (8, f"{place} {subject} {predicate} WHEN[{tense}]"),
            ]
        ),
        f"WHEN[{tense}]": options([(80, ""), (20, time)]),
        subject: options([(80, f"{determiner} {noun}"), (20, f"{determiner} DESCRIPTION {noun}")]),
        predicate: options(
            [
                (30, f"{copula} {_symbol('QUALITY', sentiment)}"),
                (40, f"{verb} the {adjective} {_symbol('OBJECT', topic)}"),
                (30, f"{action} {_symbol('ADVERB', sentiment)}"),
            ]
        ),
        _symbol("QUALITY", sentiment): options(
            [(70, adjective), (20, f"DEGREE {adjective}"), (10, f"{adjective} and {_symbol('CHARACTER', sentiment)}")]
        ),
    }


def _ranked(words: Sequence[str]) -> list[Option]:
    """Give words, the most frequent first, the probabilities of their ranks."""
    return options([((rank + 1) ** -_RANK_EXPONENT, word) for rank, word in enumerate(words)])


def _symbol(name: str, *features: str) -> str:
    """Write a symbol with its features."""
    return f"{name}[{','.join(features)}]"
