"""Blanks that are filled."""

from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from benchmarks.imputation import adversarial_errors, imputed, taken

from latentia.data import BPE, Char, Grammar, Word
from latentia.decoding import Template, draw_blanks, search_blanks
from latentia.errors import InputError
from latentia.functional.chains import effective_draws
from latentia.operations import ImputedMode, Refused, TextSpace, completion
from latentia.operations.blanks import blanked
from latentia.operations.completion import Completion
from latentia.operations.impute import _frequent
from latentia.operations.sinks import write
from latentia.records import Batch
from latentia.shapes import SPECIAL_TOKENS
from tests.laws.tables import model, sequential_model, spherical_model

NODES = 20
FIRST = len(SPECIAL_TOKENS)


def tiny(build=model) -> TextSpace:
    """An untrained model of three words whose encoder knows nothing of its decoder, and whose code matters."""
    tokenizer = Word().train(["a b c"])
    vae = build(tokenizer.vocabulary_size).eval()
    for weight in (*vae.encoder.parameters(), *vae.decoder.parameters()):
        torch.nn.init.normal_(weight, std=1.0)
    return TextSpace(vae, tokenizer, max_tokens=8)


@pytest.fixture(scope="module")
def space():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tiny()


@torch.no_grad()
def exact(space: TextSpace, text: str, words: int = 1, count: int = NODES) -> dict[tuple, float]:
    """p(blank | known) over all fills: the sum over the vocabulary of the integral over codes, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    codes = torch.tensor(list(product(nodes, repeat=3)), dtype=torch.float32)
    mass = torch.tensor(list(product(weights, repeat=3)), dtype=torch.float64).prod(dim=1)
    found = blanked(text, space.tokenizer, words, space.max_tokens)
    vocabulary = range(FIRST, space.tokenizer.vocabulary_size)
    each = [[fill for size in sizes for fill in product(vocabulary, repeat=size)] for sizes in found.sizes]
    fills = [fill for fill in product(*each) if len(found.filled(fill)) <= space.max_tokens]
    evidence = []
    for fill in fills:
        batch = Batch.collate([found.filled(fill)])
        evidence.append((space.model.decoder(codes[:, None]).log_prob(batch)[:, 0].double().exp() * mass).sum())
    total = torch.stack(evidence)
    return dict(zip(fills, (total / total.sum()).tolist(), strict=True))


def assert_agree(space: TextSpace, text: str, words: int, sweeps: int) -> None:
    """Each share within 4.5 standard errors of the exact probability, by the chain's own count of draws."""
    known = exact(space, text, words)
    drawn = Completion(space.model, blanked(text, space.tokenizer, words)).draws(sweeps)[sweeps // 4 :]
    for fill, probability in known.items():
        hits = torch.tensor([[each == fill for each in chains] for chains in drawn]).double()
        effective = effective_draws(hits)
        error = (probability * (1 - probability) / effective) ** 0.5
        assert effective > 100
        assert abs(hits.mean().item() - probability) < 4.5 * error + 5e-3, (fill, probability, hits.mean(), effective)


@pytest.fixture
def _many_chains(monkeypatch):
    monkeypatch.setattr(completion, "CHAINS", 200)


@pytest.mark.usefixtures("_many_chains")
@pytest.mark.parametrize("text", ["a ___ c", "___ b c ___", "a ___ ___ a"])
def test_shares_of_the_chain_are_the_exact_probabilities(space, text):
    assert_agree(space, text, words=1, sweeps=16)


@pytest.mark.usefixtures("_many_chains")
def test_they_are_when_the_model_chooses_how_many(space):
    known = exact(space, "a ___", words=0)
    drawn = Completion(space.model, blanked("a ___", space.tokenizer, 0)).draws(12)[4:]
    for size in range(1, 5):
        hits = torch.tensor([[len(each[0]) == size for each in chains] for chains in drawn]).double()
        probability = sum(each for fills, each in known.items() if len(fills[0]) == size)
        assert abs(hits.mean() - probability) < 4.5 * (probability * (1 - probability) / effective_draws(hits)) ** 0.5


@pytest.fixture(scope="module")
def telling():
    """A model whose code holds nearly the whole text, so that one draft of many takes nearly all weight."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        space = tiny()
        for weight in space.model.decoder.parameters():
            torch.nn.init.normal_(weight, std=4.0)
        return space


def test_chains_begin_apart_though_one_draft_takes_all_weight(telling):
    filling = Completion(telling.model, blanked("a b ___ c b", telling.tokenizer, 1))
    _, codes = filling.started(16)
    assert len(codes.unique(dim=0)) == 16


def test_standard_errors_hold_where_a_code_holds_nearly_the_whole_text(telling):
    """Chains that begin at copies of one state agree, and are 26 standard errors off in the root mean square."""
    known, scores = exact(telling, "a b ___ c b", count=40), []
    for seed in range(1, 5):
        for each in telling.impute(["a b ___ c b"], 3, sweeps=24, seed=seed):
            fill = (tuple(telling.tokenizer.encode(each.fills[0])),)
            scores.append((each.probability - known[fill]) / max(each.standard_error, 1e-3))
    assert torch.tensor(scores).square().mean().sqrt() < 3


def test_proposals_alone_are_not_those_probabilities(space):
    """The test above would see a chain whose moves were not weighed."""
    known = exact(space, "a ___ c")
    filling = Completion(space.model, blanked("a ___ c", space.tokenizer, 1))
    template = Template.of([filling.text.opened(((FIRST,),), (0,))] * 4000)
    codes = space.model.infer(filling._batch([((1,),)])).sample(torch.Size([4000]))[:, 0]
    with torch.no_grad():
        tokens, _ = draw_blanks(space.model.decoder(codes[None]), template, torch.zeros(4000, dtype=torch.bool))
    shares = {((FIRST + k,),): (tokens[:, 1] == FIRST + k).double().mean().item() for k in range(3)}
    assert max(abs(shares[fill] - known[fill]) for fill in known) > 0.05


def test_alternatives_have_their_probabilities(space):
    answers = list(space.impute(["a ___ c", "c ___"], 3, sweeps=30))
    assert [each.line for each in answers] == [1, 1, 1, 2, 2, 2]
    known = exact(space, "a ___ c")
    for each in answers[:3]:
        fill = (tuple(space.tokenizer.encode(each.fills[0])),)
        assert abs(each.probability - known[fill]) < 5 * each.standard_error
        assert each.text == f"a {each.fills[0]} c"
    assert abs(sum(each.probability for each in answers[:3]) - 1) < 1e-9
    assert answers[0].probability >= answers[1].probability


def test_a_text_is_filled_alike_whatever_stands_beside_it(space):
    alone = list(space.impute(["a ___ c"], sweeps=3))
    assert next(space.impute(["a ___ c", "b ___"], sweeps=3)) == alone[0]
    state = torch.get_rng_state()
    assert list(space.impute(["a ___ c"], sweeps=3)) == alone
    assert torch.equal(state, torch.get_rng_state())


@torch.no_grad()
def test_the_search_finds_the_best_of_all_fills(space):
    codes = torch.randn(5, 3)
    likelihood = space.model.decoder(codes[None])
    found = blanked("a ___ b ___ ___", space.tokenizer, 1)
    fills = [((x,), (y, z)) for x, y, z in product(range(FIRST, FIRST + 3), repeat=3)]
    scores = torch.stack([likelihood.log_prob(Batch.collate([found.filled(each)] * 5))[0] for each in fills])
    tokens, score = search_blanks(likelihood, Template.of([found.opened(fills[0], (0, 1))] * 5), width=27)
    torch.testing.assert_close(score, scores.amax(dim=0))
    assert [row[:-1] for row in tokens.tolist()] == [found.filled(fills[best]) for best in scores.argmax(dim=0)]


@torch.no_grad()
def test_weights_times_draws_are_the_likelihood(space):
    """Also of rows of different length, whose padding counts for nothing."""
    rows = [([4, 5, 6, 4], [False, True, True, False]), ([5, 6], [False, True])]
    likelihood = space.model.decoder(torch.randn(1, 2, 3))
    tokens, weight = draw_blanks(likelihood, Template.of(rows), torch.ones(2, dtype=torch.bool))
    batch = Batch.collate([rows[0][0], rows[1][0]])
    assert torch.equal(tokens, batch.tokens)
    each = torch.zeros(2)
    log_probability, state = likelihood.start()
    for step in range(3):
        inside = torch.tensor([row[1][step] if step < len(row[1]) else False for row in rows])
        fit = (
            log_probability[:, FIRST:].log_softmax(dim=1).gather(1, (tokens[:, step, None] - FIRST).clamp(min=0))[:, 0]
        )
        each += fit.where(inside, 0.0)
        log_probability, state = likelihood.step(state, tokens[:, step])
    torch.testing.assert_close(weight + each, likelihood.log_prob(batch)[0])


def test_alternating_inference_settles(space):
    filling = Completion(space.model, blanked("a ___ c ___", space.tokenizer, 1))
    ends, at_rest = filling.modes()
    assert any(at_rest)
    for fills in (each for each, rests in zip(ends, at_rest, strict=True) if rests):
        code = space.model.infer(filling._batch([fills])).centre
        again = fills
        for gap in (0, 1):
            again = filling._best_gap([again], code, gap)[0]
        assert again == fills
    answers = list(space.impute(["a ___ c ___"], method="modes"))
    assert answers == list(space.impute(["a ___ c ___"], method="modes"))


def test_alternating_inference_counts_starts_and_claims_no_probability(space):
    answers = list(space.impute(["a ___ c ___"], 99, method="modes"))
    assert [type(each) for each in answers] == [ImputedMode] * len(answers)
    assert not any(hasattr(each, "probability") for each in answers)
    assert sum(each.settled for each in answers) == answers[0].starts == 8
    assert [each.settled for each in answers] == sorted((each.settled for each in answers), reverse=True)
    assert str(answers[0]) == f"{answers[0].settled} of 8 starts  {answers[0].text}"


def test_starts_that_come_to_rest_nowhere_are_not_counted(space, monkeypatch):
    """The best fill under the centre and the centre of that fill may follow each other round and round."""
    there, back = ((FIRST,),), ((FIRST + 1,),)
    turned = {there: back, back: there}
    monkeypatch.setattr(Completion, "started", lambda *_: ([there] * 3 + [((FIRST + 2,),)] * 5, torch.zeros(8, 3)))
    monkeypatch.setattr(Completion, "_best_gap", lambda _, fills, *__: [turned.get(each, each) for each in fills])
    answers = list(space.impute(["a ___ c"], 9, method="modes"))
    assert [(each.text, each.settled, each.starts, each.remark) for each in answers] == [("a c c", 5, 8, "")]
    monkeypatch.setattr(Completion, "started", lambda *_: ([there] * 8, torch.zeros(8, 3)))
    answers = space.impute(["a ___ c"], 9, method="modes")
    assert [(each.text, each.settled) for each in answers] == [("a a c", 0)]
    assert "comes to rest nowhere" in answers.remarks()[0]


@pytest.mark.usefixtures("_many_chains")
@torch.no_grad()
def test_spheres_are_filled_too():
    """Against integrals over directions: by Gauss and Legendre along the axis, over equal angles around it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        space = tiny(spherical_model)
    heights, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(NODES))
    height, angle = torch.cartesian_prod(heights, torch.arange(2 * NODES).double() * (math.pi / NODES)).T
    across = (1 - height**2).sqrt()
    codes = torch.stack([across * angle.cos(), across * angle.sin(), height], dim=1).float()
    mass, found = weights.repeat_interleave(2 * NODES), blanked("a ___ c", space.tokenizer, 1)
    batches = [Batch.collate([found.filled(((FIRST + word,),))]) for word in range(3)]
    likelihood = space.model.decoder(codes[:, None])
    evidence = torch.stack([(likelihood.log_prob(each)[:, 0].double().exp() * mass).sum() for each in batches])
    drawn = Completion(space.model, found).draws(16)[4:]
    for word, probability in enumerate((evidence / evidence.sum()).tolist()):
        hits = torch.tensor([[each == ((FIRST + word,),) for each in chains] for chains in drawn]).double()
        error = (probability * (1 - probability) / effective_draws(hits)) ** 0.5
        assert abs(hits.mean().item() - probability) < 4.5 * error + 5e-3


