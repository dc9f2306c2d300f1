import pytest
import torch

from oodinv.training.adaptive import AdaptiveAugmentation
from oodinv.training.augmentation import augment, colours, geometry, recolour, warp


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def image():
    return torch.rand(6, 3, 16, 16, generator=rng(9)) * 2 - 1


def test_at_probability_zero_everything_is_the_identity(image):
    assert augment(image, 0.0, rng()) is image
    warped = recolour(warp(image, geometry(6, 0.0, rng())), colours(6, 0.0, rng()))
    torch.testing.assert_close(warped, image, atol=1e-5, rtol=0)


def test_a_warp_and_its_inverse_meet_in_the_middle():
    smooth = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64) * torch.linspace(-1, 1, 64)[:, None]
    turn = torch.tensor([[[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]])
    torch.testing.assert_close(warp(warp(smooth, turn), turn.inverse()), smooth, atol=1e-5, rtol=0)
    torch.testing.assert_close(warp(smooth, turn), torch.rot90(smooth, 1, (2, 3)), atol=1e-5, rtol=0)


def test_mirroring_and_quarter_turns_keep_every_pixel(image):
    flip = torch.diag(torch.tensor([-1.0, 1, 1]))[None].expand(6, 3, 3)
    torch.testing.assert_close(warp(image, flip), image.flip(3), atol=1e-5, rtol=0)


def test_every_picture_has_its_own_draw_and_a_seed_repeats_it(image):
    same = image[:1].expand(6, -1, -1, -1).contiguous()
    drawn = augment(same, 1.0, rng(1))
    assert torch.equal(drawn, augment(same, 1.0, rng(1)))
    assert all((drawn[i] - drawn[j]).abs().max() > 0.05 for i in range(6) for j in range(i))


def test_about_a_share_p_of_the_pictures_is_touched_by_each_augmentation():
    count, p = 4000, 0.3
    matrix = colours(count, p, rng())
    eye = torch.eye(3)
    untouched = ((matrix[:, :, :3] - eye).abs().amax(dim=(1, 2)) < 1e-5).float().mean().item()
    # Contrast, hue and saturation, and an inversion that comes up at every second toss.
    assert untouched == pytest.approx((1 - p) ** 3 * (1 - p / 2), abs=0.03)
    untouched = ((geometry(count, p, rng()) - eye).abs().amax(dim=(1, 2)) < 1e-5).float().mean().item()
    # Both rotations together come with probability p.
    expected = (1 - p / 2) * (1 - 3 * p / 4) * (1 - p) ** 4 * (1 - p)
    assert untouched == pytest.approx(expected, abs=0.03)


def test_hue_and_saturation_leave_greys_and_inversion_turns_black_to_white():
    matrix = colours(200, 1.0, rng())
    grey = torch.full((200, 3, 1, 1), 0.4)
    seen = recolour(grey, matrix)
    torch.testing.assert_close(seen, seen.mean(dim=1, keepdim=True).expand_as(seen), atol=1e-5, rtol=0)
    slope = recolour(grey + 0.1, matrix) - seen
    assert (slope < 0).any() and (slope > 0).any()


def test_gradients_reach_the_picture(image):
    image.requires_grad_(True)
    augment(image, 0.8, rng()).square().sum().backward()
    assert image.grad.isfinite().all() and (image.grad.flatten(1).norm(dim=1) > 0).all()


def test_p_rises_while_the_discriminator_is_too_certain_and_falls_while_it_is_not():
    ada = AdaptiveAugmentation(target=0.6, every=4, images=100.0)
    assert [ada.saw(0.9, 5) for _ in range(4)] == [None, None, None, pytest.approx(0.9)]
    assert ada.p == pytest.approx(4 * 5 / 100)
    for _ in range(2):
        ada.saw(1.0, 5)
    assert ada.p == pytest.approx(0.2)
    for sign in (-1.0, -1.0):
        ada.saw(sign, 5)
    assert ada.p == pytest.approx(0.0)
    for _ in range(8):
        ada.saw(-1.0, 5)
    assert ada.p == 0
    for _ in range(100):
        ada.saw(1.0, 5)
    assert ada.p == 1
