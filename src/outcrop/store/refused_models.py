"""Custom models that are to be served and whose engine cannot have them, and why. Knows nothing of engines.

The worker says it, at each look, of all that is provisioned or deployed; whoever asks such a model hears it.
"""

from collections.abc import Mapping

import sqlalchemy as sa

from outcrop.store.database import METADATA, Database

REFUSED_MODELS = sa.Table(
    "refused_models",
    METADATA,
    sa.Column("model_id", sa.String, primary_key=True),
    sa.Column("sentence", sa.String, nullable=False),
)


def why(connection: sa.Connection, model_id: str) -> str | None:
    """Why a model cannot be served; None where it can, or it is not known yet."""
    asked = sa.select(REFUSED_MODELS.c.sentence).where(REFUSED_MODELS.c.model_id == model_id)
    return connection.execute(asked).scalar()


def every(connection: sa.Connection) -> dict[str, str]:
    """The sentence of each."""
    return {row.model_id: row.sentence for row in connection.execute(sa.select(REFUSED_MODELS))}


def tell(database: Database, refused: Mapping[str, str]) -> None:
    """These are all there are now. Writes where something has changed."""
    with database.read() as connection:
        if every(connection) == refused:
            return
    with database.write() as connection:
        connection.execute(sa.delete(REFUSED_MODELS))
        if refused:
            rows = [{"model_id": model_id, "sentence": sentence} for model_id, sentence in refused.items()]
            connection.execute(sa.insert(REFUSED_MODELS), rows)
