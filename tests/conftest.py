"""Which tests run beside which, when some processes share them (`make test`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

# They fill a core, or measure in real time how good media are.
DEMANDING = (
    "tests/browser/",  # but for those of PAGES
    "tests/integration/test_capture_simulcast.py",
    "tests/integration/test_recording_playback.py",
    "tests/integration/test_whole_archive.py",
)

# Pages are looked at and worked; of media it matters at most that there are some.
PAGES = (
    "tests/browser/test_admin",
    "tests/browser/test_by_keyboard.py",
    "tests/browser/test_calendar.py",
    "tests/browser/test_library.py",
    "tests/browser/test_session.py",
    "tests/browser/test_wcag.py",
)

# What their tests share takes as long to make as to run them: one process makes it.
SHARING = ("tests/browser/test_library.py", "tests/browser/test_session.py", "tests/integration/test_web_doors.py")


class OneDemandingAtATime(LoadScopeScheduling):
    """Gives all demanding tests to one process, so that beside each run only such as mostly wait."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(DEMANDING) and not nodeid.startswith(PAGES):
            return "demanding"
        return nodeid.partition("::")[0] if nodeid.startswith(SHARING) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneDemandingAtATime | None:
    """For `--dist loadgroup`, whose own groups need node ids that can be changed: those of pytest 9.2 cannot."""
    return OneDemandingAtATime(config, log) if config.getoption("dist") == "loadgroup" else None
