"""A long hunt: ``python -m tests.fuzz [--inputs N] [TARGET …]``; the table that it prints is quoted in docs/fuzzing.md.

Each target runs in a process of its own, coverage-guided, one after the other. What is found stays in the folder.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.campaign import hunt
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of each target")
    parser.add_argument("--seconds", type=int, default=0, help="at most, for each target; 0 for no limit")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=None, help="corpus and findings; kept")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="fuzz-"))
    print(f"seed {options.seed}, corpus and findings in {folder}\n")
    print("| target | inputs | seconds | findings |\n|---|---|---|---|")
    found = inputs = 0
    for name in options.targets or TARGETS:
        outcome = hunt(name, folder, inputs=options.inputs, seconds=options.seconds, seed=options.seed)
        print(f"| {name} | {outcome.inputs:,} | {outcome.seconds:.0f} | {outcome.findings} |", flush=True)
        found += outcome.findings
        inputs += outcome.inputs
        if outcome.findings:
            print(outcome.log[-4000:], file=sys.stderr)
    print(f"| all | {inputs:,} | | {found} |")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
