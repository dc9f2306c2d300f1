import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from oodinv.faces import choose_mode, compose_face, extract_crop
from oodinv.faces.resample import apply_affine, invert_affine

SIZE = 64


def transform_of(scale: float, degrees: float, centre: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, centre - linear @ [SIZE / 2, SIZE / 2]])


def crop_coordinates(transform: np.ndarray, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] + 0.5
    return apply_affine(invert_affine(transform), np.stack([x, y], -1).reshape(-1, 2)).reshape(height, width, 2)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


transforms = st.builds(
    transform_of,
    st.floats(0.2, 6),
    st.floats(-180, 180),
    st.tuples(st.floats(-40, 140), st.floats(-40, 110)),
)
photos = st.integers(0, 99).map(lambda seed: np.random.default_rng(seed).integers(0, 256, (70, 100, 3), dtype=np.uint8))
feathers = st.sampled_from([0.0, 0.06, 0.5])


@settings(max_examples=40, deadline=None)
@given(photo=photos, transform=transforms, feather=feathers, residual=st.booleans())
def test_outside_the_quadrilateral_the_photo_keeps_its_bytes(photo, transform, feather, residual):
    original = photo.copy()
    out = compose_face(
        photo,
        transform,
        generated=noise(1, 3, SIZE, SIZE),
        ood_mask=np.zeros((1, SIZE, SIZE), np.float32),
        mode="residual" if residual else "replace",
        identity=noise(2, 3, SIZE, SIZE) if residual else None,
        feather=feather,
    )
    where = crop_coordinates(transform, 70, 100)
    outside = (where < -1e-6).any(-1) | (where > SIZE + 1e-6).any(-1)
    assert (out[outside] == photo[outside]).all()
    assert (photo == original).all()


