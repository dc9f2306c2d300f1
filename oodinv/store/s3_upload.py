"""Large objects: sent in parts, visible whole or not at all."""

from typing import Any

from oodinv.store.s3_failure import Failure
from oodinv.store.s3_objects import S3Objects, content_md5

LARGEST_SINGLE = 32 * 2**20
"""Bytes of the largest object that ``put`` sends in one request."""

PART_SIZE = 16 * 2**20
_MAX_PARTS = 10_000


def write_in_parts(objects: S3Objects, key: str, data: bytes) -> Failure | None:
    """Write an object in several requests; whatever goes wrong, parts that were sent are thrown away.

    Args:
        objects: Where.
        key: Relative to it.
        data: More than a part's bytes.

    Returns:
        None when it is written.
    """
    full = objects.full(key)
    started = objects.ask("create_multipart_upload", Key=full)
    if isinstance(started, Failure):
        return started
    upload = {"Key": full, "UploadId": started["UploadId"]}
    whole = False
    try:
        failure = _send(objects, upload, data)
        whole = failure is None
        return failure
    finally:
        if not whole:  # also when interrupted: parts are billed until somebody removes them
            objects.ask("abort_multipart_upload", **upload)


def _send(objects: S3Objects, upload: dict[str, str], data: bytes) -> Failure | None:
    size = max(PART_SIZE, -(-len(data) // _MAX_PARTS))
    parts: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(data), size), start=1):
        part = data[start : start + size]
        sent = objects.ask("upload_part", **upload, PartNumber=number, Body=part, ContentMD5=content_md5(part))
        if isinstance(sent, Failure):
            return sent
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    completed = objects.ask("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})
    return completed if isinstance(completed, Failure) else None
