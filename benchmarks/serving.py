"""The server under load: batches against one at a time, four times its capacity, an end under load, hostile requests.

usage: python benchmarks/serving.py --run RUN [--seconds N] [--operation NAME] [--part NAME ...] [--json FILE]

RUN is served by `latentia serve` in a process of its own, on a core of its own if there are two; what asks it is
another process (`serving_load.py`) on the other. Texts are training texts of RUN, at most 20 words long, each in a
request of its own; answers are compared with those of Python, without a server.

batching   requests a second of 32 clients that each wait for their answer, with batches and without; the two take turns
overload   an open loop at four times the rate that as many clients as there are places reach: latency of what was
           accepted against that of one client alone, goodput, latency of refusals, wrong answers, memory
stop       SIGTERM while an open loop asks at half of that rate: what was accepted is answered, and the exit code is 0
hostile    seconds until each hostile request is refused
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from hostile import Shape, shapes

import latentia
from latentia.client import Client
from latentia.operations import TextSpace
from latentia.server.answers import row_of
from latentia.server.calls import call_of
from latentia.server.limits import Limits
from latentia.server.requests import request_of
from latentia.server.routes import operations_of

BODIES: dict[str, Callable[[str], dict[str, Any]]] = {
    "reconstruct": lambda text: {"texts": [text]},
    "encode": lambda text: {"data": [text]},
    "score": lambda text: {"data": [text], "samples": 10},
}
TEXTS, LONGEST = 200, 20
CLIENTS = 32
TURNS = 3


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    space = latentia.load(arguments.run)
    bench = Bench(arguments, space)
    found = {part: PARTS[part](bench) for part in arguments.part or PARTS}
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


class Bench:
    """What all parts need: the run, the requests, and the answers that they should have."""

    def __init__(self, arguments: argparse.Namespace, space: TextSpace) -> None:
        """Work out the answers."""
        self.run, self.seconds, self.operation = arguments.run, arguments.seconds, arguments.operation
        self.places = arguments.requests
        # While one half of the places is being answered the other half waits.
        self.bounds = ("--requests", str(self.places), "--batch", str(max(1, self.places // 2)))
        self.name = arguments.run.resolve().name
        self.pairs = [self._pair(space, text) for text in _texts(space)]

    def _pair(self, space: TextSpace, text: str) -> tuple[str, str]:
        body = BODIES[self.operation](text)
        function = operations_of()[self.operation]
        call = call_of(self.operation, request_of(self.operation, function, Limits()).model_validate(body))
        answers = call.answers(space)
        content = {"answers": [row_of(each) for each in answers], "refused": [], "remarks": answers.remarks()}
        return json.dumps(body), json.dumps(content, ensure_ascii=False)

    def load(self, port: int, seconds: float, *, rate: float = 0.0, clients: int = CLIENTS) -> dict[str, Any]:
        """Ask the server, in a process of its own."""
        with self.loading(port, seconds, rate=rate, clients=clients) as process:
            return _summed(json.loads(process.communicate()[0]))

    @contextmanager
    def loading(self, port: int, seconds: float, *, rate: float, clients: int) -> Iterator[subprocess.Popen[str]]:
        """Begin to ask the server."""
        job = {"host": "127.0.0.1", "port": port, "path": f"/v1/models/{self.name}/{self.operation}"}
        job |= {"seconds": seconds, "rate": rate, "clients": clients, "pairs": self.pairs}
        script = Path(__file__).with_name("serving_load.py")
        command = [*_core(1), sys.executable, str(script)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            process.stdin = None
            yield process


def _core(number: int) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[number])] if len(cores) > 1 else []


def _texts(space: TextSpace) -> list[str]:
    texts = (text for text in space.training.shuffled(0).first(10 * TEXTS).texts() if len(text.split()) <= LONGEST)
    return [text for text, _ in zip(texts, range(TEXTS), strict=False)]


@contextmanager
def served(bench: Bench, *options: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server of the run that answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*_core(0), sys.executable, "-m", "latentia", "serve", str(bench.run), "--port", str(port), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            Client(f"http://127.0.0.1:{port}", retries=300, backoff=0.1).models()
            bench.load(port, 1.0)
            yield port, process
        finally:
            process.terminate()


def batching(bench: Bench) -> dict[str, Any]:
    """Take turns with and without batches."""
    rates: dict[str, list[float]] = {"batches of 32": [], "one at a time": []}
    wrong = 0
    places = ("--requests", str(CLIENTS))
    with served(bench, "--batch", "32", *places) as (together, _), served(bench, "--batch", "1", *places) as (alone, _):
        for _ in range(TURNS):
            for name, port in zip(rates, (together, alone), strict=True):
                found = bench.load(port, bench.seconds / TURNS)
                rates[name].append(found["goodput"])
                wrong += found["wrong"]
    medians = {name: statistics.median(each) for name, each in rates.items()}
    ratio = statistics.median(many / one for many, one in zip(*rates.values(), strict=True))
    print(f"{bench.operation}, {CLIENTS} clients: " + ", ".join(f"{n} {r:.1f} a second" for n, r in medians.items()))
    print(f"ratio {ratio:.2f}; {wrong} wrong answers; load {os.getloadavg()[0]:.1f}")
    return {"a second": medians, "ratio": ratio, "wrong": wrong}


def overload(bench: Bench) -> dict[str, Any]:
    """Ask for four times what can be answered."""
    with served(bench, *bench.bounds) as (port, process):
        alone = bench.load(port, min(20.0, bench.seconds), clients=1)
        full = [bench.load(port, min(20.0, bench.seconds), clients=bench.places)]
        before = _memory(process.pid)
        found = bench.load(port, bench.seconds, rate=4 * full[0]["goodput"])
        grown = _memory(process.pid) - before
        after = bench.load(port, min(5.0, bench.seconds), clients=1)
        full.append(bench.load(port, min(20.0, bench.seconds), clients=bench.places))
    # The speed of a shared machine drifts: the capacity is that of before and after.
    capacity = statistics.mean(each["goodput"] for each in full)
    figures = {
        "capacity": capacity,
        "capacity before and after": [each["goodput"] for each in full],
        "offered": found["offered"],
        "goodput": found["goodput"] / capacity,
        "p99 alone": alone["p99"],
        "p99 accepted": found["p99"],
        "p99 ratio": found["p99"] / alone["p99"],
        "p99 refused": found["refused p99"],
        "p99 after": after["p99"],
        "statuses": found["statuses"],
        "wrong": sum(each["wrong"] for each in (found, alone, *full)),
        "sent late": found["late"],
        "grown MB": grown,
    }
    print(f"{bench.operation}, {bench.places} places: " + ", ".join(f"{n} {_shown(v)}" for n, v in figures.items()))
    return figures


def stop(bench: Bench) -> dict[str, Any]:
    """Stop the server while it is asked."""
    with served(bench, *bench.bounds) as (port, process):
        rate = bench.load(port, 5.0, clients=bench.places)["goodput"] / 2
        with bench.loading(port, 6.0, rate=rate, clients=0) as asking:
            time.sleep(3.0)
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read().splitlines()
            code = process.wait(60)
            found = _summed(json.loads(asking.communicate()[0]))
    # A request that comes later finds nobody: it was never accepted.
    figures = {"exit code": code, "said": said[-1:], "wrong": found["wrong"], "statuses": found["statuses"]}
    print("stop: " + ", ".join(f"{name} {_shown(value)}" for name, value in figures.items()))
    return figures


def hostile(bench: Bench) -> dict[str, Any]:
    """Time each hostile request, the median of five."""
    with served(bench) as (port, process):
        before = _memory(process.pid)
        found = {shape.name: [_asked(port, shape) for _ in range(5)] for shape in shapes(bench.name)}
        grown = _memory(process.pid) - before
    slow = {name: statistics.median(s for _, s in each) for name, each in found.items()}
    not_refused = [name for name, each in found.items() if any(not 400 <= status < 500 for status, _ in each)]
    worst = sorted(slow, key=lambda name: -slow[name])[:3]
    figures = {
        "shapes": len(found),
        "not refused by 4xx": not_refused,
        "median ms": 1000 * statistics.median(slow.values()),
        "slowest ms": {name: 1000 * slow[name] for name in worst},
        "within 100 ms": sum(seconds < 0.1 for seconds in slow.values()),
        "grown MB": grown,
    }
    print("hostile: " + ", ".join(f"{name} {_shown(value)}" for name, value in figures.items()))
    return figures


def _asked(port: int, shape: Shape) -> tuple[int, float]:
    """Return status and seconds of a request; a connection that is cut while the body is sent may hold an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.connect()
    begun = time.perf_counter()
    with suppress(OSError):
        connection.request(shape.method, shape.path, shape.body, dict(shape.headers))
    try:
        response = connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - begun
    except (OSError, http.client.HTTPException):
        return 0, time.perf_counter() - begun
    finally:
        connection.close()


def _summed(found: dict[str, Any]) -> dict[str, Any]:
    """Reduce latencies to what is told of them, in milliseconds."""
    accepted, refused = found["accepted"], found["refused"]
    return {
        "goodput": len(accepted) / found["seconds"],
        "offered": sum(found["statuses"].values()) / found["seconds"],
        "p50": _quantile(accepted, 0.5),
        "p99": _quantile(accepted, 0.99),
        "refused p99": _quantile(refused, 0.99),
        **{name: found[name] for name in ("statuses", "wrong", "late", "cpu")},
    }


def _quantile(seconds: Sequence[float], share: float) -> float:
    return float(1000 * np.quantile(seconds, share)) if seconds else 0.0


def _memory(process: int) -> float:
    """Resident memory, in MB."""
    (line,) = (each for each in Path(f"/proc/{process}/status").read_text().splitlines() if each.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(each)}" for name, each in value.items()) + "}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "batching": batching,
    "overload": overload,
    "stop": stop,
    "hostile": hostile,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="a run folder")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each part")
    parser.add_argument("--operation", choices=BODIES, default="reconstruct", help="what is asked")
    parser.add_argument("--requests", type=int, default=Limits.requests, help="places of the server")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
