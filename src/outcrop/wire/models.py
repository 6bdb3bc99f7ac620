"""Service models, botocore's and our own, read lean: no documentation, no ordered dicts. Knows not what is served."""

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from botocore.loaders import Loader
from botocore.model import ServiceModel

OWN_MODELS = Path(__file__).with_name("own_models")
"""What Bedrock's API has no word for, as a model that any boto3 reads when this folder is among its data paths."""


def load_model(name: str) -> ServiceModel:
    """The newest model of a service, as botocore's own clients read it."""
    return ServiceModel(_loader().load_service_model(name, "service-2"), name)


@cache
def _loader() -> Loader:
    """One for all services: the search for what botocore has is its slowest step."""
    return Loader(extra_search_paths=[str(OWN_MODELS)], file_loader=_LeanFiles())


class _LeanFiles:
    """Reads a model's file for botocore's loader: about 2 MB a service stay, where its own reader keeps 30."""

    def exists(self, path: str) -> bool:
        return _file_of(path) is not None

    def load_file(self, path: str) -> Any:
        file = _file_of(path)
        if file is None:
            return None  # the loader's way to hear that there is no such file
        raw = file.read_bytes()
        return _without_documentation(msgspec.json.decode(gzip.decompress(raw) if file.suffix == ".gz" else raw))


def _file_of(path: str) -> Path | None:
    candidates = (Path(f"{path}{ending}") for ending in (".json", ".json.gz"))
    return next((file for file in candidates if file.is_file()), None)


def _without_documentation(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_documentation(part) for key, part in value.items() if not _is_documentation(key, part)}
    if isinstance(value, list):
        return [_without_documentation(part) for part in value]
    return value


def _is_documentation(key: str, part: Any) -> bool:
    """A member may be called `documentation`: only a text under that key is one."""
    return key == "documentation" and isinstance(part, str)
