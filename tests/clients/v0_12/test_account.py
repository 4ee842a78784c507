"""The client of 2023 logs in by both channels, and sees the backends as it knows them."""

from __future__ import annotations

import pytest
from old_clients import ClientError


def test_client_logs_in_and_sees_its_instance_by_an_old_name(old):
    assert old.call("account.instances") == {"instances": ["local/premium/default"], "channel": "ibm_quantum"}


def test_client_of_the_cloud_channel_needs_no_login(old_cloud):
    assert old_cloud.call("account.instances")["channel"] == "ibm_cloud"


def test_wrong_token_is_told(old, old_server):
    with pytest.raises(ClientError, match="401"):
        old.call("account.log_in", channel="ibm_quantum", token="nonsense", url=f"{old_server.url}/api")


def test_unknown_instance_is_told(old, old_server):
    with pytest.raises(ClientError, match="nobody"):
        old.call(
            "account.log_in",
            channel="ibm_quantum",
            token=old_server.key,
            url=f"{old_server.url}/api",
            instance="nobody/is/here",
        )


@pytest.mark.parametrize("client", ["old", "old_cloud"])
def test_backends_are_the_devices_and_the_hosted_simulators(client, request):
    names = request.getfixturevalue(client).call("account.backends")
    assert names == sorted(
        [
            *("emu_eagle", "emu_nairobi", "emu_slow", "ibmq_qasm_simulator", "simulator_statevector"),
            *("simulator_mps", "simulator_stabilizer", "simulator_extended_stabilizer"),
        ]
    )


def test_current_clients_do_not_see_the_hosted_simulators(old_server):
    from coldplate.client import pointed_at

    with pointed_at(old_server.url, old_server.key, old_server.crn) as service:
        assert [backend.name for backend in service.backends()] == ["emu_nairobi", "emu_slow", "emu_eagle"]


def test_device_has_all_that_a_user_asks_of_it(old):
    device = old.call("account.describe", name="emu_nairobi")
    assert (device["num_qubits"], device["simulator"], device["target_qubits"]) == (7, False, 7)
    assert {"cx", "delay", "measure", "reset", "rz", "sx", "x"} <= set(device["gates"])
    assert device["coupling"] == 12
    assert device["status"] == [True, "active", 0]
    assert device["t1_us"] > 10
    assert 0 < device["readout"] < 0.2
    assert not device["defaults"]


@pytest.mark.parametrize(("name", "qubits"), [("ibmq_qasm_simulator", 32), ("simulator_stabilizer", 5000)])
def test_hosted_simulator_has_its_documented_size(old, name, qubits):
    simulator = old.call("account.describe", name=name)
    assert (simulator["num_qubits"], simulator["simulator"]) == (qubits, True)


def test_least_busy_is_a_device(old):
    assert old.call("account.least_busy").startswith("emu_")
