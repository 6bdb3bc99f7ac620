"""Stop strings are found wherever the pieces break, and nothing that could begin one is sent too early."""

from hypothesis import given
from hypothesis import strategies as st

from outcrop.inference.stops import StopMatcher


def run(pieces: list[str], stops: tuple[str, ...]) -> tuple[str, str | None]:
    matcher, sent = StopMatcher(stops), ""
    for piece in pieces:
        text, met = matcher.push(piece)
        sent += text
        if met is not None:
            return sent, met
    return sent + matcher.finish(), None


def slowly(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The definition: the first character that completes a stop string ends the text; the longest such counts."""
    for end in range(1, len(text) + 1):
        met = [stop for stop in stops if text[:end].endswith(stop)]
        if met:
            longest = max(met, key=len)
            return text[: end - len(longest)], longest
    return text, None


def test_a_stop_string_across_pieces_ends_the_text_before_it() -> None:
    assert run(["He said: EN", "D", " and more"], ("END",)) == ("He said: ", "END")


def test_text_that_only_began_a_stop_string_is_sent_whole() -> None:
    assert run(["EN", "X ", "EN"], ("END",)) == ("ENX EN", None)


def test_what_could_begin_a_stop_string_is_held_back() -> None:
    matcher = StopMatcher(("\n\nUser:",))
    assert matcher.push("yes.\n") == ("yes.", None)
    assert matcher.push("\nUs") == ("", None)
    assert matcher.push("ually") == ("\n\nUsually", None)


def test_of_two_stop_strings_that_end_together_the_longer_counts() -> None:
    assert run(["xabc"], ("bc", "abc")) == ("x", "abc")


def test_an_empty_stop_string_stops_nothing() -> None:
    assert run(["abc"], ("",)) == ("abc", None)


@given(
    st.lists(st.text("ab", max_size=5), max_size=8),
    st.lists(st.text("ab", min_size=1, max_size=4), max_size=3).map(tuple),
)
def test_the_pieces_make_no_difference(pieces: list[str], stops: tuple[str, ...]) -> None:
    assert run(pieces, stops) == slowly("".join(pieces), stops)
