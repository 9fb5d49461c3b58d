"""SRTP (RFC 3711, RFC 7714) in place, on buffers that are used again: libsrtp through pylibsrtp's cffi binding.

pylibsrtp's own Session.protect copies twice and allocates for every packet, which is most of its cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

if TYPE_CHECKING:
    from classroom.sfu.transport.dtls import SrtpKeys

TRAILER_BYTES = 16 + 4 + 4  # authentication tag, SRTCP index, and room to spare
_REPLAY_WINDOW = 1024
_REPEAT_WINDOW = 256  # packets back that may be sent again: 1 s of a picture; libsrtp shifts so many bits for each
# libsrtp keeps a context for each SSRC that it has heard: a connected peer must not fill the memory with them. 64 media
# sections with RTX need half.
MAX_SSRCS = 256
_OK = lib.srtp_err_status_ok


class Buffer:
    """Memory that libsrtp works on in place. ``view`` is its Python side, ``pointer`` its C side."""

    def __init__(self, size_bytes: int) -> None:
        self.pointer: Any = ffi.new("char[]", size_bytes)
        self.view = memoryview(ffi.buffer(self.pointer))
        self.length: Any = ffi.new("int *")


class Srtp:
    """The SRTP context of one peer, both directions. The policies keep the keys alive for libsrtp."""

    def __init__(self, keys: SrtpKeys) -> None:
        self._sending = Session(_policy(keys.send, Policy.SSRC_ANY_OUTBOUND, keys.profile, _REPEAT_WINDOW))
        self._receiving = Session(_policy(keys.receive, Policy.SSRC_ANY_INBOUND, keys.profile, _REPLAY_WINDOW))
        # The session handles themselves: looking them up for every packet would cost as much as the call.
        self._send: Any = self._sending._srtp[0]
        self._receive: Any = self._receiving._srtp[0]
        self._heard: set[bytes] = set()  # SSRCs of authentic packets
        self.sending_address = int(ffi.cast("uintptr_t", self._send))  # for a compiled sender

    def protect(self, buffer: Buffer, at: int, size: int) -> int:
        """Protect the RTP packet buffer[at:at+size] in place; its new size, or 0 when libsrtp refuses."""
        length = buffer.length
        length[0] = size
        if lib.srtp_protect(self._send, buffer.pointer + at, length) != _OK:
            return 0
        return int(length[0])

    def protect_rtcp(self, buffer: Buffer, size: int) -> int:
        """Protect the RTCP packet at the beginning of the buffer."""
        buffer.length[0] = size
        if lib.srtp_protect_rtcp(self._send, buffer.pointer, buffer.length) != _OK:
            return 0
        return int(buffer.length[0])

    def unprotect(self, buffer: Buffer, size: int) -> int:
        """Check and decrypt the RTP packet at the beginning of the buffer.

        0 when it is forged, a replay, or of an SSRC beyond MAX_SSRCS.
        """
        return self._unprotect(lib.srtp_unprotect, buffer, size, bytes(buffer.view[8:12]))

    def unprotect_rtcp(self, buffer: Buffer, size: int) -> int:
        """Check and decrypt the RTCP packet at the beginning of the buffer; 0 as ``unprotect``."""
        return self._unprotect(lib.srtp_unprotect_rtcp, buffer, size, bytes(buffer.view[4:8]))

    def _unprotect(self, function: Any, buffer: Buffer, size: int, ssrc: bytes) -> int:
        heard = self._heard
        known = ssrc in heard
        if not known and len(heard) >= MAX_SSRCS:
            return 0
        buffer.length[0] = size
        if function(self._receive, buffer.pointer, buffer.length) != _OK:
            return 0
        if not known:
            heard.add(ssrc)
        return int(buffer.length[0])


def _policy(key: bytes, ssrc_type: int, profile: int, window: int) -> Policy:
    policy = Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile)
    # A retransmission without RTX repeats the very same bytes under the same number.
    policy.allow_repeat_tx = True
    policy.window_size = window
    return policy
