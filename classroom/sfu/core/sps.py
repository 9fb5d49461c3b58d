"""The sequence parameter set of H.264 (ITU-T H.264 §7.3.2.1, Annex E): how large the pictures are, and more."""

from __future__ import annotations

from dataclasses import dataclass

from classroom.sfu.core.payload import NAL_SPS

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EXTENDED_SAR = 255
# Real ones have 10 to 50 bytes, a few hundred with scaling lists. The SFU reads them on its event loop: a publisher
# that sends large ones must not hold it up.
_MAX_BYTES = 512
_MAX_SIDE_PX = 16384


class BadParameterSet(ValueError):
    """The bytes are not a sequence parameter set that can be understood."""


@dataclass(frozen=True, slots=True)
class SequenceParameterSet:
    """What a player has to know of the pictures; ``width_px`` and ``height_px`` after cropping.

    ``frame_rate_hz`` is None when the encoder did not say (VUI timing).
    """

    profile: int
    constraints: int
    level: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    width_px: int
    height_px: int
    frame_rate_hz: float | None

    @property
    def codec(self) -> str:
        """The codec string of RFC 6381, for example ``avc1.42C01F``."""
        return f"avc1.{self.profile:02X}{self.constraints:02X}{self.level:02X}"


class _Bits:
    """Reads the payload of a NAL unit bit by bit; emulation prevention bytes are taken out first (§7.4.1)."""

    def __init__(self, nal: bytes) -> None:
        payload = nal[1:].replace(b"\x00\x00\x03", b"\x00\x00")
        self._digits = bin(int.from_bytes(b"\x01" + payload, "big"))[3:]
        self._at = 0

    def take(self, count: int) -> int:
        end = self._at + count
        if end > len(self._digits):
            raise BadParameterSet("ends too early")
        value = int(self._digits[self._at : end] or "0", 2)
        self._at = end
        return value

    def ue(self) -> int:
        one = self._digits.find("1", self._at)
        if one < 0:
            raise BadParameterSet("ends too early")
        zeros = one - self._at
        if zeros > 32:
            raise BadParameterSet("number too large")
        self._at = one + 1
        return (1 << zeros) - 1 + self.take(zeros)

    def se(self) -> int:
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def parse_sps(nal: bytes) -> SequenceParameterSet:
    """Parse a sequence parameter set (a NAL unit with its header). Raises BadParameterSet."""
    if not 4 <= len(nal) <= _MAX_BYTES or nal[0] & 0x1F != NAL_SPS:
        raise BadParameterSet("not a sequence parameter set")
    bits = _Bits(nal)
    profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
    bits.ue()  # seq_parameter_set_id
    chroma_format, luma_bits, chroma_bits, separate_planes = 1, 8, 8, 0
    if profile in _HIGH_PROFILES:
        chroma_format = bits.ue()
        if chroma_format == 3:
            separate_planes = bits.take(1)
        luma_bits, chroma_bits = 8 + bits.ue(), 8 + bits.ue()
        bits.take(1)  # qpprime_y_zero_transform_bypass
        if bits.take(1):
            _skip_scaling_lists(bits, 8 if chroma_format != 3 else 12)
    bits.ue()  # log2_max_frame_num_minus4
    _skip_picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.take(1)  # gaps_in_frame_num_value_allowed
    width = 16 * (bits.ue() + 1)
    map_units = bits.ue() + 1
    frame_mbs_only = bits.take(1)
    height = 16 * map_units * (2 - frame_mbs_only)
    if not frame_mbs_only:
        bits.take(1)  # mb_adaptive_frame_field
    bits.take(1)  # direct_8x8_inference
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        subsampled = chroma_format if not separate_planes else 0
        unit_x = 2 if subsampled in (1, 2) else 1
        unit_y = (2 if subsampled == 1 else 1) * (2 - frame_mbs_only)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if not (0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX):
        raise BadParameterSet(f"picture of {width} by {height} px")
    frame_rate = _frame_rate(bits) if bits.take(1) else None
    return SequenceParameterSet(
        profile, constraints, level, chroma_format, luma_bits, chroma_bits, width, height, frame_rate
    )


def _skip_scaling_lists(bits: _Bits, count: int) -> None:
    for index in range(count):
        if not bits.take(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(bits.ue()):
            bits.se()


def _frame_rate(bits: _Bits) -> float | None:
    """Read the VUI up to its timing (§E.1.1)."""
    if bits.take(1) and bits.take(8) == _EXTENDED_SAR:
        bits.take(32)
    if bits.take(1):
        bits.take(1)  # overscan_appropriate
    if bits.take(1):
        bits.take(4)  # video_format, video_full_range
        if bits.take(1):
            bits.take(24)  # colour description
    if bits.take(1):
        bits.ue()
        bits.ue()
    if not bits.take(1):
        return None
    units_in_tick, time_scale = bits.take(32), bits.take(32)
    return time_scale / (2 * units_in_tick) if units_in_tick and time_scale else None
