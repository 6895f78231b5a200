"""Points on a ring: what they are, and how many of their modes samples cover."""

import numpy as np
import pytest

from models.data.ring import ring

RING = ring(train=4000, test=1000)


def at_modes(*modes: int, each: int = 100) -> np.ndarray:
    return np.repeat(RING.modes[list(modes)], each, axis=0)


def test_the_ring_is_a_data_set_of_points():
    assert RING.train.shape == (4000, 2) and RING.test.shape == (1000, 2)
    assert RING.train.dtype == np.float32
    assert RING.name == "ring" and RING.levels == 0 and RING.classes == 8
    assert RING.image_shape == (2,)
    assert RING.describe("levels") == "8 Gaussians on a ring of radius 2, sigma 0.05"
    np.testing.assert_array_equal(RING.observe(RING.test, "levels", None), RING.test)


def test_its_points_are_gaussians_around_their_modes():
    offsets = (RING.train - RING.modes[RING.train_labels]) / RING.sigma
    assert np.abs(offsets.mean(0)).max() < 0.1  # 6 standard errors
    np.testing.assert_allclose(np.cov(offsets.T), np.eye(2), atol=0.1)
    np.testing.assert_allclose(np.linalg.norm(RING.modes, axis=1), 2)
    gaps = np.linalg.norm(RING.modes - np.roll(RING.modes, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 4 * np.sin(np.pi / 8))  # the chord of an eighth


def test_a_seed_makes_the_ring():
    again, other = ring(train=4000, test=1000), ring(train=4000, test=1000, seed=1)
    assert again.checksum == RING.checksum != other.checksum


def test_of_the_data_itself_all_but_the_tails_is_good():
    assert RING.share_of_good(RING.train) == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert RING.modes_covered(RING.train) == 8


@pytest.mark.parametrize("distance, share", [(0, 1), (2.99, 1), (3.01, 0)])
def test_good_is_within_three_sigma_of_a_mode(distance, share):
    moved = RING.modes * (1 - distance * RING.sigma / 2)
    assert RING.share_of_good(moved) == share


@pytest.mark.parametrize(
    "points, covered, one_is_enough",
    [
        (at_modes(3), 1, 1),
        (at_modes(0, 4, 7), 3, 3),
        (np.concatenate([at_modes(0, each=1000), at_modes(1, each=1)]), 1, 2),
        (np.concatenate([at_modes(0, each=1000), at_modes(1, each=14)]), 2, 2),  # 1014 / 8 / 10
        (np.zeros((100, 2)), 0, 0),
        (np.random.default_rng(0).uniform(-3, 3, (2500, 2)), 0, 8),  # everywhere by chance
    ],
)
def test_a_mode_is_covered_by_a_tenth_of_its_share(points, covered, one_is_enough):
    assert RING.modes_covered(points) == covered
    assert RING.modes_covered(points, at_least=8 / len(points)) == one_is_enough
