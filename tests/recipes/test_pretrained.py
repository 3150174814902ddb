"""Folders to pass on: written whole, opened without the network, refused when they are not what they should be."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file, save_file

import latentia
from latentia.cli.export import export
from latentia.data import Columns, Word
from latentia.durable import writing
from latentia.errors import InputError, RecipeError, RunError, StorageError
from latentia.operations import TextSpace
from latentia.operations.pretrained import config_of
from latentia.recipes import load_recipe
from latentia.recipes.compare import compare_runs
from latentia.recipes.corpora import Sources
from latentia.recipes.measure import Texts, evaluate_run
from latentia.recipes.runs import columns_of, open_run, start_run
from tests.chaos.faults import FULL, READING, Disk, Fault
from tests.laws.tables import model
from tests.vouching import revouch

TEXTS = [f"{'a good' if row % 2 else 'the bad'} {'c ' * (row % 4)}d{row % 5}" for row in range(60)]
TINY = [
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("model.encoder.hidden_dim", 10),
    ("model.decoder.hidden_dim", 10),
    ("model.latent_dim", 3),
    ("training.max_steps", 2),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of the default recipe, which ties and shares its tables, with its evaluation."""
    folder = tmp_path_factory.mktemp("pretrained")
    (folder / "texts.txt").write_text("\n".join(TEXTS))
    recipe, quiet = load_recipe("default").with_settings(TINY), Console(quiet=True)
    assert start_run(Sources([str(folder / "texts.txt")], [], Columns()), recipe, folder / "run", 1, quiet)
    evaluate_run(folder / "run", Texts([str(folder / "texts.txt")]), samples=2, seed=0, console=quiet)
    return folder / "run"


@pytest.fixture
def exported(run, tmp_path) -> Path:
    latentia.load(run).save_pretrained(tmp_path / "model", language="en", license="apache-2.0")
    return tmp_path / "model"


@pytest.fixture
def no_network(monkeypatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)


def test_what_is_saved_is_what_is_opened(run, exported, no_network):
    space = latentia.load(run)
    for open_space in (latentia.load, TextSpace.from_pretrained, latentia.from_pretrained):
        opened = open_space(str(exported))
        assert torch.equal(opened.encode(TEXTS), space.encode(TEXTS))
        assert list(opened.sample(5, seed=3)) == list(space.sample(5, seed=3))
        assert opened.max_tokens == space.max_tokens
        assert not opened.model.training


def test_the_folder_holds_what_the_hub_expects_and_nothing_pickled(exported):
    assert {path.name for path in exported.iterdir()} == {
        "README.md",
        "config.json",
        "evaluation.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((exported / "config.json").read_text())
    assert config["model_type"] == "latentia"
    assert config["architectures"] == ["TextVAE"]
    assert config["latentia_version"] == latentia.__version__
    assert config["format_version"] == 1


def test_a_shared_table_is_written_once(run, exported):
    space = latentia.load(run)
    tensors = load_file(exported / "model.safetensors")
    table = space.model.decoder.embedding.weight
    assert sum(tensor.shape == table.shape for tensor in tensors.values()) == 1
    opened = latentia.load(exported).model
    assert opened.encoder.embedding.weight.data_ptr() == opened.decoder.embedding.weight.data_ptr()


def test_no_file_names_the_machine(run, exported):
    for path in exported.iterdir():
        assert str(run.parent).encode() not in path.read_bytes()


def test_the_card_has_the_numbers_of_the_run(run, exported):
    text = (exported / "README.md").read_text()
    measured = json.loads((run / "evaluation.json").read_text())
    header = yaml.safe_load(text.split("---\n")[1])
    assert header["language"] == "en"
    assert header["license"] == "apache-2.0"
    assert header["library_name"] == "latentia"
    assert header["pipeline_tag"] == "feature-extraction"
    (result,) = header["model-index"][0]["results"]
    assert result["dataset"]["name"] == "texts.txt"
    values = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert values["nll_iw(2), nats a sequence"] == pytest.approx(measured["nll_iw"]["value"], abs=1e-4)
    assert values["negative ELBO, nats a sequence"] == pytest.approx(-measured["elbo"], abs=1e-4)
    assert f"| negative ELBO | {-measured['elbo']:.3f} |" in text
    card = huggingface_hub.ModelCard(text).data
    assert len(card.eval_results) == len(values)


def test_a_card_without_numbers_says_so(run, tmp_path):
    space = latentia.load(run)
    bare = TextSpace(space.model, space.tokenizer, space.max_tokens, record=type(space.record)(space.record.recipe))
    bare.save_pretrained(tmp_path / "bare")
    text = (tmp_path / "bare" / "README.md").read_text()
    assert "Nothing was measured" in text
    assert "model-index" not in text
    assert not (tmp_path / "bare" / "evaluation.json").exists()


def test_a_card_names_the_recipe_and_its_changes_and_claims_no_outcome(run, tmp_path):
    space = latentia.load(run)
    about = {**space.record.recipe["about"], "summary": "Neither collapsed nor holed"}
    record = replace(space.record, recipe={**space.record.recipe, "about": about})
    TextSpace(space.model, space.tokenizer, space.max_tokens, record=record).save_pretrained(tmp_path / "card")
    text = (tmp_path / "card" / "README.md").read_text()
    assert "Neither collapsed" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("Recipe: ")]
    assert line.startswith("Recipe: `default` (changed: ")
    assert all(f"{path}={value}" in line for path, value in TINY)
    latentia.load(tmp_path / "card").save_pretrained(tmp_path / "again")
    assert line in (tmp_path / "again" / "README.md").read_text()


