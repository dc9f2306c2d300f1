"""Every way in which S3 can refuse or fail, in words that say what to do and hold no secret."""

import pickle
import traceback

import pytest
from s3_servers import ACCESS_KEY, SECRET_KEY, Answer, error_answer, proxy

from oodinv.errors import describe
from oodinv.store import Access, AccessError, LocationError, StoreError, open_source, open_store

TOKEN = "canary-session-token"
CANARIES = (ACCESS_KEY, SECRET_KEY, TOKEN, "canary")


def error(status, code, **more):
    """An answer that echoes all it was sent, as real ones echo parts of it."""
    echo = f"canary {ACCESS_KEY} {SECRET_KEY} {TOKEN} https://b.s3.amazonaws.com/x?X-Amz-Signature=canary"
    fields = {"AWSAccessKeyId": ACCESS_KEY, "Token-0": TOKEN, "StringToSign": echo, "RequestId": echo, "HostId": echo}
    return error_answer(status, code, message=echo, **{**fields, **more})


ANSWERS = {
    "no bucket": (error(404, "NoSuchBucket"), "there is no bucket 'photos' on http://.*Check the spelling"),
    "no right": (error(403, "AccessDenied"), "no right to list s3://photos/in .*s3:ListBucket.*somebody else's"),
    "no right, no reason": (Answer(status=403), "no right to list"),
    "expired": (error(400, "ExpiredToken"), "the credentials for s3://photos/in have expired .*Renew them"),
    "expired request": (error(403, "RequestExpired"), "have expired"),
    "invalid token": (error(400, "InvalidToken"), "have expired"),
    "unknown key": (error(403, "InvalidAccessKeyId"), "does not know the access key .*for this server"),
    "wrong secret": (error(403, "SignatureDoesNotMatch"), "the secret key does not belong to the access key"),
    "other region": (
        error(400, "AuthorizationHeaderMalformed", Region="eu-west-3"),
        "is in region 'eu-west-3' .*Set AWS_DEFAULT_REGION=eu-west-3",
    ),
    "some other region": (error(400, "IllegalLocationConstraintException"), "is in another region"),
    "bad name": (error(400, "InvalidBucketName"), "does not accept the bucket name 'photos'"),
    "not S3": (Answer(status=404, body=b"<html>canary</html>"), "is no S3 server .*Check --endpoint-url"),
    "an XML page": (Answer(body=b"<html><p>canary</p></html>"), "is no S3 server"),
    "an empty page": (Answer(), "is no S3 server"),
}
"""The user's: names, rights, credentials."""

TROUBLES = {
    "clock": (error(403, "RequestTimeTooSkewed"), "because this machine's clock is wrong .*Set the clock"),
    "slow down": (error(503, "SlowDown"), "slows requests to s3://photos/in down.*Use fewer workers"),
    "too many": (error(429, "TooManyRequests"), "slows requests"),
    "full": (error(507, "InsufficientStorage"), "s3://photos/in is full"),
    "broken": (
        error(500, "InternalError"),
        r"failed to list s3://photos/in, after several tries still \(InternalError",
    ),
    "a web page": (Answer(body=b"<!DOCTYPE html><p>canary<br>", headers={"Content-Type": "text/html"}), "web page"),
    "no reason": (Answer(status=502), "after several tries still"),
    "unforeseen": (error(418, "Teapot"), r"refuses to list s3://photos/in \(Teapot, HTTP 418\)"),
    "an essay as code": (
        error(400, f"canary {SECRET_KEY}"),
        r"refuses to list s3://photos/in \(strange code, HTTP 400\)",
    ),
}
"""Nobody's."""


@pytest.fixture(scope="module")
def stub():
    with proxy() as answering:
        yield answering


