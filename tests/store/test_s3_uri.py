import pytest

from oodinv.store import Access, LocationError, open_source, open_store
from oodinv.store.s3_uri import S3Place, check_endpoint, parse_s3

SECRET = "canary-secret"


@pytest.mark.parametrize(
    ("uri", "bucket", "prefix"),
    [
        ("s3://photos", "photos", ""),
        ("s3://photos/", "photos", ""),
        ("s3://my.photos-2/a/b", "my.photos-2", "a/b/"),
        ("s3://photos/a/b/", "photos", "a/b/"),
        ("S3://photos/Grüße 100%25", "photos", "Grüße 100%25/"),
        ("s3://photos/..a/b..", "photos", "..a/b../"),
    ],
)
def test_bucket_and_prefix_are_read_as_typed(uri, bucket, prefix):
    place = parse_s3(uri)
    assert place == S3Place(bucket=bucket, prefix=prefix)
    assert parse_s3(place.uri) == place


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("s3://", "no bucket name"),
        ("s3:///a", "no bucket name"),
        ("s3://ab", "no bucket name"),
        ("s3://" + "a" * 64, "no bucket name"),
        ("s3://Photos", "no bucket name"),
        ("s3://photos_1", "no bucket name"),
        ("s3://-photos", "no bucket name"),
        ("s3://a..b", "no bucket name"),
        ("s3://127.0.0.1/photos", "no bucket name .*--endpoint-url"),
        ("s3://host:9000/photos", "no bucket name .*--endpoint-url"),
        ("s3://photos/a//b", "no part of the prefix may be empty"),
        ("s3://photos//", "may be empty"),
        ("s3://photos/../x", "'..'"),
        ("s3://photos/a/./b", "'.'"),
        ("s3://photos/a\nb", "control characters"),
        ("s3://photos/a?versionId=1", "with a query: leave out everything from '\\?' on"),
        ("s3://photos/a#b", "with a fragment"),
        (f"s3://key:{SECRET}@photos/a", "with a user in it: credentials come from the environment"),
        (f"s3://photos/a?X-Amz-Signature={SECRET}", "with a query"),
    ],
)
def test_anything_else_is_refused_with_the_reason(uri, text):
    for opened in (open_store, open_source):
        with pytest.raises(LocationError, match=rf"^expected s3://bucket/prefix, got .*{text}") as caught:
            opened(uri)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "https://s3.example.org", "https://[::1]:1", "http://h/path"])
def test_an_endpoint_is_a_scheme_a_host_and_a_port(url):
    assert check_endpoint(url) == url


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:9000", "s3.example.org", "ftp://h", "http://", "http://h:port", "http://[", "s3://b"]
)
def test_what_is_no_endpoint_is_refused_with_an_example(url):
    with pytest.raises(LocationError, match=r"expected an endpoint like https://s3\.example\.org"):
        open_store("s3://photos", Access(endpoint_url=url))


def test_opening_asks_nothing_of_any_server():
    access = Access(endpoint_url="http://nothing.invalid")
    assert open_store("s3://photos/out/", access) == open_store("s3://photos/out", access)
    assert open_source("s3://photos/in", access).uri == "s3://photos/in"


@pytest.mark.parametrize(
    ("outer", "inner", "contains"),
    [
        ("b", "b", True),
        ("b", "b/a", True),
        ("b/a", "b/a/c", True),
        ("b/a", "b/ab", False),
        ("b/a", "b", False),
        ("b", "c", False),
    ],
)
def test_a_place_contains_what_is_below_it(outer, inner, contains):
    assert parse_s3(f"s3://bucket-{outer}").contains(parse_s3(f"s3://bucket-{inner}")) == contains
