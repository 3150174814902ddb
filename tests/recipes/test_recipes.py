"""Every recipe of the library, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from latentia.data import Columns
from latentia.errors import RecipeError
from latentia.functional.autoregression import correlation_of_rate
from latentia.recipes import Recipe, load_recipe, recipe_names
from latentia.recipes.corpora import Sources
from latentia.recipes.library import parse_yaml
from latentia.recipes.runs import open_run, start_run
from latentia.training.weights import tensors_of

TINY = [
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("model.encoder.hidden_dim", 10),
    ("model.decoder.hidden_dim", 10),
    ("model.latent_dim", 3),
]


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"a b {'c ' * (n % 4)}d{n % 5}\n" for n in range(60)))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_two_steps(name, texts, tmp_path):
    recipe = load_recipe(name).with_settings([*TINY, ("training.max_steps", 2)])
    assert start_run(Sources([str(texts)], [], Columns()), recipe, tmp_path / "run", 1, Console(quiet=True))
    model, tokenizer, saved = open_run(tmp_path / "run")
    assert saved.settings == recipe.settings
    assert not any(part.training for part in model.modules()), "dropout and noise would be left on"
    assert tokenizer.vocabulary_size == model.vocabulary_size
    fresh = recipe.model(tokenizer.vocabulary_size)
    assert tensors_of(model).keys() == tensors_of(fresh).keys()


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_yaml(name):
    settings = load_recipe(name).settings
    assert Recipe(parse_yaml(yaml.safe_dump(settings), name)).settings == settings
    assert settings["about"]["summary"]
    assert settings["about"]["source"]


AGGREGATE = ("DensityGap", "MaximumMeanDiscrepancy", "Adversary")
"""What holds the codes of a batch together to the prior."""


def of_the_aggregate(name: str) -> bool:
    settings = load_recipe(name).settings
    auxiliary = settings["model"].get("auxiliary", {})
    return not {settings["objective"]["kind"], auxiliary.get("kind")}.isdisjoint(AGGREGATE) or (
        auxiliary.get("of_each") is False
    )


@pytest.mark.parametrize("name", [name for name in recipe_names() if of_the_aggregate(name)])
def test_what_holds_the_aggregate_to_the_prior_sees_batches_of_all_lengths(name):
    """In batches of one length the codes of each length would be held to the prior, and not those of the corpus."""
    assert load_recipe(name).settings["training"]["batching"] == {"kind": "Mixed"}


def test_what_a_recipe_leaves_out_does_nothing():
    model = load_recipe("vae").settings["model"]
    assert model["auxiliary"] == {"kind": "Nothing"}
    assert model["encoder"]["noise"] == {"kind": "Clean"}
    assert model["refinement"] == {"kind": "Unrefined"}


def test_a_recipe_that_names_no_model_is_of_one_code_a_sequence():
    settings = load_recipe("vae").settings
    unnamed = {**settings, "model": {key: value for key, value in settings["model"].items() if key != "kind"}}
    assert Recipe(unnamed).settings == settings
    assert settings["model"]["kind"] == "TextVAE"


def test_a_new_kind_keeps_the_parts_that_it_takes():
    recipe = load_recipe("delta-ar1")
    assert recipe.settings["model"]["decoder"] == load_recipe("vae").settings["model"]["decoder"]
    assert "pooling" not in recipe.settings["model"]["encoder"]
    assert recipe.settings["model"]["encoder"]["dropout"] == load_recipe("vae").settings["model"]["encoder"]["dropout"]


def test_the_parts_of_one_model_are_no_parts_of_another():
    with pytest.raises(RecipeError, match=r"model\.encoder\.kind is .*the only kind is 'LSTMEncoder'"):
        load_recipe("vae").with_settings([("model.encoder.kind", "AnticausalLSTMEncoder")])


def test_the_correlation_of_delta_ar1_is_that_of_five_nats_for_the_treebanks_mean_length():
    model = load_recipe("delta-ar1").settings["model"]
    needed = correlation_of_rate(5.0 / model["latent_dim"], steps=22)
    assert model["prior"]["correlation"] == pytest.approx(needed, abs=0.005)


@pytest.mark.parametrize("name", ["free-bits-dimension", "free-bits-example", "fbp"])
def test_free_bits_a_dimension_are_eight_nats_together(name):
    settings = load_recipe(name).settings
    assert settings["objective"]["nats"] * settings["model"]["latent_dim"] == 8.0
    assert load_recipe("free-bits-total").settings["objective"]["nats"] == 8.0


@pytest.mark.parametrize("name", recipe_names())
def test_no_encoder_reads_unknown_words_for_known_ones(name):
    """Word dropout is of what the decoder reads."""
    assert load_recipe(name).settings["model"]["encoder"]["dropout"]["words"] == 0.0


@pytest.mark.parametrize(
    "name", [name for name in recipe_names() if name.removeprefix("d").startswith(("aae", "laae"))]
)
def test_no_adversarial_autoencoder_changes_what_its_decoder_reads(name):
    """Noise is of what the encoder reads (Shen et al., 2020); the decoder's inputs and targets are clean."""
    assert load_recipe(name).settings["model"]["decoder"]["dropout"]["words"] == 0.0


@pytest.mark.parametrize("name", ["adversarial-dropout", "adversarial-dropout-hard"])
def test_what_hides_words_learns_more_slowly_than_the_model(name):
    assert load_recipe(name).model(9).mask.pace < 1


