"""Laws of all operations: the signature is the schema, whoever reads it."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from latentia import operations
from latentia.cli.group import OPERATIONS
from latentia.cli.operation import command_of
from latentia.data import Corpus, Selection, Word
from latentia.decoding import Ancestral, Beam, DiverseBeam, Rejection, Strategy
from latentia.errors import InputError
from latentia.operations import Refused, TextSpace
from latentia.operations.lines import Reader, line_by_line
from latentia.operations.operation import is_plain, operation, parameters
from latentia.operations.paths import WAYS
from latentia.recipes.families import members
from latentia.recipes.strategies import strategy_of
from latentia.shapes import PositiveInt
from tests.laws.tables import model, spherical_model

FUNCTIONS = {
    name: each
    for name in operations.__all__
    if inspect.isfunction(each := getattr(operations, name))
    and next(iter(inspect.signature(each).parameters)) == "space"
}


def test_every_operation_is_a_command_and_a_method():
    assert set(OPERATIONS) == set(FUNCTIONS)
    for name, function in FUNCTIONS.items():
        # The methods of these names take and return the codes of a few texts as one tensor.
        assert name in {"encode", "decode"} or getattr(TextSpace, name) is function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_list_of_commands_says_what_the_docstring_says(name):
    assert OPERATIONS[name] == inspect.getdoc(FUNCTIONS[name]).partition("\n")[0]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_has_a_help_and_an_option_or_argument(name):
    command = command_of(name)
    assert set(parameters(FUNCTIONS[name])) <= {each.name for each in command.params}
    assert all(each.help for each in command.params)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_says_what_may_be_given(name):
    """Choices, names of strategies, and the default of each setting, or of each strategy that has it."""
    options = {each.name: each for each in command_of(name).params}
    for parameter in parameters(FUNCTIONS[name]).values():
        if get_origin(parameter.annotation) is Literal:
            assert options[parameter.name].type_descriptor.annotation == parameter.annotation
        if parameter.annotation is Strategy:
            assert get_args(options["strategy"].type_descriptor.annotation) == tuple(members(Strategy))
            assert options["width"].help.startswith("Of AllocatedBeam (default 10), Beam (default 5), DiverseBeam (")
            assert options["no_repeat"].help.startswith("Of all (default 0): ")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_optional_parameters_are_named(name):
    """So that another may be put between them."""
    for each in parameters(FUNCTIONS[name]).values():
        assert each.default is each.empty or each.kind is each.KEYWORD_ONLY or each.name == "n"


def test_plain_arguments_are_checked_and_taken_from_other_libraries():
    @operation
    def counted(n: PositiveInt, words: Iterable[str] = ()) -> int:
        return n

    assert counted("3") == 3
    with pytest.raises(InputError, match="n is 0: input should be"):
        counted(0)
    with pytest.raises(InputError, match="n is 'a'"):
        counted(n="a")


@pytest.mark.parametrize(("annotation", "plain"), [(int, True), (PositiveInt, True), (Strategy, False), (list, False)])
def test_plain_is_what_a_command_can_spell(annotation, plain):
    assert is_plain(annotation) is plain


def test_a_strategy_has_its_settings_and_no_others():
    strategy = strategy_of("Beam", {"width": 7})
    assert isinstance(strategy, Beam)
    assert strategy.width == 7
    with pytest.raises(InputError, match=r"Greedy has no width: take it with --strategy .*Beam"):
        strategy_of("Greedy", {"width": 7})
    with pytest.raises(InputError, match="no strategy 'Bean': take one of"):
        strategy_of("Bean", {})


@pytest.fixture
def space() -> TextSpace:
    tokenizer = Word().train(["a b c"])
    return TextSpace(model(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens=6)


def test_bad_lines_are_refused_and_the_rest_done(space):
    texts = ["a b", "", "c c c", "x y", "a " * 7, "b\0", "a", "\ud800"]
    answers = list(space.reconstruct(texts))
    refused = {each.line: each for each in answers if isinstance(each, Refused)}
    assert list(refused) == [2, 4, 5, 6, 8]
    done = [each for each in answers if not isinstance(each, Refused)]
    assert [(each.line, each.text) for each in done] == [(1, "a b"), (3, "c c c"), (7, "a")]
    assert list(map(str, done)) == list(map(str, space.reconstruct(["a b", "c c c", "a"])))
    assert str(refused[5]) == "line 5 has 7 tokens: shorten it to the model's 6"


def test_a_text_written_with_the_word_for_unknown_words_is_read(space):
    """As corpora are that were made so, and as the model itself writes."""
    known, unknown = space.reconstruct(["<unk> <unk>", "x y"])
    assert known.text == "<unk> <unk>"
    assert isinstance(unknown, Refused)


def test_lines_are_answered_a_chunk_at_a_time(space):
    """Of a stream no more is read than two chunks, and lines are numbered from the first of all."""
    read = []

    def stream():
        for text in ["a", "b c", "", "c", "b"]:
            read.append(text)
            yield text

    reader = Reader(space.tokenizer, space.max_tokens)
    answers = line_by_line(stream(), reader, lambda chosen, lines: zip(chosen.texts(), lines, strict=True), size=2)
    assert next(answers) == ("a", 1)
    assert read == ["a", "b c", "", "c"]
    assert list(answers) == [
        ("b c", 2),
        Refused(3, "is empty", "give a text of at least one token"),
        ("c", 4),
        ("b", 5),
    ]


STEADY = {
    "encode": lambda space, texts: operations.encode(space, texts, of="draw"),
    "score": lambda space, texts: space.score(texts, samples=4),
    "impute": lambda space, texts: space.impute([f"{text} ___" for text in texts], sweeps=2),
    **{
        f"reconstruct-{type(strategy).__name__}": lambda space, texts, strategy=strategy: space.reconstruct(
            texts, strategy=strategy
        )
        for strategy in (Ancestral(), DiverseBeam(), Rejection())
    },
    "edit": lambda space, texts: space.edit(texts, from_=["a", "b b"], to=["c", "c a"], strategy=Ancestral()),
    "outliers": lambda space, texts: sorted(space.outliers(texts, 9, samples=4), key=lambda each: each.line),
}


@pytest.mark.parametrize("name", STEADY)
@pytest.mark.parametrize("build", [model, spherical_model], ids=["gaussian", "spherical"])
def test_an_answer_depends_on_its_text_and_line_alone(name, build):
    """Not on what else is asked, nor on what is refused."""
    tokenizer = Word().train(["a b c"])
    training = Selection.all_of(Corpus.from_texts(["a b", "b c", "c a a"] * 4, tokenizer))
    space = TextSpace(build(tokenizer.vocabulary_size).eval(), tokenizer, 6, lambda: training)
    for weight in space.model.parameters():
        torch.nn.init.normal_(weight, std=0.8)
    answers = list(STEADY[name](space, ["a b", "c", "b b", "c a a"]))
    others = list(STEADY[name](space, ["\0", "b a", "b b", "c a a", "b a c"]))
    elsewhere = list(STEADY[name](space, ["b b", "b b", "a c"]))
    for answer in answers[2:]:
        assert_close(
            answer, next(each for each in others if each.line == answer.line and not isinstance(each, Refused))
        )
    if name in ("encode", "score"):
        with pytest.raises(AssertionError):
            assert_close(replace(elsewhere[0], line=0), replace(elsewhere[1], line=0))


def assert_close(answer, other):
    """Equal but for rounding, since the products of a network are not those of a larger batch to the last digit."""
    for name, value in vars_of(answer).items():
        if isinstance(value, str | tuple):
            assert getattr(other, name) == value
        else:
            np.testing.assert_allclose(getattr(other, name), value, rtol=1e-4, atol=1e-5)


def vars_of(answer):
    return {each.name: getattr(answer, each.name) for each in fields(answer)}


def test_a_space_of_its_own_does_not_know_its_training_texts(space):
    """What to do is the same from Python, a command and a request, and is told in words of all three."""
    itself = "take the run itself, a folder that `latentia train` wrote"
    with pytest.raises(InputError, match=f"does not hold its training texts: {itself}"):
        _ = space.atlas
    with pytest.raises(InputError, match=f"training texts: give data to look in, or {itself}"):
        space.neighbours("a")
    assert next(iter(space.neighbours("a b", 1, data=["a b"]))).text == "a b"


def test_unknown_words_among_known_ones_are_told(space):
    """But for the word that stands for them, where it is written."""
    for answers in (
        space.reconstruct(["a x", "y b <unk>", "zzz", "c"]),
        space.score(["a x", "y b", "c"], samples=2),
        space.interpolate("a x", "y b"),
        space.analogy("a x", "y b", "c"),
        space.sample(1, near=["a x", "y b", "c"]),
        operations.encode(space, ["a x", "y b"]),
    ):
        list(answers)
        said = [each for each in answers.remarks() if "unknown" in each]
        assert said == ["2 tokens are unknown to the model, which reads <unk> there"]
    for answers in (space.reconstruct(["a", "zzz"]), space.interpolate("a", "b <unk>")):
        list(answers)
        assert answers.remarks() == []


def test_numbers_that_hang_on_few_draws_are_told(space, monkeypatch):
    monkeypatch.setattr(sys.modules["latentia.operations.score"], "UNCERTAIN", 0.0)
    answers = space.score(["a b", "c"], samples=2)
    list(answers)
    assert answers.remarks() == ["2 texts: a standard error above 0.0 nats; score with more samples"]


def test_the_name_of_a_strategy_is_no_strategy(space):
    with pytest.raises(InputError, match="strategy is 'Beam': give an object"):
        space.sample(1, strategy="Beam")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"near": "a b"}, "near is 'a b': give a list of texts"),
        ({"near": ["a b"], "spread": math.nan}, "spread is nan: give a finite number"),
        ({"near": ["a b"], "spread": math.inf}, "spread is inf: give a finite number"),
        ({"near": ["a b"], "spread": 0.0}, "spread is 0.0: input should be greater than 0"),
    ],
)
def test_what_was_given_wrongly_is_told_in_words_of_a_user(space, asked, told):
    with pytest.raises(InputError, match=told):
        space.sample(1, **asked)


@pytest.mark.parametrize("build", [model, spherical_model])
def test_a_spherical_way_turns_and_keeps_lengths_between_those_of_its_ends(build):
    tokenizer = Word().train(["a b c"])
    where = TextSpace(build(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens=6)
    start, end = where.encode(["a b", "c c c"])
    share = torch.linspace(0, 1, 5)
    way = WAYS["spherical"](where, start, end, share)
    torch.testing.assert_close(way[[0, -1]], torch.stack([start, end]))
    torch.testing.assert_close(way.norm(dim=1), torch.lerp(start.norm(), end.norm(), share))
    cosines = torch.nn.functional.cosine_similarity(way[1:], way[:-1])
    torch.testing.assert_close(cosines, cosines[:1].expand(4))
    assert [*where.interpolate("a b", "c c c", steps=5, way="spherical")] == [*where.written(way, Beam())]
    line = WAYS["spherical"](where, torch.zeros_like(end), end, share)
    torch.testing.assert_close(line, share[:, None] * end)


def test_a_traversal_changes_one_dimension(space):
    places = list(space.traverse("a b", dimension=1, steps=3, reach=2.0))
    assert [place.value for place in places] == [-2.0, 0.0, 2.0]
    with pytest.raises(InputError, match="dimension is 9: the last one is"):
        space.traverse("a b", dimension=9)


def test_the_analogy_of_a_text_to_itself_is_the_third(space):
    assert list(space.analogy("a b", "a b", "c c")) == list(map(str, space.reconstruct(["c c"])))