def test_an_evaluation_of_another_version_is_named(run, tmp_path):
    space = latentia.load(run)
    record = type(space.record)(space.record.recipe, {"elbo": -1.0})
    with pytest.raises(RunError, match=r"evaluation.json holds no 'nll_iw': run `latentia evaluate` again"):
        TextSpace(space.model, space.tokenizer, 9, record=record).save_pretrained(tmp_path / "old")


def test_nothing_is_overwritten_unasked(run, exported):
    space, weights = latentia.load(run), (exported / "model.safetensors").read_bytes()
    (exported / "README.md").write_text("my words")
    (exported / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(RunError, match=r"holds config.json already"):
        space.save_pretrained(exported)
    assert (exported / "model.safetensors").read_bytes() == b"mine"
    space.save_pretrained(exported, overwrite=True)
    assert (exported / "model.safetensors").read_bytes() == weights
    assert (exported / "README.md").read_text() != "my words"
    with pytest.raises(RunError, match="is a run: name another folder"):
        space.save_pretrained(run, overwrite=True)


def bare(run: Path, **evaluation: object) -> TextSpace:
    """The space of a run, with other numbers."""
    space = latentia.load(run)
    record = type(space.record)(space.record.recipe, evaluation)
    return TextSpace(space.model, space.tokenizer, space.max_tokens, record=record)


def test_the_numbers_of_another_model_do_not_stay(run, exported):
    assert (exported / "evaluation.json").exists()
    bare(run).save_pretrained(exported, overwrite=True)
    assert not (exported / "evaluation.json").exists()


def test_a_folder_that_was_not_written_to_its_end_is_no_model(run, tmp_path, monkeypatch):
    module = sys.modules["latentia.operations.pretrained"]
    original = module.write_atomically

    def fails(path: Path, content: bytes) -> object:
        if path.name == "tokenizer_config.json":
            raise OSError("the disk is full")
        return original(path, content)

    monkeypatch.setattr(module, "write_atomically", fails)
    with pytest.raises(StorageError, match="full"):
        latentia.load(run).save_pretrained(tmp_path / "new")
    assert (tmp_path / "new" / "model.safetensors").exists()
    assert not (tmp_path / "new" / "config.json").exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", [FULL, "EIO", "killed after", "power cut"])
def test_a_model_is_replaced_whole_or_not_at_all(run, exported, kind):
    """Wherever the replacing fails or dies, the old model or the new one is there, and what others have put beside."""
    new = bare(run)
    (exported / "notes").mkdir()
    (exported / "notes" / "mine.txt").write_text("mine")
    shutil.copytree(exported, exported.with_name("kept"))
    old, seen = contents(exported), []
    counted = Disk(exported.parent, Fault())
    with counted.installed():
        new.save_pretrained(exported, overwrite=True)
    shutil.rmtree(exported)
    shutil.copytree(exported.with_name("kept"), exported)
    assert {*counted.names} >= {"stat", "mkdir", "open", "write", "fsync"}
    assert "renameat2" in counted.names or sys.platform != "linux"
    # To be killed where nothing is changed is to be killed before the call that follows.
    for at in (at for at, name in enumerate(counted.names, start=1) if name not in READING or kind == "EIO"):
        disk = Disk(exported.parent, Fault(kind, at))
        with suppress(StorageError), disk.installed():
            new.save_pretrained(exported, overwrite=True)
        if disk.fired in ("", "after the last call"):
            break
        seen.append(contents(exported) == old)
        if not seen[-1]:
            assert json.loads((exported / "config.json").read_text()) == config_of(new)
            assert not (exported / "evaluation.json").exists()
            latentia.load(exported)
            assert (exported / "notes" / "mine.txt").read_text() == "mine"
            shutil.rmtree(exported)
            shutil.copytree(exported.with_name("kept"), exported)
    assert seen[0]
    assert len(seen) > 20


def test_a_model_is_replaced_where_names_cannot_be_exchanged(run, exported, monkeypatch):
    monkeypatch.setattr(writing, "_exchanged_at_once", lambda *_: False)
    old, rename = contents(exported), os.rename

    def fails(source: Path, target: Path) -> None:
        if target == exported and source.name.endswith(".tmp") and (source / "config.json").read_bytes() != config:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    config = (exported / "config.json").read_bytes()
    space = latentia.load(run)
    other = TextSpace(space.model, space.tokenizer, space.max_tokens, record=replace(space.record, others={"mine": 1}))
    with monkeypatch.context() as broken:
        broken.setattr(os, "rename", fails)
        with pytest.raises(StorageError, match="Input/output"):
            other.save_pretrained(exported, overwrite=True)
    assert contents(exported) == old
    other.save_pretrained(exported, overwrite=True)
    assert json.loads((exported / "config.json").read_text())["mine"] == 1
    assert [path.name for path in exported.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("at", ["manifest.json", "model.safetensors"])
def test_what_a_killed_export_has_left_is_in_no_later_one(run, tmp_path, monkeypatch, at):
    module = sys.modules["latentia.operations.pretrained"]

    def killed(path: Path, content: bytes) -> None:
        path.with_name(f".{path.name}.0123abcd.tmp").write_bytes(content[:9])
        raise KeyboardInterrupt

    original = module.write_atomically
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomically", lambda *file: (killed if file[0].name == at else original)(*file))
        with pytest.raises(KeyboardInterrupt):
            bare(run).save_pretrained(tmp_path / "model")
    assert list((tmp_path / "model").glob(".*"))
    (tmp_path / "model" / "notes" / ".of-another.0123abcd.tmp").mkdir(parents=True)
    for mine in (".mine.tmp", ".a.01234567.tmp.txt", "notes/mine.txt"):
        (tmp_path / "model" / mine).write_text("mine")
    bare(run).save_pretrained(tmp_path / "model", overwrite=True)
    if at == "model.safetensors":  # the manifest was there, and the folder replaced
        assert not list((tmp_path / "model" / "notes").glob(".*"))
    assert {path.name for path in (tmp_path / "model").glob(".*")} == {".mine.tmp", ".a.01234567.tmp.txt"}
    assert (tmp_path / "model" / "notes" / "mine.txt").read_text() == "mine"
    latentia.load(tmp_path / "model")


def test_what_cannot_be_described_leaves_nothing_behind(run, tmp_path):
    with pytest.raises(RunError, match="holds no 'nll_iw'"):
        bare(run, elbo=-1.0).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    latentia.load(run).save_pretrained(tmp_path / "model")


def test_a_card_that_is_there_is_kept(run, tmp_path):
    (tmp_path / "README.md").write_text("my words")
    latentia.load(run).save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "my words"


def test_a_space_made_by_hand_cannot_be_passed_on(tmp_path):
    tokenizer = Word().train(["a b"])
    space = TextSpace(model(tokenizer.vocabulary_size).eval(), tokenizer, max_tokens=6)
    with pytest.raises(InputError, match="not built from a recipe"):
        space.save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def rewritten(folder: Path, **changes: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    revouch(folder)
    return folder


def test_another_format_is_refused_with_the_version_to_install(exported):
    with pytest.raises(RunError, match=r"format_version 2; .* reads 1: .*pip install latentia==7\.1\.0"):
        latentia.load(rewritten(exported, format_version=2, latentia_version="7.1.0"))


def test_keys_of_another_version_are_kept_with_a_warning(exported, tmp_path):
    with pytest.warns(UserWarning, match="does not know: colour"):
        space = latentia.load(rewritten(exported, colour="blue"))
    space.save_pretrained(tmp_path / "again")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert again["colour"] == "blue"
    assert (tmp_path / "again" / "README.md").read_text().count("nll_iw(2)") > 0


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"model_type": "bert"}, RunError, "describes no model of latentia"),
        ({"recipe": "vae"}, RunError, "describes no model of latentia"),
        *(({"datasets": value}, RunError, r"config\.json has datasets .*, not a") for value in (5, None, "a", [1])),
        ({"recipe": {"extends": "/etc/recipe.yaml"}}, RecipeError, "unknown key extends|is missing"),
    ],
)
def test_a_configuration_of_something_else_is_refused(exported, changes, error, told):
    with pytest.raises(error, match=told):
        latentia.load(rewritten(exported, **changes))