@settings(max_examples=40, deadline=None)
@given(photo=photos, transform=transforms, feather=feathers, residual=st.booleans())
def test_where_the_mask_keeps_the_photo_it_keeps_its_bytes(photo, transform, feather, residual):
    mask = np.zeros((1, SIZE, SIZE), np.float32)
    mask[:, :, : SIZE // 2] = 1
    out = compose_face(
        photo,
        transform,
        generated=noise(1, 3, SIZE, SIZE),
        ood_mask=mask,
        mode="residual" if residual else "replace",
        identity=noise(2, 3, SIZE, SIZE) if residual else None,
        feather=feather,
    )
    # The footprint of a photo pixel: its neighbours in the crop, and when shrinking the boxes it averages over.
    reach = 1.0 if np.linalg.det(transform[:, :2]) >= 1 else 3 / np.sqrt(np.linalg.det(transform[:, :2]))
    kept = crop_coordinates(transform, 70, 100)[..., 0] < SIZE / 2 - reach
    assert (out[kept] == photo[kept]).all()
    everything = compose_face(
        photo,
        transform,
        generated=noise(1, 3, SIZE, SIZE),
        ood_mask=np.ones_like(mask),
        mode="replace",
        feather=feather,
    )
    assert (everything == photo).all()


@settings(max_examples=25, deadline=None)
@given(photo=photos, transform=transforms, seed=st.integers(0, 99))
def test_no_change_added_is_no_byte_changed(photo, transform, seed):
    picture = noise(seed, 3, SIZE, SIZE)
    mask = np.abs(noise(seed + 1, 1, SIZE, SIZE))
    out = compose_face(photo, transform, generated=picture, identity=picture.copy(), ood_mask=mask, mode="residual")
    assert (out == photo).all()


def test_on_the_crop_s_own_grid_the_equation_holds_to_the_byte():
    photo = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    generated, mask = noise(1, 3, SIZE, SIZE), np.abs(noise(2, 1, SIZE, SIZE))
    out = compose_face(
        photo, transform_of(1, 0, (32, 32)), generated=generated, ood_mask=mask, mode="replace", feather=0.0
    )
    picture = (generated.transpose(1, 2, 0).astype(float) + 1) * 127.5
    expected = photo + (1 - mask.transpose(1, 2, 0).astype(float)) * (picture - photo)
    assert np.abs(out - expected).max() < 0.51


def test_residual_adds_the_change_and_keeps_the_photo_s_detail():
    photo = np.random.default_rng(0).integers(50, 200, (300, 300, 3), dtype=np.uint8)
    flat = np.zeros((3, SIZE, SIZE), np.float32)
    out = compose_face(
        photo,
        transform_of(4, 0, (150, 150)),
        generated=flat + np.float32(20 / 127.5),
        identity=flat,
        ood_mask=np.zeros((1, SIZE, SIZE), np.float32),
        mode="residual",
    )
    assert (out[60:240, 60:240] == photo[60:240, 60:240] + 20).all()


def test_the_feather_rises_from_the_border_to_full_weight_inside():
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    out = compose_face(
        photo,
        transform_of(1, 0, (32, 32)),
        generated=np.ones((3, SIZE, SIZE), np.float32),
        ood_mask=np.zeros((1, SIZE, SIZE), np.float32),
        mode="replace",
        feather=0.25,
    )
    row = out[32, :, 0].astype(int)
    assert row[0] < 3
    assert (np.diff(row[:16]) > 0).all()
    assert (row[16:48] == 255).all()
    assert (row == row[::-1]).all()


@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_the_crop_put_back_where_it_came_from_gives_nearly_the_photo(scale):
    photo = data.astronaut()
    size = 128
    linear = scale * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    transform = np.column_stack([linear, [225, 118] - linear @ [size / 2, size / 2]])
    crop = extract_crop(photo, transform, size)
    out = compose_face(photo, transform, generated=crop, ood_mask=np.zeros((1, size, size), np.float32), mode="replace")
    changed = (out != photo).any(-1)
    assert changed.sum() > 500
    assert np.abs(out[changed].astype(int) - photo[changed]).mean() < 6


def test_a_second_face_leaves_the_first_alone_and_where_they_meet_it_lies_on_top():
    photo = np.full((100, 200, 3), 100, np.uint8)
    mask = np.zeros((1, SIZE, SIZE), np.float32)
    white, black = np.ones((3, SIZE, SIZE), np.float32), -np.ones((3, SIZE, SIZE), np.float32)
    left, right = transform_of(1, 0, (50, 50)), transform_of(1, 0, (110, 50))
    first = compose_face(photo, left, generated=white, ood_mask=mask, mode="replace", feather=0.0)
    both = compose_face(first, right, generated=black, ood_mask=mask, mode="replace", feather=0.0)
    assert both[50, 30].tolist() == [255] * 3
    assert both[50, 80].tolist() == [0] * 3  # columns 78 to 82 belong to both
    assert both[50, 120].tolist() == [0] * 3
    assert both[50, 160].tolist() == [100] * 3


def test_a_face_beside_the_photo_changes_nothing():
    photo = np.full((20, 30, 3), 9, np.uint8)
    for centre in [(-500.0, 10.0), (500.0, 10.0), (10.0, -500.0), (10.0, 500.0)]:
        out = compose_face(
            photo,
            transform_of(1, 10, centre),
            generated=noise(0, 3, SIZE, SIZE),
            ood_mask=np.zeros((1, SIZE, SIZE), np.float32),
            mode="replace",
        )
        assert (out == photo).all()


def test_a_tall_face_is_composed_in_bands_without_a_seam():
    photo = np.full((1400, 60, 3), 10, np.uint8)
    y = np.linspace(-1, 1, SIZE, dtype=np.float32)[:, None]
    generated = np.broadcast_to(y, (3, SIZE, SIZE)).copy()
    mask = np.zeros((1, SIZE, SIZE), np.float32)
    transform = transform_of(20, 0, (30, 700))
    out = compose_face(photo, transform, generated=generated, ood_mask=mask, mode="replace", feather=0.0)
    column = out[80:1320, 30, 0].astype(int)
    assert (np.diff(column) >= 0).all()
    assert np.diff(column).max() <= 1


def test_the_mode_follows_the_scale():
    assert choose_mode(transform_of(1.01, 30, (0, 0))) == "residual"
    assert choose_mode(transform_of(1.0, 0, (0, 0))) == "replace"
    assert choose_mode(transform_of(0.3, 30, (0, 0))) == "replace"


def test_what_does_not_fit_together_is_refused():
    photo = np.zeros((20, 20, 3), np.uint8)
    picture, mask = noise(0, 3, SIZE, SIZE), np.zeros((1, SIZE, SIZE), np.float32)
    place = transform_of(1, 0, (10, 10))
    with pytest.raises(ValueError, match="'residual' without"):
        compose_face(photo, place, generated=picture, ood_mask=mask, mode="residual")
    with pytest.raises(ValueError, match="'replace' with"):
        compose_face(photo, place, generated=picture, ood_mask=mask, mode="replace", identity=picture)
    with pytest.raises(ValueError, match=r"0 to 0\.5 crop sides"):
        compose_face(photo, place, generated=picture, ood_mask=mask, mode="replace", feather=0.7)
    with pytest.raises(ValueError, match="NaN"):
        compose_face(photo, place, generated=picture * np.float32("nan"), ood_mask=mask, mode="replace")
