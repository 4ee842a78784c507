"""One event is one line, whatever is in it."""

from __future__ import annotations

import json
import logging

import pytest

from coldplate import logs


@pytest.fixture(autouse=True)
def logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_text_of_a_client_cant_forge_a_line(capsys, log_format):
    logs.configure(log_format)
    logging.getLogger("coldplate.test").warning("tag %s", "x\n2026-01-01 [info] all is well\x1b[2J\u2028y")
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "\x1b[2J" not in told


def test_json_lines_have_level_name_and_time(capsys):
    logs.configure("json")
    logging.getLogger("coldplate.test").error("broken: %d", 7)
    told = json.loads(capsys.readouterr().err)
    assert (told["event"], told["level"], told["logger"]) == ("broken: 7", "error", "coldplate.test")
    assert told["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_traceback_shows_no_local_variables(capsys, log_format):
    logs.configure(log_format)

    def fail(key):
        raise ValueError("the key is wrong")

    try:
        fail("_".join(("cp", "secret")))
    except ValueError:
        logging.getLogger("coldplate.test").exception("failed")
    told = capsys.readouterr().err
    assert "the key is wrong" in told
    assert "cp_secret" not in told


def test_error_is_logged_with_its_traceback(capsys):
    logs.configure("json")
    try:
        raise ValueError("here")
    except ValueError:
        logging.getLogger("coldplate.test").exception("failed")
    assert "ValueError: here" in json.loads(capsys.readouterr().err)["exception"]
