"""The edit products of one shard: every face inverted once, then one edit after the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save as save_tensors

from oodinv.bundles.inverter import Inverter
from oodinv.engine.faces_stage import Row, about_photo
from oodinv.engine.group import Group, OpenPhoto
from oodinv.engine.group_model import Edited, GroupModel
from oodinv.engine.looked import Looked
from oodinv.engine.microbatch import Microbatch
from oodinv.engine.outcome import NOT_THE_PHOTOS, QUARANTINED, Reason, reason_for
from oodinv.engine.overlap import Behind
from oodinv.engine.photo import EditedFace, InvertedFace, crop_pixels, fetch_edited, mask_pixels, put_back
from oodinv.engine.previews import preview_strip
from oodinv.engine.settings import Product, RunSettings, ShardJob
from oodinv.engine.strips import SUFFIX
from oodinv.engine.timers import Timers
from oodinv.engine.upload import Upload
from oodinv.engine.whereabouts import Whereabouts
from oodinv.imaging.encode import encode_photo
from oodinv.imaging.provenance import Provenance
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.inventory import Sample

_EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}
# What the faces product already says of a face and an edit's row repeats.
_CARRIED = (
    "num_faces", "photo_width", "photo_height", "detector", "det_score", "bbox", "landmarks", "landmark_scheme",
)  # fmt: skip


_MOST_BEHIND = 16
"""Photos, each in one product, that wait to be finished."""

_Rows = Callable[[], list[Row]]
_Made = dict[str, dict[str, _Rows]]
"""By sample and product: gives the rows when they are there."""


class EditStage:
    """Runs the missing edit products of shards."""

    def __init__(
        self,
        settings: RunSettings,
        inverter: Inverter,
        timers: Timers,
        microbatch: Microbatch,
        finishers: ThreadPoolExecutor | None,
    ):
        """Nothing is done yet.

        Args:
            settings: What to do.
            inverter: The model.
            timers: Filled.
            microbatch: How many faces, of as many photos, go through the model together. With 1 no photo's bytes
                depend on another.
            finishers: Threads that compose, encode and write while the model goes on; None = each photo is finished
                before the next is begun.
        """
        self._settings, self._inverter, self._timers = settings, inverter, timers
        self._finishers = finishers
        self._microbatch, self._model = microbatch, GroupModel(inverter, timers, microbatch)
        self._provenance = {
            product.name: Provenance(
                product=product.name,
                fingerprint=product.definition.fingerprint,
                bundle_sha256=inverter.bundle.sha256,
            )
            for product in settings.products
        }

    def rows(
        self,
        job: ShardJob,
        looked: Iterable[Looked],
        uploads: Mapping[str, Upload],
        here: Whereabouts,
    ) -> dict[str, list[Row]]:
        """Edit every face of the shard.

        Args:
            job: The shard.
            looked: All its photos, in their order, with their faces.
            uploads: Where each missing product's objects go, by product name.
            here: Told of each sample that is touched.

        Returns:
            Rows by product; each sample has its terminal row or rows in all of them.
        """
        products = [product for product in self._settings.products if product.name in uploads]
        made: _Made = {}
        behind = Behind(self._finishers, most=_MOST_BEHIND)
        try:
            for group in self._groups(job, looked, products, made, uploads, here):
                made |= self._edit_group(group, products, uploads, here, behind)
            behind.wait()
        except BaseException:
            behind.abandon()
            raise
        return {
            product.name: [row for sample in job.samples for row in made[sample.sample_id][product.name]()]
            for product in products
        }

    def _groups(
        self,
        job: ShardJob,
        looked: Iterable[Looked],
        products: Sequence[Product],
        made: "_Made",
        uploads: Mapping[str, Upload],
        here: Whereabouts,
    ) -> Iterator[Group]:
        """The photos with faces, decoded; rows of the others go into `made`. Each group is empty when it comes back."""
        group = Group(most_faces=self._microbatch.size)
        for one in looked:
            sample = one.sample
            if sample.sample_id in job.quarantine:
                made[sample.sample_id] = self._without_faces([about_photo(sample, QUARANTINED)], products)
                continue
            if one.same_as is not None:
                made[sample.sample_id] = self._like(sample, one.same_as, products, made, uploads)
                continue
            if one.photo is None:
                here.at(sample.sample_id)
                rows = [self._base(sample, row) for row in one.faces]
                made[sample.sample_id] = self._without_faces(rows, products)
                continue
            if not group.has_room(one.faces):
                yield group
                group = group.emptied(self._microbatch.size)
            if isinstance(one.photo, Reason):
                made[sample.sample_id] = self._without_faces([about_photo(sample, one.photo)], products)
                continue
            group.photos.append(OpenPhoto(sample=sample, photo=one.photo, faces=one.faces, crops=one.crops))
            del one  # else its pixels would outlive the group
            if group.is_full:
                yield group
                group = group.emptied(self._microbatch.size)
        if group.photos:
            yield group

    def _without_faces(self, rows: list[Row], products: Sequence[Product]) -> "dict[str, _Rows]":
        """Rows of a photo that no edit has anything to do for."""
        return {product.name: partial(list, [row | {"edit": product.slug} for row in rows]) for product in products}

    def _like(
        self, sample: Sample, twin: Sample, products: Sequence[Product], made: "_Made", uploads: Mapping[str, Upload]
    ) -> "dict[str, _Rows]":
        """Rows of a photo whose file is another's, byte for byte: that one's, with copies of its objects."""

        def copied(upload: Upload, product: str) -> list[Row]:
            rows = made[twin.sample_id][product]()
            keys = upload.copy(twin.sample_id, sample.sample_id)
            moved = [{name: keys.get(row.get(name) or "") for name in ("out_key", "mask_key")} for row in rows]
            return [row | sample.row_fields() | its for row, its in zip(rows, moved, strict=True)]

        return {product.name: partial(copied, uploads[product.name], product.name) for product in products}

    def _base(self, sample: Sample, face: Row) -> Row:
        """Fields of a face's row that do not depend on the edit; the faces product's reason where it has one."""
        fields = sample.row_fields() | {"face_index": face["face_index"]}
        fields |= {name: face[name] for name in _CARRIED}
        reason = {name: face[name] for name in ("status", "stage", "error_class", "error_message")}
        return fields | reason | {"bundle_sha256": self._inverter.bundle.sha256, "setting": self._inverter.setting}

    def _edit_group(
        self,
        group: Group,
        products: Sequence[Product],
        uploads: Mapping[str, Upload],
        here: Whereabouts,
        behind: Behind,
    ) -> "_Made":
        """Rows of the group's photos, by sample and product; their pictures are uploaded when these are asked for."""
        made: _Made = {opened.sample.sample_id: {} for opened in group.photos}
        inverted = self._model.invert(group, here)
        for product in products:
            edited = self._model.edit(group, inverted, product, here)
            for opened, faces in zip(group.photos, edited, strict=True):
                here.at(opened.sample.sample_id)
                finish = partial(self._finish, opened, faces, product, uploads[product.name])
                # The photo and what becomes of it.
                made[opened.sample.sample_id][product.name] = behind.do(finish, 2 * opened.photo.nbytes)
        return made

    def _finish(
        self, opened: OpenPhoto, faces: Sequence[Edited | Reason | None], product: Product, upload: Upload
    ) -> list[Row]:
        """All rows of one photo in one product, its picture uploaded."""
        rows, out = [], opened.photo
        for row, face in zip([self._base(opened.sample, face) for face in opened.faces], faces, strict=True):
            row |= {"edit": product.slug}
            if isinstance(face, Edited):
                try:
                    made, out = self._put_back(opened, out, row["face_index"], face, product, upload)
                    row |= made
                except NOT_THE_PHOTOS:
                    raise
                except Exception as error:
                    row |= reason_for(error, "edit").fields()
            elif face is not None:
                row |= face.fields()
            rows.append(row)
        if self._settings.output == "photo" and any(row["status"] == "ok" for row in rows):
            written = self._whole_photo(opened.sample, out, product, upload)
            rows = [row | written if row["status"] == "ok" else row for row in rows]
        return rows

    def _put_back(
        self,
        opened: OpenPhoto,
        out: UInt8[np.ndarray, "height width 3"],
        index: int,
        face: Edited,
        product: Product,
        upload: Upload,
    ) -> tuple[Row, UInt8[np.ndarray, "height width 3"]]:
        """One edited face: its columns, and `out` with it; a face that fails anywhere stays as photographed."""
        with self._timers("compose"):
            edited = fetch_edited(self._inverter, face.face, face.inversion, product.edits or ())
            out = put_back(out, face.face.transform, edited)
        fields = self._ok_fields(face, edited)
        return fields | self._keep(opened.sample, index, opened.photo, out, face.face, edited, product, upload), out

    def _whole_photo(
        self, sample: Sample, out: UInt8[np.ndarray, "height width 3"], product: Product, upload: Upload
    ) -> Row:
        """The columns of the written photo, or why it could not be written."""
        try:
            return self._write(sample.sample_id, out, product, upload)
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            return reason_for(error, "encode").fields()

    def _ok_fields(self, face: Edited, edited: EditedFace) -> Row:
        return {
            "crop_transform": face.face.transform,
            "compose": edited.compose,
            "ood_area": face.face.ood_area,
            "recon_psnr": face.face.recon_psnr,
            "id_similarity": edited.id_similarity,
            "seed": self._settings.seed,
            "model_ms": round(face.milliseconds, 3),
        }

    def _keep(
        self,
        sample: Sample,
        index: int,
        photo: np.ndarray,
        out: np.ndarray,
        face: InvertedFace,
        edited: EditedFace,
        product: Product,
        upload: Upload,
    ) -> Row:
        """Write what belongs to one face; the columns that name it."""
        stem, keep, fields = f"{sample.sample_id}-{index}", self._settings.keep, {}
        provenance = self._provenance[product.name]
        if self._settings.output == "crop":
            fields = self._write(stem, crop_pixels(edited), product, upload)
        elif "crops" in keep:
            upload.put(f"{stem}-crop.png", encode_photo(crop_pixels(edited), format="png", provenance=provenance))
        if "masks" in keep:
            fields["mask_key"] = upload.put(f"{stem}-mask.png", encode_photo(mask_pixels(edited), format="png"))
        if "latents" in keep:
            latents = {"w_plus": face.inversion.w_plus[0].float().cpu().numpy()}
            upload.put(f"{stem}-latents.safetensors", save_tensors(latents))
        if sample.sample_id in self._settings.previews:
            strip = preview_strip(photo, out, face, edited)
            upload.put(f"{stem}{SUFFIX}", encode_photo(strip, format="jpeg", quality=90, provenance=provenance))
        return fields

    def _write(self, stem: str, pixels: UInt8[np.ndarray, "height width 3"], product: Product, upload: Upload) -> Row:
        settings, provenance = self._settings, self._provenance[product.name]
        with self._timers("encode"):
            data = encode_photo(pixels, format=settings.format, quality=settings.quality, provenance=provenance)
        with self._timers("put"):
            key = upload.put(f"{stem}.{_EXTENSIONS[settings.format]}", data)
        height, width = pixels.shape[:2]
        return {
            "out_key": key,
            "out_width": width,
            "out_height": height,
            "out_format": settings.format,
            "out_bytes": len(data),
            "out_sha256": sha256_hex(data),
        }
