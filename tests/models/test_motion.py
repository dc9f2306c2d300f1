import pytest
import torch
import torch.nn.functional as F

from oodinv.models.motion import MotionConfig, estimate_motion, follow, one_after_the_other, resize_flow
from oodinv.models.warping import warp

SIZE = 64
PIXEL = 2 / (SIZE - 1)


def textures(seed: int, batch: int = 1, channels: int = 24, size: int = SIZE) -> torch.Tensor:
    """Random features with detail of about three pixels."""
    rng = torch.Generator().manual_seed(seed)
    noise = torch.randn(batch, channels, size + 8, size + 8, generator=rng)
    return F.avg_pool2d(F.avg_pool2d(noise, 3, 1, 1), 3, 1, 1)[..., 4:-4, 4:-4]


def pyramid(finest: torch.Tensor) -> dict[int, torch.Tensor]:
    """The same picture at 8 to 64 pixels."""
    return {size: F.adaptive_avg_pool2d(finest, size) for size in (8, 16, 32, 64)}


def smooth_flow(pixels: float) -> torch.Tensor:
    """A whirl with a longest displacement of `pixels`, zero at the border; [1, 2, SIZE, SIZE]."""
    along = torch.linspace(0, torch.pi, SIZE)
    envelope = along.sin()[:, None] ** 2 * along.sin() ** 2
    x = envelope * torch.sin(along)[None]
    y = envelope * torch.cos(along)[None]
    flow = torch.stack([x, y])[None]
    return flow / flow.norm(dim=1).max() * pixels * PIXEL


def in_pixels(flow: torch.Tensor) -> torch.Tensor:
    return flow / PIXEL


def test_equal_maps_do_not_move_at_all():
    maps = pyramid(textures(0))
    assert torch.equal(estimate_motion(maps, maps), torch.zeros(1, 2, SIZE, SIZE))
    flat = {size: torch.full_like(m, 0.7) for size, m in maps.items()}
    assert torch.equal(estimate_motion(flat, flat), torch.zeros(1, 2, SIZE, SIZE))


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-4, 2), (0, -6)])
def test_a_translation_is_found_in_its_direction_and_length(x, y):
    picture = textures(1, size=SIZE + 16)
    before = picture[..., 8 : 8 + SIZE, 8 : 8 + SIZE]
    after = picture[..., 8 + y : 8 + y + SIZE, 8 + x : 8 + x + SIZE]  # after(p) = before(p + (x, y))
    inner = in_pixels(estimate_motion(pyramid(before), pyramid(after)))[..., 12:-12, 12:-12]
    expected = torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1)
    assert (inner - expected).norm(dim=1).mean() < 0.5
    assert (inner.mean(dim=(2, 3)) - expected[..., 0, 0]).abs().max() < 0.3


@pytest.mark.parametrize("longest", [3, 6])
def test_a_known_smooth_flow_is_found_to_a_quarter_of_a_pixel(longest):
    before, flow = textures(2), smooth_flow(longest)
    found = estimate_motion(pyramid(before), pyramid(warp(before, flow)))
    error = in_pixels(found - flow).norm(dim=1)
    # Where it is shorter than what counts in full, it is cut short on purpose.
    counts = flow.norm(dim=1) > 2 * MotionConfig().still
    assert error[counts].mean() < 0.25
    assert error[counts].quantile(0.95) < 0.5


def test_there_and_back_is_where_it_was():
    before = textures(3)
    after = warp(before, smooth_flow(5))
    there = estimate_motion(pyramid(before), pyramid(after))
    back = estimate_motion(pyramid(after), pyramid(before))
    moved = in_pixels(there.norm(dim=1))
    assert moved.max() > 4
    # p goes to p + there(p), and from there by back.
    around = in_pixels(one_after_the_other(back, there).norm(dim=1))
    assert around[moved > 2].mean() < 0.7


def test_moving_along_brings_the_earlier_map_to_the_later():
    before = textures(4)
    after = warp(before, smooth_flow(5))
    motion = estimate_motion(pyramid(before), pyramid(after))
    unmoved, moved = ((x - after).square().mean() for x in (before, follow(before, motion)))
    assert moved < 0.2 * unmoved


def test_a_flat_background_stays_exactly_still():
    before = torch.zeros(1, 24, SIZE, SIZE)
    before[..., 20:44, 16:32] = textures(5)[..., 20:44, 16:32]
    after = torch.roll(before, 4, dims=3)
    motion = in_pixels(estimate_motion(pyramid(before), pyramid(after)))
    assert (motion[0, 0, 26:38, 24:32].mean() + 4).abs() < 0.6
    assert motion[..., 56:].abs().max() == 0
    assert motion[..., :4, :].abs().max() == 0


