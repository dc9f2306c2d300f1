"""Check of a written dataset: what a PNG product may not have changed, it has not.

`python tests/support/kept_pixels.py SOURCE TARGET` on a run with `--format png --keep masks`.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from oodinv.imaging.decode import decode_photo
from oodinv.ledger.snapshot import read_snapshot
from oodinv.store import open_source, open_store


def changeable(row, mask, height, width):
    """Pixels that a face may change: inside its crop, and not where all masks around the point are white."""
    transform = np.asarray(row["crop_transform"]).reshape(2, 3)
    size = mask.shape[0]
    y, x = np.mgrid[:height, :width] + 0.5
    inverse = np.linalg.inv(transform[:, :2])
    u, v = np.einsum("ij,jhw->ihw", inverse, np.stack([x - transform[0, 2], y - transform[1, 2]]))
    inside = (u >= 0) & (u <= size) & (v >= 0) & (v <= size)
    column, line = np.floor(u - 0.5).astype(int), np.floor(v - 0.5).astype(int)
    white = np.ones((height, width), bool)
    # A photo pixel wider than a crop pixel sees several of them.
    reach = int(np.ceil(np.sqrt(np.linalg.det(inverse)) + 1e-9))
    around = range(1 - reach, reach + 1) if reach > 1 else (0, 1)
    for dy in around:
        for dx in around:
            white &= mask[np.clip(line + dy, 0, size - 1), np.clip(column + dx, 0, size - 1)] == 255
    return inside & ~white


def check(source_uri, target_uri):
    """Per product: photos, pixels that had to be kept, those inside crops, and how many of them differ."""
    source, target = open_source(source_uri), open_store(target_uri)
    rows = [row for row in read_snapshot(target).to_pylist() if row["edit"] and row["status"] == "ok"]
    found = {}
    for product in sorted({row["product"] for row in rows}):
        counts = {"photos": 0, "kept": 0, "kept inside crops": 0, "differ": 0}
        for key in sorted({row["src_key"] for row in rows if row["product"] == product}):
            faces = [row for row in rows if row["product"] == product and row["src_key"] == key]
            photo = decode_photo(source.get(key))
            out = np.asarray(Image.open(io.BytesIO(target.get(faces[0]["out_key"]))))
            may, crops = (np.zeros(photo.shape[:2], bool) for _ in range(2))
            for row in faces:
                mask = np.asarray(Image.open(io.BytesIO(target.get(row["mask_key"]))))
                may |= changeable(row, mask, *photo.shape[:2])
                crops |= changeable(row, np.zeros_like(mask), *photo.shape[:2])
            counts["photos"] += 1
            counts["kept"] += int((~may).sum())
            counts["kept inside crops"] += int((~may & crops).sum())
            counts["differ"] += int((np.any(photo != out, axis=2) & ~may).sum())
        found[product] = counts
    return found


if __name__ == "__main__":
    results = check(*sys.argv[1:3])
    for name, counts in results.items():
        print(name, counts)
    sys.exit(any(counts["differ"] for counts in results.values()) or not results or not Path(sys.argv[2]).exists())
