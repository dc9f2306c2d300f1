"""What one step of an inverter's training is given."""

import numpy as np
import torch

from oodinv.training.data import Dataset
from oodinv.training.examples import draw_examples, face_ellipse, mirror

CPU = torch.device("cpu")


def draw(data, *, occluded=0.0, mirrored=0.0, seed=0, index=None):
    index = np.arange(len(data)) if index is None else index
    return draw_examples(
        data, index, 32, occluded_share=occluded, mirrored_share=mirrored,
        rng=torch.Generator().manual_seed(seed), device=CPU,
    )  # fmt: skip


def photos(pack):
    return Dataset.from_arrays(crops=((pack.crops(np.arange(len(pack))).numpy() + 1) * 127.5).round().astype(np.uint8))


def test_without_anything_done_it_is_the_dataset(pack):
    examples, index = draw(pack), np.arange(len(pack))
    assert torch.equal(examples.crop, pack.crops(index)) and torch.equal(examples.clean, examples.crop)
    assert torch.equal(examples.truth, pack.out_of_domain(index))
    assert torch.equal(examples.face, pack.silhouette(index) * (1 - pack.accessory(index)))


def test_a_flip_flips_crop_and_masks_alike(pack):
    straight, mirrored = draw(pack), draw(pack, mirrored=1.0)
    assert mirrored.mirrored.all() and not straight.mirrored.any()
    for name in ("crop", "clean", "cover", "inside", "outside"):
        assert torch.equal(getattr(mirrored, name), getattr(straight, name).flip(3))
    assert not torch.equal(mirrored.crop, straight.crop)


def test_a_share_of_the_crops_is_flipped(pack):
    count = sum(draw(pack, mirrored=0.25, seed=seed).mirrored.sum().item() for seed in range(60))
    assert 0.15 < count / (60 * len(pack)) < 0.35


def test_only_marked_images_are_mirrored():
    x = torch.rand(3, 2, 4, 4)
    out = mirror(x, torch.tensor([True, False, True]))
    assert (
        torch.equal(out[1], x[1])
        and torch.equal(out[0], x[0].flip(2))
        and torch.equal(mirror(out, torch.tensor([True, False, True])), x)
    )


def test_what_is_pasted_is_covered_and_not_rendered(pack):
    examples = draw(pack, occluded=1.0)
    pasted = (examples.crop - examples.clean).abs().amax(dim=1, keepdim=True) > 0.02
    assert pasted.any() and (examples.cover[pasted] > 0).all()
    assert torch.equal(examples.rendered, pack.accessory(np.arange(len(pack))))
    assert (examples.cover >= examples.rendered).all()


def test_of_photos_only_the_face_and_what_was_pasted_are_claimed(pack):
    clean, covered = draw(photos(pack)), draw(photos(pack), occluded=1.0)
    assert not clean.cover.any() and not clean.outside.any() and not clean.truth.any()
    assert torch.equal(clean.inside, face_ellipse(32).expand(len(pack), -1, -1, -1))
    assert covered.cover.any() and (covered.inside >= covered.cover).all() and not covered.outside.any()
    # Where half of a pixel is covered, the other half is seen.
    opaque = (covered.cover > 0.99) | (covered.cover == 0)
    assert (covered.face <= face_ellipse(32) + 0.01)[opaque].all()


def test_the_face_is_in_the_middle_of_an_aligned_crop():
    ellipse = face_ellipse(64)[0, 0]
    assert (
        ellipse[36, 32] == 1 and ellipse[:8].max() == 0 and ellipse[:, :10].max() == 0 and 0.12 < ellipse.mean() < 0.25
    )
    torch.testing.assert_close(ellipse, ellipse.flip(1))
