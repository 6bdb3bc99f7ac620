"""The registry of objectives: each is a file here, named as the plan names it. Knows no loop.

A new one is a file that says `OBJECTIVE = Objective(...)`, and its name in `domain/plan.Objective`.
"""

from importlib import import_module

from outcrop.domain.errors import JobFailure
from outcrop.training.objective import Objective


def objective_named(name: str) -> Objective:
    """The objective that a plan names. Raises JobFailure where there is none of the name."""
    module = f"{__name__}.{name}"
    try:
        found: Objective = import_module(module).OBJECTIVE
    except ModuleNotFoundError as error:
        if error.name != module:  # it is there, and needs what is not
            raise
        raise JobFailure(f"The plan's objective {name!r} is none that this trainer knows.") from error
    return found
