"""Options of a job: checked against the tables, and settled to values with defaults.

The office checks before it stores a job; the lab takes its defaults from here; docs/coverage.md is
written from the same tables. An option is honoured or refused, never ignored.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from coldplate.domain.forms import FORMS, Form, form_of
from coldplate.domain.option_conflicts import check_together
from coldplate.domain.option_tables import Option, Standing
from coldplate.domain.options_runner import RUNNERS, check_runner
from coldplate.domain.options_v1 import check_v1, is_v1
from coldplate.errors import BadRequest, NotYet, UnknownProgram

DEFAULT_LEVEL, HIGHEST_LEVEL = 1, 2
MAX_SHOWN = 60  # characters of a wrong value that an error shows


@dataclass(frozen=True)
class Coverage:
    """One row of docs/coverage.md."""

    program: str
    option: str
    kind: str
    default: str
    standing: str
    note: str


def check_params(program: str, params: bytes) -> None:
    """Refuse params whose options can't be honoured; circuits and pubs stay unopened.

    Args:
        program: The program's id.
        params: The job's inputs as they were sent.

    Raises:
        BadRequest: Not JSON, an unknown field or option, a wrong type, or a value out of bounds.
        NotYet: An official option that this release does not honour; named by its full path.
        IncompatibleOptions: Two options that don't go together.
        UnknownProgram: There is no such program.
    """
    if program in RUNNERS:
        given = read_object(params)
        check_runner(given, lambda name: read_field(name, given[name]))
        return
    if form_of(program, ()) is None:
        raise UnknownProgram(f"Program {program!r:.{MAX_SHOWN}} does not exist.")
    fields = read_object(params)
    name = form_of(program, fields) or program
    form = FORMS[name]
    if is_v1(program, fields):
        check_v1(program, fields, lambda name: read_field(name, fields[name]))
        return
    allowed = {*form.settings} | ({form.payload} if form.payload else set())
    for field in fields:
        if field not in allowed:
            raise BadRequest(f"params.{field:.{MAX_SHOWN}} is unknown{suggestion(field, allowed)}.")
    check_payload(form, fields)
    settle(name, {field: read_field(field, fields[field]) for field in form.settings if field in fields})


def read_object(params: bytes) -> dict[str, msgspec.Raw]:
    """The fields of the params, each still as it was sent."""
    try:
        return msgspec.json.decode(params, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadRequest(f"params can't be read: {error}") from None


def read_field(name: str, raw: msgspec.Raw) -> Any:
    """One field as plain values."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadRequest(f"params.{name} can't be read: {error}") from None


def check_payload(form: Form, fields: Mapping[str, msgspec.Raw]) -> None:
    """Refuse params without anything to run, by the first byte of what there should be."""
    name = form.payload
    if name is None:
        return
    start = bytes(memoryview(fields[name])[:64]).lstrip()[:1] if name in fields else b""
    if start != form.opening:
        word = "an object" if form.opening == b"{" else "a list"
        raise BadRequest(f"params.{name} is missing, or not {word}.")


def settle(form: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option of a program, by path, with defaults for those not given.

    Null means "not given", as clients send it.

    Args:
        form: The name of their form, in `FORMS`.
        params: The params as plain values; what is to be run is not looked at.

    Returns:
        Values by path inside ``options`` (``twirling.enable_measure``), with ``support_qiskit`` and
        ``resilience_level`` beside them.

    Raises:
        BadRequest, NotYet, IncompatibleOptions: See `check_params`.
    """
    settled = settle_envelope(form, params)
    options = params.get("options")
    table = {option.path: option for option in FORMS[form].table}
    given = dict(walk({} if options is None else options, table=table, path="options"))
    level = settled.get("resilience_level", 0)
    for path, option in table.items():
        settled[path] = given.get(path, option.default_at(level))
    check_together(form, given=given, settled=settled)
    return settled


def settle_envelope(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the settings that lie beside the options."""
    form = FORMS[name]
    if form.schema_versions and (schema := params.get("schema_version")) not in form.schema_versions:
        raise BadRequest(f"params.schema_version is {shown(schema)}, not {' | '.join(form.schema_versions)}.")
    version = params.get("version", form.version)
    if type(version) is not int or version != form.version:
        raise BadRequest(f"params.version is {shown(version)}; this server speaks version {form.version}.")
    if "support_qiskit" not in form.settings:
        return {}
    support_qiskit = params.get("support_qiskit")
    if support_qiskit is not None and not isinstance(support_qiskit, bool):
        raise BadRequest(f"params.support_qiskit is {shown(support_qiskit)}, not a boolean.")
    settled: dict[str, Any] = {"support_qiskit": bool(support_qiskit)}
    if name == "estimator":
        settled["resilience_level"] = settle_level(params.get("resilience_level"))
    return settled


def settle_level(level: Any) -> int:
    """The resilience level, 1 when none is given."""
    if level is None:
        return DEFAULT_LEVEL
    if type(level) is not int or not 0 <= level <= HIGHEST_LEVEL:
        raise BadRequest(f"resilience_level is {shown(level)}, not an integer from 0 to {HIGHEST_LEVEL}.")
    return int(level)


def walk(options: Any, *, table: Mapping[str, Option], path: str) -> Iterator[tuple[str, Any]]:
    """Every option that was given, as (path inside options, value), each checked."""
    if not isinstance(options, dict):
        raise BadRequest(f"{path} is {shown(options)}, not an object.")
    for name, value in options.items():
        here = f"{path}.{name}"
        inside = here.removeprefix("options.")
        section = f"{inside}."
        if inside in table:
            if value is not None:
                check_value(table[inside], value)
            if value is not None or table[inside].nullable:
                yield inside, value
        elif any(known.startswith(section) for known in table):
            yield from walk({} if value is None else value, table=table, path=here)
        else:
            raise BadRequest(f"Option {here:.200} is unknown{suggestion(inside, table)}.")


def check_value(option: Option, value: Any) -> None:
    """Refuse a value of the wrong type or out of bounds, and an option that is not honoured yet."""
    if not option.kind.accepts(value):
        raise BadRequest(f"options.{option.path} is {shown(value)}, not {option.kind.name}.")
    if option.standing is Standing.NOT_YET and value not in option.idle:
        raise NotYet(f"options.{option.path}")


def suggestion(name: str, known: Mapping[str, Any] | set[str]) -> str:
    """A hint at the name that was probably meant.

    >>> suggestion("twirling.enable_mesure", {"twirling.enable_measure"})
    '; did you mean twirling.enable_measure?'
    """
    close = difflib.get_close_matches(name[:MAX_SHOWN], sorted(known), n=1, cutoff=0.8)
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: Any) -> str:
    """A wrong value as an error shows it: short, whatever was sent."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"{value!r:.{MAX_SHOWN}}"


def coverage() -> list[Coverage]:
    """Every option of every program, for docs/coverage.md."""
    rows = [
        Coverage(name, option.path, option.kind.name, show_default(option), str(option.standing), option.note)
        for name, form in FORMS.items()
        for option in form.table
    ]
    level = Coverage(
        "estimator",
        "resilience_level",
        "0 | 1 | 2",
        "1",
        "honoured",
        "what each level turns on is in the defaults below",
    )
    return [level, *rows]


def show_default(option: Option) -> str:
    """A default as the documentation shows it."""
    default = msgspec.json.encode(option.default).decode()
    by_level = [f"level {level}: {msgspec.json.encode(value).decode()}" for level, value in option.levels]
    return ", ".join([default, *by_level])
