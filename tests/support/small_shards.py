"""A dataset in the project's own format, written without rendering anything."""

import io
import json
import tarfile

import numpy as np
from PIL import Image


def write_shards(folder, *, facts, size=16, split="train", parameter_names=("p0", "p1"), noise=0):
    """One shard; a dict per sample overrides what its JSON holds, and None as a value leaves the entry out."""
    (folder / "shards").mkdir(parents=True)
    rng = np.random.default_rng(noise)
    with tarfile.open(folder / "shards" / "000000.tar", "w") as archive:
        for seed, changes in enumerate(facts):
            whole = {
                "seed": seed, "kind": None, "design": None, "labels": {"smile": seed / 4},
                "params": [float(seed), -1.0], "landmarks": [[1.0, 2.0]] * 68,
            } | changes  # fmt: skip
            told = {name: value for name, value in whole.items() if value is not None}
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (size, size, 3), np.uint8)).save(picture, "PNG")
            mask = io.BytesIO()
            Image.new("L", (size, size), 255).save(mask, "PNG")
            members = {
                "png": picture.getvalue(),
                "silhouette.png": mask.getvalue(),
                "json": json.dumps(told).encode(),
            }
            for ending, data in members.items():
                info = tarfile.TarInfo(f"{seed:08d}.{ending}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    about = {
        "format": 1, "kind": "portraits", "crop_size": size, "split": split, "count": len(facts), "recipe": {},
        "parameter_names": list(parameter_names), "label_names": ["smile"],
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder
