"""HTTP to a WCTP gateway: one POST, one answer, within limits of size and time. aiohttp is loaded on use.

What matters of a failure is whether the message may have been taken all the same: `NotSent` or `NoAnswer`.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.errors import TransportError, UsageError
from drivers.pager.settings import WctpAddress
from drivers.pager.wctp_xml import MAX_OCTETS

if TYPE_CHECKING:
    from aiohttp import ClientSession

CONNECT_S = 10.0


class NotSent(TransportError):
    """No connection: certainly nothing was taken."""


class NoAnswer(TransportError):
    """The request may have been taken, and no answer of use came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway answered: HTTP status and body."""

    status: int
    body: bytes


class HttpGateway:
    """One gateway. Made by `open_gateway`."""

    def __init__(self, address: WctpAddress, session: ClientSession) -> None:
        self.address = address
        self._session = session

    async def post(self, body: bytes) -> Answer:
        """Post XML and return the answer, whatever its status. Raises `NotSent`, `NoAnswer`, `UsageError` (the URL)."""
        import aiohttp  # noqa: PLC0415 - an optional library

        gateway = self.address.gateway
        try:
            async with self._session.post(gateway, data=body, allow_redirects=False) as response:
                taken = bytearray()
                async for chunk in response.content.iter_chunked(65_536):
                    taken += chunk
                    if len(taken) > MAX_OCTETS:
                        raise NoAnswer(f"{gateway} answers with more than {MAX_OCTETS:,} octets")
                return Answer(response.status, bytes(taken))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(
                f"no connection to {gateway}: {error}", advice="is the gateway up, its name right?"
            ) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise UsageError(f"{gateway!r} is not a URL to post to") from error
        except TimeoutError as error:
            raise NoAnswer(f"{gateway} does not answer within {self.address.request_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswer(f"{gateway} broke off: {error or type(error).__name__}") from error


@asynccontextmanager
async def open_gateway(address: WctpAddress) -> AsyncIterator[HttpGateway]:
    """Prepare to post to a gateway; nothing is connected yet. Raises `UsageError` without aiohttp or for a bad `ca`."""
    try:
        import aiohttp  # noqa: PLC0415 - an optional library: meters without pagers do without
    except ImportError as error:
        raise UsageError("pager meters need aiohttp", advice="pip install 'mrsp-agent[pager]'") from error
    connector = aiohttp.TCPConnector(force_close=True, ssl=_tls(address))
    timeout = aiohttp.ClientTimeout(total=address.request_s, sock_connect=min(CONNECT_S, address.request_s))
    headers = {"Content-Type": "text/xml", "Accept": "text/xml", "Accept-Encoding": "identity", "User-Agent": "mrsp"}
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield HttpGateway(address, session)


def _tls(address: WctpAddress) -> ssl.SSLContext | bool:
    if not address.secure:
        return True
    try:
        context = ssl.create_default_context(cafile=address.ca or None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"the certificates in {address.ca} cannot be read: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
