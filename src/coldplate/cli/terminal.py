"""What all commands share: their common options, how they print, how they fail."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from coldplate.errors import ColdplateError

if TYPE_CHECKING:
    from coldplate.settings import Settings

Data = Annotated[Path | None, typer.Option("--data", help="Data directory of the server.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WIDE = 1000  # characters
Row = Mapping[str, Any]


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end."""
    typer.echo(f"coldplate: {message}", err=True)
    sys.exit(1)


def read_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from arguments, environment and file; the first thing wrong with them as one line."""
    from pydantic import ValidationError

    from coldplate.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        raise ColdplateError(
            f"Setting {name}: {first['msg']}.", solution="Correct the option, variable or file."
        ) from error


def show(rows: Sequence[Row], as_json: bool) -> None:
    """Rows as a table, or as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo("None.")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, value in rows[0].items():
        numeric = isinstance(value, int | float)
        table.add_column(title, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, not str: what users wrote is no markup.
        table.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    console = Console()
    if not console.is_terminal:
        console.width = WIDE  # a file has no right edge
    console.print(table)
