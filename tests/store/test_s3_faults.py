"""What a store on S3 makes of a bad network and a server in trouble: the truth, as far as it can be known."""

import threading
import time
from itertools import count

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from s3_servers import LOST, Answer, error_answer

from oodinv.store import (
    Access,
    AccessError,
    ConditionsUnsupported,
    ObjectMissing,
    ObjectRefused,
    OutcomeUnknown,
    StoreError,
)
from oodinv.store import s3 as s3_module
from oodinv.store import s3_client as s3_client_module
from oodinv.store import s3_objects as s3_objects_module
from oodinv.store import s3_photos as s3_photos_module
from oodinv.store import s3_upload as s3_upload_module
from oodinv.store.s3 import S3Store
from oodinv.store.s3_client import MAX_ATTEMPTS

SLOW_DOWN = error_answer(503, "SlowDown")


def first(how_many, method, misbehave):
    """Misbehave at the first requests of a method; pass everything else on."""
    numbers = count(1)

    def tamper(request, forward):
        if request.method == method and next(numbers) <= how_many:
            return misbehave(request, forward)
        return forward(request)

    return tamper


def applied_but_lost(request, forward):
    forward(request)
    return LOST


def applied_but_failed(request, forward):
    forward(request)
    return error_answer(500, "InternalError")


def late(request, forward):
    answer = forward(request)
    time.sleep(0.6)
    return answer


