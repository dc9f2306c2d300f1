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
5. `studio` lays a `backgrounds` wall or a blurred scene (`scenery`) in behind, averages down, lays writing
   over (`overlays`) and projects the 68 `landmarks`.
6. `counterfactuals` moves one attribute of a head: the truth of an edit.

`rendering` writes datasets of aligned crops (`recipe` says what is in them), `packing` makes them smaller, `examples`
writes the example photos.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oodinv.portraits.accessories import DESIGNS, HELD_OUT_KINDS, KINDS
    from oodinv.portraits.counterfactuals import counterfactual
    from oodinv.portraits.errors import PortraitsError
    from oodinv.portraits.packing import PackSummary, pack_dataset
    from oodinv.portraits.params import PortraitParams, labels, parameter_names, to_vector
    from oodinv.portraits.recipe import SPLIT_SEEDS, Recipe
    from oodinv.portraits.rendering import DatasetSummary, render_dataset
    from oodinv.portraits.sampling import sample_params
    from oodinv.portraits.stage import NoOffscreenGl
    from oodinv.portraits.studio import Portrait, Studio

__all__ = [
    "DESIGNS",
    "HELD_OUT_KINDS",
    "KINDS",
    "SPLIT_SEEDS",
    "DatasetSummary",
    "NoOffscreenGl",
    "PackSummary",
    "Portrait",
    "PortraitParams",
    "PortraitsError",
    "Recipe",
    "Studio",
    "counterfactual",
    "labels",
    "pack_dataset",
    "parameter_names",
    "render_dataset",
    "sample_params",
    "to_vector",
]

# On first use: the room's heavy imports would make everything that only names it wait for them.
_HOMES = {
    "DESIGNS": "accessories",
    "HELD_OUT_KINDS": "accessories",
    "KINDS": "accessories",
    "SPLIT_SEEDS": "recipe",
    "DatasetSummary": "rendering",
    "NoOffscreenGl": "stage",
    "PackSummary": "packing",
    "Portrait": "studio",
    "PortraitParams": "params",
    "PortraitsError": "errors",
    "Recipe": "recipe",
    "Studio": "studio",
    "counterfactual": "counterfactuals",
    "labels": "params",
    "pack_dataset": "packing",
    "parameter_names": "params",
    "render_dataset": "rendering",
    "sample_params": "sampling",
    "to_vector": "params",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"oodinv.portraits.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'oodinv.portraits' has no attribute {name!r}")
