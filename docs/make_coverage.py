"""Writes docs/coverage.md and docs/techniques/options.md from the code: every endpoint, program and option.

python docs/make_coverage.py            writes the page
python docs/make_coverage.py --check    exits with 1 if the page is not what the code says
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from fastapi.routing import APIRoute

from coldplate.api.accounts import not_offered
from coldplate.api.app import build_app
from coldplate.api.guard import ALIASES, BASE
from coldplate.changes import Changes
from coldplate.domain.forms import FORMS, Form
from coldplate.domain.option_tables import TABLES, Option, Standing
from coldplate.domain.options import Coverage, coverage
from coldplate.domain.options_runner import OPTIONS as RUNNER_OPTIONS
from coldplate.domain.options_runner import RUNNERS
from coldplate.domain.options_v1 import PROGRAMS as V1_PROGRAMS
from coldplate.domain.options_v1 import TABLES as V1_TABLES
from coldplate.legacy import Legacy
from coldplate.service import Service
from coldplate.settings import Settings

PAGE = Path(__file__).with_name("coverage.md")
REFERENCE = Path(__file__).parent / "techniques" / "options.md"
REFUSED = "refused (not yet)"
UPLOADED = "clients of 2023: [`main(backend, user_messenger, **kwargs)`](decisions/uploaded-programs.md)"
INTRODUCTION = f"""\
# Coverage

What official clients may ask for, and what this release does with it. Nothing is silently ignored: what is
not honoured is refused by its name. An option that would turn something on is refused only when it does:
`false` is accepted. This page is generated from the code: `python docs/make_coverage.py`.

## Endpoints

Paths under `{BASE}` answer under {" and ".join(f"`{alias.rstrip('/')}`" for alias in ALIASES)} too. Beside
them there are `/metrics` (see [operations](operations.md)) and `/openapi.json`.
"""
Row = tuple[str, ...]


def endpoint_rows() -> Iterator[Row]:
    """Every route of the application. It is built without a service, since none of them is called."""
    app = build_app(cast(Service, None), Settings.model_construct(), Changes(), cast(Legacy, None))
    for route in app.routes:
        if isinstance(route, APIRoute):
            told = first_line(route.endpoint)
            refused = route.endpoint is not_offered or told.startswith("Refused")
            path = f"`{' '.join(sorted(route.methods or ()))} {route.path}`"
            yield path, "refused" if refused else "honoured", told


def first_line(thing: Any) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def program_rows() -> Iterator[Row]:
    """Every official program."""
    for name, form in FORMS.items():
        yield f"`{name}`", "honoured", program_note(form)
    for name in V1_PROGRAMS:
        yield f"`{name}` (V1)", "honoured", "clients of 2023: params with `circuits` in place of `pubs`"
    for name in RUNNERS:
        yield f"`{name}`", "honoured", "clients of 2023: `backend.run` of their provider"
    yield "uploaded programs", "refused (4052) unless the operator sets `run_uploads`", UPLOADED


def program_note(form: Form) -> str:
    """How a program is asked for."""
    if form.schema_versions:
        return f"`{form.program}`, schema versions {', '.join(form.schema_versions)}"
    return f"`{form.program}`, version {form.version}"


def old_tables() -> Iterator[tuple[str, Sequence[Option]]]:
    """Titles and options of what clients of 2023 send."""
    for name in V1_PROGRAMS:
        yield f"`{name}` (V1)", V1_TABLES[name]
    yield " and ".join(f"`{name}`" for name in RUNNERS), RUNNER_OPTIONS


def old_row(option: Option) -> Row:
    """One option of theirs."""
    standing = REFUSED if option.standing == Standing.NOT_YET else option.standing
    default = "" if option.default is None else f"`{json.dumps(option.default)}`"
    return f"`{option.path}`", standing, option.kind.name, default, option.note


def option_row(option: Coverage) -> Row:
    """One option of a program."""
    standing = REFUSED if option.standing == Standing.NOT_YET else option.standing
    default = "" if option.default == "null" else f"`{option.default}`"
    return f"`{option.option}`", standing, option.kind, default, option.note


def table(titles: Row, rows: Iterable[Row]) -> str:
    """A Markdown table.

    >>> table(("a",), [("x | y",)])
    '| a |\\n|---|\\n| x \\\\| y |\\n'
    """
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (titles, *rows)]
    lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in row) + "|" for row in cells]
    return "\n".join([lines[0], "|" + "---|" * len(titles), *lines[1:]]) + "\n"


def page() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        table(("endpoint", "standing", "what it gives"), endpoint_rows()),
        "## Programs\n",
        table(("program", "standing", "note"), program_rows()),
    ]
    options = coverage()
    for program in FORMS:
        rows = [option_row(option) for option in options if option.program == program]
        parts.append(f"## Options of `{program}`\n")
        parts.append(table(("option", "standing", "value", "default", "note"), rows))
    for title, found in old_tables():
        parts.append(f"## Options of {title}\n")
        parts.append(table(("option", "standing", "value", "default", "note"), map(old_row, found)))
    return "\n".join(parts)


REFERENCE_INTRODUCTION = """\
# Option reference

Options of the estimator and the sampler that suppress or mitigate errors, with defaults by resilience level
(the sampler has none: its defaults are those of level 0). An explicit option always wins over the level.
This page is generated from the code: `python docs/make_coverage.py`.
"""
TECHNIQUES = {
    "Twirling": ("twirling.",),
    "Dynamical decoupling": ("dynamical_decoupling.",),
    "Readout mitigation": ("resilience.measure", "experimental.readout"),
    "Zero-noise extrapolation": ("resilience.zne",),
    "Probabilistic error cancellation": ("resilience.pec",),
    "Noise of layers": ("resilience.layer_noise",),
}


def reference() -> str:
    """The option reference of the mitigation guides."""
    options = {option.path: option for program in ("sampler", "estimator") for option in TABLES[program]}
    parts = [REFERENCE_INTRODUCTION]
    for title, prefixes in TECHNIQUES.items():
        rows = [
            (
                f"`{path}`",
                REFUSED if option.standing == Standing.NOT_YET else option.kind.name,
                *(f"`{json.dumps(option.default_at(level))}`" for level in (0, 1, 2)),
                option.note,
            )
            for path, option in options.items()
            if path.startswith(prefixes)
        ]
        parts.append(f"## {title}\n")
        parts.append(table(("option", "value", "level 0", "level 1", "level 2", "note"), rows))
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python docs/make_coverage.py [--check]", file=sys.stderr)
        return 2
    pages = {"docs/coverage.md": (PAGE, page()), "docs/techniques/options.md": (REFERENCE, reference())}
    if not arguments:
        for path, text in pages.values():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [
        name
        for name, (path, text) in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if not stale:
        return 0
    says = f"{' and '.join(stale)} is stale; write it anew with: python docs/make_coverage.py"
    print(says, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