class TestCreate:
    @pytest.mark.parametrize("lose", [applied_but_lost, applied_but_failed])
    def test_whose_answer_is_lost_is_unknown_and_a_repetition_settles_it(self, target, bad_network, lose):
        bad_network.tamper = first(1, "PUT", lose)
        with pytest.raises(OutcomeUnknown, match=r"no answer says whether a was written.*Run the same command again"):
            target.create("a", b"mine")
        assert target.create("a", b"mine") is False
        assert target.get("a") == b"mine"

    def test_whose_answer_comes_too_late_is_unknown(self, target, bad_network, monkeypatch):
        monkeypatch.setattr(s3_client_module, "READ_TIMEOUT_S", 0.2)
        monkeypatch.setenv("AWS_SOMETHING", "gets a new client")
        bad_network.tamper = first(1, "PUT", late)
        with pytest.raises(OutcomeUnknown):
            target.create("a", b"mine")
        assert target.get("a") == b"mine"

    def test_whose_request_is_lost_once_is_repeated_and_wins(self, target, bad_network):
        bad_network.tamper = first(1, "PUT", lambda request, forward: LOST)
        assert target.create("a", b"mine") is True

    @pytest.mark.parametrize("misbehave", [lambda r, f: LOST, lambda r, f: SLOW_DOWN, applied_but_failed])
    def test_without_any_answer_is_unknown(self, target, bad_network, misbehave):
        bad_network.tamper = first(100, "PUT", misbehave)
        with pytest.raises(OutcomeUnknown):
            target.create("a", b"mine")

    def test_in_conflict_with_another_is_unknown_and_not_refused(self, target, bad_network):
        bad_network.tamper = first(1, "PUT", lambda r, f: error_answer(409, "ConditionalRequestConflict"))
        with pytest.raises(OutcomeUnknown):
            target.create("a", b"mine")
        assert target.create("a", b"mine") is True

    def test_that_never_reached_a_server_was_not_applied(self, target):
        unreachable = S3Store(place=target.place, access=Access(endpoint_url="http://127.0.0.1:1"))
        with pytest.raises(StoreError, match=r"cannot connect to http://127.0.0.1:1") as caught:
            unreachable.create("a", b"mine")
        assert not isinstance(caught.value, OutcomeUnknown)

    def test_that_was_sent_before_the_connection_went_away_is_unknown(self, target, monkeypatch):
        url = "http://127.0.0.1:1"
        errors = iter([ReadTimeoutError(endpoint_url=url)] + [EndpointConnectionError(endpoint_url=url)] * MAX_ATTEMPTS)

        def send(self, request):
            raise next(errors)

        monkeypatch.setattr(URLLib3Session, "send", send)
        with pytest.raises(OutcomeUnknown):
            target.create("a", b"mine")

    def test_without_credentials_was_not_applied(self, target, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(AccessError, match="no credentials"):
            target.create("a", b"mine")

    def test_on_a_server_without_conditions_says_so(self, target, bad_network):
        bad_network.tamper = first(9, "PUT", lambda r, f: error_answer(501, "NotImplemented"))
        with pytest.raises(ConditionsUnsupported, match="does not do create-only writes"):
            target.create("a", b"mine")

    def test_of_a_single_writer_sends_no_condition_and_looks_first(self, target, bad_network):
        alone = S3Store(place=target.place, access=Access(endpoint_url=bad_network.endpoint_url, single_writer=True))
        assert alone.create("a", b"first") is True
        assert alone.create("a", b"second") is False
        assert alone.get("a") == b"first"
        assert not any("If-None-Match" in request.headers for request in bad_network.seen)


class TestPut:
    def test_that_is_slowed_down_is_repeated_and_every_request_counted(self, target, bad_network):
        bad_network.tamper = first(3, "PUT", lambda r, f: SLOW_DOWN)
        target.put("a", b"x")
        assert target.requests() == {"write": 4}
        assert target.get("a") == b"x"

    def test_that_is_slowed_down_for_ever_fails_with_what_to_do(self, target, bad_network):
        bad_network.tamper = first(100, "PUT", lambda r, f: SLOW_DOWN)
        with pytest.raises(StoreError, match=r"slows requests to s3://.*\(SlowDown, HTTP 503\)\. Use fewer workers"):
            target.put("a", b"x")
        assert len(bad_network.seen) == MAX_ATTEMPTS

    def test_sends_what_lets_the_server_check_the_bytes(self, target, bad_network):
        target.put("a", b"hello")
        (request,) = bad_network.seen
        assert request.headers["Content-MD5"] == "XUFAKrxLKna5cZ2REBfFkg=="
        assert not [name for name in request.headers if "checksum" in name.lower()]
        assert request.path.startswith(f"/{target.place.bucket}/")
        assert "oodinv" in request.headers["User-Agent"]


class TestLargeObjects:
    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        import moto.s3.models

        monkeypatch.setattr(s3_module, "LARGEST_SINGLE", 1000)
        monkeypatch.setattr(s3_upload_module, "PART_SIZE", 600)
        monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", 1)

    def unfinished(self, target, moto):
        answer = moto.client().list_multipart_uploads(Bucket=target.place.bucket)
        return [upload["Key"] for upload in answer.get("Uploads", ()) if upload["Key"].startswith(target.place.prefix)]

    @pytest.mark.parametrize(("server", "part_size"), [("moto", 600), ("seaweed", 5 * 2**20)])
    def test_come_back_whole(self, request, monkeypatch, server, part_size, new_place, credentials):
        monkeypatch.setattr(s3_upload_module, "PART_SIZE", part_size)  # the real server wants its least
        store = S3Store(place=new_place, access=Access(endpoint_url=request.getfixturevalue(server).endpoint_url))
        data = bytes(range(250)) * (part_size // 100)
        store.put("a", data)
        assert store.get("a") == data
        assert store.head("a").size == len(data)
        assert [info.key for info in store.list()] == ["a"]
        assert store.requests()["write"] == 3 + 2 + 1

    def test_at_the_limit_are_one_request(self, target, bad_network):
        target.put("a", bytes(1000))
        assert len(bad_network.seen) == 1

    @pytest.mark.parametrize("broken", ["partNumber=2", "uploadId", "uploads"])
    def test_leave_nothing_when_a_request_fails(self, target, bad_network, moto, broken):
        def tamper(request, forward):
            fails = broken in request.path and (request.method == "PUT") == (broken == "partNumber=2")
            return error_answer(500, "InternalError") if fails and request.method != "DELETE" else forward(request)

        bad_network.tamper = tamper
        with pytest.raises(StoreError, match="failed to write"):
            target.put("a", bytes(2000))
        assert self.unfinished(target, moto) == []
        with pytest.raises(ObjectMissing):
            target.get("a")

    def test_leave_nothing_when_interrupted(self, target, moto, monkeypatch):
        numbers = count(1)

        def interrupted(data):
            if next(numbers) == 2:
                raise KeyboardInterrupt
            return s3_objects_module.content_md5(data)

        monkeypatch.setattr(s3_upload_module, "content_md5", interrupted)
        with pytest.raises(KeyboardInterrupt):
            target.put("a", bytes(2000))
        assert self.unfinished(target, moto) == []


class TestReading:
    def test_of_a_body_that_is_cut_off_is_repeated(self, target, bad_network):
        target.put("a", b"0123456789")
        bad_network.tamper = first(2, "GET", lambda r, f: Answer(**{**vars(f(r)), "cut_at": 4}))
        assert target.get("a") == b"0123456789"
        bad_network.tamper = first(99, "GET", lambda r, f: Answer(**{**vars(f(r)), "cut_at": 4}))
        with pytest.raises(StoreError, match=r"failed to read s3://.*run the same command again"):
            target.get("a")

    def test_of_an_object_over_the_limit_leaves_its_bytes_where_they_are(self, target, bad_network):
        headers = {"ETag": '"e"', "Last-Modified": "Mon, 23 Nov 2026 03:12:02 GMT", "Content-Length": str(10**12)}
        bad_network.tamper = lambda request, forward: Answer(body=b"x", headers=headers)
        info, data = target.fetch("a", 10**6)
        assert (info.size, info.etag, info.modified, data) == (10**12, "e", 1795403522.0, None)

    def test_in_a_bucket_that_is_gone_is_not_a_missing_object(self, photos, target, moto):
        gone = S3Store(place=type(target.place)(bucket="gone", prefix=""), access=target.access)
        for source in (gone, type(photos)(place=gone.place, access=gone.access)):
            for read in (source.get, source.head, lambda key, source=source: list(source.list(key))):
                with pytest.raises(AccessError, match="there is no bucket 'gone' on http://"):
                    read("a.jpg")

    @pytest.mark.parametrize(
        ("true", "false"),
        [
            (b"<IsTruncated>false", b"<IsTruncated>true"),  # more, and no way on
            (b"some where/a.jpg</Key>", b"some where else/a.jpg</Key>"),  # what was not asked for
            (b"ETag>", b"Tag>"),
            (b"IsTruncated", b"Truncated"),
        ],
    )
    def test_of_a_listing_that_no_s3_server_gives_is_an_error_and_not_an_empty_place(
        self, photos, target, bad_network, true, false
    ):
        target.put("a.jpg", b"x")
        assert len(list(photos.list())) == 1
        bad_network.tamper = lambda request, forward: Answer(body=unescaped(forward(request).body).replace(true, false))
        with pytest.raises(StoreError, match="is no S3 server"):
            list(photos.list())


def unescaped(body):
    return body.replace(b"%20", b" ").replace(b"%2F", b"/")


def denied(keys):
    """Refuse to read some objects, or to list for the empty key."""

    def tamper(request, forward):
        name = "" if "list-type" in request.path else request.path.rpartition("/")[2]
        if request.method in ("GET", "HEAD") and name in keys:
            answer = error_answer(403, "AccessDenied")
            return answer if request.method == "GET" else Answer(status=403)
        return forward(request)

    return tamper


class TestAPhotoThatIsRefused:
    @pytest.fixture
    def photos(self, photos, target):
        for key in ("a.jpg", "b.jpg", "c.jpg"):
            target.put(key, b"photo")
        return photos

    @pytest.mark.parametrize("read", ["get", "head"])
    def test_alone_is_recorded_and_the_others_are_read(self, photos, bad_network, read):
        bad_network.tamper = denied({"a.jpg"})
        with pytest.raises(ObjectRefused, match=r"'a.jpg' cannot be read"):
            getattr(photos, read)("a.jpg")
        assert photos.get("b.jpg") == b"photo"

    def test_with_all_the_others_ends_the_run(self, photos, bad_network):
        photos.get("b.jpg")
        bad_network.tamper = denied({"a.jpg", "b.jpg", "c.jpg"})
        with pytest.raises(AccessError, match=r"no right to read s3://.*need s3:GetObject.*resumes"):
            photos.get("a.jpg")

    def test_is_alone_as_long_as_what_was_read_last_still_can_be(self, photos, target, bad_network, monkeypatch):
        monkeypatch.setattr(s3_photos_module, "_OTHERS", 1)
        target.put("z.jpg", b"photo")
        photos.get("z.jpg")
        bad_network.tamper = denied({"a.jpg", "b.jpg", "c.jpg"})
        with pytest.raises(ObjectRefused):
            photos.get("a.jpg")

    def test_with_the_right_to_list_ends_the_run(self, photos, bad_network):
        bad_network.tamper = denied({"", "a.jpg"})
        with pytest.raises(AccessError, match=r"no right to list s3://.*need s3:ListBucket"):
            photos.get("a.jpg")

    def test_because_it_is_archived_is_its_own_fault(self, photos, bad_network):
        bad_network.tamper = lambda request, forward: (
            forward(request) if "list-type" in request.path else error_answer(403, "InvalidObjectState")
        )
        with pytest.raises(ObjectRefused, match=r"\(InvalidObjectState, HTTP 403\)"):
            photos.get("a.jpg")

    @pytest.mark.parametrize(
        ("code", "status"), [("ExpiredToken", 400), ("RequestTimeTooSkewed", 403), ("InvalidAccessKeyId", 403)]
    )
    def test_for_a_reason_that_is_every_photos_ends_the_run(self, photos, bad_network, code, status):
        bad_network.tamper = lambda request, forward: error_answer(status, code)
        with pytest.raises(StoreError, match=f"{code}.*run the same command again: it resumes"):
            photos.get("a.jpg")

    def test_by_an_answer_without_reason_is_asked_about(self, photos, bad_network):
        """HEAD answers have no body, so an expired token looks like nothing in particular."""

        def tamper(request, forward):
            return Answer(status=400) if request.method == "HEAD" else error_answer(400, "ExpiredToken")

        bad_network.tamper = tamper
        with pytest.raises(AccessError, match="have expired"):
            photos.head("a.jpg")

    def test_because_it_vanished_is_missing(self, photos, target):
        target.delete("a.jpg")
        for read in (photos.get, photos.head):
            with pytest.raises(ObjectMissing):
                read("a.jpg")


def test_photos_on_s3_are_never_written(photos):
    for write in (lambda: photos.put("a", b""), lambda: photos.create("a", b""), lambda: photos.delete("a")):
        with pytest.raises(StoreError, match="open for reading only"):
            write()


def test_hostile_keys_are_listed_and_read(moto, seaweed, photos):
    everywhere = [" a.jpg", "100%25.jpg", "%FF.jpg", "Grüße 🙂.jpg", "q?x=1#f.jpg", "+.jpg", "x\x01.jpg", ".hidden.jpg"]
    names = {
        moto: [*everywhere, "../up.jpg", "a//b.jpg", "./here.jpg", "\\..\\x.jpg"],
        seaweed: [*everywhere, "new\nline.jpg"],  # it refuses dots and double slashes
    }
    for server, keys in names.items():
        source = type(photos)(place=photos.place, access=Access(endpoint_url=server.endpoint_url))
        for key in keys:
            server.client().put_object(Bucket=source.place.bucket, Key=source.place.prefix + key, Body=key.encode())
        assert [info.key for info in source.list()] == sorted(keys)
        assert [source.get(key).decode() for key in sorted(keys)] == sorted(keys)
        assert all(source.head(info.key) == info for info in source.list())


def test_the_marker_of_a_console_folder_is_no_object_of_the_place(moto, photos):
    for key in ("", "album/", "album/a.jpg"):
        moto.client().put_object(Bucket=photos.place.bucket, Key=photos.place.prefix + key, Body=b"")
    assert [info.key for info in photos.list()] == ["album/", "album/a.jpg"]
    assert photos.folders() == ("album",)


def test_threads_share_one_client_and_count_apart(target, photos):
    def work():
        for number in range(5):
            target.put(f"{threading.get_ident()}-{number}", b"x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(photos.list())) == 40
    assert target.requests() == {"write": 40}
    assert photos.requests() == {"write": 1}
