"""The table of all routes, and the application that serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.responses import Response

import coldplate
from coldplate.api.accounts import Accounts, not_offered, versions
from coldplate.api.analytics import Analytics
from coldplate.api.cloud import Cloud
from coldplate.api.devices import Devices
from coldplate.api.guard import BASE, OLD, TELLERS, Guard
from coldplate.api.legacy import POLLING, Login, OldBackends, OldJobs
from coldplate.api.legacy_programs import OldPrograms
from coldplate.api.legacy_sessions import OldSessions
from coldplate.api.modern import Jobs, Sessions
from coldplate.api.render import PLAN_PREFIX
from coldplate.api.stream import Streams
from coldplate.changes import Changes
from coldplate.legacy import Legacy
from coldplate.service import Service
from coldplate.settings import Settings

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

Route = tuple[str, str, Callable[..., Any]]

# Whatever the environment says: nothing about a user's jobs leaves the server by itself.
QUIET: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def runtime_routes(service: Service, settings: Settings, changes: Changes) -> list[Route]:
    """The runtime, under `/api/v1`; `/v1` and `/experimental` are other names of it (see `guard`)."""
    jobs, sessions = Jobs(service, settings, changes), Sessions(service)
    devices, accounts, analytics = Devices(service), Accounts(service), Analytics(service)
    return [
        ("GET", "/jobs/{id}", jobs.read),  # first, because it is asked most often
        ("GET", "/jobs", jobs.list),
        ("POST", "/jobs", jobs.create),
        ("DELETE", "/jobs/{id}", jobs.delete),
        ("POST", "/jobs/{id}/cancel", jobs.cancel),
        ("GET", "/jobs/{id}/results", jobs.results),
        ("GET", "/jobs/{id}/artifacts", jobs.artifacts),
        ("GET", "/jobs/{id}/logs", jobs.logs),
        ("GET", "/jobs/{id}/metrics", jobs.metrics),
        ("GET", "/jobs/{id}/why", jobs.why),
        ("PUT", "/jobs/{id}/tags", jobs.set_tags),
        ("GET", "/jobs/{id}/interim_results", not_offered),
        ("GET", "/jobs/{id}/transpiled_circuits", not_offered),
        ("POST", "/sessions", sessions.create),
        ("GET", "/sessions/{id}", sessions.read),
        ("PATCH", "/sessions/{id}", sessions.change),
        ("DELETE", "/sessions/{id}/close", sessions.cancel),
        ("GET", "/backends", devices.list),
        ("GET", "/backends/{name}/configuration", devices.configuration),
        ("GET", "/backends/{name}/properties", devices.properties),
        ("GET", "/backends/{name}/defaults", devices.defaults),
        ("GET", "/backends/{name}/status", devices.status),
        ("GET", "/instance", accounts.instance),
        ("GET", "/instances/usage", accounts.usage),
        ("GET", "/instances/configuration", accounts.configuration),
        ("PUT", "/instances/configuration", accounts.set_configuration),
        ("GET", "/accounts/{id}", accounts.account),
        ("GET", "/workloads", accounts.workloads),
        ("GET", "/tags", accounts.tags),
        ("GET", "/analytics/usage", analytics.usage),
        ("GET", "/analytics/usage_grouped", analytics.grouped),
        ("GET", "/analytics/usage_grouped_by_date", analytics.by_date),
        ("GET", "/analytics/filters", analytics.filters),
        ("GET", "/versions", versions),
    ]


def cloud_routes(service: Service) -> list[Route]:
    """What clients ask of the cloud around the runtime."""
    cloud = Cloud(service)
    return [
        ("POST", "/identity/token", cloud.token),
        ("POST", "/v3/resources/search", cloud.search),
        ("GET", f"{BASE}/{PLAN_PREFIX}{{plan}}", cloud.plan),
        ("GET", "/v2/resource_instances", cloud.resources),
        ("GET", "/v2/resource_instances/{crn:path}", cloud.resource),
    ]


def old_routes(service: Service, settings: Settings, legacy: Legacy, streams: Streams) -> list[Route]:
    """Both sides of the services that clients before 2025 know."""
    login, backends = Login(service, legacy), OldBackends(service, legacy)
    jobs = OldJobs(service, legacy, settings, end_streams=streams.end)
    sessions = OldSessions(service, legacy)
    programs = OldPrograms(service, legacy)
    sign_on: list[Route] = [
        ("GET", "/api/version", login.version),
        ("POST", "/api/users/loginWithToken", login.login),
        ("GET", "/api/users/me", login.me),
        ("GET", "/api/Network", login.network),
        ("GET", "/api/jobs/v2", login.archive),
    ]
    runtime: list[Route] = [
        ("GET", "/backends", backends.list),
        ("GET", "/backends/{name}/configuration", backends.configuration),
        ("GET", "/backends/{name}/properties", backends.properties),
        ("GET", "/backends/{name}/defaults", backends.defaults),
        ("GET", "/backends/{name}/status", backends.status),
        ("GET", "/jobs", jobs.list),
        ("POST", "/jobs", jobs.create),
        ("GET", "/jobs/{id}", jobs.read),
        ("DELETE", "/jobs/{id}", jobs.delete),
        ("GET", "/jobs/{id}/results", jobs.results),
        ("POST", "/jobs/{id}/cancel", jobs.cancel),
        ("GET", "/jobs/{id}/interim_results", jobs.interim),
        ("GET", "/jobs/{id}/logs", jobs.logs),
        ("GET", "/jobs/{id}/metrics", jobs.metrics),
        ("PUT", "/jobs/{id}/tags", jobs.set_tags),
        ("GET", "/programs", programs.list),
        ("POST", "/programs", programs.create),
        ("GET", "/programs/{id}", programs.read),
        ("PATCH", "/programs/{id}", programs.change),
        ("DELETE", "/programs/{id}", programs.delete),
        ("PUT", "/programs/{id}/data", programs.set_data),
        ("PUT", "/programs/{id}/public", programs.publish),
        ("PUT", "/programs/{id}/private", programs.hide),
        ("GET", "/facade/v1/jobs/{id}/type", jobs.kind),
        ("POST", "/sessions", sessions.create),
        ("GET", "/sessions/{id}", sessions.read),
        ("PATCH", "/sessions/{id}", sessions.change),
        ("DELETE", "/sessions/{id}/close", sessions.cancel),
        ("GET", "/instance", backends.instance),
        ("GET", "/usage", backends.usage),
    ]
    polling = [(verb, POLLING + path, route) for verb, path, route in sign_on]
    return sign_on + polling + [(verb, OLD + path, route) for verb, path, route in runtime]


def build_app(service: Service, settings: Settings, changes: Changes, legacy: Legacy) -> FastAPI:
    """The application: every route on one origin, found by path alone, whatever the Host header says."""
    app = FastAPI(
        title="Coldplate",
        version=coldplate.__version__,
        docs_url=None,  # these pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host the client claims
        exception_handlers=TELLERS,
        telemetry=QUIET,
    )
    runtime = [(verb, BASE + path, route) for verb, path, route in runtime_routes(service, settings, changes)]
    streams = Streams(service, legacy, changes)
    app.add_api_websocket_route(f"{OLD}/stream/jobs/{{id}}", streams.follow)
    others = cloud_routes(service) + old_routes(service, settings, legacy, streams)
    for verb, path, route in runtime + others:
        offered = route is not not_offered
        app.add_api_route(
            path,
            route,
            methods=[verb],
            response_class=Response,
            name=name_of(route),
            include_in_schema=offered,
        )
    app.add_middleware(Guard)
    return app


def name_of(route: Callable[..., Any]) -> str:
    """A route's name in the OpenAPI document.

    >>> name_of(build_app)
    'build_app'
    """
    return getattr(route, "__qualname__", "").replace(".", "_").lower()
