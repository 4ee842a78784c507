"""A job's params as plain JSON values, checked before anything looks at them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from coldplate.errors import BadInput

MAX_DEPTH = 64
MAX_NODES = 10**6
MAX_DIGITS = 20  # of 64-bit integers, with a sign
SMALLEST, LARGEST = -(2**63), 2**64 - 1

# A whole string or one mark of structure. The possessive quantifiers keep it linear on unfinished strings.
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
UNSAFE = re.compile("[\x00\ud800-\udfff]")


def read(body: bytes) -> dict[str, Any]:
    """The params of a job.

    Arguments of size are checked on the bytes, because the parser recurses as deep as the text nests.

    Raises:
        BadInput: It is not a JSON object, nests deeper than `MAX_DEPTH`, has more than `MAX_NODES` values,
            numbers that are not finite or not within 64 bits, a name twice in one object, or text with NUL
            or a lone surrogate.
    """
    check_structure(body)
    try:
        found = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=named_once,
            parse_constant=no_constant,
            parse_int=bounded_int,
            parse_float=finite_float,
        )
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadInput(f"The params are not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise BadInput("The params are not a JSON object.")
    if b"\\u" in body:  # in strict JSON only an escape can bring them in
        check_texts(found)
    return found


def check_structure(body: bytes) -> None:
    """Refuse bytes that would nest too deep or hold too many values; says nothing else about them."""
    depth = nodes = 0
    for token in TOKEN.finditer(body):
        mark = body[token.start()]
        if mark in b"[{":
            depth += 1
            nodes += 1
        elif mark in b"]}":
            depth -= 1
        elif mark in b",":
            nodes += 1
        if depth > MAX_DEPTH:
            raise BadInput(f"The params nest deeper than {MAX_DEPTH} levels.")
        if nodes > MAX_NODES:
            raise BadInput(f"The params hold more than {MAX_NODES} values.")


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput(f"The name {twice[:80]!r} is twice in one object of the params.")
    return found


def no_constant(text: str) -> NoReturn:
    """Refuse NaN and the infinities, which are not JSON."""
    raise BadInput(f"The params have the number {text}, which is not finite.")


def bounded_int(text: str) -> int:
    """An integer of at most 64 bits."""
    if len(text) > MAX_DIGITS or not SMALLEST <= (found := int(text)) <= LARGEST:
        raise BadInput(f"The params have the integer {text[:40]}, which is not within 64 bits.")
    return found


def finite_float(text: str) -> float:
    """A number that is not too large for a float."""
    found = float(text)
    if not math.isfinite(found):
        raise BadInput(f"The params have the number {text[:40]}, which is not finite.")
    return found


def check_texts(value: Any) -> None:
    """Refuse text with NUL or a lone surrogate anywhere in a JSON value."""
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if UNSAFE.search(item):
                raise BadInput(f"The params have text with NUL or half a character: {item[:40]!r}.")
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def check_tags(value: Any, *, allowed: Collection[str], where: str) -> None:
    """Refuse what a client would make into something else when a result repeats it.

    Args:
        allowed: The types of tagged values that may be inside.
        where: What it is, for errors.
    """
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            tag = item.get("__type__")
            if "__type__" in item and (not isinstance(tag, str) or tag not in allowed):
                raise BadInput(f"{where} has a value of type {str(tag)[:60]!r}, which is not to be there.")
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)


def dumps(value: Any) -> bytes:
    """A JSON value as the bytes of an answer: the same value always gives the same bytes.

    A number that is not finite is written as the official service does, NaN or Infinity; clients read that.
    """
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def fields(value: object, names: Iterable[str], *, where: str) -> dict[str, Any]:
    """An object that has the named fields.

    Args:
        where: What it is, for errors.

    Raises:
        BadInput: It is not an object, or a field is missing.
    """
    if not isinstance(value, dict):
        raise BadInput(f"{where} is not an object.")
    missing = [name for name in names if name not in value]
    if missing:
        raise BadInput(f"{where} has no {', '.join(missing)}.")
    return value
