"""What is found was kept, of the same version, behind the same tokens; the oldest goes; no place is lost."""

import random

from outcrop.inference.prefixes import BLOCK, Prefixes

PLACES = 6


def tokens(*blocks: int, rest: int = 1) -> list[int]:
    """Each block of one token, again and again; then a few that are no block."""
    return [token for token in blocks for _ in range(BLOCK)] + [0] * rest


def keep(prefixes: Prefixes, version: str, *blocks: int) -> None:
    planned = prefixes.plan(version, tokens(*blocks), row=0)
    if planned is not None:
        prefixes.keep(planned)
    prefixes.check()


def found(prefixes: Prefixes, version: str, *blocks: int) -> int:
    return len(prefixes.find(version, tokens(*blocks)))


def test_a_beginning_is_found_as_far_as_it_is_the_same() -> None:
    prefixes = Prefixes(PLACES)
    keep(prefixes, "v", 1, 2, 3)
    assert [found(prefixes, "v", *blocks) for blocks in ((1, 2, 3, 4), (1, 2), (1, 9, 3), (2, 3), (9,))] == [
        3,
        2,
        1,
        0,
        0,
    ]


def test_what_one_version_computed_is_found_by_no_other() -> None:
    prefixes = Prefixes(PLACES)
    keep(prefixes, "v", 1, 2)
    assert found(prefixes, "w", 1, 2) == 0


def test_one_token_is_always_left_to_run() -> None:
    prefixes = Prefixes(PLACES)
    keep(prefixes, "v", 1, 2)
    assert len(prefixes.find("v", tokens(1, 2, rest=0))) == 1
    assert len(prefixes.find("v", tokens(1, 2, rest=1))) == 2


def test_only_what_is_missing_is_kept_and_where_it_belongs() -> None:
    prefixes = Prefixes(PLACES)
    keep(prefixes, "v", 1, 2)
    planned = prefixes.plan("v", tokens(1, 2, 3), row=4)
    assert planned is not None
    assert (planned.row, planned.start, len(planned.places)) == (4, 2 * BLOCK, 1)
    assert prefixes.plan("v", tokens(1, 2), row=0) is None


def test_the_oldest_makes_room_and_what_is_used_stays() -> None:
    prefixes = Prefixes(4)
    keep(prefixes, "v", 1, 2)
    keep(prefixes, "v", 3, 4)
    assert found(prefixes, "v", 1, 2) == 2
    keep(prefixes, "v", 5)
    assert [found(prefixes, "v", *blocks) for blocks in ((1, 2), (3, 4), (5,))] == [2, 1, 1]


def test_a_beginning_too_long_for_all_places_is_kept_as_far_as_there_are() -> None:
    prefixes = Prefixes(2)
    keep(prefixes, "v", 1, 2, 3)
    assert found(prefixes, "v", 1, 2, 3) == 2
    keep(prefixes, "v", 1, 2, 3)
    assert found(prefixes, "v", 1, 2, 3) == 2


def test_two_that_keep_the_same_at_once_take_its_places_once() -> None:
    prefixes = Prefixes(PLACES)
    plans = [prefixes.plan("v", tokens(1, 2, last), row=last) for last in (7, 8)]
    for planned in plans:
        assert planned is not None
        prefixes.keep(planned)
    prefixes.check()
    assert prefixes.blocks == 4
    assert found(prefixes, "v", 1, 2, 7) == found(prefixes, "v", 1, 2, 8) == 3


def test_a_step_that_failed_is_forgotten_with_all_the_rest() -> None:
    prefixes = Prefixes(PLACES)
    keep(prefixes, "v", 1)
    assert prefixes.plan("v", tokens(2, 3), row=0) is not None
    prefixes.clear()
    prefixes.check()
    assert found(prefixes, "v", 1) == 0


def test_whatever_comes_places_hold_what_is_found() -> None:
    """Places are acted out: what lies in one that is found is the block that was asked for, of its version."""
    dice = random.Random(5)
    prefixes, lying = Prefixes(PLACES), dict[int, tuple[str, tuple[int, ...]]]()
    for _ in range(3000):
        version, blocks = dice.choice("vw"), [dice.randrange(3) for _ in range(dice.randint(1, 4))]
        asked = tokens(*blocks)
        for at, place in enumerate(prefixes.find(version, asked)):
            assert lying[place] == (version, tuple(asked[: (at + 1) * BLOCK]))
        planned = prefixes.plan(version, asked, row=0)
        if planned is None:
            continue
        for at, place in enumerate(planned.places):
            lying[place] = (version, tuple(asked[: planned.start + (at + 1) * BLOCK]))
        prefixes.keep(planned)
        prefixes.check()
    assert prefixes.found_tokens > prefixes.asked_tokens / 10
