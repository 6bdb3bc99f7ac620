"""Whoever bought units gets them while others flood, and nobody waits for an idle machine. Work is counted, no clock.

Time here is what the steps' tokens would take: a token is a millisecond, and nobody sleeps.
"""

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counts import Counts
from outcrop.domain.model_units import SHARES, UNITS_FOR_SALE, Capacity, left_over, share_of
from outcrop.domain.token_bucket import BURST_S
from outcrop.inference.asking import Sampling
from outcrop.inference.prefixes import BLOCK, Prefixes
from outcrop.inference.scheduler import Answer, Limits, Scheduler
from outcrop.inference.shares import ON_DEMAND, Shares

CAPACITY = Capacity(input_tokens_s=1000.0, output_tokens_s=1000.0)
LIMITS = Limits(rows=16, cache_tokens=100_000, context_tokens=512)
PROMPT, OUTPUT = 32, 64
LONG = 440  # an answer that takes many times what a full step takes, as answers do
WORK_S = CAPACITY.work_s(PROMPT, OUTPUT)
FLOODS_FOR_S = Counts().few_or_full(60, 3000)


class Letters:
    def push(self, token: int) -> tuple[str, str | None]:
        return chr(97 + token % 26), None

    def finish(self) -> tuple[str, str | None]:
        return "", None


def answer(buyer: str, model: str = "base", output: int = OUTPUT, prompt: int = PROMPT) -> Answer:
    sampling = Sampling(max_tokens=output, seed=0)
    return Answer(prompt=[1] * prompt, sampling=sampling, model=model, writer=Letters(), buyer=buyer)


@dataclass
class Machine:
    """A scheduler whose steps take the time of their tokens; `said` are each answer's tokens, `steps` its life."""

    limits: Limits = LIMITS
    now: float = 0.0
    ended: list[Answer] = field(default_factory=list)
    steps: Counter[Answer] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.shares = Shares(CAPACITY, self.limits.rows, lambda: self.now)
        self.scheduler = Scheduler(self.limits, frozenset(), self.shares)

    def ask(self, asked: Answer) -> bool:
        """As the face does: refused, or here."""
        if self.shares.admit(asked) is not None:
            self.refused[asked.buyer] += 1
            return False
        self.scheduler.submit(asked)
        return True

    def step(self) -> None:
        """One step; the next token is the last one's successor. Where nothing is to be done time goes by."""
        step = self.scheduler.decide()
        if step is None:
            assert not self.scheduler.busy, "whoever is here is served"
            self.now += WORK_S
            return
        self.now += sum(len(span.tokens) for span in step.spans) / CAPACITY.output_tokens_s
        self.steps.update(self.scheduler.answers())
        chosen = [span.tokens[-1] + 1 for span in step.spans if span.chooses]
        for one, progress in self.scheduler.absorb(step, chosen):
            if progress.finish is not None:
                self.ended.append(one)
                self.shares.close(one)

    def open_of(self, buyer: str) -> int:
        return sum(one.buyer == buyer for one in self.scheduler.answers())

    def done_s(self, buyer: str) -> float:
        """Work of the buyer's answers that ended."""
        return sum(WORK_S for one in self.ended if one.buyer == buyer)

    def drain(self, buyer: str) -> None:
        """Spend all that the buyer's bucket holds, for nothing."""
        while (spent := answer(buyer)) and self.shares.report()[buyer]["left_s"] > WORK_S:
            self.shares.open(spent)
            spent.cached = PROMPT
            spent.known += [2] * OUTPUT  # it had all that was promised
            self.shares.close(spent)


def sold(**units: int) -> Machine:
    machine = Machine()
    machine.shares.sell(units, sum(units.values()))
    return machine