@pytest.mark.usefixtures("_many_chains")
def test_fillings_are_as_long_as_there_is_room_for(space):
    """The shares are exact among those that fit, of two gaps that share the room."""
    narrow = TextSpace(space.model, space.tokenizer, max_tokens=4)
    known = exact(narrow, "___ b ___", words=0)
    found = blanked("___ b ___", narrow.tokenizer, 0, 4)
    assert {tuple(map(len, fills)) for fills in known} == {(1, 1), (1, 2), (2, 1)}
    drawn = Completion(narrow.model, found).draws(16)[4:]
    for lengths in ((1, 1), (1, 2), (2, 1)):
        hits = torch.tensor([[tuple(map(len, each)) == lengths for each in chains] for chains in drawn]).double()
        probability = sum(each for fills, each in known.items() if tuple(map(len, fills)) == lengths)
        error = (probability * (1 - probability) / effective_draws(hits)) ** 0.5
        assert abs(hits.mean() - probability) < 4.5 * error + 5e-3
    for method in ("gibbs", "modes"):
        chain = {"sweeps": 2} if method == "gibbs" else {}
        answers = list(narrow.impute(["a b c ___", "___ b ___"], words=0, method=method, **chain))
        assert all(len(each.text.split()) <= 4 for each in answers)


def test_a_text_of_blanks_or_of_unknown_words_beside_them_is_filled(space):
    blanks, unknown, nothing = space.impute(["___ ___", "Zebra ___", "Zebra"], sweeps=1)
    assert len(blanks.text.split()) == 2
    assert unknown.text.startswith("Zebra ")
    assert str(nothing) == "line 3 has no blank: write ___ where something is missing"


