"""Requests made from the server's own description, thousands of them, and whether all answers are as described.

usage: python benchmarks/serving_contract.py [--run RUN] [--examples N] [--operation NAME ...]

Schemathesis reads /openapi.json of a server on this machine and asks every operation in all its phases with all its
checks: requests that fit the schema, and requests that do not. Without RUN the server has a small model of two training
steps. What the schema allows and the model cannot do (422), or what would cost too much (413), may be refused: no
schema can say what a model knows. Limits are low, so that what is allowed is quick. Ends with 1 if any check fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from rich.console import Console

import latentia
from latentia.data import Columns
from latentia.recipes import load_recipe
from latentia.recipes.runs import Sources, start_run
from latentia.server import Limits, create_app, listening

LIMITS = Limits(texts=6, characters=24, count=6, cost=20_000)

SIZES = [
    ("model.latent_dim", 2),
    ("model.encoder.hidden_dim", 16),
    ("model.decoder.hidden_dim", 16),
    ("model.encoder.embedding_dim", 8),
    ("model.decoder.embedding_dim", 8),
    ("data.tokenizer", {"kind": "Byte"}),  # every text can be read that is not too long
    ("data.max_tokens", 24),
    ("training.max_steps", 2),
]

EXPECTED = {
    "positive_data_acceptance": ["2xx", "3xx", "401", "403", "404", "409", "413", "422", "429"],
    "negative_data_rejection": ["400", "401", "404", "405", "406", "413", "415", "422", "429"],
}
"""Statuses of requests that fit the schema, and of such that do not; of those, bodies may be too long to be read."""


def main() -> int:
    """Serve and ask; return the exit code of what asks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="a run folder; a small one is trained without it")
    parser.add_argument("--examples", type=int, default=500, help="requests an operation, in the phase that draws them")
    parser.add_argument("--operation", action="append", default=[], help="ask only this one; may be repeated")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        space = latentia.load(arguments.run or _trained(Path(folder)))
        with listening(create_app({"tiny": space}, limits=LIMITS)) as port:
            _wait_for_map(port)
            return _asked(f"http://127.0.0.1:{port}", arguments.examples, arguments.operation, Path(folder))


def _trained(folder: Path) -> Path:
    """Train a model of a few words with two labels."""
    pairs = [(f"the {noun} {verb}", noun) for noun in ("cat", "dog") for verb in ("sat", "ran", "saw it", "was here")]
    (folder / "texts.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in pairs * 4))
    sources = Sources([str(folder / "texts.tsv")], [], Columns(label="label"))
    start_run(sources, load_recipe("vae").with_settings(SIZES), folder / "run", 1, Console(quiet=True))
    return folder / "run"


def _wait_for_map(port: int) -> None:
    """Wait until the plane of neighbours is made: until then it is rightly refused."""
    while httpx.get(f"http://127.0.0.1:{port}/v1/models/tiny/map", params={"plane": "neighbours"}).status_code == 503:
        time.sleep(1)


def _asked(address: str, examples: int, operations: list[str], folder: Path) -> int:
    """Run Schemathesis, deterministic, and return its exit code."""
    settings = folder / "schemathesis.toml"
    tables = (f"[checks.{check}]\nexpected-statuses = {json.dumps(statuses)}\n" for check, statuses in EXPECTED.items())
    settings.write_text("".join(tables))
    chosen = [word for name in operations for word in ("--include-operation-id", name)]
    program = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings)]
    options = [
        "--checks",
        "all",
        "--max-examples",
        str(examples),
        "--generation-deterministic",
        "--request-timeout=120",  # a busy machine is slow, which is no failure
        "--continue-on-failure",
    ]
    command = [*program, "run", f"{address}/openapi.json", *options, *chosen]
    return subprocess.call(command, env={**os.environ, "NO_COLOR": "1"}, cwd=folder)


if __name__ == "__main__":
    raise SystemExit(main())
