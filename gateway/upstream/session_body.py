"""The body of an answer that came over ``aiohttp.ClientSession``, and whether it came to a proper end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from aiohttp import ClientError, ClientPayloadError, ClientResponse, ServerDisconnectedError, ServerTimeoutError

from gateway.errors import GatewayError, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Headers
from gateway.upstream.session_call import Call


class Download:
    """The body of an answer as it arrives. aiohttp takes the connection back at its end; before, it is aborted."""

    __slots__ = ("_call", "_length", "_response", "_tls", "_until_close")

    def __init__(self, call: Call, response: ClientResponse, headers: Headers, *, empty: bool) -> None:
        self._call = call
        self._response = response
        length = headers.get("content-length")
        self._length = int(length) if length is not None else None
        self._until_close = length is None and not empty and "transfer-encoding" not in headers
        self._tls: ssl.SSLObject | None = None
        if self._until_close and call.transport is not None:
            self._tls = call.transport.get_extra_info("ssl_object")

    @property
    def length(self) -> int | None:
        return self._length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._response.content.readany():
                yield chunk
            self.require_proper_end()
        except ServerTimeoutError:
            raise self._call.failure or UpstreamTimeout("the answer stopped in mid-body") from None
        except GatewayError:
            raise
        except (ClientError, OSError, RuntimeError) as error:
            # RuntimeError is how the stream reader says that its connection is gone.
            raise self._call.failure or _broken(error) from None
        finally:
            await self.aclose()

    def require_proper_end(self) -> None:
        """A body that lasts until the connection closes is whole only where that was no reset, and no mere end of TCP beneath TLS
        (RFC 9112 §9.8)."""
        if not self._until_close or self._call.protocol is None:
            return
        if not isinstance(self._call.protocol.exception(), ServerDisconnectedError):
            raise UpstreamUnreachable("the connection was reset inside the body")
        if self._tls is None:
            return
        try:
            self._tls.read(1)
        except ssl.SSLZeroReturnError:
            return
        except ssl.SSLError:
            pass
        raise UpstreamUnreachable("the connection was cut inside the body")

    async def aclose(self) -> None:
        if not self._response.closed:
            self._response.close()
            self._call.abort()


def _broken(error: Exception) -> GatewayError:
    if isinstance(error, ClientPayloadError | OSError | RuntimeError):
        return UpstreamUnreachable("the answer broke off in mid-body")
    return UpstreamProtocolError(f"the body is not proper HTTP/1.1 ({type(error).__name__})")
