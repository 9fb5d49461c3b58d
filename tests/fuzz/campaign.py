"""Runs a target in a process of its own and reads what libFuzzer says of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fuzz.targets import PLANTED, TARGETS

if TYPE_CHECKING:
    from pathlib import Path

INPUT_TIMEOUT_S = 5  # for one input; the slowest takes some milliseconds
RSS_LIMIT_MB = 1024
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``findings``: inputs that raised, took too long or too much memory (the run ends with the first one)."""

    inputs: int
    seconds: float
    findings: int
    log: str


def hunt(name: str, folder: Path, *, inputs: int, seconds: int = 0, seed: int = 1) -> Outcome:
    """Fuzz one target; the corpus grows in ``folder/name``, what is found is written beside it."""
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(TARGETS.get(name, PLANTED).seeds):
        (corpus / f"seed-{number}").write_bytes(data)
    command = [
        sys.executable, "-m", "tests.fuzz.guided", name, str(corpus), f"-runs={inputs}", f"-seed={seed}",
        f"-max_total_time={seconds}", f"-timeout={INPUT_TIMEOUT_S}", f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-artifact_prefix={folder}/{name}-", "-print_final_stats=1",
    ]  # fmt: skip
    # A shell between: on Linux the peak memory of who starts a program counts as the program's own.
    shell = ["sh", "-c", '"$@" || exit $?', "hunt"]
    began = time.monotonic()
    run = subprocess.run([*shell, *command], capture_output=True, text=True, errors="replace", check=False)
    log = run.stdout + run.stderr
    executed = _EXECUTED.search(log)
    return Outcome(
        int(executed[1]) if executed else 0, time.monotonic() - began, 1 if run.returncode else 0, log
    )  # fmt: skip
