"""Describes a catalog's backends for the office: `python -m coldplate.backends.describe [--catalog PATH]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

from coldplate.backends import snapshot
from coldplate.backends.catalog import Entry, read
from coldplate.domain.backend import BackendRecord
from coldplate.errors import ColdplateError


def describe(entries: Iterable[Entry]) -> list[BackendRecord]:
    """The records of backends."""
    return [snapshot.record(entry) for entry in entries]


def main(arguments: list[str]) -> None:
    """Print the records as JSON; a catalog that is wrong ends in one line and exit code 1."""
    parser = argparse.ArgumentParser(prog="coldplate.backends.describe", description=__doc__)
    parser.add_argument("--catalog", type=Path, help="catalog file; default: the one that ships")
    path = parser.parse_args(arguments).catalog
    try:
        records = describe(read(path))
    except ColdplateError as error:
        sys.exit(error.message)
    sys.stdout.buffer.write(msgspec.json.encode(records))


if __name__ == "__main__":
    main(sys.argv[1:])
