"""A token bucket: what somebody who bought a share may still spend. Pure: time comes in, a new bucket comes out.

It holds seconds of the machine. Units fill it as time goes by; a request pays for all that it may take before it runs,
and gets back what it did not.
"""

from dataclasses import dataclass, replace

BURST_S = 60.0
"""A full bucket holds what its share brings in so long."""
TOLERANCE_S = 1e-9
"""Of the machine's time: sums of floating-point numbers may be so much apart and are equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """`level_s` at the time `at`, filled at `share` seconds a second for `burst_s` at most. Below 0 it is in debt."""

    share: float
    level_s: float
    at: float
    burst_s: float = BURST_S

    @property
    def most_s(self) -> float:
        """What it holds when it is full."""
        return self.share * self.burst_s


def full(share: float, now: float) -> Bucket:
    """A bucket to begin with."""
    return Bucket(share=share, level_s=share * BURST_S, at=now)


def filled(bucket: Bucket, now: float) -> Bucket:
    """The bucket as it is now. Time never goes back: an earlier `now` changes nothing."""
    passed = max(0.0, now - bucket.at)
    level_s = min(bucket.most_s, bucket.level_s + passed * bucket.share)
    return replace(bucket, level_s=level_s, at=bucket.at + passed)


def paid(bucket: Bucket, cost_s: float, now: float) -> Bucket | None:
    """The bucket after a payment; None where it cannot be made yet.

    A full bucket pays anything, or else a request larger than the burst could never run; it is in debt then.
    """
    bucket = filled(bucket, now)
    if bucket.level_s + TOLERANCE_S < _needed(bucket, cost_s):
        return None
    return replace(bucket, level_s=bucket.level_s - cost_s)


def spent(bucket: Bucket, work_s: float, now: float) -> Bucket:
    """The bucket after work that is done, whether or not it could be paid."""
    bucket = filled(bucket, now)
    return replace(bucket, level_s=bucket.level_s - work_s)


def returned(bucket: Bucket, work_s: float, now: float) -> Bucket:
    """The bucket after so much of a payment was not needed."""
    bucket = filled(bucket, now)
    return replace(bucket, level_s=min(bucket.most_s, bucket.level_s + work_s))


def wait_s(bucket: Bucket, cost_s: float, now: float) -> float:
    """Seconds until the payment can be made, if nothing else is paid meanwhile; infinite for an empty share."""
    bucket = filled(bucket, now)
    lacking = _needed(bucket, cost_s) - bucket.level_s
    if lacking <= TOLERANCE_S:
        return 0.0
    return lacking / bucket.share if bucket.share > 0 else float("inf")


def resized(bucket: Bucket, share: float, now: float) -> Bucket:
    """The bucket when its owner has another share from now on; what is in it stays, as far as it holds that."""
    level_s = filled(bucket, now).level_s
    return Bucket(share=share, level_s=min(level_s, share * BURST_S), at=max(now, bucket.at))


def _needed(bucket: Bucket, cost_s: float) -> float:
    return min(cost_s, bucket.most_s)
