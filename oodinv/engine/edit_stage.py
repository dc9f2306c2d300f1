"""The edit products of one shard: every face inverted once, then one edit after the other."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from safetensors.numpy import save as save_tensors

from oodinv.bundles.inverter import Inverter
from oodinv.engine.faces_stage import Row, about_photo, face_of
from oodinv.engine.fetch import fetch_photo
from oodinv.engine.outcome import NOT_THE_PHOTOS, QUARANTINED, Reason, reason_for
from oodinv.engine.photo import EditedFace, InvertedFace, crop_pixels, edit_face, invert_face, mask_pixels, put_back
from oodinv.engine.previews import preview_strip
from oodinv.engine.settings import Product, RunSettings, ShardJob
from oodinv.engine.strips import SUFFIX
from oodinv.engine.timers import Timers
from oodinv.engine.upload import Upload
from oodinv.faces.align import crop_transform
from oodinv.imaging.encode import encode_photo
from oodinv.ledger.identity import sha256_hex
from oodinv.ledger.inventory import Sample
from oodinv.store import Store

_EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}
# What the faces product already says of a face and an edit's row repeats.
_CARRIED = (
    "num_faces", "photo_width", "photo_height", "detector", "det_score", "bbox", "landmarks", "landmark_scheme",
)  # fmt: skip


class EditStage:
    """Runs the missing edit products of shards."""

    def __init__(self, settings: RunSettings, source: Store, inverter: Inverter, timers: Timers):
        self._settings, self._source, self._inverter, self._timers = settings, source, inverter, timers

    def rows(
        self,
        job: ShardJob,
        faces: Mapping[str, list[Row]],
        uploads: Mapping[str, Upload],
        on_sample: Callable[[str], object],
    ) -> dict[str, list[Row]]:
        """Edit every face of the shard.

        Args:
            job: The shard.
            faces: Rows of the faces product by sample, in order of their faces.
            uploads: Where each missing product's objects go, by product name.
            on_sample: Called with its id before each sample that is touched.

        Returns:
            Rows by product; each sample has its terminal row or rows in all of them.
        """
        products = [product for product in self._settings.products if product.name in uploads]
        rows: dict[str, list[Row]] = {product.name: [] for product in products}
        for sample in job.samples:
            if sample.sample_id not in job.quarantine:
                on_sample(sample.sample_id)
            for name, found in self._sample(sample, faces[sample.sample_id], products, uploads, job).items():
                rows[name] += found
        return rows

    def _sample(
        self,
        sample: Sample,
        faces: list[Row],
        products: Sequence[Product],
        uploads: Mapping[str, Upload],
        job: ShardJob,
    ) -> dict[str, list[Row]]:
        if sample.sample_id in job.quarantine:
            whole = about_photo(sample, QUARANTINED)
            return {product.name: [whole | {"edit": product.slug}] for product in products}
        base = [self._base(sample, row) for row in faces]
        if not any(row["status"] == "ok" for row in faces):
            return {product.name: [row | {"edit": product.slug} for row in base] for product in products}
        try:
            with self._timers("fetch_decode"):
                photo = fetch_photo(self._source, sample)
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            whole = about_photo(sample, reason_for(error, "fetch"))
            return {product.name: [whole | {"edit": product.slug}] for product in products}
        inverted = [self._invert(photo, row) for row in faces]
        return {
            product.name: self._edit(sample, photo, base, inverted, product, uploads[product.name])
            for product in products
        }

    def _base(self, sample: Sample, face: Row) -> Row:
        """Fields of a face's row that do not depend on the edit; the faces product's reason where it has one."""
        fields = sample.row_fields() | {"face_index": face["face_index"]}
        fields |= {name: face[name] for name in _CARRIED}
        reason = {name: face[name] for name in ("status", "stage", "error_class", "error_message")}
        return fields | reason | {"bundle_sha256": self._inverter.bundle.sha256, "setting": self._inverter.setting}

    def _invert(self, photo: UInt8[np.ndarray, "height width 3"], row: Row) -> InvertedFace | Reason | None:
        """The inverted face; None for one the faces product already gave up; a reason when it fails here."""
        if row["status"] != "ok":
            return None
        try:
            with self._timers("invert"):
                return invert_face(self._inverter, photo, crop_transform(face_of(row), self._inverter.resolution))
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            return reason_for(error, "invert")

    def _edit(
        self,
        sample: Sample,
        photo: UInt8[np.ndarray, "height width 3"],
        base: list[Row],
        inverted: list[InvertedFace | Reason | None],
        product: Product,
        upload: Upload,
    ) -> list[Row]:
        """All rows of one photo in one product, its picture uploaded."""
        rows, out = [], photo
        for fields, face in zip(base, inverted, strict=True):
            row = fields | {"edit": product.slug}
            if isinstance(face, InvertedFace):
                try:
                    made, out = self._edited(sample, photo, out, fields["face_index"], face, product, upload)
                    row |= made
                except NOT_THE_PHOTOS:
                    raise
                except Exception as error:
                    row |= reason_for(error, "edit").fields()
            elif face is not None:
                row |= face.fields()
            rows.append(row)
        if self._settings.output == "photo" and any(row["status"] == "ok" for row in rows):
            written = self._whole_photo(sample, out, upload)
            rows = [row | written if row["status"] == "ok" else row for row in rows]
        return rows

    def _edited(
        self,
        sample: Sample,
        photo: UInt8[np.ndarray, "height width 3"],
        out: UInt8[np.ndarray, "height width 3"],
        index: int,
        face: InvertedFace,
        product: Product,
        upload: Upload,
    ) -> tuple[Row, UInt8[np.ndarray, "height width 3"]]:
        """One face edited: its columns, and `out` with it; a face that fails anywhere stays as photographed."""
        begin = time.perf_counter()
        with self._timers("edit"):
            edited = edit_face(self._inverter, face, product.edits or (), product.composition)
        milliseconds = round((time.perf_counter() - begin) * 1000, 3)
        with self._timers("compose"):
            out = put_back(out, face.transform, edited)
        fields = self._ok_fields(face, edited, milliseconds)
        return fields | self._keep(sample, index, photo, out, face, edited, upload), out

    def _whole_photo(self, sample: Sample, out: UInt8[np.ndarray, "height width 3"], upload: Upload) -> Row:
        """The columns of the written photo, or why it could not be written."""
        try:
            return self._write(sample.sample_id, out, upload)
        except NOT_THE_PHOTOS:
            raise
        except Exception as error:
            return reason_for(error, "encode").fields()

    def _ok_fields(self, face: InvertedFace, edited: EditedFace, milliseconds: float) -> Row:
        return {
            "crop_transform": face.transform,
            "compose": edited.compose,
            "ood_area": face.ood_area,
            "recon_psnr": face.recon_psnr,
            "id_similarity": edited.id_similarity,
            "seed": self._settings.seed,
            "model_ms": milliseconds,
        }

    def _keep(
        self,
        sample: Sample,
        index: int,
        photo: np.ndarray,
        out: np.ndarray,
        face: InvertedFace,
        edited: EditedFace,
        upload: Upload,
    ) -> Row:
        """Write what belongs to one face; the columns that name it."""
        stem, keep, fields = f"{sample.sample_id}-{index}", self._settings.keep, {}
        if self._settings.output == "crop":
            fields = self._write(stem, crop_pixels(edited), upload)
        elif "crops" in keep:
            upload.put(f"{stem}-crop.png", encode_photo(crop_pixels(edited), format="png"))
        if "masks" in keep:
            fields["mask_key"] = upload.put(f"{stem}-mask.png", encode_photo(mask_pixels(edited), format="png"))
        if "latents" in keep:
            latents = {"w_plus": face.inversion.w_plus[0].float().cpu().numpy()}
            upload.put(f"{stem}-latents.safetensors", save_tensors(latents))
        if sample.sample_id in self._settings.previews:
            strip = preview_strip(photo, out, face, edited)
            upload.put(f"{stem}{SUFFIX}", encode_photo(strip, format="jpeg", quality=90))
        return fields

    def _write(self, stem: str, pixels: UInt8[np.ndarray, "height width 3"], upload: Upload) -> Row:
        settings = self._settings
        with self._timers("encode"):
            data = encode_photo(pixels, format=settings.format, quality=settings.quality)
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
