from __future__ import annotations

import msgspec
import pytest

from coldplate.errors import JobFailure
from coldplate.workers import receipts
from coldplate.workers.child import MAX_RECEIPT, encode_receipt
from coldplate.workers.pool import Receipt, Ticket

TICKET = Ticket("j" * 20, 1, "sampler", "aer", "", "", "", "")


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain", "plain"),
        ("two\nlines", "two lines"),
        ("nul\x00 and \ud800 alone", "nul  and   alone"),
        ("x" * 601, "x" * 597 + "..."),
    ],
)
def test_reasons_are_one_short_printable_line(text, safe):
    assert receipts.plain(text) == safe


@pytest.mark.parametrize("character", ["x", '"', "\u00e9", "\U0001f600", "\x01", "\ud800"])
def test_the_longest_receipt_fits_into_a_page(character):
    error = JobFailure(character * 5000, solution=character * 5000)
    assert len(encode_receipt(receipts.failed(TICKET, error))) <= MAX_RECEIPT


@pytest.mark.parametrize("metrics", [{"x": "y" * 5000}, {"x": object()}], ids=["too-large", "not-json"])
def test_metrics_that_cannot_travel_are_left_out(metrics):
    receipt = Receipt("job", 1, "Completed", usage_s=3.0, metrics=metrics)
    assert msgspec.json.decode(encode_receipt(receipt), type=Receipt) == Receipt(
        "job", 1, "Completed", usage_s=3.0
    )


@pytest.mark.parametrize(
    ("text", "means_it"),
    [
        ("ERROR: Insufficient memory to run circuit", True),
        ("posix_memalign failed: Cannot allocate memory", True),
        ("std::bad_alloc", True),
        ("memory allocation of 8589934592 bytes failed", True),
        ("Unable to allocate 16.0 GiB for an array", True),
        ("a circuit with 5 qubits", False),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(text, means_it):
    assert receipts.tells_of_no_memory(text) == means_it
