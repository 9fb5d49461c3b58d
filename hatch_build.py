"""Builds the optional compiled kernel of the SFU where there is a C compiler; without one nothing is missing but speed.

As a hook of hatchling at installation, or by itself: ``python hatch_build.py``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TRANSPORT = Path("classroom/sfu/transport")
SOURCE, LIBRARY = TRANSPORT / "kernel.c", TRANSPORT / "_kernel.so"


def build(root: Path) -> bool:
    """Compile; False when that is not possible here."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        return False
    new = root / LIBRARY.with_suffix(".new")
    done = subprocess.run(
        [*compiler, "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o", str(new), str(root / SOURCE)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.stderr.write(f"without the compiled kernel: {done.stderr}\n")
        new.unlink(missing_ok=True)
        return False
    new.replace(root / LIBRARY)  # a server that runs keeps the one it has
    return True


class KernelHook(BuildHookInterface[Any]):
    """Compiles before the wheel, or the editable installation, is made."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library to a wheel, which then is for this platform only."""
        if self.target_name != "wheel" or not build(Path(self.root)):
            return
        build_data["artifacts"].append(f"/{LIBRARY}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


if __name__ == "__main__":
    sys.exit(not build(Path(__file__).parent))
