"""Options and errors of the client of 2023, one by one, that other tests leave alone."""

from __future__ import annotations

import pytest
from operating import command, new_user

pytestmark = pytest.mark.slow
GONE = "RuntimeProgramNotFound"


@pytest.mark.parametrize(("init", "dist"), [(True, {"1": 1.0}), (False, {"0": 0.5, "1": 0.5})])
def test_shots_begin_at_zero_unless_told_not_to(old, init, dist):
    assert old.call("options.toggled", init_qubits=init) == dist


@pytest.mark.parametrize("layout", [[3, 5, 6], {"0": 3, "1": 5, "2": 6}], ids=["list", "dictionary"])
def test_layout_is_a_list_or_a_dictionary(old, layout):
    dist = old.call("options.placed", layout=layout)
    assert dist["000"] + dist["111"] > 0.7


def test_approximation_leaves_out_what_hardly_turns(old):
    exact, rough = (old.call("options.approximated", degree=degree) for degree in (1.0, 0.5))
    shares = [sum(share for text, share in dist.items() if text[0] == "1") for dist in (exact, rough)]
    assert all(0 <= share < 0.1 for share in shares)


def test_options_of_run_go_first(old):
    assert old.call("options.overridden") == 25


def test_image_may_be_asked_for(old):
    assert old.call("options.imaged") == "mine:1"


def test_log_has_what_its_level_lets_through(old):
    assert "coupling_map has no effect" in old.call("options.logged", level="INFO")
    assert old.call("options.logged", level="ERROR") == ""


@pytest.mark.parametrize(
    ("name", "factors"),
    [
        ("LinearExtrapolator", [1, 1.5, 2]),
        ("QuadraticExtrapolator", [1, 2, 3]),
        ("CubicExtrapolator", [1, 1.5, 2, 3]),
        ("QuarticExtrapolator", [1, 1.5, 2, 2.5, 3]),
    ],
)
def test_every_extrapolator_runs_with_its_factors(old, name, factors):
    zne, value = old.call("options.extrapolated", name=name, factors=factors)
    assert zne["extrapolation"] == {"extrapolator": name}
    assert zne["noise_amplification"]["noise_factors"] == factors
    assert len(zne["noise_amplification"]["values"]) == len(factors)
    assert abs(value) < 20  # high degrees amplify noise as the choice of factors lets them


def test_mitigation_helps_on_simulators_with_noise(old):
    errors = [abs(1 - old.call("options.simulated", level=level)) for level in range(4)]
    assert errors[0] > 0.3
    assert errors[1] < errors[0] / 1.5
    assert errors[2] < errors[0] / 2
    assert errors[3] < errors[0] / 2


def test_circuit_that_the_user_has_decoupled_runs_as_it_is(old):
    told = old.call("options.scheduled")
    assert told["delays"] > 2
    assert told["dist"]["0000"] + told["dist"]["1111"] > 0.6


# --- errors ---------------------------------------------------------------------------------------


def test_program_of_nobody_is_not_found_whatever_is_done(old):
    told = old.call("options.programs_of_nobody")
    assert {name: error[0] for name, error in told.items()} == dict.fromkeys(told, GONE)


def test_program_of_another_is_shown_without_its_text_and_can_not_be_changed(old, old_server):
    id = old.call("programs.published", public=True)
    told = old.call(
        "options.program_of_another", token=new_user(old_server), url=f"{old_server.url}/api", id=id
    )
    assert told["name"]
    assert told["data"][0] == "IBMNotAuthorizedError"
    assert "1200" in told["change"][1]
    assert "1200" in told["delete"][1]


def test_job_of_another_account_is_not_found(old, old_server):
    key = new_user(old_server, account="others")
    told = old.call("options.job_of_another", token=key, url=f"{old_server.url}/api")
    assert told["read"][0] == told["delete"][0] == "RuntimeJobNotFound"
    assert not told["listed"]


def test_revoked_key_is_not_authorized_any_more(old, old_server):
    key = new_user(old_server)
    assert "ibmq_qasm_simulator" in old.call("options.log_in_as", token=key, url=f"{old_server.url}/api")
    assert old.call("options.run_as") is None
    listed = command(old_server, "keys", "list").splitlines()
    command(old_server, "keys", "revoke", listed[-1].split()[0])
    for _ in range(50):
        if (told := old.call("options.run_as")) is not None:
            break
    assert told[0] in ("IBMNotAuthorizedError", "IBMRuntimeError")
    assert "1201" in told[1]


def test_inputs_that_can_not_run_fail_with_their_codes(old):
    told = old.call("options.refused_inputs")
    assert {status for status, _ in told.values()} == {"ERROR"}
    assert "pulse" in told["pulse"][1]
    assert "Error code 1501" in told["width"][1]


def test_too_many_tags_are_refused(old):
    assert old.call("options.tagged", number=8) is None
    assert "1204" in old.call("options.tagged", number=9)[1]


def test_paused_backend_says_so(old, old_server):
    command(old_server, "queue", "pause", "emu_eagle")
    try:
        assert old.call("options.paused", name="emu_eagle")[:2] != [True, "active"]
    finally:
        command(old_server, "queue", "resume", "emu_eagle")
    assert old.call("options.paused", name="emu_eagle")[:2] == [True, "active"]
