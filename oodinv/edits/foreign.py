"""Directions of other generators that no shape gives away."""

from fnmatch import fnmatch

from oodinv.edits.edit import EditError

_PUBLISHED_UNDER = {
    "stylegan_ffhq_*_boundary.npy": "StyleGAN1",
    "stylegan_celebahq_*": "StyleGAN1",
    "pggan_*": "PGGAN",
}
"""Names under which InterFaceGAN (Shen et al. 2020, arXiv 1907.10786) published its boundaries."""


def refuse_foreign_names(name: str) -> None:
    """Refuse a file by the name it was published under.

    A direction belongs to one generator's latents. InterFaceGAN's are for StyleGAN1 and PGGAN at 1024 pixels, whose
    latents have StyleGAN2's shape: they load, and edit something else or nothing. By their names they are told, once
    renamed they cannot be.

    Raises:
        EditError: It is one of these.
    """
    for pattern, generator in _PUBLISHED_UNDER.items():
        if fnmatch(name.lower(), pattern):
            raise EditError(
                f"{name} is a direction of {generator}, whose latents mean something else to a StyleGAN2 generator: it "
                "would load and edit wrongly. Take one made for this generator"
            )
