"""docs/coverage.md says what the code does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from coldplate.domain import submission
from coldplate.domain.forms import FORMS
from coldplate.domain.options_runner import RUNNERS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_coverage():
    spec = importlib.util.spec_from_file_location("make_coverage", DOCS / "make_coverage.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section(page, title):
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def test_page_is_what_the_code_says(make_coverage):
    assert make_coverage.main(["--check"]) == 0, "run: python docs/make_coverage.py"


@pytest.mark.parametrize("content", ["old", None], ids=["other", "missing"])
def test_stale_page_is_told_in_one_line_and_then_written(
    make_coverage, monkeypatch, tmp_path, capsys, content
):
    page = tmp_path / "coverage.md"
    monkeypatch.setattr(make_coverage, "PAGE", page)
    if content:
        page.write_text(content)
    assert make_coverage.main(["--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "docs/coverage.md is stale; write it anew with: python docs/make_coverage.py"
    ]
    assert make_coverage.main([]) == 0
    assert make_coverage.main(["--check"]) == 0


def test_unknown_argument_writes_nothing(make_coverage, monkeypatch, tmp_path):
    monkeypatch.setattr(make_coverage, "PAGE", tmp_path / "coverage.md")
    assert make_coverage.main(["--chekc"]) == 2
    assert not (tmp_path / "coverage.md").exists()


def test_every_program_that_a_submission_may_name_is_listed(make_coverage):
    current = dict.fromkeys(form.program for form in FORMS.values())
    assert (*current, *RUNNERS) == submission.PROGRAMS
    programs = section(make_coverage.page(), "Programs")
    assert all(f"| `{program}` | honoured |" in programs for program in (*FORMS, *RUNNERS))


@pytest.mark.parametrize("program", FORMS)
def test_every_option_is_listed_as_honoured_or_refused(make_coverage, program):
    rows = section(make_coverage.page(), f"Options of `{program}`").strip().splitlines()[2:]
    standings = {row.split("|")[1].strip(" `"): row.split("|")[2].strip() for row in rows}
    assert {option.path for option in FORMS[program].table} <= set(standings)
    assert set(standings.values()) <= {"honoured", "refused (not yet)"}


@pytest.mark.parametrize(
    ("endpoint", "standing"),
    [
        ("POST /api/v1/jobs", "honoured"),
        ("POST /identity/token", "honoured"),
        ("GET /api/v1/jobs/{id}/interim_results", "refused"),
        ("PUT /api/v1/instances/configuration", "honoured"),
    ],
)
def test_endpoint_is_listed_with_its_standing(make_coverage, endpoint, standing):
    assert f"| `{endpoint}` | {standing} |" in section(make_coverage.page(), "Endpoints")
