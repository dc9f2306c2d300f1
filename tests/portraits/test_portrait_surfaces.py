from dataclasses import replace

import numpy as np
import pytest

from oodinv.portraits.pose import turn
from oodinv.portraits.sampling import sample_params
from oodinv.portraits.shapes import ellipsoid, lathe, tube
from oodinv.portraits.surfaces import rotation_x, rotation_y, rotation_z, vertex_normals

WHITE = np.ones(3)
NOSE = np.array([[0.0, -0.15, 0.61]])
CROWN = np.array([[0.0, -0.03, 0.76]])


def straight(**angles):
    return replace(sample_params(0), **{"yaw": 0.0, "pitch": 0.0, "roll": 0.0, **angles})


def test_a_head_that_looks_straight_ahead_is_not_moved():
    points = np.random.default_rng(0).uniform(-0.2, 0.7, (50, 3))
    np.testing.assert_allclose(turn(points, straight()), points, atol=1e-12)


def test_positive_yaw_turns_the_nose_to_the_viewers_right():
    assert turn(NOSE, straight(yaw=20.0))[0, 0] > 0.03


def test_positive_pitch_lifts_the_nose():
    assert turn(NOSE, straight(pitch=10.0))[0, 2] > NOSE[0, 2] + 0.01


def test_positive_roll_leans_the_crown_to_the_viewers_right():
    assert turn(CROWN, straight(roll=10.0))[0, 0] > 0.02


def test_turning_a_head_keeps_its_size():
    head = np.random.default_rng(1).uniform([-0.1, -0.1, 0.56], [0.1, 0.1, 0.76], (20, 3))
    moved = turn(head, straight(yaw=30.0, pitch=-10.0, roll=5.0))
    np.testing.assert_allclose(
        np.linalg.norm(moved - moved[0], axis=1), np.linalg.norm(head - head[0], axis=1), atol=1e-12
    )


@pytest.mark.parametrize("rotation", [rotation_x, rotation_y, rotation_z])
def test_a_rotation_there_and_back_is_the_identity(rotation):
    np.testing.assert_allclose(rotation(0.7) @ rotation(-0.7), np.eye(3), atol=1e-12)


def test_an_ellipsoids_vertices_lie_on_it():
    radii = np.array([1.0, 2.0, 3.0])
    ball = ellipsoid(np.array([5.0, 0, 0]), radii, WHITE)
    unit = (ball.vertices - [5.0, 0, 0]) / radii
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1.0, atol=1e-12)


def test_the_normals_of_a_sphere_point_along_its_radius():
    ball = ellipsoid(np.zeros(3), np.ones(3), WHITE, rings=40)
    normals = vertex_normals(ball.vertices, ball.faces)
    inner = np.abs(ball.vertices[:, 2]) < 0.95  # the poles are a fan of degenerate triangles
    along = np.abs((normals * ball.vertices).sum(1))[inner]
    assert along.min() > 0.99


def test_a_tubes_wall_keeps_its_distance_from_its_line():
    line = np.stack([np.zeros(8), np.zeros(8), np.linspace(0, 1, 8)], axis=1)
    pipe = tube(line, 0.1, WHITE)
    np.testing.assert_allclose(np.linalg.norm(pipe.vertices[:, :2], axis=1), 0.1, atol=1e-12)


def test_a_lathe_turns_its_profile_around_the_axis():
    cone = lathe(np.array([(1.0, 0.0), (0.5, 2.0)]), np.zeros(3), WHITE, stretch=(1.0, 2.0))
    low = cone.vertices[np.isclose(cone.vertices[:, 2], 0)]
    np.testing.assert_allclose(low[:, 0] ** 2 + (low[:, 1] / 2) ** 2, 1.0, atol=1e-12)


def test_compacting_drops_unused_vertices_and_keeps_the_triangles():
    ball = ellipsoid(np.zeros(3), np.ones(3), WHITE)
    part = replace(ball, faces=ball.faces[:10])
    small = part.compact()
    assert len(small.vertices) < len(ball.vertices)
    np.testing.assert_array_equal(small.vertices[small.faces], part.vertices[part.faces])