@pytest.mark.parametrize(("name", "betas"), [("vae", (0.9, 0.999)), ("aae", (0.5, 0.999)), ("daae", (0.5, 0.999))])
def test_an_adversarys_optimiser_forgets_soon(name, betas):
    optimizer = load_recipe(name).training().optimizer.build([{"params": [torch.nn.Parameter(torch.zeros(1))]}])
    assert optimizer.defaults["betas"] == betas


def test_an_extending_recipe_is_its_base_with_its_changes(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: vae\nobjective: {beta: 0.5, weight: {kind: Constant}}\n")
    mine, base = load_recipe(str(path)).settings, load_recipe("vae").settings
    assert mine["objective"] == {"kind": "ELBO", "beta": 0.5, "weight": {"kind": "Constant", "value": 1.0}}
    assert {part: mine[part] for part in ("data", "model", "training")} == {
        part: base[part] for part in ("data", "model", "training")
    }
    assert mine["about"] != base["about"]


@pytest.mark.parametrize("base", ["vea", "../vae", "mine.yaml", 3, ["vae"]])
def test_a_recipe_extends_only_those_of_the_package(tmp_path, base):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"extends": base}))
    with pytest.raises(RecipeError, match="extends"):
        load_recipe(str(path))


def test_a_change_that_does_not_fit_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: vae\nobjective: {betta: 0.5}\n")
    with pytest.raises(RecipeError, match="betta"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("training.max_step", 5, "max_steps"),
        ("training.epochs", "five", "integer"),
        ("training.epochs", 0, "greater than or equal to 1"),
        ("model.latent_dim", 2.5, "integer"),
        ("model.decoder.dropout.words", 1.5, "less than or equal to 1"),
        ("model.encoder.pooling.kind", "LastSate", "LastState"),
        ("model.encoder.kind", "GRU", "LSTMEncoder"),
        ("model.kind", "SequentialVAE", "SequentialTextVAE"),
        ("objective.weight.step", 3, "steps"),
        ("modle.latent_dim", 3, "model"),
        ("hidden_dim", 3, "write the whole path, model.encoder.hidden_dim or model.decoder.hidden_dim"),
        ("training.epochs.count", 3, "plain value"),
        ("model.vocabulary_size", 3, "latent_dim"),
        ("training", 5, "settings of its own: batch_size, batching"),
        ("objective", 5, "objective.kind is one of: DensityGap, DualEstimate, ELBO"),
        ("objective.weight", {"steps": 3}, "weight has no kind: give it one: Constant"),
        ("data.validation_share", 1.0, "less than 1"),
        ("training.optimizer.learning_rate", float("inf"), "less than inf"),
        ("training.clip_norm", float("nan"), "less than inf"),
        ("training." * 20_000 + "epochs", 1, r"unknown key [a-z.]{80}\.\.\.: write a path"),
    ],
)
def test_a_wrong_setting_is_told_the_remedy(path, value, told):
    with pytest.raises(RecipeError, match=told):
        load_recipe("vae").with_settings([(path, value)])


def test_a_missing_section_is_named():
    settings = {key: value for key, value in load_recipe("vae").settings.items() if key != "training"}
    with pytest.raises(RecipeError, match="training is missing"):
        Recipe(settings)


def test_an_own_recipe_may_say_nothing_about_itself_and_its_faults_name_it(tmp_path):
    settings = load_recipe("vae").method
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(settings))
    assert load_recipe(str(path)).settings["about"]["summary"] == ""
    path.write_text(yaml.safe_dump(settings | {"mode": 1}))
    with pytest.raises(RecipeError, match=r"own\.yaml: unknown key mode"):
        load_recipe(str(path))


def test_yaml_cannot_build_objects():
    with pytest.raises(RecipeError, match="no valid YAML"):
        parse_yaml("a: !!python/object/apply:os.system ['true']", "recipe")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("010", 10),
        ("08", 8),
        ("off", "off"),
        ("true", True),
        ("1:30", "1:30"),
        ("2020-13-45", "2020-13-45"),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text, value):
    assert parse_yaml(text, "recipe") == value


@pytest.mark.parametrize("text", ["[" * 2000, "9" * 5000, "!!int x", "a: [1"])
def test_yaml_that_cannot_be_read_is_an_error(text):
    with pytest.raises(RecipeError, match="no valid YAML"):
        parse_yaml(text, "recipe")


def test_an_unknown_recipe_is_told_the_nearest():
    with pytest.raises(RecipeError, match="the nearest is vae"):
        load_recipe("vea")


def test_aliases_are_refused_before_they_grow(tmp_path):
    """Nine lines of aliases of aliases are a thousand million values."""
    path = tmp_path / "bomb.yaml"
    path.write_text("model: &a [x, x]\ndata: [*a, *a]\n")
    with pytest.raises(RecipeError, match=r"alias, .name, is not allowed"):
        load_recipe(str(path))


def test_a_recipe_of_any_length_is_not_read(tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text("#" * 300_000)
    with pytest.raises(RecipeError, match="at most 262,144 are read"):
        load_recipe(str(path))


def test_a_model_that_no_memory_holds_is_refused():
    with pytest.raises(RecipeError, match=r"cannot be built .*: lower the sizes"):
        load_recipe("vae").with_settings([("model.encoder.hidden_dim", 10**10)]).model(20)
