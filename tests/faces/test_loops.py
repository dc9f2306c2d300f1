"""The compiled loops say the same as the same sums over whole arrays."""

import numba
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from oodinv.faces import compose_face, loops
from oodinv.faces.move import moved
from oodinv.faces.resample import apply_affine, invert_affine, resample

SIZE = 32


def similarity(scale: float, degrees: float, centre: tuple[float, float]) -> np.ndarray:
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, centre - linear @ [SIZE / 2, SIZE / 2]])


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def sampled(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """What torch samples at x, y of the last axis, channels last, in float64."""
    height, width, _ = picture.shape
    grid = torch.from_numpy(where / [width, height] * 2 - 1)[None]
    channels = torch.from_numpy(picture.astype(float)).permute(2, 0, 1)[None]
    drawn = F.grid_sample(channels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return drawn[0].permute(1, 2, 0).numpy()


def centres(height: int, width: int, points: int = 1) -> np.ndarray:
    y, x = (np.mgrid[: height * points, : width * points] + 0.5) / points
    return np.stack([x, y], axis=-1)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.2, 1.95),
    degrees=st.floats(-180, 180),
    centre=st.tuples(st.floats(-60, 90), st.floats(-60, 90)),
    channels=st.integers(1, 5),
    dtype=st.sampled_from([np.uint8, np.float32, np.int16]),
)
def test_drawing_is_what_torch_samples(scale, degrees, centre, channels, dtype):
    picture = (100 * noise(1, 23, 37, channels) + 100).astype(dtype)
    matrix = similarity(scale, degrees, centre)
    points = 2 if scale > 1.1 else 1
    where = apply_affine(matrix, centres(20, 24, points).reshape(-1, 2)).reshape(20 * points, 24 * points, 2)
    expected = sampled(picture, where).reshape(20, points, 24, points, channels).mean(axis=(1, 3))
    np.testing.assert_allclose(resample(picture, matrix, 20, 24), expected, atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.92, 3),  # below that the picture is averaged first
    degrees=st.floats(-180, 180),
    centre=st.tuples(st.floats(-20, 70), st.floats(-20, 60)),
    feather=st.sampled_from([0.0, 0.06, 0.5]),
    residual=st.booleans(),
    seed=st.integers(0, 99),
)
def test_at_any_angle_composing_is_the_equation(scale, degrees, centre, feather, residual, seed):
    photo = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    generated, identity, mask = noise(seed, 3, SIZE, SIZE), noise(seed + 1, 3, SIZE, SIZE), noise(seed + 2, SIZE, SIZE)
    mask = np.abs(mask)[None]
    transform = similarity(scale, degrees, centre)
    out = compose_face(
        photo,
        transform,
        generated=generated,
        ood_mask=mask,
        mode="residual" if residual else "replace",
        identity=identity if residual else None,
        feather=feather,
    )
    where = apply_affine(invert_affine(transform), centres(40, 50).reshape(-1, 2)).reshape(40, 50, 2)
    inside = SIZE / 2 - np.abs(where - SIZE / 2).max(axis=-1)
    ramp = (inside / (feather * SIZE)).clip(0, 1) if feather else (inside > 0).astype(float)
    weight = ramp * ramp * (3 - 2 * ramp) * sampled(1 - mask.transpose(1, 2, 0), where)[..., 0]
    picture = sampled(generated.transpose(1, 2, 0), where)
    if residual:
        change = (picture - sampled(identity.transpose(1, 2, 0), where)) * 127.5
    else:
        change = (picture + 1) * 127.5 - photo
    expected = (photo + weight[..., None] * change).clip(0, 255)
    sure = np.abs(inside) > 1e-6  # on the border itself one bit decides
    assert np.abs(out - expected)[sure].max(initial=0) < 0.51


@pytest.mark.parametrize("residual", [False, True])
def test_a_face_smaller_than_its_crop_leaves_no_false_pattern(residual):
    # A chessboard of single pixels, put back at a third of its size: grey, as from far away.
    board = np.where(np.indices((96, 96)).sum(axis=0) % 2, np.float32(1), np.float32(-1))
    generated = np.broadcast_to(board, (3, 96, 96)).copy()
    photo = np.full((60, 60, 3), 127, np.uint8)
    out = compose_face(
        photo,
        np.array([[1 / 3, 0, 13.7], [0, 1 / 3, 14.1]]),
        generated=generated,
        identity=np.zeros_like(generated) if residual else None,
        ood_mask=np.zeros((1, 96, 96), np.float32),
        mode="residual" if residual else "replace",
    )
    assert np.abs(out.astype(int) - 127).max() < 30  # one point for each pixel would leave 128


@pytest.mark.parametrize("error", [RuntimeError("cannot cache function: no locator available"), OSError(28, "full")])
def test_loops_are_compiled_where_nothing_can_be_kept(monkeypatch, error):
    compiling = numba.njit

    def refuses(*kinds, cache=False, **options):
        if cache:
            raise error
        return compiling(*kinds, **options)

    monkeypatch.setattr(loops.numba, "njit", refuses)
    out = np.zeros((1, 1, 1), np.float32)
    loops._Loop(loops.draw._loop)(np.full((1, 1, 1), 7, np.uint8), (0,), np.eye(2, 3), 1, out)
    assert out.item() == 7


def test_each_version_of_a_loop_is_kept_under_its_own_name():
    out = np.zeros((2, 2, 1), np.float32)
    for dtype in (np.uint8, np.float32):
        loops.draw(np.ones((2, 2, 1), dtype), (0,), np.eye(2, 3), 1, out)
    versions = list(loops.draw._versions.values())
    assert len(versions) >= 2
    assert len({version.py_func.__qualname__ for version in versions}) == len(versions)
    assert all(len(version.signatures) == 1 for version in versions)


def test_loops_run_without_the_interpreter_s_lock_and_add_nothing_up_in_another_order():
    assert loops.OPTIONS == {"nogil": True, "error_model": "numpy"}  # and no fastmath
    assert all(part.targetoptions.get("nogil") for part in (loops._mirrored, loops._around, loops._between))


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(ValueError, match="with pixels"):
        resample(np.zeros((0, 4, 3), np.uint8), np.eye(2, 3), 2, 2)
    with pytest.raises(ValueError, match="with pixels"):
        moved(np.zeros((4, 0, 3), np.uint8), np.zeros((1, 1, 2)))
