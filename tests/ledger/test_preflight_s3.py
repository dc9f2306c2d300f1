"""Places on S3 before a run: apart, readable, writable, and whether the server keeps create-only writes apart."""

from itertools import count

import pytest
from botocore.retries.bucket import TokenBucket
from botocore.retries.standard import ExponentialBackoff
from s3_servers import LOST, Answer, error_answer, give_credentials, moto_server, proxy

from oodinv.ledger import check_locations
from oodinv.ledger.preflight import check_readable
from oodinv.store import Access, LocationError, StoreError, open_source

BUCKET = "photos"
SOURCE, TARGET = f"s3://{BUCKET}/in", f"s3://{BUCKET}/out"


@pytest.fixture(scope="module")
def moto():
    with moto_server() as server:
        server.bucket(BUCKET)
        for key in ("in/a.txt", "in/b.jpg", "in/c.jpg"):
            server.client().put_object(Bucket=BUCKET, Key=key, Body=b"photo")
        yield server


@pytest.fixture
def server(moto, monkeypatch):
    """Moto behind a proxy."""
    give_credentials(monkeypatch, moto)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    monkeypatch.setattr(TokenBucket, "acquire", lambda self, amount=1, block=True: True)
    with proxy(moto) as before:
        yield before


@pytest.fixture
def access(server):
    return Access(endpoint_url=server.endpoint_url)


def keys(moto):
    return [found["Key"] for found in moto.client().list_objects_v2(Bucket=BUCKET)["Contents"]]


def refuse(method, part, status=403, code="AccessDenied"):
    """Requests of one method whose path has this part get an error."""

    def tamper(request, forward):
        return error_answer(status, code) if request.method == method and part in request.path else forward(request)

    return tamper


def ignore_conditions(request, forward):
    request.headers.pop("If-None-Match", None)
    return forward(request)


def test_two_places_apart_are_fine_and_nothing_stays_behind(moto, access, tmp_path):
    before = keys(moto)
    assert check_locations(SOURCE, TARGET, access) == access
    assert keys(moto) == before
    assert check_locations(SOURCE, f"s3://{BUCKET}/in-edited", access) == access  # a longer name is not inside


def test_folders_and_buckets_mix(access, tmp_path):
    (tmp_path / "photos").mkdir()
    check_locations(str(tmp_path / "photos"), TARGET, access)
    check_locations(SOURCE, str(tmp_path / "target"), access)


def test_a_dry_run_writes_nothing(server, access):
    check_locations(SOURCE, TARGET, access, write=False)
    assert {request.method for request in server.seen} == {"GET"}


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize(
    ("source", "target", "text"),
    [
        ("s3://photos/in", "s3://photos/in", "the same place as"),
        ("s3://photos/in", "s3://photos/in/", "the same place as"),
        ("s3://photos/in", "s3://photos/in/out", "is inside the source"),
        ("s3://photos", "s3://photos/out", "is inside the source"),
        ("s3://photos/in", "s3://photos", "is inside the target"),
    ],
)
def test_places_that_touch_are_refused_before_anything_is_asked(server, access, source, target, text, write):
    with pytest.raises(LocationError, match=text):
        check_locations(source, target, access, write=write)
    assert server.seen == []


@pytest.mark.parametrize(
    ("source", "target"),
    [("s3://nothing-here/in", TARGET), (SOURCE, "s3://nothing-here/out")],
    ids=["source", "target"],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_missing_bucket_is_the_users_mistake(access, source, target, write):
    with pytest.raises(LocationError, match=r"there is no bucket 'nothing-here' on http://.*or create it\.$"):
        check_locations(source, target, access, write=write)


@pytest.mark.parametrize(
    ("method", "part", "text"),
    [
        ("GET", "prefix=in", "no right to list s3://photos/in .*s3:ListBucket"),
        ("GET", "/in/", "no right to read s3://photos/in .*s3:GetObject"),
        ("GET", "prefix=out", "no right to list s3://photos/out .*s3:ListBucket"),
        ("PUT", "/out/", "no right to write s3://photos/out .*s3:PutObject"),
        ("GET", "/out/", "no right to read s3://photos/out .*s3:GetObject"),
    ],
)
def test_each_missing_right_is_named(server, access, method, part, text):
    server.tamper = refuse(method, part)
    with pytest.raises(LocationError, match=text):
        check_locations(SOURCE, TARGET, access)


def test_the_right_to_delete_is_not_needed(server, access, moto):
    server.tamper = refuse("DELETE", "/out/")
    assert check_locations(SOURCE, TARGET, access) == access
    (left,) = [key for key in keys(moto) if key.startswith("out/")]
    assert left.startswith("out/runs/probe-")
    moto.client().delete_object(Bucket=BUCKET, Key=left)


def test_a_photo_that_alone_is_refused_does_not_stop_a_run(server, access):
    server.tamper = refuse("GET", "/in/b.jpg")
    assert check_locations(SOURCE, TARGET, access) == access


def test_photos_are_looked_at_but_not_fetched(server, access):
    asked = []

    def tamper(request, forward):
        if "/in/" in request.path:
            asked.append(request.path)
            return Answer(**{**vars(forward(request)), "cut_at": 0})
        return forward(request)

    server.tamper = tamper
    check_readable(open_source(SOURCE, access))
    assert asked == ["/photos/in/b.jpg"]


@pytest.mark.parametrize("code", ["SlowDown", "InternalError"])
def test_a_server_in_trouble_is_not_the_users_mistake(server, access, code):
    server.tamper = lambda request, forward: error_answer(503, code)
    with pytest.raises(StoreError, match=code):
        check_locations(SOURCE, TARGET, access)


def test_a_server_that_ignores_conditions_gets_one_writer_and_one_warning(server, access, caplog, moto):
    server.tamper = ignore_conditions
    before = keys(moto)
    found = check_locations(SOURCE, TARGET, access)
    assert found == Access(endpoint_url=server.endpoint_url, single_writer=True)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("oodinv")] == [
        "the target s3://photos/out ignores create-only writes: run one writer only"
    ]
    assert keys(moto) == before
    assert check_locations(SOURCE, TARGET, found) == found  # and is not believed to have been healed by looking first


def test_a_server_that_refuses_conditions_gets_one_writer(server, access):
    def tamper(request, forward):
        return error_answer(501, "NotImplemented") if "If-None-Match" in request.headers else forward(request)

    server.tamper = tamper
    assert check_locations(SOURCE, TARGET, access).single_writer


@pytest.mark.parametrize("single_writer", [True, False])
def test_a_server_that_ignores_conditions_is_refused_where_fencing_is_required(server, single_writer):
    server.tamper = ignore_conditions
    access = Access(endpoint_url=server.endpoint_url, single_writer=single_writer)
    with pytest.raises(StoreError, match=r"does not keep create-only writes apart.*or leave out --require-fencing"):
        check_locations(SOURCE, TARGET, access, require_fencing=True)


def test_a_lost_answer_to_the_probe_is_not_taken_for_a_careless_server(server, access, moto):
    numbers = count(1)

    def tamper(request, forward):
        answer = forward(request)
        return LOST if request.method == "PUT" and next(numbers) == 1 else answer

    server.tamper = tamper
    before = keys(moto)
    assert check_locations(SOURCE, TARGET, access) == access
    assert keys(moto) == before
