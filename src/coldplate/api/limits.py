"""What one connection may cost: uvicorn's HTTP/1.1 with deadlines and a cap on headers.

uvicorn alone waits for ever for the end of a header, a body or a reader, and takes 200 KB of headers.
Its `timeout_keep_alive` already limits the pause between two requests; the rest is here.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from coldplate.api.render import error_body
from coldplate.errors import BadRequest

HEADER_S = 10.0  # from the first byte (or the connection) to the end of the header
HEADER_BYTES = 64 << 10
BODY_RATE = 1 << 10  # bytes per second, averaged, in both directions
BODY_GRACE_S = 10.0  # a pause this long is nobody's fault
DRAIN_BYTES = 128 << 20  # of a body, after its answer: who sends first and reads later still sees the answer
STALL_S = 30.0  # how often a reader that lets our writes wait is looked at


class _Refused(Exception):
    """Raised inside a parser callback: stops the parser, and the connection is answered and closed."""


class GuardedHttp(HttpToolsProtocol):
    """One connection that can't be held for nothing; give it to uvicorn as `http=`."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._timer: TimerHandle | None = None  # of the header or the body being read
        self._stall: TimerHandle | None = None  # of the answer being written
        self._in_body = False
        self._header_bytes = 0
        self._body_bytes = 0
        self._body_since = 0.0
        self._unread_bytes = 0  # came after the answer
        self._refusal = (400, "The request is not valid HTTP/1.1.")

    # --- the connection -----------------------------------------------------------------------

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A new connection has as long as a header has."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEADER_S, self._check_header)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._set_timer(None)
        if self._stall is not None:
            self._stall.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and keep one deadline running while a request is incomplete."""
        if not self._in_body:
            self._header_bytes += len(data)
            if self._timer is None:
                self._set_timer(self.loop.call_later(HEADER_S, self._check_header))
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_body:
            if self._timer is None:
                self._set_timer(self.loop.call_later(BODY_GRACE_S, self._check_body))
        elif self._header_bytes > HEADER_BYTES:
            self._refuse(431, f"The header is larger than {HEADER_BYTES} bytes.")

    def handle_websocket_upgrade(self) -> None:
        """Another protocol has the connection from here on, with deadlines of its own."""
        self._set_timer(None)
        self._in_body, self._header_bytes = False, 0
        super().handle_websocket_upgrade()

    # --- the parser ---------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """The header came in time; now its size, then the body's rate."""
        self._set_timer(None)
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEADER_BYTES:
            self._refusal = (431, f"The header is larger than {HEADER_BYTES} bytes.")
            raise _Refused
        self._in_body, self._body_bytes, self._body_since = True, 0, self.loop.time()
        self._unread_bytes = 0
        self.scope["state"]["hang_up"] = self.transport.abort
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count, so that the rate is known, and the patience with a body that nobody reads is limited."""
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._unread_bytes += len(body)
            if self._unread_bytes > DRAIN_BYTES:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing more is due."""
        self._set_timer(None)
        self._in_body, self._header_bytes = False, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this when the parser gives up."""
        self._refuse(*self._refusal)

    # --- the deadlines ------------------------------------------------------------------------

    def _set_timer(self, timer: TimerHandle | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _check_header(self) -> None:
        if self._answering():  # the next request may wait in the buffer until this one is answered
            self._timer = self.loop.call_later(HEADER_S, self._check_header)
        else:
            self._refuse(408, f"The header was not complete after {HEADER_S:g} s.")

    def _check_body(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # we are the slow side
            self._body_since, self._body_bytes = now, 0
        elapsed = now - self._body_since
        if elapsed >= BODY_GRACE_S and self._body_bytes < BODY_RATE * elapsed:
            self._refuse(408, f"The body came slower than {BODY_RATE} bytes per second.")
        else:
            self._timer = self.loop.call_later(BODY_GRACE_S, self._check_body)

    def pause_writing(self) -> None:
        """The client reads slower than we write: watch it."""
        super().pause_writing()
        waiting = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(STALL_S, self._check_stall, waiting)

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        super().resume_writing()

    def _check_stall(self, waited: int) -> None:
        waiting = self.transport.get_write_buffer_size()
        if waited - waiting < BODY_RATE * STALL_S:
            self.transport.abort()
        else:
            self._stall = self.loop.call_later(STALL_S, self._check_stall, waiting)

    def _refuse(self, status: int, message: str) -> None:
        """Answer with the official error body, if nothing was answered yet, and close."""
        self._set_timer(None)
        answered = self.cycle is not None and self.cycle.response_started
        if answered and (self._in_body or self._answering()):
            self.transport.abort()
            return
        body = error_body(BadRequest(message))
        lines = [
            STATUS_LINE[status],
            b"content-type: application/json\r\nx-content-type-options: nosniff\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        ]
        self.transport.write(b"".join(lines))
        self.transport.close()
