from collections.abc import Iterator
from itertools import count

import pytest
from botocore.retries.bucket import TokenBucket
from botocore.retries.standard import ExponentialBackoff
from s3_servers import Proxy, S3Server, give_credentials, moto_server, proxy, seaweed_server

from oodinv.store import Access
from oodinv.store import s3_objects as s3_objects_module
from oodinv.store.s3 import S3Store
from oodinv.store.s3_photos import S3Photos
from oodinv.store.s3_uri import S3Place, parse_s3

BUCKET = "tests"
_numbers = count(1)


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory) -> Iterator[S3Server]:
    with seaweed_server(tmp_path_factory.mktemp("seaweed")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture
def credentials(moto, monkeypatch) -> None:
    """Both servers know them; nothing else of the caller's AWS settings is left."""
    give_credentials(monkeypatch, moto)


@pytest.fixture
def quick(monkeypatch) -> None:
    """Nothing waits before a request is repeated."""
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)
    monkeypatch.setattr(TokenBucket, "acquire", lambda self, amount=1, block=True: True)
    monkeypatch.setattr(s3_objects_module, "_PAUSES_S", (0, 0))


@pytest.fixture
def new_place() -> S3Place:
    """Nothing is there yet, on either server; the bucket is."""
    return parse_s3(f"s3://{BUCKET}/{next(_numbers)}/some where")


@pytest.fixture(scope="session")
def proxy_before_moto(moto) -> Iterator[Proxy]:
    with proxy(moto) as before:
        yield before


@pytest.fixture
def bad_network(proxy_before_moto, credentials, quick) -> Proxy:
    """A proxy before moto that passes everything on, until told otherwise."""
    proxy_before_moto.behave()
    return proxy_before_moto


@pytest.fixture
def target(bad_network, new_place) -> S3Store:
    """A store that is reached through the bad network."""
    return S3Store(place=new_place, access=Access(endpoint_url=bad_network.endpoint_url))


@pytest.fixture
def photos(target) -> S3Photos:
    """The same place as a source."""
    return S3Photos(place=target.place, access=target.access)
