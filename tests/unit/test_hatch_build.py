"""The kernel is optional: an installation without a C compiler, or with one that fails, goes on without it."""

import pytest

from hatch_build import LIBRARY, SOURCE, build


@pytest.mark.parametrize("compiler", ["", "no-such-compiler", "false", "false --flag"])
def test_without_a_compiler_that_works_nothing_is_built_and_nothing_fails(tmp_path, monkeypatch, compiler):
    (tmp_path / SOURCE).parent.mkdir(parents=True)
    (tmp_path / SOURCE).write_text("int main(void) { return 0; }")
    monkeypatch.setenv("CC", compiler)
    if not compiler:
        monkeypatch.setenv("PATH", "")
    assert build(tmp_path) is False
    assert not (tmp_path / LIBRARY).exists()
