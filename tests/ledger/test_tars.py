"""Pictures in tars: found where they lie, by us and by others, and the same as if they were objects."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_store import MemoryStore
from tiny_run import FACES, PRODUCTS, SMILE, do_faces, tiny_run, write_photos

from oodinv.ledger import (
    LedgerError,
    fsck,
    list_commits,
    load_inventory,
    plan_inventory,
    publish,
    read_commit,
    read_shard,
    register_product,
    sha256_hex,
    write_part,
)
from oodinv.ledger.commit import FacesCommit, Member
from oodinv.ledger.identity import new_attempt
from oodinv.ledger.layout import attempt_prefix
from oodinv.ledger.part import write_object
from oodinv.ledger.tars import ObjectReader, TarWriter
from oodinv.store import PhotoFolder

names = st.text("abcdef0123456789-.", min_size=1, max_size=40).filter(lambda name: name.strip("."))


@given(files=st.dictionaries(names, st.binary(max_size=2000), max_size=8), data=st.data())
def test_members_lie_where_it_says_and_where_tar_finds_them(files, data):
    writer = TarWriter()
    sizes = [writer.size]
    for name, content in files.items():
        writer.add(name, content)
        sizes.append(writer.size)
    assert sizes == sorted(sizes) and sizes[0] == 0
    links = {}
    if files:
        links = data.draw(
            st.dictionaries(names.filter(lambda n: n not in files), st.sampled_from(list(files)), max_size=3)
        )
    for name, other in links.items():
        assert writer.link(name, other)
    assert not writer.link("new", "not there")
    content, members = writer.finish("a/b/objects-00000.tar")
    expected = files | {name: files[other] for name, other in links.items()}
    found = {m.key.removeprefix("a/b/"): content[m.offset : m.offset + m.size] for m in members}
    assert found == expected
    assert all(m.sha256 == sha256_hex(found[m.key.removeprefix("a/b/")]) for m in members)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        extracted = {member.name: archive.extractfile(member).read() for member in archive}
    assert extracted == expected


@pytest.fixture
def tarred(tmp_path):
    """A dataset of two pictures that are in one tar; its commit."""
    contents = {"a.jpg": "2 faces", "b.jpg": "no faces", "c.jpg": "1 faces"}
    source, target = PhotoFolder(root=write_photos(tmp_path / "photos", contents)), MemoryStore()
    tiny_run(source, other := MemoryStore(), 3)
    plan_inventory(source, target, 3)
    for product in PRODUCTS:
        register_product(target, product)
    shard = load_inventory(target).shard("1-000000")
    do_faces(source, target, shard)
    attempt, writer, place = new_attempt(), TarWriter(), (SMILE.name, "1-000000")
    prefix = attempt_prefix(*place, attempt)
    rows = read_shard(other, *place)[0].to_pylist()
    for row in rows:
        if row["out_key"] is not None:
            name = row["out_key"].rpartition("/")[2]
            if name not in writer.names:
                writer.add(name, other.get(row["out_key"]))
            row["out_key"] = prefix + name
        row["attempt"] = attempt
    data, members = writer.finish(prefix + "objects-00000.tar")
    objects = [
        write_object(target, product=place[0], shard_id=place[1], attempt=attempt, name="objects-00000.tar", data=data)
    ]
    _, faces = read_shard(target, FACES.name, "1-000000")
    faces_commit = FacesCommit(key=faces.key, sha256=faces.sha256)
    commit = write_part(
        target, product=place[0], shard=shard, attempt=attempt, rows=rows, objects=objects, members=members,
        faces_commit=faces_commit,
    )  # fmt: skip
    assert publish(target, commit) == "done"
    return target, commit, rows


def test_a_dataset_with_tars_is_whole_and_read_by_key(tarred):
    target, commit, rows = tarred
    assert read_commit(target, list_commits(target, SMILE.name)[0]) == commit
    report = fsck(target, deep=True)
    assert report.clean and report.num_orphans == 0, report.problems
    reader = ObjectReader(target)
    for row in rows:
        if row["out_key"] is not None:
            assert row["out_key"] not in target.objects
            data = reader.get_verified(row["out_key"], row["out_bytes"], row["out_sha256"])
            assert data.startswith(b"2 FACES" if row["src_key"] == "a.jpg" else b"1 FACES")
    with pytest.raises(LedgerError, match="not what its row says"):
        reader.get_verified(rows[0]["out_key"], 1, "0" * 64)


def test_what_is_no_object_and_in_no_tar_is_told(tarred):
    target, commit, _ = tarred
    reader = ObjectReader(target)
    for key in ("nowhere.png", commit.members[0].key + "x", commit.members[0].key.replace(commit.attempt, "0" * 32)):
        with pytest.raises(LedgerError, match="is gone from memory although it is published"):
            reader.get(key)


def test_damage_in_a_tar_is_found(tarred):
    target, commit, _ = tarred
    (tar,) = [obj for obj in commit.objects if obj.key.endswith(".tar")]
    whole, member = target.objects[tar.key], commit.members[0]
    damaged = bytearray(whole)
    damaged[member.offset] ^= 0xFF
    target.objects[tar.key] = bytes(damaged)
    assert fsck(target).clean  # of the same size: only who reads it sees
    assert any("size or SHA-256 differs" in problem for problem in fsck(target, deep=True).problems)
    with pytest.raises(LedgerError, match="SHA-256 differs"):
        ObjectReader(target).get(member.key)
    target.objects[tar.key] = whole[:-1]
    assert any("bytes, committed were" in problem for problem in fsck(target).problems)
    del target.objects[tar.key]
    assert any("is missing" in problem for problem in fsck(target).problems)


def test_a_commit_names_members_within_its_tars_only(tarred):
    _, commit, _ = tarred
    from dataclasses import replace

    first = commit.members[0]
    for wrong in (replace(first, offset=10**9), replace(first, tar="elsewhere.tar"), replace(first, offset=-1)):
        with pytest.raises(LedgerError, match="these lie within them; not so"):
            replace(commit, members=(wrong,))
    with pytest.raises(LedgerError, match="lists each object once"):
        replace(commit, members=(first, first))
    assert isinstance(first, Member)