def test_of_fills_that_came_as_often_the_more_probable_comes_first(space):
    filling = Completion(space.model, blanked("a ___ c", space.tokenizer, 1))
    known = exact(space, "a ___ c")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        evidence = torch.stack([filling.log_evidence(list(known)) for _ in range(400)]).double().exp().mean(dim=0)
        torch.testing.assert_close((evidence / evidence.sum()).tolist(), list(known.values()), atol=0.02, rtol=0)
        best = sorted(known, key=lambda fills: -known[fills])
        monkeyed = Completion(space.model, filling.text)
        monkeyed.log_evidence = lambda fills: torch.tensor([known[each] for each in fills])
    assert _frequent([list(reversed(best))], 3, monkeyed) == best
    assert _frequent([[best[2], best[0], best[2], best[1]]], 2, monkeyed) == [best[2], best[0]]
    assert _frequent([[best[2]]], 2, monkeyed) == [best[2]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a b", "line 2 has no blank"),
        ("", "line 2 is empty"),
        ("a ___ b c a b c a b", "line 2 has 10 tokens or more when filled"),
        ("a b c a b ___ ___", "line 2 has 9 tokens or more when filled"),
    ],
)
def test_texts_that_cannot_be_filled_are_refused_and_the_others_filled(space, line, problem):
    answers = list(space.impute(["a ___", line, "b ___"], words=2, sweeps=1))
    assert isinstance(answers[1], Refused)
    assert str(answers[1]).startswith(problem)
    assert [each.line for each in (answers[0], answers[2])] == [1, 3]


