"""What a visitor is told where the server's disk takes nothing more."""

from __future__ import annotations

import errno
import logging

from starlette.requests import Request
from starlette.responses import PlainTextResponse

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
SENTENCE = "The server has no room for this file now: please try again later."
log = logging.getLogger(__name__)


async def no_room(request: Request, error: Exception) -> PlainTextResponse:
    """One sentence for an upload that cannot be kept; any other OSError goes on."""
    if not isinstance(error, OSError) or error.errno not in FULL:
        raise error
    log.error("an upload cannot be kept: %s", error.strerror)
    return PlainTextResponse(SENTENCE, status_code=507)


HANDLERS = {OSError: no_room}
