"""Names and shapes of the released model at the size it was published in, and at other resolutions."""

from published import pyramid_shapes, released_shapes, rosinality_shapes

LEVELS = [(128, 64), (256, 64), (512, 128), (512, 256)]
"""Fine to coarse, 256 to 32 pixels: channels of the generator and of the encoder."""


def full_size_shapes(resolution):
    """The whole state dict with e4e and StyleGAN2's configuration F for pictures of `resolution` pixels."""
    sides = [2**k for k in range(2, resolution.bit_length())]
    num_styles = 2 * len(sides)
    encoder = pyramid_shapes(
        num_styles=num_styles,
        coarse=4,
        head_width=512,
        style_dim=512,
        stem=64,
        widths=(64, 128, 256, 512),
        units=(3, 4, 14, 3),
    )
    channels = {side: min(512, 32768 // side) for side in sides}
    generator = rosinality_shapes(channels=channels, style_dim=512, z_dim=512, num_mapping=8)
    return released_shapes(encoder, generator, LEVELS, num_styles=num_styles, style_dim=512)
