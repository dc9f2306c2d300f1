"""The synthetic portrait studio: parametric heads, accessories with exact masks, labels.

How a portrait is made:

1. `sampling.sample_params` draws the 140 numbers of `params.PortraitParams` from a seed.
2. `anny_mesh` gives Anny's parametric bust with its shape and expression; `paint` colours its skin per vertex, `eyes`
   adds eyeballs and teeth, `hair` lets hair and beard swell out of the scalp, `heads` adds a garment and collects it.
3. `pose` turns the head; `accessories` puts on glasses, a hat or another thing no generator of portraits has seen.
4. `stage` renders it offscreen with VTK, and the accessory a second time flat white on black, which is its exact mask.
   `studio` lays a background in behind and averages down.

`pack` writes aligned crops for training, `dataset` photos with a table of labels, `examples` the example photos.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oodinv.portraits.accessories import HELD_OUT_KINDS, TRAINING_KINDS
    from oodinv.portraits.dataset import render_dataset
    from oodinv.portraits.pack import PackSummary, build_pack
    from oodinv.portraits.params import PortraitParams, labels, parameter_names, to_vector
    from oodinv.portraits.sampling import sample_params
    from oodinv.portraits.stage import NoOffscreenGl
    from oodinv.portraits.studio import Portrait, Studio

__all__ = [
    "HELD_OUT_KINDS",
    "TRAINING_KINDS",
    "NoOffscreenGl",
    "PackSummary",
    "Portrait",
    "PortraitParams",
    "Studio",
    "build_pack",
    "labels",
    "parameter_names",
    "render_dataset",
    "sample_params",
    "to_vector",
]

# On first use: a package that names its own modules' heavy imports would make `python -m oodinv.portraits.pack --help`
# wait for them.
_HOMES = {
    "HELD_OUT_KINDS": "accessories",
    "TRAINING_KINDS": "accessories",
    "NoOffscreenGl": "stage",
    "PackSummary": "pack",
    "Portrait": "studio",
    "PortraitParams": "params",
    "Studio": "studio",
    "build_pack": "pack",
    "labels": "params",
    "parameter_names": "params",
    "render_dataset": "dataset",
    "sample_params": "sampling",
    "to_vector": "params",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"oodinv.portraits.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'oodinv.portraits' has no attribute {name!r}")
