"""Options: checked before a job is stored, settled with their defaults, honoured or refused by name."""

from __future__ import annotations

import json

import pytest

from coldplate.domain.option_conflicts import check_extrapolation
from coldplate.domain.options import check_params, coverage, settle
from coldplate.errors import BadRequest, ColdplateError, IncompatibleOptions, UnknownProgram

PROGRAM = {"sampler": {"pubs": [[]]}, "estimator": {"pubs": [[]]}}
PROGRAM["executor"] = {"schema_version": "v2.0", "quantum_program": {}}


def params(program: str, options: object = None, **fields: object) -> bytes:
    body = PROGRAM[program] | fields
    return json.dumps(body if options is None else body | {"options": options}).encode()


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("sampler", {}),
        ("sampler", {"default_shots": 1, "execution": {"init_qubits": False, "rep_delay": 2.5e-4}}),
        ("sampler", {"execution": {"meas_type": "kerneled"}, "twirling": {"enable_gates": False}}),
        ("sampler", {"dynamical_decoupling": {"enable": False, "sequence_type": "XY4"}}),
        ("sampler", {"simulator": {"seed_simulator": 1, "coupling_map": [[0, 1]], "basis_gates": ["cz"]}}),
        ("sampler", {"simulator": {"noise_model": {"__type__": "NoiseModel", "__value__": {}}}}),
        ("sampler", {"experimental": {"method": "stabilizer"}}),
        ("sampler", {"twirling": None, "execution": {"rep_delay": None}}),
        ("estimator", {"default_precision": 0.1, "default_shots": None, "seed_estimator": 0}),
        ("estimator", {"twirling": {"num_randomizations": "auto", "shots_per_randomization": 64}}),
        ("estimator", {"resilience": {"measure_noise_learning": {"shots_per_randomization": "auto"}}}),
        ("estimator", {"resilience": {"zne_mitigation": False, "pec_mitigation": False}}),
        ("executor", {"init_qubits": True, "rep_delay": None, "scheduler_timing": False, "experimental": {}}),
    ],
)
def test_options_that_are_honoured_pass(program, options):
    check_params(program, params(program, options))


@pytest.mark.parametrize(
    ("program", "options", "says"),
    [
        ("sampler", {"default_shots": 0}, "options.default_shots is 0, not integer >= 1"),
        ("sampler", {"default_shots": True}, "options.default_shots is True"),
        ("sampler", {"default_shots": 2.0}, "options.default_shots is 2.0"),
        ("sampler", {"default_shots": 10**30}, "options.default_shots"),
        ("sampler", {"execution": {"init_qubits": 1}}, "options.execution.init_qubits is 1, not boolean"),
        ("sampler", {"execution": {"rep_delay": -1e-6}}, "options.execution.rep_delay"),
        ("sampler", {"execution": {"meas_type": "raw"}}, "options.execution.meas_type is 'raw'"),
        ("sampler", {"execution": []}, "options.execution is a list of 0, not an object"),
        ("sampler", {"simulator": {"coupling_map": [[0, 1, 2]]}}, "options.simulator.coupling_map"),
        ("sampler", {"default_precision": 0.1}, "options.default_precision is unknown"),
        ("sampler", {"resilience": {}}, "options.resilience is unknown"),
        ("sampler", {"twirling": {"enable_mesure": True}}, "did you mean twirling.enable_measure"),
        ("sampler", {"experimental": {"warp": 9}}, "options.experimental.warp is unknown"),
        ("sampler", "none", "options is 'none', not an object"),
        ("estimator", {"default_precision": 0}, "options.default_precision is 0, not number > 0"),
        ("estimator", {"twirling": {"num_randomizations": "many"}}, "not auto | integer >= 1"),
        ("estimator", {"execution": {"meas_type": "classified"}}, "options.execution.meas_type is unknown"),
    ],
)
def test_a_wrong_option_is_refused_with_its_path_and_value(program, options, says):
    with pytest.raises(BadRequest) as error:
        check_params(program, params(program, options))
    assert says in error.value.message


@pytest.mark.parametrize(
    ("program", "fields", "says"),
    [
        ("sampler", {"version": 1}, "params.version is 1"),
        ("sampler", {"version": True}, "params.version is True"),
        ("sampler", {"support_qiskit": "yes"}, "params.support_qiskit"),
        ("sampler", {"resilience_level": 1}, "params.resilience_level is unknown"),
        ("sampler", {"pubs": {}}, "params.pubs is missing, or not a list"),
        ("estimator", {"resilience_level": 3}, "resilience_level is 3"),
        ("estimator", {"resilience_level": True}, "resilience_level is True"),
        ("executor", {"schema_version": "v9"}, "params.schema_version is 'v9'"),
        ("executor", {"quantum_program": []}, "params.quantum_program is missing, or not an object"),
        ("executor", {"version": 2}, "params.version is unknown"),
    ],
)
def test_a_wrong_field_beside_the_options_is_refused(program, fields, says):
    with pytest.raises(BadRequest) as error:
        check_params(program, params(program, **fields))
    assert says in error.value.message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"pubs": [NaN]}', id="nan"),
        pytest.param(b'{"pubs": [1], "options": {"default_shots": "\\ud800"}}', id="half-a-surrogate"),
        pytest.param(b'{"pubs": [1], "options": {"default_shots": 1e999}}', id="too-large-a-number"),
        pytest.param(b'{"pubs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep-pubs"),
        pytest.param(b'{"pubs": [1], "options": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, id="deep"),
        pytest.param(b'{"pubs": [1]} {"pubs": [1]}', id="twice"),
        pytest.param(b"\xff\xfe{}", id="not-utf-8"),
    ],
)
def test_bytes_that_are_not_a_request_are_a_bad_request(body):
    with pytest.raises(BadRequest):
        check_params("sampler", body)


