"""Credentials kept by the Prefect server: named in a request, put into the environment for the run, written nowhere."""

import os

import pytest

from oodinv.store import LocationError

SECRET = "canary/kept+by0prefect"


@pytest.fixture(scope="module")
def block(orchestrator):
    with orchestrator.in_this_process():
        from flows.s3_access import S3Access

        S3Access(access_key_id="AKIACANARYBLOCK", secret_access_key=SECRET, region="eu-central-1").save("photos")
        yield "photos"


def aws() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def test_a_block_is_the_environment_of_the_run_and_gone_after_it(block, monkeypatch):
    from flows.s3_access import credentials

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "before")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another identity")
    before = aws()
    with credentials(block):
        assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIACANARYBLOCK" and os.environ["AWS_SECRET_ACCESS_KEY"] == SECRET
        assert os.environ["AWS_DEFAULT_REGION"] == "eu-central-1" and "AWS_SESSION_TOKEN" not in os.environ
    assert aws() == before
    with pytest.raises(RuntimeError), credentials(block):
        raise RuntimeError("the run fails")
    assert aws() == before


def test_a_block_shows_its_secret_to_nobody(block):
    from flows.s3_access import S3Access

    loaded = S3Access.load(block)
    assert SECRET not in repr(loaded) + str(loaded) + loaded.model_dump_json()


def test_an_unknown_block_is_refused_with_what_to_do(block):
    from flows.s3_access import credentials

    with pytest.raises(LocationError, match=r"no s3-access block 'nonesuch' .*`prefect block register -m flows.s3_acc"):
        with credentials("nonesuch"):
            raise AssertionError("ran without credentials")


def test_without_a_block_nothing_is_asked_and_nothing_changes():
    from flows.s3_access import credentials

    before = aws()
    with credentials(None):
        assert aws() == before
