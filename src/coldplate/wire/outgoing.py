"""What an uploaded program tells: held against a closed list before anybody else's client decodes it.

That client would import the module that a value names, fetch the address that an object has as its `url`, and
stumble over a bare number.

Source: `RuntimeDecoder` and `RuntimeJob._download_external_result` of qiskit-ibm-runtime 0.12.2.
"""

from __future__ import annotations

from typing import Any

from coldplate.errors import BadInput
from coldplate.wire import tagged
from coldplate.wire.limits import Budget

PLAIN = frozenset({"Result", "to_json"})  # tags whose values are made of others


def outgoing(value: Any) -> Any:
    """A value as clients of 2023 can read it, and as nobody is harmed by it.

    Raises:
        BadInput: A tagged value in it is not on the list, or not what its tag says.
        LimitExceeded: It unfolds into too much.
    """
    check(value, Budget())
    if isinstance(value, dict) and "url" not in value:
        return value
    return tagged.tagged("to_json", value)  # which decodes to the value, whatever it is


def check(value: Any, budget: Budget) -> None:
    """Refuse tagged values that are not on the list; for errors see `outgoing`."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(item)
        elif isinstance(item, dict) and "__type__" not in item:
            waiting.extend(item.values())
        elif isinstance(item, dict):
            tag = str(item["__type__"])[:60]
            if tag in tagged.VALUES:
                tagged.decode(item, allow=tagged.VALUES, budget=budget)
            elif tag in PLAIN and set(item) == {"__type__", "__value__"}:
                waiting.append(item["__value__"])
            else:
                raise BadInput(f"The program tells a value of type {tag!r}.")
