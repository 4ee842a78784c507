"""The one table of stable error codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import import_module

from coldplate.errors import ColdplateError


def every(kind: type[ColdplateError]) -> Iterator[type[ColdplateError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every(child)


def test_code_of_ours_means_one_thing():
    for module in ("server", "client", "backup", "data_dir", "connection", "cli.stored", "backends.catalog"):
        import_module(f"coldplate.{module}")  # those that define their own
    ours = [kind.code for kind in every(ColdplateError) if 4000 <= kind.code < 5000 and "code" in vars(kind)]
    assert [code for code, times in Counter(ours).items() if times > 1] == []
