"""A short hunt in every run of the suite; the long ones are in docs/fuzzing.md."""

import importlib.util
import random

import pytest

from tests.fuzz import targets
from tests.fuzz.campaign import hunt
from tests.fuzz.targets import TARGETS

INPUTS = {"sdp": 400, "lesson": 600, "feedback": 1500, "framing": 1500}  # the others take a hundredth of the time
LED_INPUTS = {"sdp": 6000, "lesson": 2500, "feedback": 9000, "framing": 17_000}  # some seconds of a quiet machine
guided = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris has no wheel for this platform"
)


def mutated(seeds: tuple[bytes, ...], rng: random.Random) -> bytes:
    """A seed with some bytes changed, cut, doubled, or put in the place of others."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0 | 1:
                data[at : at + 1] = bytes([rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))])
            case 2:
                data[at:] = b""
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                data[at : at + rng.randrange(1, 9)] = b""
            case _:
                other = rng.choice(seeds)
                data[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_almost_right_input_is_taken_or_refused_as_documented(name):
    target, rng = TARGETS[name], random.Random(name)
    for seed in target.seeds:
        target.run(seed)
    for _ in range(INPUTS.get(name, 10_000)):
        data = mutated(target.seeds, rng)[: target.max_bytes]
        if name == "lesson" and rng.random() < 0.5:
            data = rng.randbytes(300)
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"input: {data.hex()}")
            raise


@guided
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", TARGETS)
def test_a_short_hunt_led_by_coverage_finds_nothing(name, tmp_path):
    inputs = LED_INPUTS.get(name, 20_000)
    outcome = hunt(name, tmp_path, inputs=inputs)
    assert outcome.findings == 0, outcome.log[-4000:]
    assert outcome.inputs >= inputs


@guided
@pytest.mark.timeout(240)
def test_a_hunt_finds_what_is_wrong(tmp_path):
    (tmp_path / "planted").mkdir()
    outcome = hunt("planted", tmp_path, inputs=200_000)
    assert outcome.findings == 1 and "planted fault" in outcome.log
    assert list(tmp_path.glob("planted-crash-*"))


def test_a_parser_that_lets_an_error_through_is_found(monkeypatch):
    monkeypatch.setattr(targets, "parse_rtp", lambda data: data[12])
    with pytest.raises(IndexError):
        TARGETS["rtp"].run(b"\x80")
