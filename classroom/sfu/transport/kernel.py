"""Loads the compiled inner loop (kernel.c), where it was built, and says how its memory is laid out.

Optional: without a C compiler at installation, or where the kernel has no sendmmsg(2), Egress does the same in Python.
"""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

from pylibsrtp._binding import ffi, lib

from classroom.sfu.core.send_log import SendLog

LIBRARY = Path(__file__).with_name("_kernel.so")
PACKET = struct.Struct("@PQIIIBBH")
BURST = struct.Struct("@PIIIIII")
STREAM = struct.Struct("@PPPIIIB3B60s60s60sI128s")
SENDER = struct.Struct("@PiiQQQ")  # its beginning
# The call that pylibsrtp has today; with another one the kernel must not be used.
_PROTECT = "srtp_err_status_t(*)(struct srtp_ctx_t_ *, void *, int *)"


class Kernel:
    """The functions of kernel.c.

    They hold the interpreter's lock: a call takes a millisecond at most, and to give the lock up and get it back can
    take longer than that (sys.getswitchinterval).
    """

    def __init__(self, path: Path) -> None:
        library = ctypes.PyDLL(str(path))
        self.sender_bytes = int(library.sender_bytes())
        for mine, theirs in (
            (PACKET, library.packet_bytes),
            (BURST, library.burst_bytes),
            (STREAM, library.stream_bytes),
        ):
            if _aligned(mine.size) != int(theirs()):
                raise OSError(f"{path} was built from another version of its source")
        if int(library.send_log_capacity()) != SendLog.CAPACITY:
            raise OSError(f"{path} takes SendLogs of another size")
        self.send_bursts = library.send_bursts
        self.send_bursts.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_uint32, ctypes.c_double]
        self.send_bursts.restype = None
        protect = ffi.addressof(lib, "srtp_protect")
        if ffi.typeof(protect).cname != _PROTECT:
            raise OSError("this libsrtp has another interface")
        self.protect = int(ffi.cast("uintptr_t", protect))


class Memory:
    """Zeroed memory at an address that does not change."""

    __slots__ = ("_keep", "address", "view")

    def __init__(self, size_bytes: int) -> None:
        self._keep = ctypes.create_string_buffer(size_bytes)
        self.address = ctypes.addressof(self._keep)
        self.view = memoryview(self._keep).cast("B")


def address_of(data: bytes) -> int:
    """Where the bytes are; for as long as somebody holds them."""
    return int(ffi.cast("uintptr_t", ffi.from_buffer(data)))


def load() -> Kernel | None:
    """The kernel, if it was built and suits."""
    try:
        return Kernel(LIBRARY)
    except (OSError, AttributeError):
        return None


def _aligned(size_bytes: int) -> int:
    alignment = struct.calcsize("@P")
    return -(-size_bytes // alignment) * alignment
