"""The model card: how the embedded bundle was made and what was measured."""

from dataclasses import asdict
from typing import Any

from oodinv.models.inversion import InversionModel

MEASURED = "## What was measured"
"""Heading of the section that an evaluation fills."""


def write_card(model: InversionModel, recipe: Any, num_clean: int, num_worn: int, *, note: str = "") -> str:
    """The card as Markdown; `note` is one more item of how it was made."""
    sizes = ", ".join(
        f"{name} {sum(p.numel() for p in net.parameters()) / 1e6:.1f} M" for name, net in model.named_children()
    )
    steps = asdict(recipe)
    return f"""# Embedded bundle

A small model that shows the whole pipeline without a download. It draws **rendered** portraits at
{model.generator.config.resolution} pixels: on photographs of real people its reconstructions are rough.
It is meant for trying, testing and developing; bring your own bundle for work.

## How it was made

* Data: {num_clean} portraits without accessories and {num_worn} with and without, rendered by `oodinv.portraits`
  (parametric heads, CC0 assets), found and aligned by the project's own detector and alignment. No photograph of a
  person was used.
* Parameters: {sizes}; stored in float16.
* Generator: the latent of a portrait is its own standardised parameter vector; weighted L1 at three scales,
  {steps["low"]} images at 64 pixels and {steps["high"]} at 128{_adversarial(steps["adversarial"])}. Mapping rate
  multiplier 0.3. Moving average of the weights.
* Encoder: {steps["encoder"]} images; squared error, L1 of colours and edges at three scales on the person, distance
  to the true style, a latent discriminator, layers joining one after the other; occlusions pasted over 40 % of the
  crops and not reconstructed.
* Decomposition: {steps["decomposition"]} images; the paper's image and mask terms; with the true masks (rendered
  accessories, background, occlusions of many shapes and surfaces pasted over 60 % of the crops) the cross-entropy
  balanced between accessory, person and background, the soft overlap of the accessory inside the silhouette, and the
  error on the person where it is seen. The detector sees the crop and the plain reconstruction's error.
* Directions: regression of the styles on all labels at once, combined so that each moves its own attribute and as
  little as possible of the others, as a regressor reads them off drawn faces; +1 is one standard deviation of the
  attribute among the training portraits. Noise is fixed.
{f"* {note}" if note else ""}

{MEASURED}

Nothing yet.

## Limits

Edits beyond ±2 leave what was trained. Ages run from about 21 to 85, yaw from -35 to 35 degrees. "Gender" is the
masculine or feminine appearance of a parametric head, nothing else. Colours of real photographs, hair styles and
expressions the studio cannot render are out of domain and are kept from the photo or lost.
"""


def _adversarial(images: int) -> str:
    return f", then {images} with an adversarial loss beside it" if images else ""
