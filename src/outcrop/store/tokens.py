"""Client request tokens: which resource a token made, and of what request. Knows nothing of the requests themselves.

A token is remembered as long as its resource.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from outcrop.store.database import METADATA

REQUEST_TOKENS = sa.Table(
    "request_tokens",
    METADATA,
    sa.Column("account", sa.String, primary_key=True),
    sa.Column("region", sa.String, primary_key=True),
    sa.Column("operation", sa.String, primary_key=True),
    sa.Column("token", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("arn", sa.String, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestToken:
    """A token where it counts: one operation of one account in one Region."""

    account: str
    region: str
    operation: str
    token: str


def recall(connection: sa.Connection, token: RequestToken) -> tuple[str, str] | None:
    """The digest of the request that this token came with, and the ARN of what it made; None for a new token."""
    c = REQUEST_TOKENS.c
    where = (c.account == token.account, c.region == token.region, c.operation == token.operation)
    row = connection.execute(sa.select(c.digest, c.arn).where(*where, c.token == token.token)).first()
    return None if row is None else (row.digest, row.arn)


def remember(connection: sa.Connection, token: RequestToken, digest: str, arn: str) -> None:
    """This token made this resource."""
    values = {"account": token.account, "region": token.region, "operation": token.operation, "token": token.token}
    connection.execute(sa.insert(REQUEST_TOKENS).values({**values, "digest": digest, "arn": arn}))


def forget(connection: sa.Connection, arn: str) -> None:
    """The resource is gone, and its token may make another."""
    connection.execute(sa.delete(REQUEST_TOKENS).where(REQUEST_TOKENS.c.arn == arn))
