"""How much time a caller gives: ``Gateway-Timeout``, in seconds from when its request came, for everything, waiting and answer included.

It is the caller's alone. Whoever joins in the same call upstream has another one, or none; so it ends the caller's wait, wherever that
is, and never the call itself: that ends as it does where a caller leaves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from gateway.errors import BadRequest, UpstreamTimeout
from gateway.exchange import Headers, Response, Stream

FIELD = "gateway-timeout"
_FORM = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,3})?")
_OVER = "the time that the caller gave is over"


def deadline_of(headers: Headers, started: float) -> float:
    """The moment (monotonic) at which a call that came at ``started`` must be over, by its ``Gateway-Timeout``. ``BadRequest``."""
    said = headers.get(FIELD) or ""
    if not _FORM.fullmatch(said) or not float(said):
        raise BadRequest('Gateway-Timeout is not a number of seconds such as "2.5"')
    return started + float(said)


async def before(deadline: float, answer: Awaitable[Response], clock: Callable[[], float]) -> Response:
    """What ``answer`` brings, head and body before ``deadline``; ``UpstreamTimeout`` otherwise, in mid-body too."""
    try:
        async with asyncio.timeout(deadline - clock()):
            response = await answer
    except TimeoutError:
        raise UpstreamTimeout(_OVER) from None
    return response if isinstance(response.body, bytes) else replace(response, body=_Timed(response.body, deadline, clock))


class _Timed:
    """A streaming body that breaks at ``deadline``."""

    def __init__(self, stream: Stream, deadline: float, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._deadline = deadline
        self._clock = clock

    @property
    def length(self) -> int | None:
        return self._stream.length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        try:
            while True:
                async with asyncio.timeout(self._deadline - self._clock()):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk
        except TimeoutError:
            raise UpstreamTimeout(_OVER) from None
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        await self._stream.aclose()