def test_nothing_in_the_file_names_code(exported):
    config = json.loads((exported / "config.json").read_text())
    config["recipe"]["model"]["encoder"]["kind"] = "os.system"
    with pytest.raises(RecipeError, match="the only kind is 'LSTMEncoder'"):
        latentia.load(rewritten(exported, recipe=config["recipe"]))


@pytest.mark.parametrize("longest", [2**20 + 1, 2**62])
def test_a_longest_text_that_no_memory_holds_is_refused(exported, longest):
    recipe = json.loads((exported / "config.json").read_text())["recipe"]
    recipe["data"]["max_tokens"] = longest
    with pytest.raises(RecipeError, match=r"max_tokens"):
        latentia.load(rewritten(exported, recipe=recipe))


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000])
def test_a_damaged_configuration_is_named(exported, content):
    (exported / "config.json").write_text(content)
    with pytest.raises(RunError, match=r"config.json has .* where its manifest says"):
        latentia.load(exported)
    revouch(exported)
    with pytest.raises(RunError, match=r"config.json is no JSON object"):
        latentia.load(exported)


def test_weights_that_do_not_fit_are_refused(exported):
    tensors = load_file(exported / "model.safetensors")
    name = next(iter(tensors))
    save_file({**tensors, name: torch.zeros(2, 2)}, exported / "model.safetensors")
    revouch(exported)
    with pytest.raises(RunError, match=f"does not fit its recipe at {name}"):
        latentia.load(exported)


