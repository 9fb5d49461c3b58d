"""Trickle ICE fragments (RFC 8840) as WHIP and WHEP carry them in PATCH (RFC 9725 §4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from classroom.model import ClassroomError
from classroom.sfu.negotiate.offer import is_ice_credential

if TYPE_CHECKING:
    from classroom.sfu.negotiate.answer import LocalTransport


class BadFragment(ClassroomError):
    """The text is not a trickle ICE fragment."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Credentials (None when the fragment has none) and the number of candidates, which an ICE-lite agent needs not."""

    ufrag: str | None
    pwd: str | None
    candidates: int


def parse_fragment(text: str) -> Fragment:
    """Parse a fragment; raises BadFragment."""
    ufrag = pwd = None
    candidates = 0
    for line in text.splitlines():
        if not line:
            continue
        if len(line) < 2 or line[1] != "=":
            raise BadFragment("a line of the fragment is not of the form x=…")
        if line.startswith("a=ice-ufrag:"):
            ufrag = line.partition(":")[2].strip()
        elif line.startswith("a=ice-pwd:"):
            pwd = line.partition(":")[2].strip()
        elif line.startswith("a=candidate:"):
            candidates += 1
    if (ufrag is None) != (pwd is None):
        raise BadFragment("a fragment has both ice-ufrag and ice-pwd, or neither")
    if ufrag is not None and pwd is not None and not (is_ice_credential(ufrag) and is_ice_credential(pwd)):
        raise BadFragment("ice-ufrag and ice-pwd of the fragment must be 1 to 256 signs of ASCII")
    if ufrag is None and not candidates and "a=end-of-candidates" not in text:
        raise BadFragment("the fragment has neither credentials nor candidates")
    return Fragment(ufrag, pwd, candidates)


def build_fragment(local: LocalTransport) -> str:
    """Our side of an ICE restart."""
    lines = ["a=ice-lite", f"a=ice-ufrag:{local.ufrag}", f"a=ice-pwd:{local.pwd}"]
    lines += [f"a={candidate}" for candidate in local.candidate_lines()]
    lines.append("a=end-of-candidates")
    return "\r\n".join(lines) + "\r\n"
