"""Programs that users of 2023 upload are kept and shown; they are not run."""

from __future__ import annotations

import pytest
from old_clients import ClientError


def test_program_is_kept_changed_shared_and_deleted(old):
    assert old.call("programs.uploaded") == {
        "first": [True, True, "one", False],
        "changed": "def main(backend, user_messenger, **kwargs):\n    return 'θ'\n# changed\n",
        "then": ["two", True],
        "time": 300,
        "listed": True,
        "own": ["sampler", "estimator"],
        "left": False,
    }


def test_name_is_taken_once(old):
    with pytest.raises(ClientError) as caught:
        old.call("programs.uploaded_twice")
    assert caught.value.kind == "RuntimeDuplicateProgramError"


def test_uploaded_program_is_not_run_and_says_so(old):
    with pytest.raises(ClientError, match="uploaded programs are not run"):
        old.call("programs.run")