@pytest.mark.parametrize("opened", ["run", "exported"])
def test_weights_longer_than_the_recipe_can_have_are_not_read(run, exported, tmp_path, monkeypatch, opened):
    folder = exported if opened == "exported" else shutil.copytree(run, tmp_path / "copy")
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(2**28)
    (folder / "manifest.json").unlink()
    if opened == "run":
        record = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(json.dumps({**record, "format": 1}))
    monkeypatch.setattr("latentia.training.weights.load", None)
    with pytest.warns(UserWarning, match="has no"), pytest.raises(RunError, match=r"268,435,456 bytes, and at most"):
        latentia.load(folder)


def test_a_folder_of_a_version_without_manifests_is_opened_with_a_remark(exported):
    (exported / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"has no manifest.json: damage of its files would not be seen"):
        latentia.load(exported)


def test_a_missing_folder_is_not_looked_for_on_the_network(tmp_path, no_network):
    with pytest.raises(RunError, match="does not exist"):
        TextSpace.from_pretrained(tmp_path / "none")
    with pytest.raises(RunError, match="does not exist"):
        latentia.load("owner/name")


def test_of_a_repository_only_known_files_are_fetched(exported, monkeypatch):
    asked = {}

    def fetched(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(exported)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    space = TextSpace.from_pretrained("owner/name", revision="v1", local_files_only=True)
    assert space.encode(TEXTS[:1]).shape == (1, 3)
    assert (asked["name"], asked["revision"], asked["local_files_only"]) == ("owner/name", "v1", True)
    assert {Path(pattern).suffix for pattern in asked["allow_patterns"]} == {".json", ".safetensors"}


def test_what_is_not_on_this_machine_is_named_when_offline(tmp_path):
    with pytest.raises(RunError, match="owner/name cannot be fetched"):
        TextSpace.from_pretrained("owner/name", local_files_only=True, cache_dir=str(tmp_path))


def test_columns_of_a_folder_without_data_are_those_of_everyone(run, exported):
    assert columns_of(exported) == columns_of(run) == Columns("text", "")
    for folder, told in (
        (exported / "nope", r"does not exist: name .* or `latentia export` wrote"),
        (exported.parent, "is no run, it has no recipe.yaml"),
    ):
        with pytest.raises(RunError, match=told):
            columns_of(folder)


def test_what_needs_a_run_says_so_of_what_was_exported(exported):
    with pytest.raises(RunError, match="was exported, and holds no training: name the run that it came from"):
        open_run(exported)
    with pytest.raises(RunError, match=r"is no run, it has no recipe.yaml: name a folder that `latentia train` wrote"):
        compare_runs([exported])


@pytest.mark.filterwarnings("ignore")
def test_transformers_reads_the_tokenizer(run, exported, no_network):
    transformers = pytest.importorskip("transformers")
    theirs, ours = transformers.AutoTokenizer.from_pretrained(exported), latentia.load(run).tokenizer
    assert theirs(TEXTS, add_special_tokens=False)["input_ids"] == ours.encode_batch(TEXTS)
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (0, 2, 3)


def test_exported_codes_are_decoded_by_the_same_text(exported):
    space = latentia.load(exported)
    codes = space.encode(TEXTS[:3])
    assert space.decode(np.asarray(codes)) == space.decode(codes)


def test_the_command_exports(run, tmp_path, capsys):
    export(run, tmp_path / "out", language="de")
    assert capsys.readouterr().out == f"folder: {tmp_path / 'out'}\n"
    assert (tmp_path / "out" / "README.md").read_text().startswith("---\nlanguage: de\nlibrary_name: latentia\n")
    with pytest.raises(RunError, match="already"):
        export(run, tmp_path / "out")
    export(run, tmp_path / "out", overwrite=True)