def test_codes_of_one_a_token_are_refused():
    with pytest.raises(InputError, match="one code a token"):
        tiny(sequential_model).impute(["a ___"])


def test_words_that_the_model_does_not_know_stay(space):
    assert next(space.impute(["a ___ Zebra"], sweeps=1)).text.endswith(" Zebra")


@pytest.mark.parametrize("kind", [Word(), BPE(400), Char()])
def test_blanks_fit_the_tokenizer(kind):
    """A word's blank takes the space before it, where tokens do; between characters spaces are known."""
    tokenizer = kind.train(["the cat sat on the mat", "a cat and the mat"] * 20)
    text = "the ___ sat" if not isinstance(kind, Char) else "the c___t sat"
    found = blanked(text, tokenizer, 1)
    whole = tokenizer.encode("the cat sat")
    fill = (whole[1],) if not isinstance(kind, Char) else (tokenizer.encode("a")[0],)
    assert found.filled((fill,)) == whole
    assert found.written((fill,), tokenizer)[0] == "the cat sat"


@pytest.mark.parametrize("kind", [Word(), BPE(280), Char()])
@pytest.mark.parametrize(
    "text", ["the cat___sat", "a ___. mat", "___ cat", "the ___", "___", "the cat ___ ___ mat", "the c___t"]
)
def test_what_is_written_is_what_was_scored(kind, text):
    """Also where a blank touches a word, or a fill continues the word before it."""
    tokenizer = kind.train(["the cat sat on the mat .", "a cat and the mat"] * 20)
    found = blanked(text, tokenizer, 1)
    for token in range(FIRST, tokenizer.vocabulary_size):
        fills = tuple((token,) * sizes[0] for sizes in found.sizes)
        whole, _ = found.written(fills, tokenizer)
        scored = found.filled(fills)
        assert whole == tokenizer.decode(scored) or tokenizer.encode(whole) == scored, (whole, tokenizer.decode(scored))


