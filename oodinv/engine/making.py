"""What one job makes: faces, edits, or both in one pass over its photos; published product by product."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from oodinv.bundles.inverter import Inverter
from oodinv.engine.edit_stage import EditStage
from oodinv.engine.faces_stage import Row
from oodinv.engine.fetch import PhotoReader
from oodinv.engine.looked import Looked, found_faces, known_faces
from oodinv.engine.microbatch import Microbatch
from oodinv.engine.overlap import Behind
from oodinv.engine.receipt import RowError
from oodinv.engine.settings import RunSettings, ShardJob
from oodinv.engine.timers import Timers
from oodinv.engine.upload import Upload
from oodinv.engine.whereabouts import Whereabouts
from oodinv.faces.face import FaceDetector
from oodinv.ledger.commit import Commit, FacesCommit, publish, read_commit
from oodinv.ledger.compare import run_differences
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.inventory import Shard
from oodinv.ledger.live import read_shard
from oodinv.ledger.part import read_part, write_part
from oodinv.ledger.schema import rows_to_table
from oodinv.store import Store

_TOLD = ("src_key", "status", "error_class", "error_message")


@dataclass(frozen=True, kw_only=True)
class Published:
    """What became of a product."""

    outcome: Literal["done", "already-mine", "lost"]
    """See `ledger.commit.publish`."""
    commit: Commit
    """The one that counts: another attempt's when this one lost."""
    bad: Sequence[RowError]
    """Its rows that are not ok."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """One job, and the worker's tools for it."""

    settings: RunSettings
    target: Store
    job: ShardJob
    reader: PhotoReader
    detector: Callable[[], FaceDetector]
    """Loaded when it is first needed, like the model."""
    inverter: Callable[[], Inverter]
    microbatch: Microbatch
    finishers: ThreadPoolExecutor | None
    """See `EditStage`."""
    timers: Timers
    here: Whereabouts

    def make(self) -> dict[str, Published]:
        """Make and publish what is missing: what became of each product.

        Raises:
            StoreError, MemoryError: See `ShardWorker.run`.
        """
        faces = self.settings.faces.name
        to_make = self.job.products(faces)
        wanted = [product.name for product in self.settings.products if product.name in to_make]
        if faces in to_make:
            return self._faces_and(wanted) if wanted else self._faces()
        return self._edits(wanted) if wanted else {}

    def _faces(self) -> dict[str, Published]:
        upload, name = self._upload(self.settings.faces.name), self.settings.faces.name
        rows = [row for looked in self._found(None) for row in looked.faces]
        self.here.nowhere()
        return {name: self._publish(upload, name, rows, None)}

    def _edits(self, wanted: Sequence[str]) -> dict[str, Published]:
        table, commit = self._committed_faces()
        rows, uploads = self._edited(self._known(table), wanted)
        return self._publish_edits(rows, uploads, commit)

    def _faces_and(self, wanted: Sequence[str]) -> dict[str, Published]:
        """Each photo is read once. Edits are made of the rows that are going to be committed.

        Faces are published as soon as all are found, while the last ones are edited. Another worker may commit its own
        before that: then its rows count. They are the same, unless a photo was read by one of the two only; where they
        are not, the edits are made anew.
        """
        name = self.settings.faces.name
        upload, found, behind = self._upload(name), list[Row](), Behind(self.finishers, most=1)
        publish, published = partial(self._publish, upload, name, found, None), list[Callable[[], Published]]()
        left = len(self.job.samples)

        def told(rows: Sequence[Row]) -> None:
            nonlocal left
            found.extend(rows)
            left -= 1
            if left == 0 and self.finishers is not None:
                published.append(behind.do(publish, 0))

        try:
            rows, uploads = self._edited(self._found(self._resolution(), told), wanted)
            faces = published[0]() if published else publish()
        except BaseException:
            behind.abandon()
            raise
        if faces.outcome != "lost" and self.job.repair is None:
            commit = FacesCommit(key=faces.commit.key, sha256=sha256_hex(faces.commit.to_bytes()))
        else:
            table, commit = self._committed_faces()
            if faces.outcome == "lost" and self._differ(found, table):
                rows, uploads = self._edited(self._known(table), wanted)
        return {name: faces} | self._publish_edits(rows, uploads, commit)

    def _found(
        self, crop_size: int | None, told: Callable[[Sequence[Row]], object] = lambda rows: None
    ) -> Iterator[Looked]:
        with self.timers("load"):
            detector = self.detector()
        return found_faces(self.job, self.reader, detector, self.timers, crop_size, self.settings.previews, told)

    def _known(self, table: pa.Table) -> Iterator[Looked]:
        """The photos with faces as some commit has them."""
        faces: dict[str, list[Row]] = {}
        for row in table.to_pylist():
            faces.setdefault(row["sample_id"], []).append(row)
        size = self._resolution()
        return known_faces(self.job, self.reader, faces, self.timers, size, self.settings.previews)

    def _resolution(self) -> int:
        with self.timers("load"):
            return self.inverter().resolution

    def _edited(
        self, looked: Iterable[Looked], wanted: Sequence[str]
    ) -> tuple[dict[str, list[Row]], dict[str, Upload]]:
        """Rows by product, and where their objects are."""
        uploads = {name: self._upload(name) for name in wanted}
        stage = EditStage(self.settings, self.inverter(), self.timers, self.microbatch, self.finishers)
        rows = stage.rows(self.job, looked, uploads, self.here)
        self.here.nowhere()
        return rows, uploads

    def _differ(self, found: Sequence[Row], committed: pa.Table) -> bool:
        """Whether rows that were found are other than those that are committed for the same samples.

        Those in quarantine are left out: no edit asks what was committed of them before they killed who edited them.
        """
        ids = {sample.sample_id for sample in self.job.samples} - self.job.quarantine
        theirs = committed.filter(pc.is_in(committed["sample_id"], value_set=pa.array(sorted(ids), pa.string())))
        common = self._common(self.settings.faces.name, "")
        ours = rows_to_table(row | common for row in found if row["sample_id"] in ids)
        return run_differences(ours, theirs, limit=1) != []

    def _committed_faces(self) -> tuple[pa.Table, FacesCommit]:
        """Rows of the faces commit, and which commit that was.

        Read back from the ledger: whoever published the faces, all edits are made from the same rows.
        """
        return read_shard(self.target, self.settings.faces.name, self.job.shard_id)

    def _publish_edits(
        self, rows: Mapping[str, list[Row]], uploads: Mapping[str, Upload], commit: FacesCommit
    ) -> dict[str, Published]:
        return {name: self._publish(upload, name, rows[name], commit) for name, upload in uploads.items()}

    def _publish(
        self, upload: Upload, product: str, rows: Sequence[Row], faces_commit: FacesCommit | None
    ) -> Published:
        job, common = self.job, self._common(product, upload.attempt)
        with self.timers("publish"):
            upload.finish()
            commit = write_part(
                self.target,
                product=product,
                shard=Shard(shard_id=job.shard_id, samples=job.samples),
                attempt=upload.attempt,
                rows=[row | common for row in rows],
                objects=upload.objects,
                members=upload.members,
                timers=self.timers.rounded(),  # so far: faces are published while their edits are made
                faces_commit=faces_commit,
                generation=job.generation(product),
                retries=() if job.repair is None else job.repair.retries,
            )
            outcome = publish(self.target, commit)
        if outcome == "lost":
            commit = read_commit(self.target, commit)
            rows = read_part(self.target, commit, list(_TOLD)).to_pylist()
        bad = [RowError(**{name: row.get(name) or "" for name in _TOLD}) for row in rows if row["status"] != "ok"]
        return Published(outcome=outcome, commit=commit, bad=bad)

    def _upload(self, product: str) -> Upload:
        return Upload(self.target, product, self.job.shard_id, tars=self.settings.objects == "tars")

    def _common(self, product: str, attempt: str) -> dict[str, Any]:
        """Columns that are the same in all rows of a part."""
        return {"product": product, "attempt": attempt, "committed_at": datetime.now(UTC)}
