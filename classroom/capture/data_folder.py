"""Where the agent keeps what is its own."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """In the user's data directory (XDG base directory specification); raises RuntimeError for who has no home."""
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local" / "share") / "lianti"
