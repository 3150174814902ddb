"""Labelled texts made from labelled texts, and the measurement of what they are worth."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.stats import beta

from latentia.cli import lines, operation
from latentia.cli.operation import command_of
from latentia.data import Columns, Corpus, Selection, Word
from latentia.decoding import Ancestral, Greedy
from latentia.distributions import DiagonalGaussian
from latentia.errors import InputError
from latentia.functional.resampling import paired_interval
from latentia.operations import Augmented, Conditions, Gain, Quality, Refused, TextSpace, augmentation_gain
from latentia.operations.augmentation_gain import NOTHING, filled, gains_on, mixed, split
from latentia.operations.examples import Judges, _parts, classifier, examples_of, token_counts
from latentia.operations.gain import MIXUP, NONE, OVERSAMPLE
from latentia.operations.novelty import DRAWS, Plan, known_texts, new_texts
from latentia.operations.perturbation import PERTURBATIONS, _delete, easy_copies, easy_edits, token_dropout
from tests.laws.tables import model, sequential_model, spherical_model

WORDS = [f"w{number}" for number in range(12)]
PLAN = Plan("neighbours", 1, 1.0, 0.0, 0, Ancestral())


@pytest.fixture(scope="module")
def space() -> TextSpace:
    torch.manual_seed(0)
    tokenizer = Word().train([" ".join(WORDS)])
    vae = model(tokenizer.vocabulary_size).eval()
    for weight in vae.decoder.parameters():
        torch.nn.init.normal_(weight, std=0.8)
    return TextSpace(vae, tokenizer, max_tokens=8)


def labelled(count: int) -> list[tuple[str, str]]:
    """Two classes that half of the words tell apart."""
    draw = np.random.default_rng(0)
    rows = []
    for row in range(count):
        own = WORDS[:8] if row % 2 else WORDS[4:]
        rows.append((" ".join(draw.choice(own, size=4)), "odd" if row % 2 else "even"))
    return rows


def examples(space: TextSpace, count: int):
    return examples_of(space, labelled(count))[0]


@pytest.mark.parametrize("method", ["neighbours", "interpolation", "mixup"])
def test_at_strength_0_there_are_reconstructions_alone(space, method):
    data = labelled(12)
    texts = [text for text, _ in data]
    of_text = dict(zip(texts, map(str, space.reconstruct(texts, strategy=Greedy())), strict=True))
    made = list(space.augment(data, method=method, strength=0, threshold=0, strategy=Greedy()))
    assert made
    assert all(each.text == of_text[data[each.source - 1][0]] for each in made)


def spread_out(space: TextSpace, count: int):
    """Examples whose centres are correlated, far apart beside the width of each."""
    draw = torch.Generator().manual_seed(1)
    mix = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [-0.5, 0.2, 0.7]])
    centres = torch.randn(count, 3, generator=draw) @ mix.T
    log_variance = torch.randn(count, 3, generator=draw) - 3
    return replace(examples(space, count), posteriors=DiagonalGaussian(centres, log_variance))


def folded_beta() -> tuple[float, float]:
    """First two moments of the smaller of a Beta(0.2, 0.2) share and the rest, by quadrature."""
    half = 2 * beta(0.2, 0.2).expect(lambda u: u, ub=0.5), 2 * beta(0.2, 0.2).expect(lambda u: u * u, ub=0.5)
    return float(half[0]), float(half[1])


@pytest.mark.parametrize("method", DRAWS)
def test_draws_have_the_moments_that_they_should(space, method):
    few = spread_out(space, 6)
    rows, own = np.repeat(1, 20_000), few.posteriors
    members = few.members()[few.labels[1]]
    drawn = DRAWS[method](few, rows, 0.5).double()
    centres, variances = own.centre.double(), own.variance.double()
    if method == "neighbours":
        mean, covariance = centres[1], 0.25 * torch.diag(variances[1])
    elif method == "prior":
        mean = centres[members].mean(dim=0)
        within = torch.diag(variances[members].mean(dim=0))
        covariance = 0.25 * (torch.cov(centres[members].T, correction=0) + within)
    else:
        mixed = method == "mixup"
        others = np.flatnonzero(few.labels != few.labels[1]) if mixed else [row for row in members if row != 1]
        way, (first, second) = centres[others] - centres[1], folded_beta() if mixed else (0.25, 1 / 12)
        mean = centres[1] + 0.5 * first * way.mean(dim=0)
        outer = (way[:, :, None] * way[:, None, :]).mean(dim=0)
        covariance = 0.25 * (second * outer - first**2 * torch.outer(way.mean(dim=0), way.mean(dim=0)))
    scale = covariance.diagonal().max()
    torch.testing.assert_close(drawn.mean(dim=0), mean, atol=0.04 * float(scale.sqrt()), rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), covariance, atol=0.04 * float(scale), rtol=0)


@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_a_filter_keeps_what_is_likelier_than_it_and_one_of_0_everything(space, threshold, monkeypatch):
    """Also what is held to be impossible."""
    few = examples(space, 40)
    fates = known_texts(space.tokenizer, few.texts)
    if threshold == 0:
        monkeypatch.setattr(Judges, "probabilities", lambda self, texts, *_, own: np.zeros(len(texts)))
    kept = list(new_texts(space, few, replace(PLAN, threshold=threshold), fates))
    left_out = fates.counts["judged to be of another class"]
    assert all(each.probability > threshold for each in kept) or threshold == 0
    assert left_out == 0 if threshold == 0 else 0 < left_out < 40
    assert len(kept) + fates.counts["nothing new"] + fates.counts["empty"] + left_out == 40


def test_no_text_comes_back_or_comes_twice(space):
    data = labelled(30)
    made = [each.text for each in space.augment(data, copies=4, strength=0.1, threshold=0, strategy=Greedy())]
    assert made
    assert len(set(made)) == len(made)
    assert not set(made) & {text for text, _ in data}


def test_what_is_left_out_is_counted(space):
    answers = space.augment(labelled(30), copies=3, threshold=0.5)
    given = len(list(answers))
    (said,) = answers.remarks()
    assert said.startswith(f"{given:,} of 90 texts given")


def test_a_text_is_judged_by_a_classifier_that_has_not_seen_its_source(space):
    """The class of a text whose words no other text has is known to a classifier that was fitted to it."""
    data = [*[("w0 w1", "a"), ("w2 w3", "b")] * 5, ("w9 w9 w9 w9", "a")]
    judges = Judges(space.tokenizer, examples_of(space, data)[0], seed=0)
    source = np.array([10])
    (own,) = judges.probabilities(["w9 w9 w9 w9"], source, own=True)
    (mean,) = judges.probabilities(["w9 w9 w9 w9"], source, own=False)
    assert own < 0.6 < mean


def test_a_class_of_one_text_does_not_keep_others_from_judges_who_have_not_seen_them(space):
    data = [*[("w0 w1", "a"), ("w2 w3", "b")] * 5, ("w9 w9 w9 w9", "a"), ("w5 w6", "alone")]
    judges = Judges(space.tokenizer, examples_of(space, data)[0], seed=0)
    (own,) = judges.probabilities(["w9 w9 w9 w9"], np.array([10]), own=True)
    (mean,) = judges.probabilities(["w9 w9 w9 w9"], np.array([10]), own=False)
    assert own < 0.6 < mean
    alone = [judges.probabilities(["w5 w6"], np.array([11]), own=own) for own in (True, False)]
    assert alone[0] == alone[1]


def test_every_part_holds_as_many_texts_as_another(space):
    data = [(f"w{row} w{word}", f"class {row}") for row in range(10) for word in range(2)]
    part, parts = _parts(examples_of(space, data)[0], seed=0)
    assert parts == 2
    assert np.bincount(part).tolist() == [10, 10]
    of_three = [("w0 w1", "a"), ("w2", "a"), ("w3", "a"), ("w4", "b"), ("w5", "b"), ("w6", "c")]
    part, parts = _parts(examples_of(space, of_three)[0], seed=0)
    assert parts == 3
    assert np.bincount(part).tolist() == [2, 2, 1, 1]
    assert part[5] == 3


def test_answers_name_label_and_source(space):
    data = [("", "odd"), *labelled(10)]
    answers = list(space.augment(iter(data), threshold=0))
    assert answers[0] == Refused(1, "is empty", "give a text of at least one token")
    assert all(isinstance(each, Augmented) and data[each.source - 1][1] == each.label for each in answers[1:])
    assert {each.source for each in space.augment(labelled(10), method="prior", threshold=0)} == {0}


def test_seeds_decide_and_leave_the_generator_alone(space):
    state = torch.get_rng_state()
    first = list(space.augment(labelled(10), seed=1, strategy=Ancestral()))
    assert first == list(space.augment(labelled(10), seed=1, strategy=Ancestral()))
    assert first != list(space.augment(labelled(10), seed=2, strategy=Ancestral()))
    assert torch.equal(state, torch.get_rng_state())


def test_a_row_without_a_label_is_refused_and_the_others_are_used(space):
    data = [*labelled(8), ("w1", ""), "w2", ("w3", None), ("w4",), (5, "odd"), *labelled(8)[:2]]
    answers = list(space.augment(iter(data), threshold=0, strategy=Greedy()))
    refused = [each for each in answers if isinstance(each, Refused)]
    assert [each.line for each in refused] == [9, 10, 11, 12, 13]
    assert {each.problem for each in refused} == {"holds no text, or lacks its label"}
    assert len(answers) > len(refused)


def test_what_cannot_be_augmented_is_refused(space):
    with pytest.raises(InputError, match="'b' has one text: give at least two"):
        space.augment([("w0", "a"), ("w1", "a"), ("w2", "b")], method="interpolation")
    with pytest.raises(InputError, match="there is one class, 'a': give texts of two"):
        space.augment([("w0", "a"), ("w1", "a")], method="mixup")
    with pytest.raises(InputError, match="text 1 holds no text, or lacks its label"):
        space.augment([("w1", "")])
    with pytest.raises(InputError, match="there is no text"):
        space.augment([])
    with pytest.raises(InputError, match="method is 'mix'"):
        space.augment(labelled(4), method="mix")
    tokenizer = space.tokenizer
    stepwise = TextSpace(sequential_model(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens=8)
    with pytest.raises(InputError, match="one code a token"):
        stepwise.augment(labelled(4))


def test_a_class_alone_is_not_judged(space):
    made = list(space.augment([(text, "a") for text, _ in labelled(8)], threshold=0.9))
    assert made
    assert {each.probability for each in made} == {1.0}


def test_oversampling_is_duplicated_rows(space):
    few = examples(space, 6)
    texts, labels = filled(NOTHING, few, 2)
    assert sorted(zip(texts, labels, strict=True)) == sorted([*zip(few.texts, few.labels, strict=True)] * 2)


def test_methods_train_on_as_many_rows_of_each_class(space):
    few = examples(space, 10)
    texts, labels = filled((["w0 w1"], np.array([1])), few, 3)
    assert texts[0] == "w0 w1"
    assert np.bincount(labels).tolist() == [15, 15]


def test_a_mixture_with_a_share_of_1_is_a_repetition(space):
    class Whole(np.random.Generator):
        def permutation(self, rows: np.ndarray) -> np.ndarray:
            return np.roll(rows, 3)

        def beta(self, a: float, b: float, size: int) -> np.ndarray:
            return np.ones(size)

    few = examples(space, 10)
    codes = few.posteriors.centre.numpy()
    again = classifier().fit(np.tile(codes, (3, 1)), np.tile(few.labels, 3))
    np.testing.assert_allclose(mixed(few, 2, Whole(np.random.PCG64())).coef_, again.coef_, rtol=1e-3)


def test_the_test_part_shares_no_text_with_the_pool(space):
    pool, test = split(space, examples_of(space, labelled(60) * 2)[0], seed=0)
    assert not set(pool.texts) & set(test.texts)
    assert len({*pool.texts, *test.texts}) == len({text for text, _ in labelled(60)})
    assert set(test.labels) == {0, 1}


@pytest.fixture
def measured(space, monkeypatch, caplog):
    caplog.set_level("INFO", "latentia")
    monkeypatch.setattr(augmentation_gain, "SEEDS", 2)
    pool, test = split(space, examples(space, 60), seed=0)
    return list(gains_on(space, pool, test, PLAN, sizes=(5, 10, 50))), pool, test


def test_a_measurement_has_every_method_at_every_size(measured, caplog):
    (conditions, *rows), _, test = measured
    assert isinstance(conditions, Conditions)
    said = [record.getMessage() for record in caplog.get_records("setup")]
    assert said[-1] == "subsets of 10 texts a class: draw 2 of 2"
    assert conditions.sizes == (5, 10)
    assert conditions.tested == len(test)
    assert "is not at hand" in str(conditions)
    gains = [row for row in rows if isinstance(row, Gain)]
    methods = ["none", "oversample", "token dropout", "edits (EDA)", "neighbours"]
    expected = [(features, method) for features in ("tokens", "codes") for method in methods] + [
        ("codes", "mixup of codes")
    ]
    assert [(row.size, row.features, row.method) for row in gains] == [(n, *each) for n in (5, 10) for each in expected]
    assert all(row.low <= row.gain <= row.high for row in gains)
    assert {(row.gain, row.low, row.high) for row in gains if row.method == "none"} == {(0.0, 0.0, 0.0)}
    assert len({len(str(row).partition("[")[0]) for row in gains if row.method != "none"}) == 1
    assert [row.method for row in rows if isinstance(row, Quality)] == methods[2:]


def knowing(space: TextSpace, training: list[str], validation: list[str]) -> TextSpace:
    """The same space, opened with what it was made from."""
    rows = [Selection.all_of(Corpus.from_texts(texts, space.tokenizer)) for texts in (training, validation)]
    return TextSpace(space.model, space.tokenizer, 8, lambda: rows[0], validation=lambda: rows[1])


def test_test_texts_that_the_generator_knows_are_left_out_and_counted(space, monkeypatch):
    """Whether it was trained on them, or its weights were chosen by them."""
    monkeypatch.setattr(augmentation_gain, "SEEDS", 1)
    pool, test = split(space, examples(space, 60), seed=0)
    aware = knowing(space, [*test.texts[:2], *pool.texts], test.texts[-1:])
    conditions, *_ = gains_on(aware, pool, test, PLAN, sizes=(5,))
    assert (conditions.known, conditions.tested) == (3, len(test) - 3)
    assert "3 test texts were left out" in str(conditions)
    with pytest.raises(InputError, match=r"chosen by .* test texts, all of a class: give texts it has not seen"):
        gains_on(knowing(space, test.texts, test.texts), pool, test, PLAN, sizes=(5,))


def test_a_split_tests_on_what_the_generator_does_not_know(space):
    everything = examples(space, 60)
    known = everything.texts[:30]
    aware = knowing(space, known[:20], known[20:])
    assert not set(split(aware, everything, seed=0)[1].texts) & set(known)
    assert set(split(space, everything, seed=0)[1].texts) & set(known)


def test_no_edited_text_is_a_test_text(space):
    pool, test = split(space, examples(space, 60), seed=0)
    bench = augmentation_gain._Bench(space, pool, test, PLAN)
    subset = bench.subset(5, 0)
    edited = bench._made(subset, 0)["edits (EDA)"][0]
    bench.test = examples_of(space, [(text, "odd") for text in edited])[0]
    assert bench._made(subset, 0)["edits (EDA)"][0] == []


def test_edits_are_as_many_as_in_their_source_and_weigh_as_much_as_other_methods(space, monkeypatch):
    weights = {}

    class Noted:
        def fit(self, features, labels, weight=None):
            weights.setdefault(len(labels), weight)
            return self

        def predict(self, features):
            return np.zeros(features.shape[0])

    monkeypatch.setattr(augmentation_gain, "classifier", Noted)
    pool, test = split(space, examples(space, 60), seed=0)
    bench = augmentation_gain._Bench(space, pool, test, replace(PLAN, copies=2))
    list(bench._predictions(bench.subset(5, 0), 0))
    assert set(weights) == {10, 10 + 2 * 10, 10 + 16 * 10, 10 + 4 * 10}
    assert weights[10 + 16 * 10].sum() == pytest.approx(10 + 2 * 10) == weights[10 + 2 * 10].sum()
    assert [easy_copies(texts) for texts in (500, 501, 2000, 5000)] == [16, 8, 8, 4]


def test_what_is_not_defined_is_not_0(space, measured):
    """A method that writes too little is described by what there is, and keeps no other from its description."""
    _, pool, test = measured
    bench = augmentation_gain._Bench(space, pool, test, PLAN)
    few = {
        "one": (["w0"], np.array([0])),
        "none": ([], np.array([])),
        "three": (["w0 w1", "w0", "w0"], np.array([0, 0, 0])),
    }
    bench._made = lambda subset, seed: few
    rows = {row.method: row for row in bench.written(5)}
    assert [rows[name].texts for name in few] == [1, 0, 3]
    assert rows["one"].distinct_1 is rows["none"].self_bleu is rows["none"].copied is None
    assert rows["three"].distinct_1 == 0.5
    assert str(rows["none"]) == "none, 0 texts: too few to say more"


def test_no_generated_text_is_a_test_text(space, measured, monkeypatch):
    """Of a test part that holds everything that the generator writes, nothing is left."""
    _, pool, test = measured
    bench = augmentation_gain._Bench(space, pool, test, replace(PLAN, strategy=Greedy(), strength=0.0))
    subset = bench.subset(10, 0)
    made, _ = bench._generated(subset, 0)
    assert made
    bench.test = examples_of(space, [(text, "odd") for text in made])[0]
    assert bench._generated(subset, 0)[0] == []


def test_subsets_are_nested_and_differ_between_seeds(space):
    pool, test = split(space, examples(space, 60), seed=0)
    bench = augmentation_gain._Bench(space, pool, test, PLAN)
    assert set(bench.subset(5, 0).texts) < set(bench.subset(10, 0).texts)
    assert set(bench.subset(5, 0).texts) != set(bench.subset(5, 1).texts)
    assert np.bincount(bench.subset(5, 0).labels).tolist() == [5, 5]


def test_a_measurement_of_too_few_is_refused(space):
    with pytest.raises(InputError, match="different texts beside the test part: give at least two classes"):
        space.augment(labelled(8), evaluate=True)
    with pytest.raises(InputError, match="of 1 classes"):
        space.augment([(text, "a") for text, _ in labelled(60)], evaluate=True)


def test_perturbed_texts_keep_their_words():
    draw, words = np.random.default_rng(0), WORDS[:10]
    for change in (token_dropout, easy_edits):
        changed = [change(words, 100, draw) for _ in range(50)]
        assert all(each and set(each) <= set(words) for each in changed)
        assert any(each != words for each in changed)
        assert change(["w0"], 100, draw)
    assert words == WORDS[:10]
    lengths = np.mean([len(token_dropout(words, 100, draw)) for _ in range(2000)])
    assert lengths == pytest.approx(9, abs=0.1)
    assert {len(easy_edits(words, 100, draw)) for _ in range(200)} >= {9, 10, 11}
    deleted = [10 - len(_delete(words, 0.2, draw)) for _ in range(2000)]
    assert np.mean(deleted) == pytest.approx(2, abs=0.15)
    assert np.var(deleted) == pytest.approx(1.6, abs=0.25)


def test_tokens_are_counted(space):
    counts = token_counts(space.tokenizer, ["w0 w0 w1", "w2"]).toarray()
    ids = space.tokenizer.encode("w0 w1 w2")
    assert counts[:, ids].tolist() == [[2, 1, 0], [0, 0, 1]]
    assert counts.sum() == 4


def test_an_interval_covers_as_often_as_it_says():
    """Runs share the test examples, so that their errors are not independent."""
    held, draw = 0, torch.Generator().manual_seed(0)
    for _ in range(200):
        differences = 0.3 + torch.randn(10, 1, generator=draw) + torch.randn(1, 60, generator=draw)
        low, high = paired_interval(differences.double(), resamples=300)
        held += low <= 0.3 <= high
    assert 0.85 <= held / 200 <= 0.99


@pytest.fixture
def command(space, monkeypatch):
    """The command, in this process and on this space."""
    monkeypatch.setattr(operation, "load", lambda _: space)
    monkeypatch.setattr(lines, "columns_of", lambda _: Columns("text", ""))
    return lambda *given: command_of("augment").main([str(each) for each in ("run", *given)], standalone_mode=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("\n".join(["class\tsentence", *(f"{label}\t{text}" for text, label in labelled(12))]))
    return path


def test_the_command_reads_texts_and_labels_from_columns(command, file, capsys):
    command(file, "--text", "sentence", "--label", "class", "--threshold", 0, "--strategy", "Greedy", "--json")
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows
    assert {row["label"] for row in rows} <= {"odd", "even"}
    assert "texts given" in err


def test_a_measurement_goes_to_a_file_and_what_is_said_beside_it_is_told(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(augmentation_gain, "SEEDS", 2)
    file, out = tmp_path / "data.tsv", tmp_path / "gains.jsonl"
    file.write_text("\n".join(["label\ttext", *(f"{label}\t{text}" for text, label in labelled(60))]))
    command(file, "--label", "label", "--evaluate", "--threshold", 0, "--strategy", "Greedy", "--out", out)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["method"] for row in rows} == {"neighbours", NONE, OVERSAMPLE, MIXUP, *PERTURBATIONS}
    assert all(set(row) == {field.name for field in fields(Gain)} for row in rows)
    said = capsys.readouterr().err
    assert "test texts of 2 classes" in said
    assert "edits (EDA)," in said
    assert "a class  features" not in said


def test_the_command_asks_for_labels(command, file):
    with pytest.raises(InputError, match="there is no label: name the column that holds it with --label"):
        command(file, "--text", "sentence")


@pytest.mark.parametrize("method", DRAWS)
def test_on_a_sphere_codes_are_directions(space, method, monkeypatch):
    round_space = TextSpace(spherical_model(space.tokenizer.vocabulary_size).eval(), space.tokenizer, max_tokens=8)
    lengths = []

    def write(self: TextSpace, codes: torch.Tensor, strategy: Greedy) -> list[str]:
        lengths.append(codes.norm(dim=1))
        return ["w0 w1"] * len(codes)

    monkeypatch.setattr(TextSpace, "write", write)
    assert [each.text for each in round_space.augment(labelled(10), method=method, threshold=0)] == ["w0 w1"]
    torch.testing.assert_close(lengths[0], torch.ones(10))
