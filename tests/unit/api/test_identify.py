"""Credentials come from one header, and never appear in a text."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import Request

from coldplate.api.identify import Credentials, read_credentials
from coldplate.errors import InvalidCredentials

SECRET = "cp_verysecret"


def read(*authorization: str, **others: str) -> Credentials:
    headers = [(b"authorization", value.encode("latin-1")) for value in authorization]
    headers += [(name.replace("_", "-").encode(), value.encode()) for name, value in others.items()]
    return asyncio.run(read_credentials(Request({"type": "http", "headers": headers})))


@pytest.mark.parametrize("value", [f"Bearer {SECRET}", f"bearer {SECRET}", f"  BEARER   {SECRET} "])
def test_bearer_brings_a_token(value):
    assert read(value) == Credentials(token=SECRET)


def test_apikey_brings_a_key_as_clients_fall_back_to_it():
    assert read(f"apikey {SECRET}") == Credentials(api_key=SECRET)


def test_instance_and_caller_come_from_their_headers():
    found = read(f"Bearer {SECRET}", service_crn="crn:v1", x_qx_client_application="script")
    assert (found.crn, found.caller) == ("crn:v1", "script")


@pytest.mark.parametrize(
    "values",
    [(), ("",), ("Bearer",), ("Bearer ",), (f"Basic {SECRET}",), (SECRET,), (f"Bearer {SECRET}",) * 2],
)
def test_anything_else_is_no_credential(values):
    with pytest.raises(InvalidCredentials) as caught:
        read(*values)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("value", [f"Bearer {SECRET}", f"apikey {SECRET}"])
def test_secrets_are_not_in_the_text_of_credentials(value):
    assert SECRET not in f"{read(value)} {read(value)!r}"
