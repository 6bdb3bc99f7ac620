"""The one settings object, checked at birth. Paths are derived here so that nobody else spells one."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this Outcrop runs. Everything it keeps lies under `home` (0700)."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 8600
    tls: bool = False
    job_slots: int = 2
    lease_s: float = 5.0
    weights: str = "float32"  # what engines keep them in: one of domain/weights.py's words
    engine: tuple[str, ...] = ("embedded",)  # as after `--engine`: domain/engine_choice.py's words
    vllm: str | None = None  # vLLM's command; None: the one beside this Python, or on the PATH
    vllm_arguments: str = ""  # further words of its command line
    max_body_bytes: int = 25_000_000
    max_connections: int = 512  # open at once, each a descriptor of the 1024 that most systems allow

    def to_json(self) -> str:
        """All of them, for a process that is started with the same: nothing here is secret."""
        return json.dumps(asdict(self) | {"home": str(self.home)})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote. Raises ValueError or TypeError for anything else."""
        told = json.loads(text)
        engine = {"engine": tuple(told["engine"])} if "engine" in told else {}
        return cls(**told | {"home": Path(told["home"]), **engine})

    @property
    def database_file(self) -> Path:
        """What is remembered."""
        return self.home / "outcrop.db"

    @property
    def database_url(self) -> str:
        """SQLAlchemy's address of the database."""
        return f"sqlite:///{self.database_file}"

    @property
    def master_key_file(self) -> Path:
        """The key that wraps every KMS key (32 bytes, 0600)."""
        return self.home / "master.key"

    @property
    def objects_folder(self) -> Path:
        """Sealed S3 objects."""
        return self.home / "objects"

    @property
    def models_folder(self) -> Path:
        """Sealed custom models, a folder each."""
        return self.home / "models"

    def whole_weights_file(self, job_id: str) -> Path:
        """A custom model's own weights, sealed, by the job that made it; missing where the model is an adapter."""
        return self.models_folder / job_id / "model.safetensors"

    @property
    def work_folder(self) -> Path:
        """A folder for each running job; wiped when the job settles."""
        return self.home / "work"

    @property
    def run_folder(self) -> Path:
        """What belongs to the running processes: sockets, process records, the server's address."""
        return self.home / "run"

    @property
    def processes_folder(self) -> Path:
        """A record of every child process, so that the next start can kill what a crash left behind."""
        return self.run_folder / "processes"

    @property
    def certificate_file(self) -> Path:
        """The certificate that `--tls` serves with, and that clients are told to trust."""
        return self.home / "tls" / "certificate.pem"

    @property
    def certificate_key_file(self) -> Path:
        """The certificate's private key (0600)."""
        return self.home / "tls" / "key.pem"

    @property
    def logs_folder(self) -> Path:
        """Log files of the server, the worker and the engines."""
        return self.home / "logs"

    @property
    def machine_file(self) -> Path:
        """How fast this machine is, as it was measured and as jobs graded it (JSON); made again where it is missing."""
        return self.home / "machine.json"

    @property
    def capacities_folder(self) -> Path:
        """What engines measured of this machine, a file (JSON) for each base; made again where it is missing."""
        return self.home / "capacities"

    @property
    def catalogue_file(self) -> Path:
        """The user's own mappings from model ids to checkpoints (TOML)."""
        return self.home / "models.toml"
