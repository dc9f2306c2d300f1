"""What is kept moves with the edit, at the photo's own resolution; what does not move keeps its bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.faces import compose_face
from oodinv.faces.move import moved
from oodinv.faces.resample import apply_affine, invert_affine

SIZE = 64
PIXEL = 2 / (SIZE - 1)
ALL, NOTHING = np.ones((1, SIZE, SIZE), np.float32), np.zeros((1, SIZE, SIZE), np.float32)


def transform_of(scale: float, degrees: float, centre: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, centre - linear @ [SIZE / 2, SIZE / 2]])


def crop_coordinates(transform: np.ndarray, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    return apply_affine(invert_affine(transform), np.stack([x, y], -1).reshape(-1, 2)).reshape(height, width, 2)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def photo_of(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def everywhere(x: float, y: float) -> np.ndarray:
    """A motion of so many crop pixels."""
    return np.broadcast_to(np.array([x, y], np.float32)[:, None, None] * np.float32(PIXEL), (2, SIZE, SIZE)).copy()


def inner(transform: np.ndarray, height: int, width: int) -> np.ndarray:
    """Photo pixels well inside the crop, where a motion is not eased."""
    where = crop_coordinates(transform, height, width)
    return ((where > 0.2 * SIZE) & (where < 0.8 * SIZE)).all(-1)


def compose(photo, transform, motion, *, mask=ALL, residual=False, **rest):
    return compose_face(
        photo,
        transform,
        generated=noise(1, 3, SIZE, SIZE),
        ood_mask=mask,
        mode="residual" if residual else "replace",
        identity=noise(2, 3, SIZE, SIZE) if residual else None,
        motion=motion,
        **rest,
    )


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("residual", [False, True])
def test_k_crop_pixels_move_the_photo_by_k_times_the_scale(scale, residual):
    side = SIZE * scale + 40
    photo = photo_of(0, side, side)
    transform = transform_of(scale, 0, (side / 2, side / 2))
    out = compose(photo, transform, everywhere(3, -2), residual=residual)
    # out(p) = photo(p + motion(p)), whole pixels: the photo's own bytes, elsewhere.
    expected = np.roll(photo, (2 * scale, -3 * scale), axis=(0, 1))
    where = inner(transform, side, side)
    assert (out[where] == expected[where]).all()


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_in_a_turned_crop_the_motion_turns_too(degrees, turns):
    photo = photo_of(0, 168, 168)
    transform = transform_of(2, degrees, (84, 84))
    out = compose(photo, transform, everywhere(3, -2))
    # Turn the photo so that the crop stands upright, move there, and turn back.
    upright = np.rot90(photo, -turns)
    expected = np.rot90(np.roll(upright, (4, -6), axis=(0, 1)), turns)
    where = inner(transform, 168, 168)
    # The turn's sines are not exactly 0, so a place is off by a millionth of a pixel.
    assert np.abs(out[where].astype(int) - expected[where]).max() <= 1


def test_at_any_angle_a_ramp_moves_by_the_turned_displacement():
    y, x = np.mgrid[:200, :200]
    photo = np.stack([x, y, 220 - x], -1).astype(np.uint8)
    transform = transform_of(1.7, 30, (100, 100))
    out = compose(photo, transform, everywhere(5, 1))
    dx, dy = transform[:, :2] @ [5, 1]
    where = inner(transform, 200, 200)
    assert np.abs(out[where] - (photo[where] + np.array([dx, dy, -dx]))).max() < 0.51  # rounded to bytes


@settings(max_examples=30, deadline=None)
@given(
    scale=st.floats(0.3, 5),
    degrees=st.floats(-180, 180),
    feather=st.sampled_from([0.0, 0.06, 0.5]),
    residual=st.booleans(),
)
def test_where_nothing_moves_and_outside_the_photo_keeps_its_bytes(scale, degrees, feather, residual):
    photo = photo_of(3, 70, 100)
    original = photo.copy()
    transform = transform_of(scale, degrees, (50, 35))
    motion = everywhere(4, 3)
    motion[:, :, : SIZE // 2] = 0
    out = compose(photo, transform, motion, residual=residual, feather=feather)
    where = crop_coordinates(transform, 70, 100)
    outside = (where < -1e-6).any(-1) | (where > SIZE + 1e-6).any(-1)
    reach = 1.0 if scale >= 1 else 3 / scale
    still = where[..., 0] < SIZE / 2 - reach
    assert (out[outside | still] == photo[outside | still]).all()
    assert (photo == original).all()


@pytest.mark.parametrize("residual", [False, True])
def test_no_motion_is_the_same_as_a_motion_of_nothing(residual):
    photo, mask = photo_of(4, 120, 130), np.abs(noise(5, 1, SIZE, SIZE))
    transform = transform_of(1.4, 20, (60, 66))
    still = compose(photo, transform, np.zeros((2, SIZE, SIZE), np.float32), mask=mask, residual=residual)
    assert (still == compose(photo, transform, None, mask=mask, residual=residual)).all()


def test_on_the_crop_s_own_grid_the_equation_holds_to_the_byte():
    photo, mask = photo_of(6, SIZE, SIZE), np.abs(noise(7, 1, SIZE, SIZE))
    transform = transform_of(1, 0, (32, 32))
    out = compose(photo, transform, everywhere(2, 1), mask=mask)
    picture = (noise(1, 3, SIZE, SIZE).transpose(1, 2, 0).astype(float) + 1) * 127.5
    base = np.roll(photo, (-1, -2), axis=(0, 1)).astype(float)
    expected = base + (1 - mask.transpose(1, 2, 0).astype(float)) * (picture - base)
    assert np.abs(out - expected)[13:-13, 13:-13].max() < 0.51


def test_a_residual_moves_the_unedited_picture_too():
    # The edit moves a picture that the generator draws exactly: the photo's moved copy already shows all of it.
    photo = photo_of(8, SIZE, SIZE)
    identity = photo.transpose(2, 0, 1).astype(np.float32) / np.float32(127.5) - 1
    edited = np.roll(identity, (-1, -2), axis=(1, 2))
    out = compose_face(
        photo,
        transform_of(1, 0, (32, 32)),
        generated=edited,
        identity=identity,
        ood_mask=NOTHING,
        motion=everywhere(2, 1),
        mode="residual",
    )
    assert (out[13:-13, 13:-13] == np.roll(photo, (-1, -2), axis=(0, 1))[13:-13, 13:-13]).all()


def test_motion_dies_out_towards_the_border_without_a_jump():
    photo = np.rint(np.broadcast_to(np.arange(256.0)[None, :, None], (256, 256, 3))).astype(np.uint8)
    transform = transform_of(3, 0, (128, 128))
    out = compose(photo, transform, everywhere(4, 0))
    shift = out[128, :, 0].astype(int) - photo[128, :, 0]
    assert (shift[:33] == 0).all()  # the crop begins at 32
    assert (shift[70:180] == 12).all()
    assert np.abs(np.diff(shift)).max() <= 2


def test_beyond_the_photo_it_is_mirrored():
    picture = photo_of(9, 6, 8)
    displacement = np.zeros((6, 8, 2))
    displacement[:, :2, 0] = -3
    expected = picture[:, [2, 1]].astype(np.float32)  # x = -3 and -2
    np.testing.assert_allclose(moved(picture, displacement)[:, :2], expected, atol=1e-3)
    assert (moved(picture, displacement)[:, 2:] == picture[:, 2:]).all()


def test_a_part_far_from_the_origin_is_fetched_from_its_place():
    picture = photo_of(10, 50, 60)
    part = moved(picture, np.full((4, 5, 2), [2.0, -3.0]), (20, 30))
    np.testing.assert_allclose(part, picture[27:31, 22:27], atol=1e-2)


def test_a_motion_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        compose(photo_of(0, 20, 20), transform_of(1, 0, (10, 10)), everywhere(float("nan"), 0))
