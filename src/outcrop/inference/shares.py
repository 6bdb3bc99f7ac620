"""Who may ask, and whose turn it is: admission by what was bought, and the scheduler's order. No tensor, no HTTP.

An answer whose account paid for it when it came is certain to run. What cannot be paid is let in while nobody is
disturbed by it, for nothing: the machine is never idle while somebody waits. An account with all its answers paid is
protected: as long as it has one here, unpaid answers of others are refused, and those let in earlier stand still.
Whoever was not sold anything is of one account, which has the shares that are left, and is never refused: it waits.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outcrop.domain import fair_order, token_bucket
from outcrop.domain.fair_order import Order
from outcrop.domain.model_units import SHARES, Capacity, left_over, share_of
from outcrop.domain.token_bucket import Bucket
from outcrop.inference.scheduler import NO_BOUND, Answer

ON_DEMAND = ""
MINUTE_S = 60.0
OVER_FOR_S = 1.0
"""Since its last refusal, somebody is taken to want more than was bought."""
BACK_WITHIN_S = 1.0
"""Whoever was answered so lately may be back at any moment, and a step under way is not cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one answer took, when it ended."""

    at: float
    input_tokens: int
    output_tokens: int


@dataclass(slots=True, kw_only=True)
class Account:
    """One buyer's units, what may still be spent, and what was in the last minute."""

    units: int
    bucket: Bucket
    spent: deque[Spent] = field(default_factory=deque)
    refused: int = 0
    refused_at: float = float("-inf")
    ended_at: float = float("-inf")
    pace: Bucket | None = None
    """Where it wants more than it bought beside somebody who does not: what it may run now. It holds one full step."""
    in_pieces: bool = False
    """Its prompts run in pieces: somebody who wants no more than was bought is here, or may be back at any moment."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """An answer that is here. `stamp` is its place in the fair order of its class, at its flow's `weight`.

    `unpaid_reuse`: tokens of its prompt that were known to be kept already when it paid, and were not charged.
    `done_s`: work of it that its account's pace has seen.
    """

    account: Account
    flow: Hashable
    stamp: float
    weight: int
    paid: bool
    unpaid_reuse: int = 0
    done_s: float = 0.0


class Shares:
    """The accounts and the answers that are here. Any thread may call; `look` and what follows is the engine's own."""

    def __init__(self, capacity: Capacity, rows: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self._rows = rows
        self._clock = clock
        self._lock = threading.Lock()
        self._on_demand = Account(units=SHARES, bucket=token_bucket.full(share_of(SHARES), clock()))
        self._sold: dict[str, Account] = {}
        self._gone: dict[str, Account] = {}  # who sold back, or was not named for a while: it comes back as it went
        self._entries: dict[Answer, Entry] = {}
        self._order = Order()
        self._held_back: frozenset[Answer] = frozenset()
        self._to_pace: Mapping[Answer, Entry] = {}
        self._step_s = capacity.work_s(0, rows)  # a step of answers with every row taken
        self._piece_tokens = max(1, int(self._step_s * capacity.input_tokens_s))  # of prompts, that take as long
        self._piece_left = self._piece_tokens

    def sell(self, units: Mapping[str, int], sold: int) -> None:
        """From now on these buyers have so many units; `sold` counts those of other bases on this machine, too."""
        with self._lock:
            known = {**self._gone, **self._sold}
            self._sold = {buyer: self._resized(known.get(buyer), count) for buyer, count in units.items()}
            self._gone = {buyer: account for buyer, account in known.items() if buyer not in units}
            self._forget_full()
            self._on_demand = self._resized(self._on_demand, left_over(sold))

    def admit(self, answer: Answer) -> float | None:
        """None: it is here from now on, until it is closed. Else: the seconds after which its account can pay for it.

        Asked and paid in one: of two at once, only one has what is left for one.
        """
        with self._lock:
            account = self._account_of(answer)
            owed_s = sum(self._cost_s(one) for one, entry in self._entries.items() if _owes(entry, account))
            wait_s = token_bucket.wait_s(account.bucket, owed_s + self._cost_s(answer), self._clock())
            if account is self._on_demand or wait_s == 0.0 or self._disturbs_nobody(account):
                self._open(answer, account)
                return None
            account.refused += 1
            account.refused_at = self._clock()
            return wait_s

    def open(self, answer: Answer) -> None:
        """It is here, whoever pays: of itself what `admit` does for those that it lets in. The second time is none."""
        with self._lock:
            if answer not in self._entries:
                self._open(answer, self._account_of(answer))

    def close(self, answer: Answer) -> None:
        """It has ended, or nobody listens: what was paid and not needed goes back. The second time nothing happens."""
        with self._lock:
            entry, now = self._entries.pop(answer, None), self._clock()
            if entry is None:
                return
            entry.account.ended_at = now
            inputs = _prompt_tokens_run(answer)
            not_run = len(answer.prompt) - entry.unpaid_reuse - inputs
            unused = self.capacity.work_s(not_run, _promised_still(answer))
            self._order = fair_order.returned(self._order, entry.flow, unused, entry.weight)
            if entry.paid:
                entry.account.bucket = token_bucket.returned(entry.account.bucket, unused, now)
            if inputs or answer.output_tokens:
                tokens = Spent(at=now, input_tokens=inputs, output_tokens=answer.output_tokens)
                entry.account.spent.append(tokens)
            _forget_old(entry.account, now)
            if all(other.flow != entry.flow for other in self._entries.values()):
                self._order = fair_order.forgotten(self._order, entry.flow)

    # --- what the scheduler asks, once a step -------------------------------------------------------------------------

    def look(self, here: Iterable[Answer]) -> None:
        """Before a step: who can pay by now does, the first come first; then it is known who stands still."""
        with self._lock:
            self._piece_left = self._piece_tokens
            entries = {answer: self._entries[answer] for answer in here if answer in self._entries}
            if _are_of_one(entries.values()):
                self._held_back, self._to_pace = frozenset(), {}
                self._leave_alone(entries.values())
                return
            broke: list[Account] = []
            for answer, entry in sorted(entries.items(), key=lambda item: item[1].stamp):
                if not entry.paid and not any(entry.account is account for account in broke):
                    entry.paid = self._pay(entry, answer)
                    if not entry.paid:
                        broke.append(entry.account)
            unpaid = frozenset(answer for answer, entry in entries.items() if not entry.paid)
            self._held_back = unpaid if _protected(entries.values()) else frozenset()
            self._to_pace = entries

    def holds_back(self, answer: Answer) -> bool:
        """Whether it stands still in this step."""
        return answer in self._held_back

    def most_tokens(self, answer: Answer) -> int:
        """Of an answer in this step: pieces of prompts, and rests, for whoever is held to a pace."""
        if self._to_pace:  # now that those who were waiting have their rows
            self._pace(self._to_pace)
            self._to_pace = {}
        entry = self._entries.get(answer)
        if entry is None or not entry.account.in_pieces:
            return NO_BOUND
        if entry.account.pace is not None and entry.account.pace.level_s <= 0.0:
            return 0
        return self._piece_of(len(answer.known) - answer.cached)

    def next(self, waiting: Sequence[Answer]) -> Answer | None:
        """Whose turn it is among those that wait; None where all of them stand still."""
        with self._lock:
            able = [answer for answer in waiting if answer not in self._held_back]
            return min(able, key=self._place, default=None)

    def taken(self, answer: Answer) -> None:
        """It runs."""
        with self._lock:
            if answer in self._entries:
                self._order = fair_order.taken(self._order, self._entries[answer].stamp)

    # --- what is told -------------------------------------------------------------------------------------------------

    def report(self) -> dict[str, dict[str, Any]]:
        """Every account as it is now by its buyer, that of all answers on demand under `ON_DEMAND`."""
        with self._lock:
            accounts = {**self._sold, ON_DEMAND: self._on_demand}
            return {buyer: self._told(account) for buyer, account in accounts.items()}

    def _told(self, account: Account) -> dict[str, Any]:
        now = self._clock()
        _forget_old(account, now)
        own = [entry for entry in self._entries.values() if entry.account is account]
        bucket = token_bucket.filled(account.bucket, now)
        return {
            "units": account.units,
            "left_s": bucket.level_s,
            "most_s": bucket.most_s,
            "input_tokens": sum(spent.input_tokens for spent in account.spent),
            "output_tokens": sum(spent.output_tokens for spent in account.spent),
            "answers": len(account.spent),
            "open": len(own),
            "unpaid": sum(not entry.paid for entry in own),
            "refused": account.refused,
        }

    # ------------------------------------------------------------------------------------------------------------------

    def _open(self, answer: Answer, account: Account) -> None:
        """Paid where its account can, at once."""
        flow: Hashable = answer.model if account is self._on_demand else answer.buyer
        weight = max(1, account.units)
        self._order, stamp = fair_order.stamped(self._order, flow, self._cost_s(answer), weight)
        entry = Entry(account=account, flow=flow, stamp=stamp, weight=weight, paid=False)
        if not any(_owes(other, account) for other in self._entries.values()):  # who came before pays before
            entry.paid = self._pay(entry, answer)
        self._entries[answer] = entry

    def _pace(self, entries: Mapping[Answer, Entry]) -> None:
        """Whoever wants more than was bought runs for its share of the time, while somebody runs who does not.

        Else what it paid for would come all at once, and a long prompt stand between two tokens of a neighbour's.
        """
        now = self._clock()
        over = {id(entry.account) for entry in entries.values() if _wants_more(entry, now)}
        calm = [answer for answer, entry in entries.items() if id(entry.account) not in over]
        runs = any(answer.row >= 0 for answer in calm)
        fresh = {id(entry.account) for entry in entries.values() if entry.account.pace is None}
        for answer, entry in entries.items():
            account, done_s = entry.account, self._done_s(answer)
            account.in_pieces = bool(calm) and id(account) in over
            if not (runs and id(account) in over):
                account.pace = None
            elif account.pace is None:
                account.pace = self._new_pace(account, now)
            elif id(account) not in fresh:
                account.pace = token_bucket.spent(account.pace, max(0.0, done_s - entry.done_s), now)
            entry.done_s = done_s

    def _leave_alone(self, entries: Collection[Entry]) -> None:
        """All that is here is of one account: no pace; pieces where somebody may be back who would wait for a step."""
        for account in {id(entry.account): entry.account for entry in entries}.values():
            now, others = self._clock(), (self._on_demand, *self._sold.values())
            back = any(other is not account and now - other.ended_at < BACK_WITHIN_S for other in others)
            account.pace = None
            account.in_pieces = back and any(_wants_more(entry, now) for entry in entries)

    def _piece_of(self, pending: int) -> int:
        """Of what is left of a step for those whose prompts run in pieces. An answer's own token is always had."""
        if pending == 1:
            return 1
        piece = min(pending, self._piece_left)
        self._piece_left -= piece
        return piece

    def _new_pace(self, account: Account, now: float) -> Bucket:
        share = share_of(max(1, account.units))
        return Bucket(share=share, level_s=self._step_s, at=now, burst_s=self._step_s / share)

    def _done_s(self, answer: Answer) -> float:
        """Work that an answer has had; less than before where it was put back."""
        return self.capacity.work_s(_prompt_tokens_run(answer), answer.output_tokens)

    def _forget_full(self) -> None:
        """Of those that went: whose bucket is full by now comes back as anybody new would."""
        now = self._clock()
        filled = {buyer: token_bucket.filled(account.bucket, now) for buyer, account in self._gone.items()}
        self._gone = {buyer: self._gone[buyer] for buyer, bucket in filled.items() if bucket.level_s < bucket.most_s}

    def _account_of(self, answer: Answer) -> Account:
        return self._sold.get(answer.buyer, self._on_demand)

    def _resized(self, account: Account | None, units: int) -> Account:
        now, share = self._clock(), share_of(units)
        if account is None:
            return Account(units=units, bucket=token_bucket.full(share, now))
        if account.units != units:
            account.units, account.bucket = units, token_bucket.resized(account.bucket, share, now)
        return account

    def _cost_s(self, answer: Answer) -> float:
        """Seconds of the machine for all of it that has still to be done."""
        return self.capacity.work_s(max(0, len(answer.prompt) - answer.cached), _promised_still(answer))

    def _pay(self, entry: Entry, answer: Answer) -> bool:
        after = token_bucket.paid(entry.account.bucket, self._cost_s(answer), self._clock())
        if after is None:
            return False
        entry.account.bucket = after
        entry.unpaid_reuse = answer.reused
        return True

    def _disturbs_nobody(self, account: Account) -> bool:
        """Whether one more unpaid answer of the account takes nothing from anybody."""
        others = [entry for entry in self._entries.values() if entry.account is not account]
        return not others or (not _protected(others) and len(self._entries) < self._rows)

    def _place(self, answer: Answer) -> tuple[bool, float]:
        entry = self._entries.get(answer)
        return (False, 0.0) if entry is None else (not entry.paid, entry.stamp)


def _owes(entry: Entry, account: Account) -> bool:
    """Whether it is an answer that this account could not pay yet."""
    return entry.account is account and not entry.paid


def _wants_more(entry: Entry, now: float) -> bool:
    """Whether its account wants more than was bought: it owes, or was refused lately."""
    return not entry.paid or _was_refused(entry.account, now)


def _was_refused(account: Account, now: float) -> bool:
    return now - account.refused_at < OVER_FOR_S


def _are_of_one(entries: Iterable[Entry]) -> bool:
    """Whether nobody could disturb anybody: all that is here is of one account."""
    return len({id(entry.account) for entry in entries}) <= 1


def _protected(entries: Iterable[Entry]) -> bool:
    """Whether some account has all of its answers here paid: it keeps within what it bought."""
    has_unpaid: dict[int, bool] = {}
    for entry in entries:
        account = id(entry.account)
        has_unpaid[account] = has_unpaid.get(account, False) or not entry.paid
    return not all(has_unpaid.values())


def _prompt_tokens_run(answer: Answer) -> int:
    """Of its prompt, what the machine has done: neither what was found nor what is still to come."""
    return max(0, min(answer.cached, len(answer.prompt)) - answer.reused)


def _promised_still(answer: Answer) -> int:
    return answer.sampling.max_tokens - answer.output_tokens


def _forget_old(account: Account, now: float) -> None:
    while account.spent and account.spent[0].at < now - MINUTE_S:
        account.spent.popleft()
