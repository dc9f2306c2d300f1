"""The synthetic portrait studio: parametric heads, accessories with exact masks, labels.

How a portrait is made:

1. `sampling.sample_params` draws the 155 numbers of `params.PortraitParams` from a seed. Everything about the person,
   the light and a plain background is a function of these numbers, continuous but for few of them; a busy background
   and what is worn or held come from the seed.
2. `anny_mesh` gives Anny's parametric bust with its shape and expression. `paint` colours its skin and says where it
   has stubble, freckles and wrinkles, `eyes` adds eyeballs and teeth, `clothes` a top, collar and jacket. `hair` and
   `facial_hair` grow some thousand ribbons (`strands`) from fixed roots: the head's hair, brows, lashes, beard.
   `heads` collects it.
3. `pose` turns the head; `accessories` puts on glasses, a hat or another thing no generator of portraits has seen.
4. `illumination` places a key, a rim and surrounding light; `visibility` finds how much of it arrives at each vertex.
   `stage` renders offscreen with VTK, by the programs of `shading` per material (`actors`), and the accessory a second
   time flat white on black, which is its exact mask.
5. `studio` lays a `backgrounds` wall or a blurred scene (`scenery`) in behind and averages down.

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
