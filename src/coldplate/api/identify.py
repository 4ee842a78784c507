"""Headers to credentials; whose they are is the service's to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from coldplate.auth import Principal
from coldplate.domain.instance import Instance
from coldplate.errors import InvalidCredentials, InvalidCrn
from coldplate.service import Service


@dataclass(frozen=True)
class Credentials:
    """What a request brings; secrets stay out of its repr, so out of every log."""

    token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    crn: str | None = None
    caller: str | None = None  # the client application's name for itself


async def read_credentials(request: HTTPConnection) -> Credentials:
    """`Authorization: Bearer <token>`, or `apikey <key>`, which clients fall back to.

    Raises:
        InvalidCredentials: The header is missing, repeated or of another scheme.
    """
    values = request.headers.getlist("authorization")
    scheme, _, secret = values[0].strip().partition(" ") if len(values) == 1 else ("", "", "")
    secret = secret.strip()
    crn, caller = request.headers.get("service-crn"), request.headers.get("x-qx-client-application")
    if secret and scheme.lower() == "bearer":
        return Credentials(token=secret, crn=crn, caller=caller)
    if secret and scheme.lower() == "apikey":
        return Credentials(api_key=secret, crn=crn, caller=caller)
    raise InvalidCredentials("The request carries no usable Authorization header.")


Asker = Annotated[Credentials, Depends(read_credentials)]


def who(service: Service, asker: Credentials) -> Principal:
    """Who asks, for which instance: what everything but the list of instances needs."""
    if not asker.crn:
        raise InvalidCrn("The Service-CRN header is missing.")
    return service.identify(token=asker.token, api_key=asker.api_key, crn=asker.crn)


def instance_of(principal: Principal) -> Instance:
    """The instance that `who` found."""
    if principal.instance is None:
        raise InvalidCrn("This needs the CRN of an instance.")
    return principal.instance


def anyone(service: Service, asker: Credentials) -> Principal:
    """Who asks, whatever the instance."""
    return service.identify(token=asker.token, api_key=asker.api_key, crn=None)