@pytest.mark.parametrize("buyer", ["alone", ON_DEMAND, "unknown"])
def test_a_lone_client_is_never_refused_and_has_every_row(buyer: str) -> None:
    machine = sold(alone=1)
    machine.drain("alone")
    while machine.now < 20.0:  # twenty times what was bought
        while machine.open_of(buyer) < LIMITS.rows:
            assert machine.ask(answer(buyer))
        machine.step()
    assert machine.done_s(buyer) > 0.95 * (machine.now - 2 * LIMITS.rows * WORK_S)


def test_what_was_kept_of_a_prompt_is_not_charged() -> None:
    """The second of two that are alike runs one block less, and no more than that."""
    machine = sold(alone=1)
    machine.scheduler = Scheduler(LIMITS, frozenset(), machine.shares, Prefixes(8))
    charged = []
    for _ in range(2):
        before = machine.shares.report()["alone"]
        asked = answer("alone", output=1)
        asked.version = "v"
        machine.ask(asked)
        machine.step()
        after = machine.shares.report()["alone"]
        charged.append((before["left_s"] - after["left_s"], after["input_tokens"] - before["input_tokens"]))
        machine.now += 1000.0  # the bucket is full again
    saved = BLOCK * ((PROMPT - 1) // BLOCK)
    refilled_s = 0.1  # a share of the step's own time comes back while it runs
    assert charged[0][0] == pytest.approx(CAPACITY.work_s(PROMPT, 1), rel=refilled_s)
    assert charged[1][0] == pytest.approx(CAPACITY.work_s(PROMPT - saved, 1), rel=refilled_s)
    assert [tokens for _, tokens in charged] == [PROMPT, PROMPT - saved]


def test_who_comes_later_does_not_pay_before_who_waits_for_the_same_account() -> None:
    machine = sold(neighbour=UNITS_FOR_SALE)
    machine.drain(ON_DEMAND)
    machine.now += 1.0  # enough for a small answer, and not for a large one
    large, small = answer(ON_DEMAND, output=480), answer(ON_DEMAND, output=1)
    for one in (large, small):
        machine.shares.open(one)
    assert machine.shares.report()[ON_DEMAND]["unpaid"] == 2
    machine.shares.close(large)
    machine.shares.look([small])
    alone = answer(ON_DEMAND, output=1)
    machine.shares.close(small)
    machine.shares.open(alone)
    assert machine.shares.report()[ON_DEMAND]["unpaid"] == 0


def test_an_answer_is_closed_once() -> None:
    machine = sold(neighbour=1)
    one = answer("neighbour")
    machine.shares.open(one)
    machine.shares.close(one)
    left = machine.shares.report()["neighbour"]
    machine.shares.close(one)
    assert machine.shares.report()["neighbour"] == left


def test_a_neighbour_within_its_units_hardly_notices_a_flood() -> None:
    """Its answers live for as many steps as alone, and beside it runs only what the flooder paid for."""
    machine = sold(flood=1, quiet=2)
    machine.drain("flood")
    quiet_lives, alone = [], OUTPUT
    mine: Answer | None = None
    came = machine.now
    while machine.now < FLOODS_FOR_S:
        for _ in range(10):
            if machine.open_of("flood") < 2 * LIMITS.rows:
                machine.ask(answer("flood"))
        if mine in machine.ended:
            quiet_lives.append(machine.steps[mine])
            mine = None
        if mine is None and machine.now >= came:
            mine, came = answer("quiet"), machine.now + WORK_S / share_of(2)
            assert machine.ask(mine), "nobody is refused what was bought"
        machine.step()
    assert len(quiet_lives) > FLOODS_FOR_S / 2
    assert sorted(quiet_lives)[int(0.95 * len(quiet_lives))] <= 1.3 * alone
    assert machine.refused["flood"] > 0


@pytest.mark.parametrize(("prompt", "output"), [(480, 8), (8, 480), (PROMPT, OUTPUT)])
def test_whatever_a_flood_asks_for_a_neighbours_answers_take_hardly_longer(prompt: int, output: int) -> None:
    """Not steps are counted but what they take, the one under way when a question comes included."""
    machine = sold(flood=2, quiet=UNITS_FOR_SALE - 2)
    machine.drain("flood")
    alone_s = CAPACITY.work_s(PROMPT, LONG)
    lives: list[float] = []
    mine, comes = None, machine.now
    while machine.now < FLOODS_FOR_S / 2:
        while machine.open_of("flood") < LIMITS.rows and machine.ask(answer("flood", prompt=prompt, output=output)):
            pass
        if mine in machine.ended:
            lives.append(machine.now - comes)
            mine, comes = None, comes + 2 * alone_s
        if mine is None and machine.now >= comes:
            mine = answer("quiet", output=LONG)
            assert machine.ask(mine), "nobody is refused what was bought"
        machine.step()
    assert len(lives) > FLOODS_FOR_S / 5 / alone_s / 2
    assert sorted(lives)[int(0.95 * len(lives))] <= 1.3 * alone_s
    work_s = CAPACITY.work_s(prompt, output)
    done_s = sum(work_s for one in machine.ended if one.buyer == "flood")
    assert done_s >= 0.8 * share_of(2) * machine.now - LIMITS.rows * work_s, "and the flood gets what it bought"


def test_a_prompt_that_stands_still_takes_nothing_from_a_step() -> None:
    """The pieces that it would have are for whoever paid, who also wants more than was bought, and runs behind it."""
    machine = Machine(Limits(rows=16, cache_tokens=200_000, context_tokens=10_000))
    machine.shares.sell({"flood": 1, "paid": 8, "quiet": 2}, 11)
    machine.drain("flood")
    still = answer("flood", prompt=8000)
    assert machine.ask(still), "nobody is disturbed yet"
    while still.cached < 4000:
        machine.step()
    had = still.cached
    assert machine.ask(answer("quiet", output=LONG))
    goes_on = answer("paid", prompt=2000)
    assert machine.ask(goes_on)
    while machine.ask(answer("paid", prompt=2000)):
        pass
    machine.step()
    assert (still.row, still.cached) == (0, had)
    assert goes_on.cached > 0


def test_two_who_flood_within_reach_of_a_third_get_what_they_bought() -> None:
    """A third keeps the machine under protection without a gap; each of the others gets its units, no less."""
    units = {"one": 1, "four": 4, "kept": 8}
    machine = sold(**units)
    for buyer in units:
        machine.drain(buyer)
    machine.shares.sell({**units, "kept": UNITS_FOR_SALE}, UNITS_FOR_SALE)  # the third is always within its own
    began = machine.now
    while machine.now < began + FLOODS_FOR_S:
        while machine.open_of("kept") < 1:
            assert machine.ask(answer("kept"))
        for buyer in ("one", "four"):
            if machine.open_of(buyer) < LIMITS.rows // 2:
                machine.ask(answer(buyer))
        machine.step()
    elapsed = machine.now - began
    for buyer in ("one", "four"):
        bought = share_of(units[buyer]) * elapsed
        assert 0.8 * bought <= machine.done_s(buyer) <= 1.2 * bought + BURST_S * share_of(units[buyer])


def test_on_demand_gets_what_is_left_while_all_that_can_be_sold_is_used() -> None:
    machine = sold(all=UNITS_FOR_SALE)
    for model in ("x", "y"):
        for _ in range(40):
            assert machine.ask(answer(ON_DEMAND, model)), "on demand waits, and is not refused"
    began = machine.now
    while machine.now < began + FLOODS_FOR_S:
        if machine.open_of("all") < 1:
            assert machine.ask(answer("all"))
        for model in ("x", "y"):
            if sum(one.model == model for one in machine.scheduler.answers()) < 8:
                machine.ask(answer(ON_DEMAND, model))
        machine.step()
    by_model = Counter(one.model for one in machine.ended if one.buyer == ON_DEMAND)
    assert machine.done_s(ON_DEMAND) >= 0.8 * share_of(left_over(UNITS_FOR_SALE)) * (machine.now - began)
    assert min(by_model["x"], by_model["y"]) >= 0.8 * max(by_model["x"], by_model["y"])


def test_who_stands_still_makes_room_and_says_the_same_in_the_end() -> None:
    machine = sold(flood=1, quiet=1)
    machine.drain("flood")
    flood = [answer("flood") for _ in range(LIMITS.rows)]
    for one in flood:
        assert machine.ask(one), "nobody is disturbed yet"
    for _ in range(5):
        machine.step()
    quiet = answer("quiet")
    assert machine.ask(quiet)
    before = Counter({one: one.output_tokens for one in flood})
    machine.step()
    assert quiet.row >= 0, "one who stood still has given its row"
    stood = [one for one in flood if one.output_tokens == before[one]]
    assert len(stood) >= LIMITS.rows - 1
    while machine.scheduler.busy:
        machine.step()
    for one in [*flood, quiet]:
        assert one.known[PROMPT:] == list(range(2, OUTPUT + 2))


def test_a_refusal_says_when_there_is_room_and_then_there_is() -> None:
    machine = sold(flood=1, quiet=1)
    machine.drain("flood")
    machine.shares.open(answer("quiet"))
    wait_s = machine.shares.admit(answer("flood"))
    assert wait_s is not None and 0 < wait_s <= WORK_S / share_of(1)
    machine.now += wait_s + 1e-6
    assert machine.shares.admit(answer("flood")) is None


def test_what_was_promised_and_not_said_is_paid_back() -> None:
    machine = sold(pt=1)
    most = machine.shares.report()["pt"]["left_s"]
    vanishes, stops = answer("pt"), answer("pt")
    for one in (vanishes, stops):
        machine.shares.open(one)
    assert machine.shares.report()["pt"]["left_s"] == pytest.approx(most - 2 * WORK_S)
    machine.shares.close(vanishes)  # its client went away before it ran
    stops.cached = PROMPT
    stops.known += [2] * 4
    machine.shares.close(stops)
    told = machine.shares.report()["pt"]
    assert told["left_s"] == pytest.approx(most - CAPACITY.work_s(PROMPT, 4))
    assert (told["answers"], told["input_tokens"], told["output_tokens"], told["open"]) == (1, PROMPT, 4, 0)


@pytest.mark.parametrize("kept", [0, BLOCK])
def test_who_hangs_up_amid_its_prompt_pays_for_what_was_run(kept: int) -> None:
    """Whether a beginning of it was found, after it was paid for, or none."""
    machine = sold(pt=1)
    most = machine.shares.report()["pt"]["left_s"]
    leaves = answer("pt", prompt=400)
    machine.shares.open(leaves)
    leaves.reused, leaves.cached = kept, kept + 100
    machine.shares.close(leaves)
    told = machine.shares.report()["pt"]
    assert told["left_s"] == pytest.approx(most - CAPACITY.work_s(100, 0))
    assert (told["answers"], told["input_tokens"], told["output_tokens"]) == (1, 100, 0)


def test_of_two_at_once_one_has_what_is_left_for_one() -> None:
    machine = sold(flood=1, quiet=1)
    machine.shares.open(answer("quiet"))
    machine.drain("flood")
    machine.now += 1.5 * WORK_S / share_of(1)
    assert machine.shares.admit(answer("flood")) is None
    assert machine.shares.admit(answer("flood")) is not None


def test_who_owes_is_not_let_in_for_less() -> None:
    """What comes in now is what the account can pay after all that it let in before."""
    machine = sold(flood=1, quiet=1)
    machine.drain("flood")
    large, small = answer("flood", output=480), answer("flood", output=1)
    machine.shares.open(large)
    machine.shares.open(answer("quiet"))
    machine.now += 2 * CAPACITY.work_s(PROMPT, 1) / share_of(1)
    wait_s = machine.shares.admit(small)
    assert wait_s is not None and wait_s > CAPACITY.work_s(0, 400)


def test_an_answer_that_ends_early_costs_its_buyer_no_turn() -> None:
    """Whoever asks for a long answer and gets a short one has its next turn as after a short one."""
    machine = sold(short=1, long=1)
    stays, stops = answer("short", output=1), answer("short", output=480)
    for one in (stays, stops):
        machine.shares.open(one)
    stops.cached = PROMPT
    stops.known.append(2)
    machine.shares.close(stops)
    others = [answer("long") for _ in range(2)]
    following = answer("short")
    for one in (*others, following):
        machine.shares.open(one)
    assert machine.shares.next([*others, following]) is others[0]
    assert machine.shares.next([others[1], following]) is following


def test_a_buyer_that_was_not_named_for_a_while_comes_back_with_what_it_had() -> None:
    machine = sold(pt=1, quiet=1)
    machine.drain("pt")
    before = machine.shares.report()["pt"]
    machine.shares.sell({"quiet": 1}, 1)
    machine.now += 1.0
    machine.shares.sell({"pt": 1, "quiet": 1}, 2)
    after = machine.shares.report()["pt"]
    assert after["left_s"] == pytest.approx(before["left_s"] + share_of(1))
    assert after["answers"] == before["answers"]


def test_the_last_minute_is_told_and_no_more() -> None:
    machine = sold(pt=1)
    assert machine.ask(answer("pt"))
    while machine.scheduler.busy:
        machine.step()
    assert machine.shares.report()["pt"]["output_tokens"] == OUTPUT
    machine.now += 61
    assert machine.shares.report()["pt"]["output_tokens"] == 0


def test_units_that_are_sold_or_given_back_change_what_is_left() -> None:
    machine = sold(a=2, b=6)
    report = machine.shares.report()
    assert {buyer: told["units"] for buyer, told in report.items()} == {"a": 2, "b": 6, ON_DEMAND: SHARES - 8}
    under_way = answer("b")
    assert machine.ask(under_way)
    machine.shares.sell({"a": 2}, 12)  # ten more are of other bases
    report = machine.shares.report()
    assert {buyer: told["units"] for buyer, told in report.items()} == {"a": 2, ON_DEMAND: 8}
    while machine.scheduler.busy:
        machine.step()
    assert machine.ended == [under_way]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "leave", "step", "pause", "sell"]), st.integers(0, 999)), max_size=60
)


