"""Recipes that mean code, paths or endless work elsewhere: in a configuration, in a file, on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.placing import Attack, content, setting

CODE = (
    "os.system",
    "builtins.eval",
    "torch.load",
    "subprocess.Popen",
    "../evil",
    "/etc/passwd",
    "__import__",
    "LSTMEncoder\0",
    "LS\u0422MEncoder",
    "LSTMEncoder\u200b",
    "\uff2c\uff33\uff34\uff2dEncoder",
    "latentia.encoders.LSTMEncoder",
    "latentia.encoders:LSTMEncoder",
    "LSTMEncoder.__init__.__globals__",
    "${oc.env:HOME}",
    "${eval:'7*7'}",
    "{{ 7*7 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for x in y %}",
    "%(HOME)s",
    "{0.__class__}",
    "$(touch canary)",
    "`touch canary`",
    "__class__",
    "!!python/name:os.system",
    "",
)
"""Names of classes that are none."""

KEYS = (
    "_target_",
    "_class_path",
    "_instantiator",
    "_partial_",
    "_convert_",
    "auto_map",
    "custom_pipelines",
    "trust_remote_code",
    "__reduce__",
    "__init__",
    "__class__",
    "target",
    "class_path",
    "init_args",
    "$ref",
    "<<",
)
"""Keys that name code, or other files, elsewhere."""

SIZES = (10**9, 10**12, 2**63, 10**400, -1, 0, 1.5, "1e9", True, None, [1], {"a": 1}, float("inf"))

SPOKEN = {
    "model.encoder.kind": (
        "model.encoder.kind=os.system",
        "model.encoder.kind=!!python/name:os.system",
        "model.encoder.kind=!!python/object/apply:os.system [touch canary]",
        "model.encoder={kind: os.system}",
        "model.encoder.kind=${oc.env:HOME}",
        "model.encoder.kind={{ 7*7 }}",
        "model.encoder.kind=__import__('os').system('touch canary')",
        "model.encoder.kind=LSTMEncoder\x1b[2J",
    ),
    "unknown key": (
        "model.encoder._target_=os.system",
        "model._target_=os.system",
        "_target_=os.system",
        "auto_map={AutoModel: evil.Model}",
        "extends=http://127.0.0.1/x",
        "extends=../../etc/passwd",
        "model.__class__.__init__=1",
        "__class__=1",
        "model..encoder.kind=x",
        ".=x",
        "." * 20_000 + "=1",
    ),
    "no valid YAML": ("model.encoder=&a [*a]", "model.latent_dim=[" + "[" * 5000, "model.latent_dim=" + "9" * 5000),
    "input should be a valid integer": ("model.encoder.hidden_dim=1e999",),
    "no KEY=VALUE": ("=x",),
}
"""What is said after ``--set``, by what is answered."""


def settings() -> dict[str, tuple[tuple[str, ...], object]]:
    """Values in a recipe: where they stand, and what they are."""
    named: dict[str, tuple[tuple[str, ...], object]]
    named = {f"kind {kind!r}": (("model", "encoder", "kind"), kind) for kind in CODE}
    named |= {f"key {key}": (("model", "encoder", key), "os.system") for key in KEYS}
    named |= {f"size {size!r:.20}": (("model", "latent_dim"), size) for size in SIZES}
    named |= {f"hidden size {size}": (("model", "encoder", "hidden_dim"), size) for size in (10**7, 10**10)}
    named["a hundred thousand keys"] = (("model",), {f"key{n}": n for n in range(100_000)})
    named["a million keys"] = (("model",), {f"key{n}": n for n in range(1_000_000)})
    named["a recipe that nests 400 deep"] = (("model",), _nested(400))
    refined = {key: {"kind": "GradientRefinement", key: 2 * 10**8} for key in ("steps", "draws")}
    named |= {f"{key} without end": (("model", "refinement"), node) for key, node in refined.items()}
    named["a text of a million million tokens"] = (("data", "max_tokens"), 2**62)
    named["a schedule that is a list"] = (("objective", "weight"), [[[]]])
    return named


def _nested(depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(depth):
        tree = {"model": tree}
    return tree


RECIPES = {
    "a tag of Python": "model: !!python/object/apply:os.system ['touch {canary}']\n",
    "a tag of a new object": "model: !!python/object/new:os.system ['touch {canary}']\n",
    "a tag of a name": "about: !!python/name:os.system\n",
    "a tag of a module": "about: !!python/module:hostile\n",
    "an unknown tag": "about: !evil x\n",
    "aliases of aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "model: &a [*a]\n",
    "a key that merges": "model: {<<: {kind: os.system}}\n",
    "a target": "_target_: os.system\n_args_: ['touch {canary}']\n",
    "a file that it extends": "extends: ../../etc/passwd\n",
    "an address that it extends": "extends: http://127.0.0.1/x\n",
    "brackets without end": "[" * 200_000,
    "a megabyte of a key": "k" * 2**20 + ": 1\n",
    "a number of 100,000 digits": f"model: {'9' * 100_000}\n",
    "documents one after another": "---\na: 1\n---\nb: 2\n",
    "control characters": "model: \x01\x02\n",
}
"""Texts in the place of a recipe."""


def attacks(canary: Path) -> Iterator[tuple[str, str, Attack]]:
    """Yield each injection, and into what."""
    for what, (path, value) in settings().items():
        yield what, "folder", setting(path, value)
    for what, text in RECIPES.items():
        yield what, "run", content("recipe.yaml", text.replace("{canary}", str(canary)).encode())
    for told, said in SPOKEN.items():
        for words in said:
            yield f"{told} is told of --set {words:.40}", "set", content("set", words.encode())
