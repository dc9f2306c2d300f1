"""A whole run without models: photos are words, faces are counted, edits are the words in capitals.

A photo's content says what happens to it: ``2 faces``, ``no faces``, anything else is unreadable.
"""

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from memory_store import MemoryStore

from oodinv.imaging.provenance import Provenance
from oodinv.ledger import (
    FacesCommit,
    Product,
    Shard,
    Snapshot,
    define_product,
    missing_work,
    new_attempt,
    plan_inventory,
    publish,
    publish_snapshot,
    read_shard,
    register_product,
    write_object,
    write_part,
)
from oodinv.ledger.inventory import Inventory
from oodinv.ledger.retry import Repair, open_repairs
from oodinv.store import ObjectMissing, PhotoFolder, Store

FACES = define_product("faces", {"detector": "words"}, ["decode", "detect", "align"])
SMILE = define_product("smile_p1.50", {"faces": FACES.name, "strength": 1.5}, ["model", "compose", "encode"])
PRODUCTS = (FACES, SMILE)

FACE = {
    "photo_width": 640,
    "photo_height": 480,
    "detector": "words",
    "det_score": 0.9,
    "bbox": (1, 2, 30, 40),
    "landmarks": [[1, 2]] * 5,
    "landmark_scheme": "5",
    "crop_transform": [[1.0, 0.0, 3.0], [0.0, 1.0, 4.0]],
}


VANISHED = {"status": "failed", "stage": "fetch", "error_class": "vanished"}


def write_photos(folder: Path, contents: dict[str, str]) -> Path:
    """Make a source folder: name → content."""
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def face_rows(source: Store, shard: Shard, attempt: str, product: str) -> list[dict]:
    rows = []
    for sample in shard.samples:
        same = {**sample.row_fields(), "product": product, "attempt": attempt, "committed_at": now()}
        try:
            word, _, rest = source.get(sample.key).decode().partition(" ")
        except ObjectMissing:
            rows.append({**same, "face_index": -1, **VANISHED})
            continue
        if rest != "faces":
            why = {"status": "failed", "stage": "decode", "error_class": "not-an-image", "error_message": rest}
            rows.append({**same, "face_index": -1, **why})
        elif word == "no":
            why = {"status": "skipped", "stage": "detect", "error_class": "no-face"}
            rows.append({**same, "face_index": -1, "num_faces": 0, **why})
        else:
            rows += [
                {**same, **FACE, "face_index": index, "num_faces": int(word), "status": "ok"}
                for index in range(int(word))
            ]
    return rows


def do_faces(
    source: Store,
    target: Store,
    shard: Shard,
    product: Product = FACES,
    generation: int = 0,
    retries: tuple[int, ...] = (),
) -> str:
    attempt = new_attempt()
    rows = face_rows(source, shard, attempt, product.name)
    return publish(
        target,
        write_part(
            target,
            product=product.name,
            shard=shard,
            attempt=attempt,
            rows=rows,
            timers={"detect": 0.5},
            generation=generation,
            retries=retries,
        ),
    )


def do_edit(
    source: Store,
    target: Store,
    shard: Shard,
    product: Product = SMILE,
    generation: int = 0,
    retries: tuple[int, ...] = (),
) -> str:
    attempt = new_attempt()
    table, faces_commit = read_shard(target, FACES.name, shard.shard_id)
    place = {"product": product.name, "shard_id": shard.shard_id, "attempt": attempt}
    rows, objects = [], {}
    of_shard = {sample.sample_id: sample for sample in shard.samples}
    for row in table.to_pylist():
        if (sample := of_shard.get(row["sample_id"])) is None:  # a repair looks at some of them only
            continue
        edited = {**row, **place, "edit": product.slug, "committed_at": now()}
        if row["status"] == "ok":
            provenance = Provenance(product=product.name, fingerprint=product.fingerprint, bundle_sha256="0" * 64)
            try:
                data = source.get(sample.key).upper() + provenance.packet()
            except ObjectMissing:
                if row["face_index"] == 0:  # one row about the photo
                    common = {**place, "edit": product.slug, "committed_at": now()}
                    rows.append({**sample.row_fields(), **common, "face_index": -1, **VANISHED})
                continue
            if sample.sample_id not in objects:
                objects[sample.sample_id] = write_object(target, **place, name=f"{sample.sample_id}.png", data=data)
            out = objects[sample.sample_id]
            edited |= {"out_key": out.key, "out_bytes": out.size, "out_sha256": out.sha256, "out_format": "png"}
            edited |= {"out_width": 640, "out_height": 480, "compose": "replace", "ood_area": 0.25}
            edited |= {"bundle_sha256": "0" * 64, "setting": "improved", "seed": 0, "model_ms": 1.5}
        rows.append(edited)
    return publish(
        target,
        write_part(
            target,
            product=product.name,
            shard=shard,
            attempt=attempt,
            rows=rows,
            objects=tuple(objects.values()),
            faces_commit=FacesCommit(key=faces_commit.key, sha256=faces_commit.sha256),
            generation=generation,
            retries=retries,
        ),
    )


def finished_run(folder: Path, contents: dict[str, str]) -> tuple[PhotoFolder, MemoryStore]:
    """A source of such photos, and what a run made of it."""
    source, target = PhotoFolder(root=write_photos(folder, contents)), MemoryStore()
    tiny_run(source, target)
    return source, target


def tiny_run(source: Store, target: Store, shard_size: int = 2, products: Sequence[Product] = PRODUCTS) -> Snapshot:
    """Everything from planning to the snapshot, resuming whatever is there, repairs included."""
    inventory = plan_inventory(source, target, shard_size)
    for product in products:
        register_product(target, product)
    for work in list(to_do(target, inventory, products)):
        do_work(source, target, inventory, *work)
    return publish_snapshot(target, [product.name for product in products])


def to_do(
    target: Store, inventory: Inventory, products: Sequence[Product]
) -> Iterator[tuple[str, Product, Repair | None]]:
    """Shard, product, and the repair unless it is the first time: what is open, in the order in which it is done."""
    names = [product.name for product in products]
    repairs, missing = open_repairs(target, names), missing_work(target, inventory, names)
    for shard_id in inventory.shards():
        for product in products:
            if shard_id in repairs and product.name in repairs[shard_id].generations:
                yield shard_id, product, repairs[shard_id]
            if product.name in missing.get(shard_id, ()):
                yield shard_id, product, None


def do_work(
    source: Store, target: Store, inventory: Inventory, shard_id: str, product: Product, repair: Repair | None
) -> str:
    """One of these."""
    samples, more = inventory.samples(shard_id), {}
    if repair is not None:
        samples = tuple(sample for sample in samples if sample.sample_id in repair.samples)
        more = {"generation": repair.generations[product.name], "retries": repair.retries}
    make = do_faces if product == FACES else do_edit
    return make(source, target, Shard(shard_id=shard_id, samples=samples), product, **more)
