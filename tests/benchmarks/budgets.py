"""Measures the command against yardsticks that any machine has, and prints the table of budgets.

Each row compares two processes that run in turns, so that a busy machine slows down both; the ratio is the median of
the turns' ratios. A ratio is noisy all the same: only with `--strict` does one over its budget fail.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from tests.benchmarks.hosts import write_functions, write_gpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CDI = str(Path(sys.executable).with_name("cdi"))
SPECS = 1000
ONE_SERVER = 8  # GPUs
HOOK = str(Path(CDI).with_name("cdi-hook"))
MEMORY_OF_PEER = 79  # MB, what the Go command takes to list the devices of 1000 specs

READ = "import sys, {module}, pathlib; [{load} for f in pathlib.Path(sys.argv[1]).iterdir()]"
LOAD_JSON = READ.format(module="json", load="json.loads(f.read_bytes())")
LOAD_YAML = READ.format(module="yaml", load="yaml.load(f.read_bytes(), yaml.CSafeLoader)")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What our process may cost, as a multiple of the yardstick's time; None is told but not limited."""

    work: str
    ours: Sequence[str]
    yardstick: Sequence[str]
    allowed: float | None
    turns: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one process took: seconds on the clock and its largest memory in MB."""

    seconds: float
    memory: float


def spec(number: int) -> dict[str, Any]:
    """Return a spec as large as those of real GPU nodes: 16 KB of JSON, 16 devices, 60 mounts."""
    libraries = [f"/usr/lib/x86_64-linux-gnu/vendor/libvendor-component-{index:02}.so.550.54.15" for index in range(60)]
    return {
        "cdiVersion": "0.5.0",
        "kind": f"vendor{number}.com/gpu",
        "devices": [
            {
                "name": str(index),
                "containerEdits": {
                    "deviceNodes": [
                        {"path": f"/dev/vendor{index}", "type": "c", "major": 195, "minor": index, "permissions": "rw"},
                        {"path": f"/dev/dri/renderD{128 + index}", "type": "c", "major": 226, "minor": 128 + index},
                    ],
                    "env": [f"VENDOR_VISIBLE_DEVICE_{index}=1"],
                },
            }
            for index in range(16)
        ],
        "containerEdits": {
            "env": ["VENDOR_VISIBLE_DEVICES=void"],
            "deviceNodes": [{"path": "/dev/vendorctl", "type": "c", "major": 195, "minor": 255}],
            "mounts": [
                {"hostPath": path, "containerPath": path, "options": ["ro", "nosuid", "nodev", "rbind"]}
                for path in libraries
            ],
            "hooks": [{"hookName": "createContainer", "path": "/usr/bin/vendor-hook", "args": ["hook", "ldcache"]}],
        },
    }


def write_corpus(folder: Path) -> None:
    for format_ in ("json", "yaml"):
        (folder / format_).mkdir()
    for number in range(SPECS):
        document = spec(number)
        (folder / f"json/{number}.json").write_text(json.dumps(document, separators=(",", ":")))
        (folder / f"yaml/{number}.yaml").write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False))


def write_host(root: Path, *, functions: int = 0, gpus: int = 0) -> str:
    """Make a host with virtual functions of a network card and with GPUs; return its path."""
    if functions:
        write_functions(root, functions)
    if gpus:
        write_gpus(root, gpus)
    return str(root)


def budgets(folder: Path) -> list[Budget]:
    def python(code: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", code, *arguments]

    json_folder, yaml_folder = str(folder / "json"), str(folder / "yaml")
    load_json = python(LOAD_JSON, json_folder)
    return [
        Budget(
            work=f"validate {SPECS} JSON specs / json.loads",
            ours=[CDI, "validate", json_folder],
            yardstick=load_json,
            allowed=1.4,
            turns=7,
        ),
        Budget(
            work=f"validate {SPECS} YAML specs / PyYAML's C loader",
            ours=[CDI, "validate", yaml_folder],
            yardstick=python(LOAD_YAML, yaml_folder),
            allowed=0.55,
            turns=3,
        ),
        Budget(
            work=f"load {SPECS} specs, list devices / json.loads",
            ours=[CDI, "-d", json_folder, "devices"],
            yardstick=load_json,
            allowed=4,
            turns=7,
        ),
        Budget(
            work="validate one spec, cold start / import typer",
            ours=[CDI, "validate", str(folder / "json/0.json")],
            yardstick=python("import typer"),
            allowed=1.3,
            turns=15,
        ),
        *(_node_budgets(folder, python("import typer")) if os.geteuid() == 0 else ()),
        *(_hook_budgets(folder, python("pass")) if os.geteuid() == 0 else ()),
        Budget(
            work="import cdi / pass",
            ours=python("import cdi"),
            yardstick=python("pass"),
            allowed=None,
            turns=15,
        ),
    ]


def _node_budgets(folder: Path, typer: Sequence[str]) -> Iterator[Budget]:
    """Yield what needs device nodes, and so root."""
    for gpus in (8, 16, 64, 128):
        yield Budget(
            work=f"generate for {gpus} GPUs / import typer",
            ours=[CDI, "--root", write_host(folder / f"gpu{gpus}", gpus=gpus), "generate", "nvidia-gpu"],
            yardstick=typer,
            allowed=1.5 if gpus == ONE_SERVER else None,
            turns=9,
        )
    for functions in (128, 512):
        yield Budget(
            work=f"generate for {functions} virtual functions / import typer",
            ours=[CDI, "--root", write_host(folder / f"vf{functions}", functions=functions), "generate"],
            yardstick=typer,
            allowed=None,  # a second, and four times as much for four times as many
            turns=5,
        )
    yield Budget(
        work="generate all for 16 GPUs and 512 virtual functions / typer",
        ours=[CDI, "--root", write_host(folder / "both", gpus=16, functions=512), "generate"],
        yardstick=typer,
        allowed=None,  # a second
        turns=5,
    )


def _hook_budgets(folder: Path, nothing: Sequence[str]) -> Iterator[Budget]:
    """Yield what containers wait for when they start."""
    (folder / "bundle/rootfs/opt/lib").mkdir(parents=True)
    (folder / "bundle/config.json").write_text('{"root": {"path": "rootfs"}}')
    state = folder / "state.json"
    state.write_text(json.dumps({"ociVersion": "1.2.0", "bundle": str(folder / "bundle")}))
    for hook, allowed in (
        (("create-symlinks", "--link=a::/opt/lib/b"), 3),
        (("update-ldcache", "--folder=/opt/lib"), None),
    ):
        yield Budget(
            work=f"cdi-hook {hook[0]} / pass",
            ours=[HOOK, *hook, f"--container-spec={state}"],
            yardstick=nothing,
            allowed=allowed,
            turns=15,
        )


def run(command: Sequence[str]) -> Cost:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"exit code {process.returncode} of {' '.join(command)}")
    return Cost(seconds=seconds, memory=usage.ru_maxrss / 1024)


def verdict(value: float, allowed: float | None) -> str:
    if allowed is None:
        return ""
    return "ok" if value <= allowed else "OVER"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strict", action="store_true", help="exit 1 when a budget is exceeded")
    strict: bool = parser.parse_args().strict

    row = "{:<52} {:>8} {:>9} {:>7} {:>7} {:>7}  {}"
    print(row.format("work", "ours", "yardstick", "ratio", "budget", "memory", ""))
    verdicts: list[str] = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder)
        for budget in budgets(folder):
            for command in (budget.ours, budget.yardstick):
                run(command)  # warms up the disk's cache and the bytecode
            turns = [(run(budget.ours), run(budget.yardstick)) for _ in range(budget.turns)]
            ours = median(mine.seconds for mine, _ in turns)
            yardstick = median(other.seconds for _, other in turns)
            ratio = median(mine.seconds / other.seconds for mine, other in turns)
            memory = max(mine.memory for mine, _ in turns)
            verdicts.append(verdict(ratio, budget.allowed))
            allowed = "-" if budget.allowed is None else f"{budget.allowed:.2f}"
            cells = (f"{ours:.3f} s", f"{yardstick:.3f} s", f"{ratio:.2f}", allowed, f"{memory:.0f} MB")
            print(row.format(budget.work, *cells, verdicts[-1]), flush=True)
            if "devices" in budget.ours:
                verdicts.append(verdict(memory, MEMORY_OF_PEER))
                print(row.format("  its memory", "", "", "", f"{MEMORY_OF_PEER} MB", f"{memory:.0f} MB", verdicts[-1]))
    return 1 if strict and "OVER" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
