"""Query parameters as clients send them: pages, moments, cursors."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime

from coldplate.domain.submission import MAX_TAGS
from coldplate.errors import BadRequest, TooManyTags

PAGE = 200  # jobs in one page: the default and the largest
LAST = 2**53 - 1  # largest offset: every JSON reader counts this far, and so does the store


def page_size(asked: int, *, most: int, default: int) -> int:
    """The size of a page: out of range means the default, as the official service has it.

    >>> page_size(20, most=200, default=200), page_size(0, most=200, default=200)
    (20, 200)
    """
    return asked if 1 <= asked <= most else default


def moment(text: str | None, *, name: str) -> datetime | None:
    """A moment in ISO 8601, in UTC; without an offset it is taken as UTC.

    Raises:
        BadRequest: The text is not a moment.
    """
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest(f"{name} is {text!r}, not a moment in ISO 8601.") from error


def tag_filter(tags: list[str] | None) -> tuple[str, ...]:
    """The tags to look for, each once.

    >>> tag_filter(["a", "b", "a"])
    ('a', 'b')

    Raises:
        TooManyTags: No job can have so many, and no database compares so many.
    """
    wanted = tuple(dict.fromkeys(tags or ()))
    if len(wanted) > MAX_TAGS:
        raise TooManyTags(f"The query has {len(wanted)} tags.")
    return wanted


def cursor(start: int) -> str:
    """The cursor of the page that begins at a position; clients need not know what is in it."""
    return urlsafe_b64encode(f"at:{start}".encode()).decode()


def cursor_start(text: str | None) -> int:
    """Where the page of a cursor begins; without one, at the beginning.

    >>> cursor_start(cursor(100)), cursor_start(None)
    (100, 0)

    Raises:
        BadRequest: It is not a cursor that `cursor` makes.
    """
    if not text:
        return 0
    try:
        mark, start = urlsafe_b64decode(text.encode()).decode("ascii").split(":")
    except ValueError as error:
        raise BadRequest(f"{text!r} is not a cursor of this server.") from error
    if mark != "at" or not start.isdigit() or len(start) > 15:
        raise BadRequest(f"{text!r} is not a cursor of this server.")
    return int(start)
