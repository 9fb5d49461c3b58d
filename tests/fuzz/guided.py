"""One coverage-guided run of one target: ``python -m tests.fuzz.guided TARGET CORPUS [libFuzzer options]``.

It never returns: libFuzzer ends the process, with another status than 0 when something was found.
"""

import sys

import atheris

with atheris.instrument_imports(include=["classroom", "aioice.stun"]):
    from tests.fuzz.targets import PLANTED, TARGETS

target = {**TARGETS, "planted": PLANTED}[sys.argv[1]]
atheris.Setup([sys.argv[0], *sys.argv[2:], f"-max_len={target.max_bytes}"], target.run)
atheris.Fuzz()
