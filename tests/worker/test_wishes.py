"""A wish lasts as long as whoever has it."""

from outcrop.worker.wishes import Wishes


def test_a_wish_is_there_until_its_last_holder_lets_go() -> None:
    wishes = Wishes()
    with wishes.held("a"):
        with wishes.held("a"), wishes.held("b"):
            assert wishes.checkpoints() == {"a", "b"}
        assert wishes.checkpoints() == {"a"}
    assert wishes.checkpoints() == set()


def test_who_wishes_hears_that_it_is_hopeless_and_who_wishes_later_does_not() -> None:
    wishes = Wishes()
    wishes.give_up("a", "nobody wished for it")
    with wishes.held("a"):
        assert wishes.hopeless("a") is None
        wishes.give_up("a", "it does not start")
        assert wishes.hopeless("a") == "it does not start"
    with wishes.held("a"):
        assert wishes.hopeless("a") is None


def test_what_was_hopeless_may_be_hoped_for_again() -> None:
    wishes = Wishes()
    with wishes.held("a"):
        wishes.give_up("a", "it does not start")
        wishes.hope_again("a")
        assert wishes.hopeless("a") is None