def test_blanks_beside_each_other_are_one_gap(space):
    found = blanked("a ___ ____ b ___", space.tokenizer, 2)
    assert found.sizes == ((4,), (2,))
    assert blanked("a ___ ___", space.tokenizer, 0).sizes == (tuple(range(2, 9)),)


def test_effective_draws_of_an_autoregression():
    """Its autocorrelation time is (1 + r) / (1 - r)."""
    noise, values = torch.randn(2000, 20, dtype=torch.float64), [torch.zeros(20, dtype=torch.float64)]
    for each in noise:
        values.append(0.6 * values[-1] + each)
    effective = effective_draws(torch.stack(values[1:]))
    assert abs(effective / (40_000 / 4) - 1) < 0.15
    assert effective_draws(noise) > 35_000
    assert abs(effective_draws(torch.stack([noise, 2 * noise], dim=2)) / effective_draws(noise) - 1) < 1e-6
    assert math.isnan(effective_draws(torch.ones(10, 3)))


def test_sweeps_of_a_method_without_chains_are_refused(space):
    with pytest.raises(InputError, match="sweeps is 3 and method 'modes'"):
        space.impute(["a ___"], method="modes", sweeps=3)


@pytest.mark.parametrize("method", ["modes", "gibbs", "draw"])
def test_the_benchmark_judges_filled_texts_and_nothing_else(space, method):
    texts = ["a b c a b", "c a b c b"]
    made = imputed(space, texts, method, 2)
    assert [len(text.split()) for text in made] == [5, 5]
    kept = [text.split()[: -taken(text)] for text in texts]
    assert [text.split()[: -taken(text)] for text in made] == kept


def test_real_texts_are_told_from_no_other_real_ones():
    """Of two halves that share no text's row; the standard error of an accuracy on 4,000 is 0.008."""
    texts = Grammar().sample(8000, seed=1)[0]
    errors = adversarial_errors(texts[:4000], texts[4000:])
    assert {name: abs(error) <= 0.02 for name, (error, _) in errors.items()} == dict.fromkeys(errors, True)
    assert all(deviation == pytest.approx(0.0079, abs=1e-4) for _, deviation in errors.values())


