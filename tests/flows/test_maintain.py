"""The maintenance flow and the commands behind it, on a dataset without models."""

import os
import shutil

import pytest
from click.testing import CliRunner
from pydantic import ValidationError
from tiny_run import FACES, SMILE, do_faces, tiny_run, write_photos

from flows.cli import main
from flows.maintain_request import MaintainRequest
from oodinv.errors import describe
from oodinv.ledger import fsck, latest_snapshot, list_commits, load_inventory, plan_inventory, read_commit
from oodinv.store import FolderStore, PhotoFolder

PHOTOS = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "<html>", "d.jpg": "1 faces"}
OLD = 1e9


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maintain")
    source = PhotoFolder(root=write_photos(folder / "photos", PHOTOS))
    target = FolderStore(root=folder / "out")
    tiny_run(source, target)
    shard = load_inventory(target).shard("1-000000")
    assert do_faces(source, target, shard) == "lost"
    (orphan,) = fsck(target).orphans
    os.utime(target.root / orphan, (OLD, OLD))
    return source, target


@pytest.fixture
def source(finished):
    return finished[0]


@pytest.fixture
def target(finished, tmp_path):
    """A finished dataset with one old orphan."""
    return FolderStore(root=shutil.copytree(finished[1].root, tmp_path / "out"))


def tree(target):
    return {path: path.read_bytes() for path in target.root.rglob("*") if path.is_file()}


def damage(target):
    image = read_commit(target, list_commits(target, SMILE.name)[0]).objects[0]
    target.delete(image.key)


@pytest.fixture
def oodinv_dataset(target):
    return lambda command, *options: CliRunner().invoke(main, ["dataset", command, str(target.root), *options])


# The flow.


@pytest.fixture(scope="module")
def prefect(orchestrator):
    """Flows of this process are run with that server."""
    with orchestrator.in_this_process():
        yield


def newest_report():
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
    from prefect.client.schemas.sorting import ArtifactSort

    wanted = ArtifactFilter(key=ArtifactFilterKey(any_=["oodinv-maintenance-report"]))
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.CREATED_DESC, limit=1)[0]


def newest_run():
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.sorting import FlowRunSort

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC, limit=1)[0]


def test_a_round_counts_garbage_publishes_and_reports(prefect, source, target):
    from flows.maintain import maintain

    do_faces(source, target, load_inventory(target).shard("1-000000"), generation=1)  # not in the snapshot yet
    facts = maintain(MaintainRequest(target=str(target.root), deep=True))
    assert (facts.num_problems, facts.num_orphans, facts.snapshot) == (0, 1, 2)
    assert (facts.garbage.num_candidates, facts.garbage.num_deleted) == (1, 0)
    assert latest_snapshot(target).number == 2 and fsck(target).num_orphans == 1
    report = newest_report()
    assert report.type == "markdown" and report.data.startswith("# Maintenance report")
    assert "| deleted | none, a dry run |" in report.data and "| snapshot | 2 |" in report.data
    run = newest_run()
    assert run.name == f"maintain {target.root}" and run.state.is_completed()
    assert run.state.data is None  # nothing of it is kept by the orchestrator


def test_a_round_with_delete_leaves_no_orphan(prefect, target):
    from flows.maintain import maintain

    facts = maintain(MaintainRequest(target=str(target.root), delete=True))
    assert facts.garbage.num_deleted == 1 and facts.snapshot == 1
    assert fsck(target).clean and fsck(target).num_orphans == 0


def test_a_broken_dataset_fails_the_flow_after_the_report_and_nothing_is_deleted(prefect, target):
    from flows.maintain import BooksBroken, maintain

    damage(target)
    before = tree(target)
    with pytest.raises(BooksBroken, match=r"1 problems in .*png is missing.*Nothing was deleted") as raised:
        maintain(MaintainRequest(target=str(target.root), delete=True))
    assert describe(raised.value)[0] == "infrastructure"
    assert tree(target) == before
    report = newest_report().data
    assert "**1 problems.**" in report and "| garbage | not collected |" in report and ".png is missing" in report
    assert newest_run().state.is_failed()


