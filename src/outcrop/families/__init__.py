"""Model families: ids, hyperparameters, record formats, dialects, and the catalogue of checkpoints behind them.

One file a family. Knows nothing of the network, of stored state, or of how a model is trained or served.
"""

from outcrop.families.ask import Answer, Ask, Sampling, StreamDialect
from outcrop.families.catalogue import AppliedHyperparameters, Catalogue, Checkpoint, lacking_files, served_name
from outcrop.families.family import Family
from outcrop.families.hyperparameters import Hyperparameter, Hyperparameters
from outcrop.families.model import CONTINUED_PRE_TRAINING, FINE_TUNING, CustomizationType, FoundationModel
from outcrop.families.record_format import Counts, RecordFormat
from outcrop.families.registry import (
    FAMILIES,
    MODELS,
    check_hyperparameters,
    family_of,
    find_model,
    record_format,
)

__all__ = [
    "CONTINUED_PRE_TRAINING",
    "FAMILIES",
    "FINE_TUNING",
    "MODELS",
    "Answer",
    "AppliedHyperparameters",
    "Ask",
    "Catalogue",
    "Checkpoint",
    "Counts",
    "CustomizationType",
    "Family",
    "FoundationModel",
    "Hyperparameter",
    "Hyperparameters",
    "RecordFormat",
    "Sampling",
    "StreamDialect",
    "check_hyperparameters",
    "family_of",
    "find_model",
    "lacking_files",
    "record_format",
    "served_name",
]