def test_motion_is_never_longer_than_stated():
    before = textures(6, size=SIZE + 32)
    far = MotionConfig(max_displacement=0.1)
    flow = estimate_motion(pyramid(before[..., :SIZE, 32:]), pyramid(before[..., :SIZE, 12 : 12 + SIZE]), far)
    assert 0.05 < flow.norm(dim=1).max() <= 0.1 + 1e-6


def test_what_is_short_is_nothing_and_what_is_long_counts_in_full():
    before = textures(7, size=SIZE + 4)
    config = MotionConfig(still=1.5 * PIXEL)
    pair = pyramid(before[..., 2:-2, 2:-2]), pyramid(before[..., 2:-2, 3:-1])  # one pixel
    assert estimate_motion(*pair, config).abs().max() == 0
    assert in_pixels(estimate_motion(*pair))[:, 0, 16:-16, 16:-16].mean() > 0.6


def test_each_sample_stands_alone():
    before = textures(8, batch=3)
    after = torch.cat([warp(before[:1], smooth_flow(4)), before[1:2], warp(before[2:], -smooth_flow(4))])
    together = estimate_motion(pyramid(before), pyramid(after))
    for index in range(3):
        alone = estimate_motion(pyramid(before[index : index + 1]), pyramid(after[index : index + 1]))
        torch.testing.assert_close(together[index : index + 1], alone, atol=1e-4, rtol=0)
    assert together[1].abs().max() == 0


def test_units_of_the_features_do_not_matter():
    before = textures(9)
    after = warp(before, smooth_flow(4))
    scale = torch.linspace(0.01, 50, 24).view(1, -1, 1, 1)
    plain = estimate_motion(pyramid(before), pyramid(after))
    scaled = estimate_motion(pyramid(before * scale - 3), pyramid(after * scale - 3))
    torch.testing.assert_close(plain, scaled, atol=2e-3, rtol=0)


def test_half_precision_is_computed_in_float32():
    before = textures(10)
    after = warp(before, smooth_flow(4))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        motion = estimate_motion(pyramid(before), pyramid(after))
    assert motion.dtype == torch.float32
    assert torch.equal(motion, estimate_motion(pyramid(before), pyramid(after)))
    low = {size: x.half() for size, x in pyramid(before).items()}, {s: x.half() for s, x in pyramid(after).items()}
    torch.testing.assert_close(estimate_motion(*low), motion, atol=PIXEL / 4, rtol=0)


def test_following_nothing_gives_the_map_back_bit_for_bit():
    x = textures(11)
    assert torch.equal(follow(x, torch.zeros(1, 2, SIZE, SIZE)), x)
    motion = torch.zeros(1, 2, SIZE, SIZE)
    motion[..., 30:34, 30:34] = 3 * PIXEL
    moved = follow(x, motion)
    same = (moved == x).all(dim=1)[0]
    same[30:34, 30:34] = True
    assert same.all()
    torch.testing.assert_close(moved[..., 30:34, 30:34], x[..., 33:37, 33:37])


def test_two_motions_at_once_are_one_after_the_other():
    # Smooth, so that resampling twice loses little.
    x = F.interpolate(textures(12, size=16), (SIZE, SIZE), mode="bicubic", align_corners=False)
    first, second = smooth_flow(3), -smooth_flow(2).flip(3)
    twice = follow(follow(x, first), second)
    at_once = follow(x, one_after_the_other(first, second))
    assert (twice - at_once).abs().mean() < 0.02 * x.std()
    assert one_after_the_other(None, second) is second


@pytest.mark.parametrize("size", [16, 32, 128, 256])
def test_another_resolution_moves_by_the_same_part_of_the_image(size):
    flow = torch.full((1, 2, SIZE, SIZE), 4 * PIXEL)  # 4 of 64 pixels
    torch.testing.assert_close(
        resize_flow(flow, size), torch.full((1, 2, size, size), 4 * size / SIZE * 2 / (size - 1))
    )
    half = torch.zeros(1, 2, SIZE, SIZE)
    half[..., SIZE // 2 :] = PIXEL
    resized = resize_flow(half, size)
    assert resized[..., : size // 2 - 2 * max(1, size // SIZE)].abs().max() == 0


def test_maps_that_share_no_resolution_are_refused():
    with pytest.raises(ValueError, match=r"no maps to compare at \(8, 16, 32, 64\): got \[128\] and \[\]"):
        estimate_motion({128: torch.zeros(1, 1, 128, 128)}, {})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"resolutions": (16, 8), "radius": (1, 1)}, "rising resolutions"),
        ({"radius": (1,)}, "a radius each"),
        ({"still": 0.5}, "still < max_displacement"),
    ],
)
def test_a_config_that_cannot_be_is_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        MotionConfig(**fields)
