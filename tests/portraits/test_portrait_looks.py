from dataclasses import replace

import numpy as np
import pytest

from oodinv.portraits.actors import Lighting
from oodinv.portraits.curves import lattice_noise
from oodinv.portraits.illumination import lighting
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.scenery import indoors, outdoors
from oodinv.portraits.strands import ribbons
from oodinv.portraits.surfaces import vertex_normals
from oodinv.portraits.visibility import arriving, surrounding

SIZE = 96
FACE = (slice(36, 66), slice(32, 64))
"""Rows and columns of `straight`'s face in a photo of `SIZE` pixels."""


def straight(**changes):
    return replace(sample_params(12), **{"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "offset_x": 0.0, **changes})


def rendered(studio, params):
    return studio.render(params, size=SIZE).photo.astype(int)


def wall(depth):
    """A dense square of points across the line of sight; the camera's side is y < 0."""
    line = np.linspace(-0.1, 0.1, 101)
    x, z = np.meshgrid(line, line + 0.6)
    return np.stack([x.ravel(), np.full(x.size, depth), z.ravel()], axis=1)


def test_a_wall_stops_the_light_for_what_is_behind_it_and_not_for_what_is_before_it():
    points = np.array([[0.0, 0.05, 0.6], [0.0, -0.05, 0.6], [0.2, 0.05, 0.6]])  # behind, before, beside
    found = arriving(points, wall(0.0), np.array([0.0, -1.0, 0.0]), cell=0.004, bias=0.005, soft=2)
    np.testing.assert_allclose(found, [0, 1, 1])


def test_a_surface_does_not_shade_itself():
    found = arriving(wall(0.0), wall(0.0), np.array([0.3, -1.0, 0.4]), cell=0.004, bias=0.005, soft=2)
    assert found.min() > 0.99


def test_the_edge_of_a_shadow_is_soft_and_falls_in_one_direction():
    x = np.linspace(0.07, 0.13, 60)
    points = np.stack([x, np.full(60, 0.05), np.full(60, 0.6)], axis=1)
    found = arriving(points, wall(0.0), np.array([0.0, -1.0, 0.0]), cell=0.004, bias=0.005, soft=2)
    assert (np.diff(found) >= -1e-6).all()
    assert ((found > 0.05) & (found < 0.95)).sum() >= 6


def test_all_surrounding_light_arrives_in_the_open_and_less_in_a_corner():
    point, normal = np.array([[0.0, 0.05, 0.6]]), np.array([[0.0, -1.0, 0.0]])
    far_below = np.array([[0.0, 0.0, -3.0]])
    open_share = surrounding(point, normal, far_below)
    corner_share = surrounding(point, normal, wall(0.02))
    assert open_share[0] == pytest.approx(1.0, abs=0.01)
    assert corner_share[0] < 0.5


def test_noise_stays_between_its_values_and_is_smooth():
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3))
    values = lattice_noise(points, 0.1, 3)
    assert values.min() >= 0 and values.max() <= 1 and values.std() > 0.1
    assert np.abs(lattice_noise(points + 1e-5, 0.1, 3) - values).max() < 1e-3


def test_a_ribbon_is_as_wide_as_asked_and_faces_the_camera():
    line = np.stack([np.zeros(6), np.zeros(6), np.linspace(0, 0.1, 6)], axis=1)
    view = np.array([0.0, -1.0, 0.0])
    ribbon = ribbons(
        line[None],
        width=np.full((1, 6), 0.004),
        colours=np.full((1, 6, 3), 0.5),
        normals=np.broadcast_to(view, (1, 6, 3)),
        depth=np.ones((1, 6)),
        view=view,
        strands=np.ones(1),
        ragged=0.5,
    )
    pairs = ribbon.vertices.reshape(6, 2, 3)
    np.testing.assert_allclose(np.linalg.norm(pairs[:, 1] - pairs[:, 0], axis=1), 0.004, rtol=1e-5)
    np.testing.assert_allclose(pairs.mean(axis=1), line, atol=1e-7)
    np.testing.assert_allclose(np.abs(vertex_normals(ribbon.vertices, ribbon.faces) @ view), 1.0, atol=1e-5)