def test_a_dataset_without_commits_is_no_failure(prefect, source, tmp_path):
    from flows.maintain import maintain

    target = FolderStore(root=tmp_path / "young")
    plan_inventory(source, target, 2)
    facts = maintain(MaintainRequest(target=str(target.root)))
    assert (facts.num_products, facts.snapshot, facts.num_problems) == (0, None, 0)
    assert "| snapshot | none published |" in newest_report().data


# The request.


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target": ""},
        {"target": "out", "grace_hours": 0.5},
        {"target": "out", "grace_hours": float("nan")},
        {"target": "out", "grace_hours": float("inf")},
        {"target": "out", "dry_run": True},
    ],
    ids=str,
)
def test_a_bad_request_is_refused(fields):
    with pytest.raises(ValidationError):
        MaintainRequest.model_validate(fields)


def test_every_field_explains_itself_and_deleting_is_asked_for():
    assert all(field.description for field in MaintainRequest.model_fields.values())
    asked = MaintainRequest(target="out")
    assert (asked.delete, asked.deep, asked.grace_hours) == (False, False, 24.0)


# The commands.


def test_gc_is_a_dry_run_until_asked_to_delete(oodinv_dataset, target):
    (orphan,) = fsck(target).orphans
    before = tree(target)
    dry = oodinv_dataset("gc")
    assert dry.exit_code == 0 and f"garbage {orphan}\n" in dry.output
    assert "1 objects that nothing lists, older than 24 h" in dry.output and "--delete deletes" in dry.output
    assert tree(target) == before
    assert "1 deleted" in oodinv_dataset("gc", "--delete").output
    assert fsck(target).clean and fsck(target).num_orphans == 0
    assert "0 objects that nothing lists" in oodinv_dataset("gc").output


def test_gc_keeps_what_is_younger_than_the_grace(oodinv_dataset, target):
    (orphan,) = fsck(target).orphans
    os.utime(target.root / orphan)
    assert "0 objects that nothing lists" in (told := oodinv_dataset("gc", "--delete", "--grace-hours", "1").output)
    assert "1 younger ones" in told and (target.root / orphan).exists()


def test_gc_with_too_short_a_grace_is_the_users_mistake(oodinv_dataset, target):
    before = tree(target)
    refused = oodinv_dataset("gc", "--delete", "--grace-hours", "0.5")
    assert refused.exit_code == 2 and "a grace of 0.5 h is too short" in refused.output
    assert tree(target) == before


def test_gc_says_what_it_could_not_do(oodinv_dataset, target):
    target.put(list_commits(target, FACES.name)[0].key, b"{")
    ended = oodinv_dataset("gc", "--delete")
    assert ended.exit_code == 3 and f"NOT DONE {FACES.name} is left alone" in ended.output
    assert fsck(target).num_orphans > 0


def test_snapshot_publishes_all_products_and_nothing_new_makes_none(oodinv_dataset, target):
    (target.root / "snapshots" / "1.json").unlink()
    for _ in range(2):
        told = oodinv_dataset("snapshot")
        assert told.exit_code == 0 and "snapshot 1 of 4 photos" in told.output
        assert (
            f"  {FACES.name}: 2 commits, 5 rows" in told.output and f"  {SMILE.name}: 2 commits, 5 rows" in told.output
        )
    assert latest_snapshot(target).number == 1


@pytest.mark.parametrize("command", ["gc", "snapshot", "status", "fsck"])
def test_what_is_no_dataset_is_refused(command, tmp_path):
    refused = CliRunner().invoke(main, ["dataset", command, str(tmp_path / "nothing")])
    assert refused.exit_code == 2 and refused.output.startswith("oodinv: ")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("command", ["gc", "snapshot", "status", "fsck"])
def test_the_endpoint_reaches_the_store(command, target, monkeypatch):
    import oodinv.store

    asked = []
    monkeypatch.setattr(oodinv.store, "open_store", lambda uri, access: asked.append((uri, access)) or target)
    ended = CliRunner().invoke(main, ["dataset", command, "s3://bucket/set", "--endpoint-url", "http://localhost:1"])
    assert ended.exit_code == 0, ended.output
    assert [(uri, access.endpoint_url) for uri, access in asked] == [("s3://bucket/set", "http://localhost:1")]
