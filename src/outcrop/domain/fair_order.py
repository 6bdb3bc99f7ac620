"""Whose turn it is: weighted fair order by virtual start times. Pure: what was stamped and served, in and out.

Each request is stamped when it comes; the smallest stamp is served first. Whoever has much waiting gets later and later
stamps, at a pace that its weight slows: backlogged flows are served in proportion to their weights. (Start-time fair
queueing, Goyal, Vin and Cheng 1996.)
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`served`: the stamp of whoever was served last. `next_start`: where each flow's next request starts at best."""

    served: float = 0.0
    next_start: Mapping[Hashable, float] = field(default_factory=lambda: MappingProxyType({}))


def stamped(order: Order, flow: Hashable, work: float, weight: float) -> tuple[Order, float]:
    """The stamp of a flow's new request of so much work, and the order then."""
    start = max(order.served, order.next_start.get(flow, 0.0))
    later = {**order.next_start, flow: start + work / weight}
    return Order(served=order.served, next_start=later), start


def taken(order: Order, stamp: float) -> Order:
    """The order after a request of this stamp was served."""
    return Order(served=max(order.served, stamp), next_start=order.next_start)


def returned(order: Order, flow: Hashable, work: float, weight: float) -> Order:
    """The order when so much of a flow's stamped work was not needed: what it asks next starts that much sooner."""
    start = order.next_start.get(flow)
    if start is None:
        return order
    sooner = {**order.next_start, flow: max(order.served, start - work / weight)}
    return Order(served=order.served, next_start=sooner)


def forgotten(order: Order, flow: Hashable) -> Order:
    """The order when nothing of a flow waits or runs: it begins anew, with neither credit nor debt."""
    rest = {name: start for name, start in order.next_start.items() if name != flow}
    return Order(served=order.served, next_start=rest)
