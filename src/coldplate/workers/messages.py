"""What the pool and its zygote say to each other: one JSON object a line, over a socket pair."""

from __future__ import annotations

import msgspec

from coldplate.workers.pool import Receipt, Ticket


class Start(msgspec.Struct, frozen=True, tag="start"):
    """To the zygote: fork a child for this ticket."""

    ticket: Ticket


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """To the zygote: SIGKILL this attempt's process group."""

    job: str
    fence: int


class Renew(msgspec.Struct, frozen=True, tag="renew"):
    """To the zygote: this attempt's lease goes on."""

    job: str
    fence: int
    until: float  # monotonic


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From the zygote: everything is imported; how well children are shut in, by feature."""

    isolation: dict[str, str]


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """From the zygote: it can't work, and why; its last word."""

    reason: str


class Started(msgspec.Struct, frozen=True, tag="started"):
    """From the zygote: the child runs; its pid is also its process group."""

    job: str
    fence: int
    pid: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """From the zygote: the child and everything it left behind are dead and reaped."""

    job: str
    fence: int
    exit: int  # exit code; minus the signal that killed it
    cpu_s: float = 0.0
    oom_kills: int = 0  # processes the kernel's OOM killer took on this machine meanwhile
    receipt: Receipt | None = None  # None: it died without one
    tail: str = ""  # the end of what it wrote to stderr


class Lost(msgspec.Struct, frozen=True, tag="lost"):
    """From the zygote: the fork itself failed. From the pool: the zygote is gone."""

    job: str
    fence: int
    reason: str


Order = Start | Kill | Renew
News = Ready | Broken | Started | Ended | Lost

_encoder = msgspec.json.Encoder()
_orders = msgspec.json.Decoder(Order)
_news = msgspec.json.Decoder(News)


def line(message: Order | News) -> bytes:
    """A message as it travels."""
    return _encoder.encode(message) + b"\n"


def read_order(data: bytes) -> Order:
    """An order to the zygote."""
    order: Order = _orders.decode(data)
    return order


def read_news(data: bytes) -> News:
    """News from the zygote."""
    news: News = _news.decode(data)
    return news