def test_light_from_a_side_brightens_the_cheek_on_that_side(studio):
    left, right = (rendered(studio, straight(key_x=side)) for side in (-1.2, 1.2))
    half = SIZE // 2
    rows = FACE[0]
    assert left[rows, half - 14 : half].mean() > right[rows, half - 14 : half].mean() + 20
    assert right[rows, half : half + 14].mean() > left[rows, half : half + 14].mean() + 20


def test_a_stronger_main_light_and_a_paler_skin_brighten_the_face(studio):
    usual = rendered(studio, straight(key=0.5))[FACE].mean()
    assert rendered(studio, straight(key=0.7))[FACE].mean() > usual + 8
    paler = tuple(min(1.0, part * 1.15) for part in straight().skin)
    assert rendered(studio, straight(key=0.5, skin=paler))[FACE].mean() > usual + 8


def test_a_warmer_light_has_more_red_and_less_blue_and_the_rim_stays_opposite():
    cool, warm = (lighting(straight(warmth=value, key_x=0.8)) for value in (-0.1, 0.1))
    assert isinstance(warm, Lighting)
    assert warm.key[0] > cool.key[0] and warm.key[2] < cool.key[2]
    assert warm.rim_direction[0] < 0 < warm.key_direction[0]


def test_fair_hair_is_brighter_and_a_bald_head_narrower_than_one_with_hair(studio):
    style = {"hair_top": 0.03, "hair_side": 0.02, "hair_curl": 0.8, "hair_length": 0.0, "hair_fringe": 0.0}
    dark, fair, none = (
        studio.render(straight(**style, hair=colour, bald=bald), size=SIZE)
        for colour, bald in (((0.1, 0.08, 0.07), 0.0), ((0.8, 0.7, 0.5), 0.0), ((0.1, 0.08, 0.07), 1.0))
    )
    np.testing.assert_array_equal(dark.silhouette, fair.silhouette)
    hair = (dark.silhouette == 255) & (none.silhouette == 0)
    assert hair.sum() > 100
    assert fair.photo[hair].mean() > dark.photo[hair].mean() + 30


def test_longer_hair_covers_more_of_the_photo(studio):
    shares = [
        studio.render(straight(bald=0.0, hair_curl=0.0, hair_up=0.0, hair_length=length), size=SIZE).silhouette.mean()
        for length in (0.0, 0.5, 1.0)
    ]
    assert shares[0] + 2 < shares[1] < shares[2]


@pytest.fixture(scope="module")
def usual(studio):
    """A head in the middle of its parameters' ranges, and its pixels."""
    names = ("smile", "jaw_open", "yaw", "hair_length", "hair_curl", "key_x", "beard", "background_glow")
    start = straight(age=0.7, bald=0.0, **dict.fromkeys(names, 0.1))
    return start, rendered(studio, start)


@pytest.mark.parametrize(
    ("name", "small", "large"),
    [
        ("smile", 0.02, 0.6),
        ("jaw_open", 0.01, 0.3),
        ("age", 0.005, 0.15),
        ("yaw", 0.3, 12.0),
        ("hair_length", 0.01, 0.4),
        ("hair_curl", 0.01, 0.5),
        ("key_x", 0.02, 0.8),
        ("beard", 0.02, 0.8),
        ("background_glow", 0.02, 0.8),
    ],
)
def test_a_small_change_of_a_parameter_changes_the_pixels_a_little(studio, usual, name, small, large):
    start, before = usual
    near, far = (
        np.abs(rendered(studio, replace(start, **{name: getattr(start, name) + by})) - before).mean()
        for by in (small, large)
    )
    assert 0 < near < 0.35 * far


@pytest.mark.parametrize("place", [indoors, outdoors])
def test_scenery_is_repeatable_in_range_and_out_of_focus(place):
    first, again, other = (place(np.random.default_rng(seed), 64) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (64, 64, 3) and first.min() >= 0 and first.max() <= 1
    assert np.abs(first - other).mean() > 0.02
    for seed in range(8):
        picture = place(np.random.default_rng(seed), 128)
        assert np.median(np.abs(np.diff(picture, axis=1))) < 0.01  # no edges but those of lamps
