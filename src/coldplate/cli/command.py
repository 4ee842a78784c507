"""The command itself, and what has to do with one server: serve, env, doctor."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from coldplate import __version__
from coldplate.cli import devices, estimate, operators, people, queue, simulate, users
from coldplate.cli.terminal import Data, fail, read_settings
from coldplate.errors import ColdplateError

app = typer.Typer(
    help="The open, self-hosted service for official quantum runtime clients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command; what goes wrong is told in one line, with exit code 1 (2: wrong usage)."""
    try:
        app()
    except ColdplateError as error:
        fail(f"{error.message} {error.solution}")
    except BrokenPipeError:  # `coldplate jobs | head`
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        fail(str(error))


def say_version(wanted: bool) -> None:
    """--version."""
    if wanted:
        typer.echo(f"coldplate {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one [8080].")] = None,
    data: Data = None,
    catalog: Annotated[Path | None, typer.Option(help="Catalog of backends, TOML.")] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM certificate chain; with --tls-key: https.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.")] = None,
    slots: Annotated[int | None, typer.Option(help="Job processes at the same time [2].")] = None,
    run_uploads: Annotated[
        bool, typer.Option("--run-uploads", help="Run the Python programs that users upload: a risk.")
    ] = False,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Serve until Ctrl-C. The first start makes an instance and an API key."""
    given = {"host": host, "port": port, "data": data, "catalog": catalog, "slots": slots}
    given |= {"tls_cert": tls_cert, "tls_key": tls_key}
    given |= {"run_uploads": run_uploads or None}
    settings = read_settings(given)
    from coldplate import logs, server  # 1 s

    logs.configure(settings.log_format)

    def say_ready(url: str) -> None:
        where = "" if data is None else f" --data {shlex.quote(str(data))}"
        typer.echo(f"Coldplate {__version__} serves at {url}, with its data in {settings.data}.")
        typer.echo(f'Point clients here:  eval "$(coldplate env{where})"')
        sys.stdout.flush()

    server.serve(settings, on_ready=say_ready, with_parent=with_parent)


@app.command()
def env(
    data: Data = None,
    simple: Annotated[
        bool,
        typer.Option("--simple", help="One instance, fewer calls (recipe A) instead of the whole account."),
    ] = False,
    before_2025: Annotated[
        bool, typer.Option("--before-2025", help="For clients from 0.12 (2023) to 0.40.")
    ] = False,
) -> None:
    """Print the variables that make any existing script run here: eval "$(coldplate env)"."""
    from coldplate.connection import from_data

    connection = from_data(read_settings({"data": data}).data)
    other = {"QISKIT_FUNCTIONS_EXPERIMENTAL", "GLOBAL_SEARCH_URL", "GLOBAL_CATALOG_URL"}
    other |= {"QISKIT_IBM_CHANNEL", "QISKIT_IBM_INSTANCE"}
    wanted = connection.old_variables if before_2025 else connection.variables(simple=simple)
    for name in sorted(other - set(wanted)):
        typer.echo(f"unset {name}")
    for name, value in wanted.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def doctor(data: Data = None) -> None:
    """Say what is wrong with this set-up, and how to mend it; exit code 1 if something is."""
    from coldplate import doctor as checks

    marks = {"ok": typer.style("ok     ", fg="green"), "note": typer.style("note   ", fg="yellow")}
    marks["problem"] = typer.style("PROBLEM", fg="red", bold=True)
    problems = 0
    for finding in checks.examine(data):
        typer.echo(f"{marks[finding.level]}  {finding.what}")
        if finding.fix:
            typer.echo(f"         -> {finding.fix}")
        problems += finding.level == "problem"
    raise typer.Exit(1 if problems else 0)


app.add_typer(users.app)
app.add_typer(operators.app)
app.add_typer(devices.app)
app.add_typer(people.app)
app.add_typer(queue.app)
app.add_typer(simulate.app)
app.add_typer(estimate.app)