def test_ends_that_no_real_text_has_are_told_by_each_judge():
    texts = Grammar().sample(400, seed=2)[0]
    made = [" ".join([*text.split()[:-1], "never"]) for text in texts]
    assert all(error > 0.45 for error, _ in adversarial_errors(texts, made).values())


def test_what_a_judge_learnt_by_heart_tells_nothing():
    """Labels at random: an accuracy on what was trained on would be near 1."""
    words = [f"{a}{b} {b}{c} {c}{a} {a}{c} {b}{a}" for a in "abcdefgh" for b in "klmnopqr" for c in "stuvwxyz"]
    order = np.random.default_rng(3).permutation(words).tolist()
    errors = adversarial_errors(order[:256], order[256:])
    assert all(abs(error) < 4 * deviation for error, deviation in errors.values())


def drawn_as(fills, monkeypatch, space):
    """Impute of chains whose draws are these, a list for each sweep."""
    monkeypatch.setattr(Completion, "draws", lambda *_: fills)
    answers = space.impute(["a ___ c"], 3, sweeps=30)
    return list(answers), answers.remarks()


def test_a_standard_error_reaches_the_user(space, tmp_path):
    answers = list(space.impute(["a ___ c"], sweeps=30))
    error = (answers[0].probability * (1 - answers[0].probability) / answers[0].effective_draws) ** 0.5
    assert answers[0].standard_error == error > 0
    assert str(answers[0]) == f"{answers[0].probability:5.3f} ± {error:5.3f}  {answers[0].text}"
    write(answers, tmp_path / "filled.jsonl")
    assert json.loads((tmp_path / "filled.jsonl").read_text())["standard_error"] == error


@pytest.mark.parametrize(
    ("suffix", "cell"), [("jsonl", '"standard_error": null'), ("tsv", "\t1.0\t\t"), ("parquet", "")]
)
def test_draws_that_all_agree_tell_of_no_error(space, monkeypatch, tmp_path, suffix, cell):
    answers, remarks = drawn_as([[((FIRST,),)] * 16] * 40, monkeypatch, space)
    assert [(each.probability, each.standard_error, each.effective_draws) for each in answers] == [(1.0, None, None)]
    assert str(answers[0]) == "1.000 ± none   a a c"
    assert remarks == ["1 text: all draws agree, so that no standard error can be told"]
    write(answers, tmp_path / f"filled.{suffix}")
    assert cell.encode() in (tmp_path / f"filled.{suffix}").read_bytes()
    if suffix == "parquet":
        assert pq.read_schema(tmp_path / "filled.parquet").field("standard_error").type == pa.float64()


def test_standard_errors_do_not_hang_on_how_many_alternatives_are_shown(space, monkeypatch):
    """A fill that comes in all chains alike tells nothing of the others, in which the chains are stuck."""
    stuck = [((FIRST,),)] * 8 + [((FIRST + 1,),)] * 8
    mixed = [[((FIRST + 2,),)] * 16 if number % 2 else stuck for number in range(40)]
    monkeypatch.setattr(Completion, "draws", lambda *_: mixed)
    few, many = (list(space.impute(["a ___ c"], n, sweeps=30)) for n in (1, 3))
    assert few == many[:1]
    assert few[0].effective_draws < 60


def test_chains_that_never_move_are_worth_little_more_than_one_draw_each(space, monkeypatch):
    """Also for a fill that came once, whose own draws look independent."""
    stuck = [((FIRST,),)] * 8 + [((FIRST + 1,),)] * 8
    answers, remarks = drawn_as([stuck] * 39 + [[((FIRST + 2,),), *stuck[1:]]], monkeypatch, space)
    assert all(each.effective_draws < 30 for each in answers)
    assert remarks == [
        "1 text: draws worth fewer than 50 independent ones, so that standard errors are rough; take more sweeps"
    ]
