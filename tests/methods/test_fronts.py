"""What is handed over: live networks, the front of all, what noise alone drove off it, thinned."""

from __future__ import annotations

import numpy as np

from evoprune.methods.fronts import Solution, alive, front_of, near_front, thinned


def solution(value: float, density: float) -> Solution:
    return Solution(np.ones(2, bool), value, value, density, "masks")


def random_solutions(count: int = 200, seed: int = 0) -> list[Solution]:
    rng = np.random.default_rng(seed)
    densities = rng.uniform(0.1, 1, count)
    return [solution(0.05 / d + rng.uniform(0, 0.1), d) for d in densities.tolist()]


def test_the_front_of_nothing_is_empty() -> None:
    assert front_of([]) == near_front([], images=100) == thinned([], 5) == []


def test_of_equal_solutions_one_stays() -> None:
    twins = [solution(0.1, 0.5), solution(0.1, 0.5)]
    assert len(front_of(twins)) == len(near_front(twins, images=100)) == 1


def test_a_solution_is_on_the_front_if_and_only_if_none_beats_it() -> None:
    found = random_solutions()
    front = front_of(found)
    for one in found:
        beaten = any(o.value <= one.value and o.density < one.density for o in found)
        assert any(one is other for other in front) != beaten


def test_a_network_that_only_guesses_is_not_handed_over() -> None:
    guess, better = solution(0.9, 0.5), solution(0.88, 0.5)
    assert alive([guess, better], guess=0.9) == [better]


def test_worse_by_less_than_half_a_standard_error_than_a_sparser_one_is_near_the_front() -> None:
    best, near, far = solution(0.1, 0.3), solution(0.114, 0.5), solution(0.116, 0.6)
    assert near_front([far, near, best], images=100) == [best, near]  # sqrt(.1 * .9 / 100) / 2


def test_the_more_images_the_less_is_near() -> None:
    best, near = solution(0.1, 0.3), solution(0.114, 0.5)
    assert near_front([near, best], images=1000) == [best]


def test_the_front_is_near_itself() -> None:
    found = random_solutions()
    near = near_front(found, images=100)
    assert all(any(one is other for other in near) for one in front_of(found))


def test_thinning_keeps_the_sparsest_and_the_best() -> None:
    front = front_of(random_solutions())
    few = thinned(front, 5)
    assert len(few) <= 5 < len(front)
    assert few[0] is front[0] and few[-1] is front[-1]


def test_thinning_prefers_the_front_to_what_is_near_it() -> None:
    near = [solution(0.3, 0.1), solution(0.2, 0.9), solution(0.21, 0.91), solution(0.2, 1.0)]
    assert [s.density for s in thinned(near, 2)] == [0.1, 0.9]


def test_a_front_that_is_small_enough_is_not_thinned() -> None:
    front = front_of(random_solutions(count=5))
    assert thinned(front, 5) == front
