from __future__ import annotations

import sys

import pytest

from coldplate.workers import preload


def test_a_package_with_a_star_is_imported_with_its_modules(monkeypatch):
    monkeypatch.delitem(sys.modules, "coldplate.domain.usage", raising=False)
    preload.preload(["coldplate.domain.*"])
    assert "coldplate.domain.usage" in sys.modules


def test_the_entry_is_a_function_of_a_module():
    assert preload.find_entry("coldplate.workers.preload:find_entry") is preload.find_entry


@pytest.mark.parametrize("name", ["no_such_module:run", "coldplate.workers.zygote:no_such_function"])
def test_an_entry_that_does_not_exist_is_an_error(name):
    with pytest.raises((ImportError, AttributeError)):
        preload.find_entry(name)
