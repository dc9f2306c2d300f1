"""What a run plans from: the source as it is, or what earlier runs have found there."""

import pytest
from click.testing import CliRunner
from shard_runs import make_settings
from tiny_bundle import write_tiny_bundle
from tiny_run import write_photos

from flows.cli import main
from oodinv.ledger import LedgerError
from tasks.plan import plan


@pytest.fixture
def settings(tmp_path):
    write_photos(tmp_path / "photos", {f"{n}.jpg": "no image, nobody looks" for n in range(3)})
    return make_settings(tmp_path / "photos", tmp_path / "target", write_tiny_bundle(tmp_path / "tiny"))


def test_without_listing_nothing_new_is_seen_and_nothing_known_is_forgotten(settings, tmp_path):
    before = plan.fn(settings, 2)
    (tmp_path / "photos" / "new.jpg").write_text("new")
    (tmp_path / "photos" / "0.jpg").unlink()
    again = plan.fn(settings, 2, list_source=False)
    assert again.missing == before.missing and again.inventory.parts == 1
    assert again.job("1-000000").samples == before.job("1-000000").samples
    assert plan.fn(settings, 2).inventory.added == 1


def test_without_listing_there_must_have_been_a_run(settings):
    with pytest.raises(LedgerError, match="this is not a dataset yet"):
        plan.fn(settings, 2, list_source=False)


def test_the_option_reaches_the_request(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("flows.dry_run.dry_run", lambda request: seen.append(request) or "")
    for arguments in ([], ["--no-list"]):
        ran = CliRunner().invoke(
            main, ["augment", "--source", "a", "--target", "b", "--edit", "smile=+1", "--dry-run", *arguments]
        )
        assert ran.exit_code == 0, ran.output
    assert [request.list_source for request in seen] == [True, False]
