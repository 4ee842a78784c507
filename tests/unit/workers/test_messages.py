from __future__ import annotations

import pytest

from coldplate.workers.messages import (
    Broken,
    Ended,
    Kill,
    Lost,
    Ready,
    Start,
    Started,
    line,
    read_news,
    read_order,
)
from coldplate.workers.pool import Limits, Receipt, Ticket

TICKET = Ticket("job", 1, "sampler", "aer", "p", "r", "l", "/b", seed=7, limits=Limits(threads=2))


@pytest.mark.parametrize("order", [Start(TICKET), Kill("job", 3)], ids=type)
def test_an_order_arrives_as_it_was_sent(order):
    assert read_order(line(order)) == order


@pytest.mark.parametrize(
    "news",
    [
        Ready({"network": "none"}),
        Broken("no stim"),
        Started("job", 1, 42),
        Ended("job", 1, -9, cpu_s=1.5, receipt=Receipt("job", 1, "Completed", metrics={"n": 1}), tail="a\nb"),
        Lost("job", 1, "gone"),
    ],
    ids=type,
)
def test_news_arrive_as_they_were_sent(news):
    assert read_news(line(news)) == news


def test_a_message_is_one_line_whatever_it_says():
    assert line(Broken("two\nlines")).count(b"\n") == 1
