"""Rights and credentials on a server that checks them."""

import pytest

from oodinv.store import Access, AccessError, open_source, open_store


@pytest.fixture
def target(seaweed, credentials, new_place):
    store = open_store(new_place.uri, Access(endpoint_url=seaweed.endpoint_url))
    store.put("a.jpg", b"photo")
    return store


def test_who_may_only_read_reads_and_is_told_what_is_missing_to_write(target, seaweed, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.reader_access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.reader_secret_key)
    source = open_source(target.uri, target.access)
    assert [source.get(info.key) for info in source.list()] == [b"photo"]
    for write in (target.put, target.create):
        with pytest.raises(AccessError, match=r"no right to write .*need s3:PutObject"):
            write("b", b"x")
    with pytest.raises(AccessError, match=r"no right to delete .*need s3:DeleteObject"):
        target.delete("a.jpg")


@pytest.mark.parametrize("act", ["get", "head"])
def test_a_wrong_secret_is_named_whatever_is_asked(target, monkeypatch, act):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(AccessError, match="the secret key does not belong to the access key"):
        getattr(open_source(target.uri, target.access), act)("a.jpg")


def test_an_unknown_access_key_is_named(target, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODYSKEY000000")
    with pytest.raises(AccessError, match="does not know the access key"):
        target.create("b", b"x")
