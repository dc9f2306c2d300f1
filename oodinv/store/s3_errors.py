"""Failed S3 calls in words: what was expected, what came, what to do."""

from typing import Literal

from oodinv.store.errors import RUN_AGAIN, AccessError, StoreError
from oodinv.store.s3_failure import NOT_S3, Failure
from oodinv.store.s3_uri import S3Place

Doing = Literal["list", "read", "write", "delete"]

_PERMISSION = {
    "list": "s3:ListBucket on the bucket",
    "read": "s3:GetObject on the objects",
    "write": "s3:PutObject on the objects",
    "delete": "s3:DeleteObject on the objects",
}

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired", "InvalidToken"}
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "NoAuthTokenError"}
_LOGIN_FAILED = {
    "CredentialRetrievalError", "TokenRetrievalError", "MetadataRetrievalError", "SSOTokenLoadError", "SSOError",
    "UnauthorizedSSOTokenError", "RefreshWithMFAUnsupportedError", "LoginError", "LoginRefreshRequired",
    "LoginInsufficientPermissions", "LoginTokenLoadError", "LoginAuthorizationCodeError", "UnknownCredentialError",
}  # fmt: skip
_PROFILE = {"ProfileNotFound", "ConfigParseError", "ConfigNotFound", "InvalidConfigError", "InfiniteLoopConfigError"}
_UNKNOWN_KEY = {"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "NotSignedUp"}
_REGION = {
    "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException",
    "IncorrectEndpoint", "301", "307", "InvalidRegionError", "NoRegionError", "EndpointResolutionError",
}  # fmt: skip
_CLOCK = {"RequestTimeTooSkewed", "RequestInTheFuture"}
_THROTTLED = {
    "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "503", "RequestLimitExceeded", "Throttling",
    "ThrottlingException", "TooManyRequests", "TooManyRequestsException", "429", "BandwidthLimitExceeded",
}  # fmt: skip
_DENIED = {"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "Unauthorized", "401", "403"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}
_NOT_CONNECTED = {"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError", "ConnectionError"}

_OF_EVERY_REQUEST = _EXPIRED | _UNKNOWN_KEY | _REGION | _CLOCK | _THROTTLED | {
    "NoSuchBucket", "SignatureDoesNotMatch", "InvalidBucketName", "MethodNotAllowed", "NotImplemented", "404", "405",
    "RequestTimeout", NOT_S3,
}  # fmt: skip


def may_be_one_objects(failure: Failure) -> bool:
    """True when the server refused, and perhaps this object only: no right to it, archived, its key disabled."""
    status = failure.status
    return status is not None and 400 <= status < 500 and failure.code not in _OF_EVERY_REQUEST


def explain(failure: Failure, doing: Doing, place: S3Place, server: str) -> StoreError:
    """The error to raise for a failed call.

    Args:
        failure: What is known.
        doing: What was being done.
        place: Where.
        server: Its address, or ``AWS``.

    Returns:
        ``AccessError`` where names, rights or credentials have to change, else ``StoreError``.
    """
    said = failure.said
    user = _users(failure, doing, place, server)
    if user is not None:
        return AccessError(user)
    if failure.code in _NOT_CONNECTED:
        why = "its name does not resolve" if failure.unknown_host else "nothing answers there"
        text = f"cannot connect to {server}: {why} {said}. Check --endpoint-url and the network."
    elif failure.code == "SSLError":
        text = f"no trusted TLS connection to {server} {said}. Check http or https, the certificate and AWS_CA_BUNDLE."
    elif failure.code in _CLOCK:
        text = f"{server} refuses requests because this machine's clock is wrong {said}. Set the clock."
    elif failure.code in _THROTTLED:
        text = f"{server} slows requests to {place.uri} down, after several tries still {said}. Use fewer workers."
    elif failure.code in _FULL:
        text = f"{place.uri} is full {said}. Free some space or raise the quota."
    elif failure.web_page:
        text = f"{server} answers with a web page {said}. Check --endpoint-url, and any proxy on the way."
    elif failure.status is None or failure.status >= 500 or failure.code == "RequestTimeout":
        text = f"{server} failed to {doing} {place.uri}, after several tries still {said}. Check server and network."
    else:
        text = f"{server} refuses to {doing} {place.uri} {said}. Look the code up in the server's manual."
    return StoreError(f"{text} {RUN_AGAIN}")


def _users(failure: Failure, doing: Doing, place: S3Place, server: str) -> str | None:
    """What names, rights or credentials have to do with it; None when it is none of them."""
    code, said = failure.code, failure.said
    if code == "NoSuchBucket":
        return f"there is no bucket {place.bucket!r} on {server} {said}. Check the spelling, or create it."
    if code in _NO_CREDENTIALS:
        return (
            f"no credentials for {server} {said}: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, "
            "or a role of the machine. Set one of them."
        )
    if code in _LOGIN_FAILED:
        return f"the credentials could not be fetched {said}. Log in again (aws sso login), or check the role."
    if code in _PROFILE:
        return f"the AWS profile or configuration file cannot be used {said}. Check AWS_PROFILE and ~/.aws/config."
    if code in _EXPIRED:
        return f"the credentials for {place.uri} have expired {said}. Renew them."
    if code in _UNKNOWN_KEY:
        return (
            f"{server} does not know the access key {said}. Check the credentials, and that they are for this server."
        )
    if code == "SignatureDoesNotMatch":
        return f"the secret key does not belong to the access key {said}. Check the credentials."
    if code in _REGION:
        where = f"region {failure.region!r}" if failure.region else "another region"
        value = failure.region or "<its region>"
        return f"the bucket {place.bucket!r} is in {where} {said}. Set AWS_DEFAULT_REGION={value}."
    if code == "InvalidBucketName":
        return f"{server} does not accept the bucket name {place.bucket!r} {said}. Check the spelling."
    if code in _DENIED:
        return (
            f"no right to {doing} {place.uri} {said}: these credentials need {_PERMISSION[doing]}. Grant it; or check "
            "the name, the bucket may be somebody else's."
        )
    if code == "ResponseParserError" or code == NOT_S3 or (doing == "list" and code.isdecimal() and code[0] == "4"):
        return f"what answers at {server} is no S3 server {said}. Check --endpoint-url."
    return None
