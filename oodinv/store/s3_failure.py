"""What is kept of a failed S3 call: facts that hold no secret.

An answer may echo keys, tokens or what was signed, and the client's exceptions hold the answer. So neither goes any
further than this file: a ``Failure`` is a value, and what is raised for it has no cause.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError, NameResolutionError

FAILURES = (ClientError, BotoCoreError, ResponseParserError, HTTPError, OSError)
"""Everything by which a call of the client, or reading an answer's body, fails."""

NOT_S3 = "not-S3"
"""Code of an answer without what every S3 server answers."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a call failed."""

    code: str
    """The server's error code; or the name of the client's exception."""

    status: int | None = None
    """Of HTTP; None without an answer."""

    unclear: bool = False
    """The request may have been applied: it was sent, and no answer says it was not."""

    region: str | None = None
    """Where the bucket is, when the answer tells."""

    request_id: str | None = None
    """By which the provider finds the request."""

    web_page: bool = False
    """The answer is HTML, which S3 servers do not speak; gateways before them do."""

    unknown_host: bool = False
    """The server's name does not resolve."""

    @property
    def said(self) -> str:
        """All of it, in brackets behind a sentence."""
        facts = [
            self.code,
            f"HTTP {self.status}" if self.status else "",
            f"request {self.request_id}" if self.request_id else "",
        ]
        return f"({', '.join(fact for fact in facts if fact)})"


def failure_of(error: Exception, *, unclear: bool = False) -> Failure:
    """Keep what can be told about an error.

    Args:
        error: One of ``FAILURES``.
        unclear: A try of the call was sent and not properly answered.
    """
    if isinstance(error, ClientError):
        return _answered(error.response, unclear)
    return Failure(
        code=type(error).__name__,
        unclear=unclear or isinstance(error, ResponseParserError),
        unknown_host=_is_unknown_host(error),
    )


def _answered(response: Mapping[str, Any], unclear: bool) -> Failure:
    error, answer = response.get("Error", {}), response.get("ResponseMetadata", {})
    headers = answer.get("HTTPHeaders", {})
    status = answer.get("HTTPStatusCode")
    code = error.get("Code") or NOT_S3
    return Failure(
        code=_plain(code) or "strange code",
        status=status,
        unclear=unclear,
        region=_plain(error.get("Region") or headers.get("x-amz-bucket-region")),
        request_id=_plain(answer.get("RequestId")),
        web_page=str(headers.get("content-type")).startswith("text/html"),
    )


def _plain(text: object) -> str | None:
    """Codes, regions and ids; anything longer or stranger may be an echo."""
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None


def _is_unknown_host(error: Exception) -> bool:
    return isinstance(getattr(error, "kwargs", {}).get("error"), NameResolutionError)
