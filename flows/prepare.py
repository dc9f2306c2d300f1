"""From a request to settings: everything that can be refused is refused here, before anything is written."""

import logging

from flows.request import AugmentRequest
from oodinv.bundles.bundle import find_bundle
from oodinv.bundles.safe_range import warn_beyond_safe_range
from oodinv.cluster.crews import Actors
from oodinv.edits import EditError, parse_edit
from oodinv.engine.settings import RunSettings, edit_product, faces_product
from oodinv.faces import load_detector
from oodinv.ledger.inputs import PHOTO_SUFFIXES, is_photo_key
from oodinv.ledger.preflight import check_locations, check_readable
from oodinv.models.precision import has_bfloat16
from oodinv.store import Access, LocationError, open_source

logger = logging.getLogger("oodinv.prepare")


def prepare(request: AugmentRequest, *, write: bool = True, warn: bool = True) -> RunSettings:
    """Check a request and derive its products.

    Args:
        request: What is asked for.
        write: False leaves no trace in the target.
        warn: Log what is allowed but unwise.

    Raises:
        LocationError, BundleError, EditError, DetectorUnavailable: With what was expected and what to do.
    """
    access = Access(endpoint_url=request.endpoint_url)
    bundle = find_bundle(request.bundle, access)
    known = bundle.spec.edits
    edits = [parse_edit(text) for text in request.edits]
    for edit in {edit.name for combined in edits for edit in combined}:
        if edit not in known:
            raise EditError(f"bundle {bundle.spec.name!r} has no edit {edit!r}: it has {sorted(known)}")
    if warn:
        warn_beyond_safe_range(bundle.spec, edits)
        if request.precision == "bfloat16" and not request.gpus_per_worker and not has_bfloat16("cpu"):
            logger.warning("this processor has no bfloat16 instructions and would emulate them: leave --precision out")
    detector = load_detector(request.detector)
    faces = faces_product(detector.name, detector.weights_sha256)
    products = tuple(
        edit_product(
            combined,
            faces=faces,
            bundle=bundle,
            output=request.output,
            format=request.format,
            quality=request.quality,
            keep=frozenset(request.keep),
            seed=request.seed,
            composition=request.composition,
            preset=request.preset,
            precision=request.precision,
        )
        for combined in edits
    )
    _check_photos(request.source, access)
    # Last, because it writes a probe: a request that is refused for another reason leaves no trace.
    access = check_locations(
        request.source, request.target, access, write=write, require_fencing=request.require_fencing
    )
    return RunSettings(
        source=request.source,
        target=request.target,
        detector=request.detector,
        bundle=request.bundle,
        faces=faces,
        products=products,
        output=request.output,
        format=request.format,
        quality=request.quality,
        keep=frozenset(request.keep),
        seed=request.seed,
        preset=request.preset,
        precision=request.precision,
        access=access,
        objects=request.objects,
        microbatch=request.microbatch,
    )


def _check_photos(source: str, access: Access) -> None:
    """Refuse a source that cannot be read, or without any photo; the listing stops at the first."""
    photos = open_source(source, access)
    check_readable(photos)
    if not any(is_photo_key(info.key) for info in photos.list()):
        raise LocationError(
            f"no photos in {source!r}: expected names ending in {' '.join(PHOTO_SUFFIXES)}. Name the folder that holds "
            "the photos."
        )


def actors_for(request: AugmentRequest) -> Actors:
    """Actors that a request asks for."""
    return Actors(
        workers=request.workers,
        min_workers=request.min_workers,
        face_workers=request.face_workers,
        gpus_per_worker=request.gpus_per_worker,
    )