@pytest.fixture(autouse=True)
def environment(credentials, quick, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


def failing(endpoint_url, *, act=lambda store: list(store.list())):
    """What reading a source raises, after a look for secrets in it."""
    source = open_source("s3://photos/in", Access(endpoint_url=endpoint_url))
    with pytest.raises(StoreError) as caught:
        act(source)
    holds_no_secret(caught.value)
    return caught.value


def holds_no_secret(raised):
    assert raised.__cause__ is None
    assert raised.__context__ is None
    shown = [str(raised), repr(raised), repr(raised.__dict__), *traceback.format_exception(raised)]
    shown.append(pickle.dumps(raised).decode("latin-1"))
    # What this file itself says is not what was raised.
    lines = [line for text in shown for line in text.splitlines() if "canary" in line or ACCESS_KEY in line]
    assert [line for line in lines if any(canary in line for canary in CANARIES)] == []


@pytest.mark.parametrize("case", ANSWERS)
def test_what_the_user_has_to_change_is_named(stub, case, caplog):
    answer, text = ANSWERS[case]
    stub.tamper = lambda request, forward: answer
    with caplog.at_level("DEBUG", logger="oodinv"):
        raised = failing(stub.endpoint_url)
    assert isinstance(raised, AccessError)
    assert_matches(text, raised.problem)
    assert caplog.text == ""


@pytest.mark.parametrize("case", TROUBLES)
def test_what_is_nobodys_fault_is_not_put_on_the_user(stub, case):
    answer, text = TROUBLES[case]
    stub.tamper = lambda request, forward: answer
    raised = failing(stub.endpoint_url)
    assert not isinstance(raised, AccessError)
    assert_matches(text, str(raised))
    assert str(raised).endswith("Then run the same command again: it resumes.")


@pytest.mark.parametrize("case", {**ANSWERS, **TROUBLES})
def test_no_method_tells_a_secret(stub, case):
    answer, _ = {**ANSWERS, **TROUBLES}[case]
    stub.tamper = lambda request, forward: answer
    access = Access(endpoint_url=stub.endpoint_url)
    source, target = open_source("s3://photos/in", access), open_store("s3://photos/out", access)
    alone = open_store("s3://photos/out", Access(endpoint_url=stub.endpoint_url, single_writer=True))
    for act in (
        lambda: source.get("a"),
        lambda: source.head("a"),
        lambda: target.get("a"),
        lambda: target.head("a"),
        lambda: target.folders(),
        lambda: target.put("a", b""),
        lambda: target.create("a", b""),
        lambda: alone.create("a", b""),
        lambda: target.delete("a"),
    ):
        try:
            act()
        except Exception as raised:
            holds_no_secret(raised)


def test_missing_credentials_are_told_from_wrong_ones(stub, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    raised = failing(stub.endpoint_url)
    assert_matches("no credentials for http://.*expected AWS_ACCESS_KEY_ID and.*AWS_PROFILE", raised.problem)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    assert_matches("no credentials .*PartialCredentialsError", failing(stub.endpoint_url).problem)


def test_an_unknown_profile_is_named_as_the_reason(stub, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert_matches("the AWS profile .*ProfileNotFound.*Check AWS_PROFILE", failing(stub.endpoint_url).problem)


def test_a_broken_configuration_file_is_named_as_the_reason(stub, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(f"no section {SECRET_KEY}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert_matches("configuration file cannot be used", failing(stub.endpoint_url).problem)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:1", "cannot connect to http://127.0.0.1:1: nothing answers there"),
        ("http://nothing.invalid", "cannot connect to http://nothing.invalid: its name does not resolve"),
    ],
)
def test_an_endpoint_where_nothing_is_is_named(url, text):
    assert_matches(f"{text}.*Check --endpoint-url and the network", str(failing(url)))


def test_a_server_without_tls_is_named(stub):
    url = stub.endpoint_url.replace("http:", "https:")
    assert_matches("no trusted TLS connection to https://.*Check http or https", str(failing(url)))


def test_the_server_that_the_environment_names_is_the_one_in_the_message(stub, monkeypatch):
    stub.tamper = lambda request, forward: ANSWERS["no bucket"][0]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stub.endpoint_url)
    assert_matches(f"no bucket 'photos' on {stub.endpoint_url}", failing(None).problem)
    assert stub.seen[-1].path.startswith("/photos?")  # not in the host name, which would not resolve


@pytest.mark.parametrize("url", [f"http://user:{SECRET_KEY}@127.0.0.1:1", f"https://h/?X-Amz-Signature={SECRET_KEY}"])
def test_an_endpoint_with_a_secret_is_refused_without_showing_it(url, monkeypatch):
    with pytest.raises(LocationError, match=r"expected an endpoint like .*, got one") as caught:
        open_source("s3://photos", Access(endpoint_url=url))
    holds_no_secret(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)  # the store opens; its first call says it
    with pytest.raises(LocationError) as caught:
        list(open_source("s3://photos").list())
    holds_no_secret(caught.value)


def test_in_the_middle_of_a_run_every_error_is_the_infrastructures():
    assert describe(AccessError("gone.")) == ("infrastructure", "gone. Then run the same command again: it resumes.")


def test_an_error_comes_whole_from_another_process():
    # Errors of actors travel this way; only what this test itself made is unpickled.
    sent = pickle.loads(pickle.dumps(AccessError("gone.")))
    assert (str(sent), sent.problem) == (str(AccessError("gone.")), "gone.")


def assert_matches(pattern, text):
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(text)
