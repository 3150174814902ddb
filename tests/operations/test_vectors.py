"""Texts to vectors and numbers, and what is found by them."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from latentia import operations
from latentia.data import Corpus, Selection, Word
from latentia.errors import DataError, InputError
from latentia.evaluation import importance_weighted_likelihood
from latentia.functional.importance import log_mean_exp, log_mean_exp_error
from latentia.functional.nearest import nearest
from latentia.operations import Encoded, Index, Refused, TextSpace, write
from latentia.operations.space import streams_of
from tests.evaluation.small import exact_evidence, one_dimensional
from tests.laws.tables import D, model, sequential_model, spherical_model

WORDS = Word().train(["a b c"])
TEXTS = ["a b", "c", "b b a", "c a", "a a a a", "b c"]
BAD = ["a b", "", "zzz", "c c"]


def space_of(build) -> TextSpace:
    vae = build(WORDS.vocabulary_size).eval()
    with torch.no_grad():
        for weight in vae.parameters():
            weight.mul_(4)
    corpus = Corpus.from_texts(["a b c", "c b a", "a a", "b", "b c a", "c c c c"] * 5, WORDS)
    return TextSpace(vae, WORDS, 6, lambda: Selection.all_of(corpus))


@pytest.fixture(params=[model, spherical_model], ids=["gaussian", "spherical"])
def space(request) -> TextSpace:
    return space_of(request.param)


@pytest.fixture
def sequential() -> TextSpace:
    return space_of(sequential_model)


encode = operations.encode


def test_codes_are_those_of_the_space_and_bad_lines_are_refused(space):
    answers = list(encode(space, BAD))
    assert [type(each) for each in answers] == [Encoded, Refused, Refused, Encoded]
    assert [(each.line, each.text, each.unknown) for each in (answers[0], answers[3])] == [(1, "a b", 0), (4, "c c", 0)]
    torch.testing.assert_close(torch.tensor(np.stack([answers[0].code, answers[3].code])), space.encode(["a b", "c c"]))
    assert next(iter(encode(space, ["a zzz zzz"]))).unknown == 2


def test_a_draw_follows_the_seed_and_spreads_about_the_centre():
    space = space_of(model)
    first, second, other = (
        np.stack([each.code for each in encode(space, TEXTS, of="draw", seed=seed)]) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.allclose(first, other)
    (moments,) = encode(space, ["a b"], of="moments")
    drawn = np.stack([each.code for each in encode(space, ["a b"] * 4000, of="draw")])
    error = moments.standard_deviation / math.sqrt(len(drawn))
    np.testing.assert_array_less(np.abs(drawn.mean(0) - moments.mean), 5 * error)
    np.testing.assert_allclose(drawn.std(0), moments.standard_deviation, rtol=0.1)


def test_a_model_of_one_code_a_token_gives_its_centres_alone(sequential, tmp_path):
    write(encode(sequential, TEXTS), tmp_path / "a.npy")
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), sequential.encode(TEXTS).numpy(), rtol=1e-6)
    with pytest.raises(InputError, match="one code a token: take the centre"):
        encode(sequential, TEXTS, of="draw")
    for refused in (
        partial(sequential.neighbours, "a"),
        partial(sequential.cluster, TEXTS),
        partial(sequential.outliers, TEXTS),
        partial(Index.of, sequential, TEXTS),
    ):
        with pytest.raises(InputError, match="one code a token"):
            refused()


def test_a_direction_has_no_standard_deviation():
    with pytest.raises(InputError, match="a direction has no standard deviation"):
        encode(space_of(spherical_model), TEXTS, of="moments")


@pytest.mark.parametrize("build", [model, spherical_model, sequential_model])
def test_scores_are_those_of_the_evaluation(build):
    """Of the same draws the same numbers, whatever the model."""
    space = space_of(build)
    found = list(space.score(TEXTS, samples=8, seed=3))
    for each, stream in zip(found, streams_of(3, range(1, 7)).tolist(), strict=True):
        batch = Corpus.from_texts([each.text], WORDS).batch(np.array([0]))
        torch.manual_seed(stream)
        known = importance_weighted_likelihood(space.model, [batch], 8)
        assert each.log_likelihood == pytest.approx(-known.nll_iw.item(), rel=1e-5)
        assert each.elbo == pytest.approx(known.elbo.item(), rel=1e-5)
    assert [each.tokens for each in found] == [len(text.split()) + 1 for text in TEXTS]


def test_scores_reach_the_evidence_and_their_errors_are_those_seen():
    """Over runs of other seeds the estimate spreads as much as its standard error says."""
    torch.manual_seed(1)
    vae = one_dimensional()
    space = TextSpace(vae, Word().train(["a b c"]), 6)
    scored = [next(iter(space.score(["a b c"], samples=200, seed=seed))) for seed in range(60)]
    exact = exact_evidence(vae, Corpus.from_texts(["a b c"], WORDS).batch(np.array([0]))).item()
    values = np.array([each.log_likelihood for each in scored])
    claimed = math.sqrt(np.mean([each.standard_error**2 for each in scored]))
    assert 0.6 < values.std() / claimed < 1.6
    assert abs(values.mean() - exact) < 5 * claimed / math.sqrt(60) + claimed**2
    assert all(each.elbo < each.log_likelihood for each in scored)
    assert all(each.estimator in str(each) and each.estimator.startswith("log_iw(") for each in scored)


def test_the_error_of_a_log_of_a_mean_is_that_of_the_mean_over_it():
    weights = torch.rand(50, 3, dtype=torch.float64) + 0.1
    expected = weights.std(dim=0) / math.sqrt(50) / weights.mean(dim=0)
    torch.testing.assert_close(log_mean_exp_error(weights.log()), expected)
    torch.testing.assert_close(log_mean_exp_error(weights.log() - 1e4), expected)
    one = torch.full((50,), -1e3)
    one[7] = 0.0
    assert float(log_mean_exp_error(one)) == pytest.approx(1)
    assert float(log_mean_exp(one)) == pytest.approx(-math.log(50))


@pytest.mark.parametrize("shift", [0.0, 1e3])
def test_search_is_exact(monkeypatch, shift):
    """Far from the origin too, where the squares of rounded distances lose their digits; blocks change nothing."""
    monkeypatch.setattr("latentia.functional.nearest.DISTANCES_AT_A_TIME", 300)
    points, queries = torch.randn(400, 5) + shift, torch.randn(7, 5) + shift
    points[100:120] = points[:20]
    found = nearest(queries, points, 9)
    distances = (queries[:, None].double() - points.double()).norm(dim=2)
    order = distances.argsort(dim=1, stable=True)[:, :9]
    assert torch.equal(found.rows, order)
    torch.testing.assert_close(found.distances, distances.gather(1, order).float())
    assert nearest(queries, points[:3], 9).rows.shape == (7, 3)


def test_an_index_finds_what_brute_force_finds(space):
    index = Index.of(space, ["a b", "", *TEXTS[1:]])
    assert ([each.line for each in index.refused], index.method) == ([2], "exact")
    found = index.search(["a b", "c c"], 4)
    codes, queries = space.encode(TEXTS), space.encode(["a b", "c c"])
    distances = torch.cdist(queries, codes, compute_mode="donot_use_mm_for_euclid_dist")
    if index.on_sphere:
        distances = torch.acos((queries @ codes.T).clamp(-1, 1))
    for row, order, texts in zip(distances, distances.argsort(dim=1), found, strict=True):
        assert [each.text for each in texts] == [TEXTS[place] for place in order[:4]]
        assert [each.distance for each in texts] == pytest.approx(row[order[:4]].tolist(), abs=1e-3)
    assert (found[0][0].text, found[0][0].line) == ("a b", 1)
    scaled = index.search(5 * queries if index.on_sphere else queries, 4)
    assert [[each.text for each in row] for row in scaled] == [[each.text for each in row] for row in found]
    with pytest.raises(InputError, match="codes have shape"):
        index.search(torch.zeros(2, D + 1))


def test_an_index_is_a_file_that_encode_writes(space, tmp_path):
    Index.of(space, TEXTS).save(tmp_path / "saved.parquet")
    write(encode(space, TEXTS), tmp_path / "encoded.parquet")
    for name in ("saved", "encoded"):
        again = Index.load(space, tmp_path / f"{name}.parquet")
        assert again.search(["b b"], 3) == Index.of(space, TEXTS).search(["b b"], 3)
    with pytest.raises(InputError, match=r"no \.parquet file"):
        Index.load(space, tmp_path / "a.csv")


def test_codes_of_another_space_are_refused(space, tmp_path):
    """They have the same shape, and would be searched without a word."""
    write((Encoded(1, "a b", 0, -space.encode(["a b"])[0].numpy()) for _ in range(2)), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="not those of this space"):
        Index.load(space, tmp_path / "a.parquet")
    write(TEXTS, tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("no table")
    for name, problem in (("b", "is no index of"), ("c", "is no index of"), ("d", "does not exist")):
        with pytest.raises(DataError, match=problem):
            Index.load(space, tmp_path / f"{name}.parquet")


def test_a_graph_says_how_much_it_finds(space):
    pytest.importorskip("faiss")
    texts = [" ".join("abc"[int(digit)] for digit in np.base_repr(number, 3)) for number in range(700)]
    graph, exact = Index.of(space, texts, exact_up_to=100), Index.of(space, texts)
    assert (graph.method, exact.recall) == ("HNSW", 1.0)
    assert graph.recall > 0.5
    found = graph.search(["a b c"], 1)[0][0].distance
    assert found == pytest.approx(exact.search(["a b c"], 1)[0][0].distance, abs=1e-2)


def test_neighbours_are_looked_for_in_files_or_in_the_training_texts(space):
    found = list(space.neighbours("b c", 2, data=["c", "", "b c"]))
    assert found[0].text == "b c"
    assert found[-1] == Refused(2, "is empty", "give a text of at least one token")
    assert next(iter(space.neighbours("c b a", 1))).distance == pytest.approx(0, abs=1e-3)
    with pytest.raises(InputError, match="text 1 is empty"):
        space.neighbours("")


def test_a_text_that_is_there_often_is_found_once(space):
    """With its count, so that it does not fill the answer; and it names the first line that holds it."""
    often = ["a b", "c", "c", "", "a b", "b c", "c"]
    found = [each for each in space.neighbours("c", 3, data=often) if not isinstance(each, Refused)]
    assert {each.text: (each.line, each.count) for each in found} == {"a b": (1, 2), "c": (2, 3), "b c": (6, 1)}
    assert found[0].text == "c"
    assert str(found[0]).endswith("  c  (3 times)")
    assert "times" not in next(str(each) for each in found if each.text == "b c")


def test_an_index_with_repetitions_is_the_same_from_its_file(space, tmp_path):
    index = Index.of(space, [*TEXTS, *TEXTS, "a b"])
    index.save(tmp_path / "often.parquet")
    again = Index.load(space, tmp_path / "often.parquet")
    assert again.search(["a b"], 9) == index.search(["a b"], 9)
    assert [each.text for each in index.search(["a b"], 9)[0]] == [
        each.text for each in Index.of(space, TEXTS).search(["a b"], 9)[0]
    ]


def test_a_graph_holds_each_text_once(space):
    pytest.importorskip("faiss")
    texts = [" ".join("abc"[int(digit)] for digit in np.base_repr(number, 3)) for number in range(200)]
    index = Index.of(space, texts * 2, exact_up_to=100)
    found = index.search(["a b c"], 10)[0]
    assert (index.method, len({each.text for each in found}), {each.count for each in found}) == ("HNSW", 10, {2})


def test_of_a_training_text_that_is_there_often_the_first_line_is_told(space):
    found = {each.text: (each.line, each.count) for each in space.neighbours("c", 9)}
    own = ["a b c", "c b a", "a a", "b", "b c a", "c c c c"]
    assert found == {text: (line, 5) for line, text in enumerate(own, start=1)}


def test_neighbours_are_looked_for_in_arrays_of_other_libraries(space):
    pandas = pytest.importorskip("pandas")
    for data in (np.array(["c", "b c"]), pandas.Series(["c", "b c"]), iter(["c", "b c"])):
        assert next(iter(space.neighbours("b c", 1, data=data))).text == "b c"
    with pytest.raises(InputError, match="no text was given"):
        list(space.neighbours("b c", data=[]))


def test_clusters_part_what_is_apart(space, monkeypatch):
    """Two groups of codes far from each other, and the middles of each."""
    centres = normalize(torch.eye(D)[[0, 0, 1, 1, 1, 0, 1]] + 0.02 * torch.randn(7, D), dim=1)
    monkeypatch.setattr(space, "centres", lambda chosen: centres[: len(chosen)])
    texts = ["a", "b", "a b", "b a", "c", "c c", "a c"]
    clusters = list(space.cluster(iter(texts), k=2, central=2))
    assert [each.lines for each in clusters] == [(3, 4, 5, 7), (1, 2, 6)]
    assert [each.size for each in clusters] == [4, 3]
    expected = space.supported(centres[[2, 3, 4, 6]].mean(dim=0)[None])[0]
    np.testing.assert_allclose(clusters[0].code, expected.numpy(), atol=1e-5)
    assert len(clusters[0].central) == 2
    assert set(clusters[1].central) <= {"a", "b", "c c"}
    (often,) = space.cluster(["a", "a", "a", "b"], k=1, central=3)
    assert (often.size, sorted(often.central)) == (4, ["a", "b"])
    assert str(often).startswith("4 texts (100.0%): ")
    assert str(next(iter(space.cluster(["a"], k=1)))).startswith("1 text (100.0%): ")
    again = list(space.cluster(texts, k=2, central=2))
    assert [(each.name, each.central) for each in again] == [(each.name, each.central) for each in clusters]


def test_more_clusters_than_different_texts_are_refused(space):
    with pytest.raises(InputError, match="k is 3 and there are 2 different codes"):
        list(space.cluster(["a b", "a b", "c"], k=3))


@pytest.mark.parametrize(
    ("unknown", "of"),
    [
        (3, lambda space: space.impute(["a zzz ___ zzz", "<unk> ___", "___ zzz", "zzz"], sweeps=1)),
        (2, lambda space: space.outliers(["a zzz", "b zzz <unk>"])),
        (2, lambda space: space.cluster(["a zzz", "b zzz <unk>", "c"], k=1)),
        (2, lambda space: space.neighbours("a zzz", data=["b zzz", "c <unk>"])),
        (1, lambda space: space.neighbours("a zzz")),
        (2, lambda space: space.augment([("a zzz", "x"), ("b zzz", "y"), ("c c", "x")], threshold=0)),
        (1, lambda space: encode(space, ["a zzz"])),
        (1, lambda space: space.score(["a zzz"])),
        (0, lambda space: space.outliers(["a", "zzz"])),
    ],
    ids=["impute", "outliers", "cluster", "neighbours", "of-training", "augment", "encode", "score", "none"],
)
def test_it_is_said_how_many_tokens_are_unknown(unknown, of):
    answers = of(space_of(model))
    list(answers)
    tokens = "1 token is" if unknown == 1 else f"{unknown} tokens are"
    said = [each for each in answers.remarks() if "unknown" in each]
    assert said == ([f"{tokens} unknown to the model, which reads <unk> there"] if unknown else [])
