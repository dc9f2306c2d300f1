import pytest

from oodinv.edits.directions import GeneratorShape


@pytest.fixture(scope="session")
def ffhq() -> GeneratorShape:
    """The sizes of StyleGAN2, config F, 1024 pixels."""
    widths = [512, 512] + [512] * 9 + [512, 512, 512] + [512, 256, 256] + [256, 128, 128] + [128, 64, 64] + [64, 32, 32]
    return GeneratorShape(num_layers=18, style_dim=512, style_widths=tuple(widths))
