"""The words of the built-in grammar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Verb(NamedTuple):
    """The forms of a verb, all different, so that the form tells the tense."""

    base: str
    third: str
    past: str


@dataclass(frozen=True)
class Topic:
    """The words that only sentences about one topic have; a subject is written ``singular/plural``."""

    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    places: tuple[str, ...]
    transitive: tuple[Verb, ...]
    intransitive: tuple[Verb, ...]


@dataclass(frozen=True)
class Lexicon:
    """The words of a grammar, the most frequent first.

    Attributes:
        topics: Words by topic; no subject belongs to two of them.
        adjectives: Words of praise and blame for things and people, by sentiment.
        characters: Adjectives for people alone, by sentiment.
        adverbs: Words of praise and blame for actions, by sentiment.
        times: Adverbials by tense; one may have several words.
        determiners: By number.
        descriptions: Adjectives without sentiment.
        degrees: Adverbs before an adjective.
        prepositions: Before a place.
    """

    topics: Mapping[str, Topic]
    adjectives: Mapping[str, tuple[str, ...]]
    characters: Mapping[str, tuple[str, ...]]
    adverbs: Mapping[str, tuple[str, ...]]
    times: Mapping[str, tuple[str, ...]]
    determiners: Mapping[str, tuple[str, ...]]
    descriptions: tuple[str, ...]
    degrees: tuple[str, ...]
    prepositions: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _verbs(text: str) -> tuple[Verb, ...]:
    return tuple(Verb(*forms.split("/")) for forms in text.split())


ENGLISH = Lexicon(
    topics={
        "food": Topic(
            subjects=_words("chef/chefs waiter/waiters baker/bakers guest/guests farmer/farmers grocer/grocers"),
            objects=_words("soup bread salad dinner cake sauce"),
            places=_words("kitchen restaurant market"),
            transitive=_verbs("serve/serves/served prepare/prepares/prepared taste/tastes/tasted order/orders/ordered"),
            intransitive=_verbs("eat/eats/ate bake/bakes/baked dine/dines/dined"),
        ),
        "music": Topic(
            subjects=_words(
                "singer/singers pianist/pianists drummer/drummers composer/composers "
                "violinist/violinists dancer/dancers"
            ),
            objects=_words("song melody opera symphony waltz album"),
            places=_words("theatre studio church"),
            transitive=_verbs("play/plays/played perform/performs/performed record/records/recorded hum/hums/hummed"),
            intransitive=_verbs("sing/sings/sang dance/dances/danced improvise/improvises/improvised"),
        ),
        "sport": Topic(
            subjects=_words(
                "player/players runner/runners coach/coaches swimmer/swimmers goalkeeper/goalkeepers rower/rowers"
            ),
            objects=_words("match race game tournament final season"),
            places=_words("stadium gym park"),
            transitive=_verbs("start/starts/started finish/finishes/finished watch/watches/watched plan/plans/planned"),
            intransitive=_verbs("run/runs/ran train/trains/trained compete/competes/competed"),
        ),
        "science": Topic(
            subjects=_words(
                "student/students professor/professors engineer/engineers chemist/chemists "
                "physicist/physicists astronomer/astronomers"
            ),
            objects=_words("theory experiment paper model proof result"),
            places=_words("laboratory library university"),
            transitive=_verbs(
                "test/tests/tested publish/publishes/published review/reviews/reviewed defend/defends/defended"
            ),
            intransitive=_verbs("work/works/worked write/writes/wrote lecture/lectures/lectured"),
        ),
    },
    adjectives={
        "positive": _words("great wonderful excellent brilliant charming delightful splendid superb"),
        "negative": _words("terrible awful poor boring dreadful horrible miserable disappointing"),
    },
    characters={"positive": _words("kind clever patient"), "negative": _words("rude lazy arrogant")},
    adverbs={
        "positive": _words("beautifully perfectly brilliantly happily gracefully superbly"),
        "negative": _words("badly poorly terribly clumsily sadly carelessly"),
    },
    times={
        "past": ("yesterday", "last week", "last night"),
        "present": ("today", "now", "nowadays"),
        "future": ("tomorrow", "soon", "next week"),
    },
    determiners={"singular": _words("the this our every"), "plural": _words("the these our some")},
    descriptions=_words("young old local tall quiet busy foreign former"),
    degrees=_words("very really quite"),
    prepositions=_words("in near at"),
)
