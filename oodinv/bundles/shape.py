"""What a direction must fit, from a generator."""

from oodinv.edits.directions import GeneratorShape
from oodinv.models.stylegan2 import Generator


def generator_shape(generator: Generator) -> GeneratorShape:
    """The sizes of a generator's latent spaces."""
    return GeneratorShape(
        num_layers=generator.config.num_layers,
        style_dim=generator.config.style_dim,
        style_widths=tuple(part.stop - part.start for part in generator.style_slices()),
    )
