import pytest

from tests.unit.live.house import House


@pytest.fixture
def house(tmp_path):
    return House(tmp_path)