@settings(max_examples=Counts().few_or_full(60, 3000), deadline=None)
@given(events=EVENTS, rows=st.integers(1, 4))
def test_whatever_is_asked_left_and_sold_everybody_is_served_and_nothing_is_kept(
    events: list[tuple[str, int]], rows: int
) -> None:
    """In any order: no bucket holds more than its minute, whoever stays gets every token, in the end all is free."""
    machine = Machine(Limits(rows=rows, cache_tokens=rows * 120, context_tokens=120, prefill_tokens=24))
    machine.shares.sell({"a": 1, "b": 5}, 6)
    stay: list[Answer] = []
    for event, number in events:
        match event:
            case "ask":
                asked = answer(("a", "b", ON_DEMAND)[number % 3], "xy"[number % 2], output=1 + number % OUTPUT)
                stay += [asked] if machine.ask(asked) else []
            case "leave" if stay:
                gone = stay.pop(number % len(stay))
                if gone not in machine.ended:
                    gone.cancelled = True
                    machine.shares.close(gone)
            case "pause":
                machine.now += number
            case "sell":
                machine.shares.sell({"a": 1 + number % 4, "b": 2}, 6 + number % 10)
            case _:
                machine.step()
        for told in machine.shares.report().values():
            assert told["left_s"] <= told["most_s"] + 1e-6
    while machine.scheduler.busy:
        machine.step()
    for one in stay:
        assert one.known[PROMPT:] == list(range(2, one.sampling.max_tokens + 2))
    assert all(told["open"] == 0 for told in machine.shares.report().values())
    machine.now += 1000 * BURST_S
    assert all(told["left_s"] == pytest.approx(told["most_s"]) for told in machine.shares.report().values())