def test_pubs_stay_unopened():
    check_params("sampler", b'{"pubs": [{"__type__": "QuantumCircuit", "__value__": "not a circuit"}]}')


@pytest.mark.parametrize(
    ("level", "on"), [(0, [False] * 4), (1, [False, True, True, False]), (2, [True, True, True, True])]
)
def test_the_resilience_level_says_what_is_on(level, on):
    paths = ["twirling.enable_gates", "twirling.enable_measure"]
    paths += ["resilience.measure_mitigation", "resilience.zne_mitigation"]
    settled = settle("estimator", {"resilience_level": level})
    assert [settled[path] for path in paths] == on
    given = {"resilience": {"zne_mitigation": not on[3]}, "twirling": {"enable_gates": not on[0]}}
    settled = settle("estimator", {"resilience_level": level, "options": given})
    assert [settled[path] for path in paths] == [not on[0], on[1], on[2], not on[3]]


@pytest.mark.parametrize(
    ("resilience", "names"),
    [
        (
            {
                "zne_mitigation": True,
                "zne": {"noise_factors": [1, 1, 3], "extrapolator": "polynomial_degree_2"},
            },
            ["zne.extrapolator polynomial_degree_2 needs 3", "zne.noise_factors"],
        ),
        (
            {"zne_mitigation": True, "zne": {"extrapolator": ["fallback", "double_exponential"]}},
            ["double_exponential needs 4", "noise_factors"],
        ),
    ],
)
def test_options_that_exclude_each_other_are_refused_with_both_names(resilience, names):
    with pytest.raises(IncompatibleOptions) as error:
        check_params("estimator", params("estimator", {"resilience": resilience}))
    assert all(name in error.value.message for name in names)
    assert error.value.code == 1521


def test_pec_excludes_zne():
    with pytest.raises(IncompatibleOptions, match=r"pec_mitigation and .*zne_mitigation cannot be"):
        check_extrapolation({"resilience.zne_mitigation": True, "resilience.pec_mitigation": True})


def test_too_few_noise_factors_do_not_matter_while_zne_is_off():
    check_params("estimator", params("estimator", {"resilience": {"zne": {"noise_factors": [1]}}}))


def test_an_unknown_program_is_named():
    with pytest.raises(UnknownProgram, match="nonsense"):
        check_params("nonsense", b"{}")


@pytest.mark.parametrize(
    ("level", "mitigation", "fits"),
    [(0, None, False), (0, True, True), (1, None, True), (1, False, False)],
)
def test_readout_learning_is_refused_while_readout_mitigation_is_off(level, mitigation, fits):
    options = {
        "resilience": {
            "measure_mitigation": mitigation,
            "measure_noise_learning": {"num_randomizations": 16},
        }
    }
    body = params("estimator", options, resilience_level=level)
    if fits:
        check_params("estimator", body)
    else:
        with pytest.raises(IncompatibleOptions, match="measure_noise_learning.num_randomizations"):
            check_params("estimator", body)


def test_measurement_twirling_without_bits_is_refused():
    options = {"twirling": {"enable_measure": True}, "execution": {"meas_type": "kerneled"}}
    with pytest.raises(IncompatibleOptions, match="kerneled"):
        check_params("sampler", params("sampler", options))


@pytest.mark.parametrize(
    ("level", "given", "twirled", "mitigated"),
    [
        (None, {}, True, True),
        (0, {}, False, False),
        (1, {"resilience": {"measure_mitigation": False}}, True, False),
        (0, {"twirling": {"enable_measure": True}}, True, False),
        (1, {"twirling": {"enable_measure": False}}, False, True),
    ],
)
def test_an_explicit_option_beats_the_level(level, given, twirled, mitigated):
    settled = settle("estimator", {"options": given, "resilience_level": level})
    assert settled["twirling.enable_measure"] is twirled
    assert settled["resilience.measure_mitigation"] is mitigated


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("default_shots", 4096),
        ("execution.meas_type", "classified"),
        ("execution.init_qubits", True),
        ("execution.rep_delay", None),
        ("twirling.enable_measure", False),
        ("support_qiskit", False),
    ],
)
def test_the_sampler_has_the_official_defaults(path, default):
    assert settle("sampler", {})[path] == default


def test_every_option_is_covered_once():
    rows = coverage()
    assert len({(row.program, row.option) for row in rows}) == len(rows)
    assert {row.standing for row in rows} == {"honoured"}


@pytest.mark.parametrize("row", coverage(), ids=lambda row: f"{row.program}:{row.option}")
def test_no_option_is_silently_ignored(row):
    if row.standing == "honoured" or row.option.startswith("("):
        return
    options: object = True if row.kind == "boolean" else 0.5
    for name in reversed(row.option.split(".")):
        options = {name: options}
    with pytest.raises(ColdplateError, match=row.option):
        check_params(row.program, params(row.program, options))
