"""GetThroughput: what was bought of this machine, what of it was used, what is left. Asks the engines that answer."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from outcrop.domain.model_units import SHARES, UNITS_FOR_SALE, Capacity, share_of
from outcrop.services.bedrock.present import present
from outcrop.services.call import Call
from outcrop.services.runtime import engine as face
from outcrop.store import engines, throughput
from outcrop.store.engines import EngineState
from outcrop.store.throughput import Throughput

ON_DEMAND = ""  # an engine's name for whoever bought nothing
SECONDS_A_MINUTE = 60


def get_throughput(call: Call, _: dict[str, Any]) -> dict[str, Any]:
    """The machine's units, each provisioned model of this account in any Region, and each engine's measurement."""
    with call.ground.database.read() as connection:
        bought = throughput.of_account(connection, call.principal.account)
        sold = throughput.units_sold(connection)
    answering = dict(_answering(call))
    standings = {buyer: found for said in answering.values() for buyer, found in _standings(said).items()}
    return {
        "machine": {
            "shares": SHARES,
            "unitsForSale": UNITS_FOR_SALE,
            "unitsSold": sold,
            "unitsFree": max(0, UNITS_FOR_SALE - sold),
        },
        "provisionedModels": [present(_described(call, one, standings.get(one.id))) for one in bought],
        "engines": [_measured(checkpoint, said) for checkpoint, said in answering.items()],
    }


def _answering(call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each engine that answers says, by its checkpoint."""
    for engine in engines.every(call.ground.database):
        if engine.state is EngineState.READY:
            with contextlib.suppress(face.EngineRefused):  # it goes away: what was bought is told without it
                yield engine.checkpoint, face.throughput(Path(engine.socket))


def _described(call: Call, bought: Throughput, standing: dict[str, Any] | None) -> dict[str, Any]:
    if standing is not None:
        standing = {**standing, "refused": standing["refused"] + _turned_away(call, bought)}
    return {
        "provisionedModelName": bought.name,
        "provisionedModelArn": bought.arn,
        "status": bought.status.value,
        "modelUnits": bought.model_units,
        "standing": standing,
    }


def _turned_away(call: Call, bought: Throughput) -> int:
    """Those whom this server has refused itself, after the engine's word."""
    names = [(bought.region, bought.account, identifier) for identifier in (bought.name, bought.arn)]
    return call.ground.turned_away.count(names)


def _measured(checkpoint: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "checkpoint": checkpoint,
        "inputTokensPerSecond": said["capacity"]["input_tokens_s"],
        "outputTokensPerSecond": said["capacity"]["output_tokens_s"],
        "onDemand": _standings(said)[ON_DEMAND],
    }


def _standings(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    capacity = Capacity(**said["capacity"])
    return {buyer: _standing(capacity, told) for buyer, told in said["buyers"].items()}


def _standing(capacity: Capacity, told: Mapping[str, Any]) -> dict[str, Any]:
    minute = share_of(told["units"]) * SECONDS_A_MINUTE
    return {
        "units": told["units"],
        "inputTokensPerMinute": minute * capacity.input_tokens_s,
        "outputTokensPerMinute": minute * capacity.output_tokens_s,
        "inputTokensUsed": told["input_tokens"],
        "outputTokensUsed": told["output_tokens"],
        "outputTokensLeft": max(0.0, told["left_s"]) * capacity.output_tokens_s,
        "partLeft": max(0.0, told["left_s"]) / told["most_s"],
        "answers": told["answers"],
        "answersOpen": told["open"],
        "refused": told["refused"],
    }
