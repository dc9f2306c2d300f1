"""Buckets, servers and credentials that fail before or in the middle of a run: a message, and a ledger that resumes."""

import itertools
import subprocess
import threading
import time

import pytest
from bucket_photos import portrait_bytes
from click.testing import CliRunner
from s3_servers import Answer, S3Server, error_answer, free_ports, give_credentials, moto_server, proxy

from flows.cli import main
from oodinv.ledger import fsck
from oodinv.ledger.snapshot import latest_snapshot, read_snapshot
from oodinv.store import Access, open_store

PHOTOS = 6
_names = itertools.count()


@pytest.fixture(scope="module")
def server():
    with moto_server() as server:
        yield server


@pytest.fixture(scope="module")
def front(server):
    with proxy(server) as front:
        yield front


@pytest.fixture
def bucket(server, front, monkeypatch) -> str:
    """A bucket of its own for every test, with photos under `in/`, behind a proxy that behaves until told otherwise."""
    front.behave()
    give_credentials(monkeypatch, server)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    name = f"trouble-{next(_names)}"
    server.bucket(name)
    for number in range(PHOTOS):
        server.client().put_object(Bucket=name, Key=f"in/{number}.jpg", Body=portrait_bytes(number, 160))
    return name


def words(bucket: str, endpoint: str, bundle, **other: str) -> list[str]:
    given = {
        "source": f"s3://{bucket}/in", "target": f"s3://{bucket}/out", "endpoint-url": endpoint, "edit": "smile=+1",
        "bundle": str(bundle), "shard-size": "2", "workers": "1", "max-failed-share": "0.5",
    } | other  # fmt: skip
    return ["augment", *(word for name, value in given.items() for word in (f"--{name}", value))]


def denied(method: str, part: str):
    """A proxy that refuses one kind of request."""

    def tamper(request, forward) -> Answer:
        if request.method == method and part in request.path:
            return error_answer(403, "AccessDenied")
        return forward(request)

    return tamper


def answers(status: int, code: str, **more: str):
    return lambda request, forward: error_answer(status, code, **more)


@pytest.mark.parametrize(
    ("tamper", "other", "exit_code", "said"),
    [
        (None, {"source": "s3://no-such-bucket-here/in"}, 2, "no-such-bucket-here"),
        (None, {"target": "s3://no-such-bucket-here/out"}, 2, "no-such-bucket-here"),
        (None, {"source": "s3://{bucket}/empty"}, 2, "no photos in"),
        (None, {"target": "s3://{bucket}/in/out"}, 2, "inside the source"),
        (None, {"target": "s3://{bucket}"}, 2, "inside the target"),
        (denied("GET", "list-type=2"), {}, 2, "list"),
        (denied("GET", "/in/"), {}, 2, "read"),
        (denied("PUT", "/out/"), {}, 2, "writ"),
        (answers(403, "RequestTimeTooSkewed"), {}, 3, "clock"),
        (answers(403, "SignatureDoesNotMatch"), {}, 2, "secret"),
        (answers(403, "InvalidAccessKeyId"), {}, 2, "key"),
        (answers(400, "ExpiredToken"), {}, 2, "expired"),
        (answers(301, "PermanentRedirect", Region="eu-north-1"), {}, 2, "region"),
        pytest.param(answers(503, "SlowDown"), {}, 3, "slow", marks=pytest.mark.slow),
        (lambda request, forward: Answer(status=200, body=b"<html>hello</html>"), {}, 2, "S3"),
    ],
    ids=[
        "no source bucket", "no target bucket", "empty", "target in source", "source in target", "may not list",
        "may not read", "may not write", "clock", "secret", "key", "expired", "region", "throttled", "a web server",
    ],
)  # fmt: skip
def test_trouble_before_the_run_is_told_in_one_line(bucket, front, tiny_bundle, tamper, other, exit_code, said):
    if tamper is not None:
        front.tamper = tamper
    other = {name: value.format(bucket=bucket) for name, value in other.items()}
    result = CliRunner().invoke(main, words(bucket, front.endpoint_url, tiny_bundle, **other))
    assert result.exit_code == exit_code, result.output
    assert result.stderr.startswith("oodinv: ") and said.lower() in result.stderr.lower()
    assert "Traceback" not in result.output and "canary" not in result.output


def test_nobody_listens_at_the_endpoint(bucket, tiny_bundle):
    address = f"http://127.0.0.1:{free_ports(1)[0]}"
    result = CliRunner().invoke(main, words(bucket, address, tiny_bundle))
    assert result.exit_code in (2, 3) and address in result.stderr and "Traceback" not in result.output


def run(oodinv, server: S3Server, arguments: list[str], **more: str) -> "subprocess.CompletedProcess[str]":
    environment = oodinv.environment | server.environment() | {"AWS_MAX_ATTEMPTS": "3"} | more
    return subprocess.run(oodinv.command(*arguments), env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_credentials_that_expire_in_the_middle_stop_the_run_which_resumes(bucket, server, front, oodinv, tiny_bundle):
    commits = []

    def expire(request, forward) -> Answer:
        if len(commits) >= 2:
            return error_answer(400, "ExpiredToken")
        if request.method == "PUT" and "/commits/" in request.path:
            commits.append(request.path)
        return forward(request)

    front.tamper = expire
    arguments = words(bucket, front.endpoint_url, tiny_bundle)
    stopped = run(oodinv, server, arguments)
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "expired" in stopped.stderr and "it resumes" in stopped.stderr and "Traceback" not in stopped.stderr
    store = open_store(f"s3://{bucket}/out", Access(endpoint_url=server.endpoint_url))
    assert latest_snapshot(store) is None
    front.behave()
    resumed = run(oodinv, server, arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert fsck(store, deep=True).clean
    assert set(read_snapshot(store)["status"].to_pylist()) == {"ok"}  # nobody was recorded as failed for it


@pytest.mark.slow  # waiting is what a throttled client does
def test_a_throttled_run_finishes_and_a_photo_that_vanishes_gets_its_row(bucket, server, front, oodinv, tiny_bundle):
    lock, seen = threading.Lock(), itertools.count(1)

    def throttle(request, forward) -> Answer:
        with lock:
            number = next(seen)
        if "/in/3.jpg" in request.path and request.method == "GET":
            # It was listed; now it is gone.
            server.client().delete_object(Bucket=bucket, Key="in/3.jpg")
        if number % 7 == 0:
            time.sleep(0.01)
            return error_answer(503, "SlowDown")
        return forward(request)

    front.tamper = throttle
    done = run(oodinv, server, words(bucket, front.endpoint_url, tiny_bundle))
    assert done.returncode == 0, done.stdout + done.stderr
    store = open_store(f"s3://{bucket}/out", Access(endpoint_url=server.endpoint_url))
    rows = read_snapshot(store).to_pylist()
    gone = [row for row in rows if row["src_key"] == "3.jpg"]
    assert gone and all((row["status"], row["error_class"]) == ("failed", "vanished") for row in gone)
    assert {row["status"] for row in rows if row["src_key"] != "3.jpg"} == {"ok"}
    assert fsck(store, deep=True).clean


def test_a_prefect_server_that_is_away_is_told_in_one_line(bucket, server, oodinv, tiny_bundle):
    url = f"http://127.0.0.1:{free_ports(1)[0]}/api"
    result = run(oodinv, server, words(bucket, server.endpoint_url, tiny_bundle), PREFECT_API_URL=url)
    assert result.returncode == 3, result.stdout + result.stderr
    assert "oodinv: the Prefect server does not answer" in result.stderr and "PREFECT_API_URL" in result.stderr
    assert "Traceback" not in result.stderr
