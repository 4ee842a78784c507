"""What an owner may know of an emulated device, and its users have to find out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from coldplate.cli.terminal import AsJson, Data, read_settings, show

app = typer.Typer()
device = typer.Typer(help="Emulated devices of this server.", no_args_is_help=True)
app.add_typer(device, name="device")


@device.command("truth")
def tell_truth(
    name: str,
    data: Data = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalog of backends, TOML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the true noise of a device, to judge what mitigation or a noise learner finds."""
    from coldplate.backends import catalog as entries
    from coldplate.backends.truth import summary, truth  # 1 s: this imports Qiskit

    settings = read_settings({"data": data, "catalog": catalog})
    found = truth(entries.find(name, settings.catalog))
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for line in summary(found):
        typer.echo(line)
    for table in ("qubits", "pairs", "gates"):
        typer.echo("")
        show(
            [
                {title: tell(value) for title, value in row.items() if title != "pauli_lindblad"}
                for row in found[table]
            ],
            as_json=False,
        )


def tell(value: object) -> object:
    """A value as it is shown in a table."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value
