"""How a service's function is asked: awaited, or run in a thread. Knows nothing of HTTP."""

from collections.abc import Mapping
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

from outcrop import wire
from outcrop.domain.errors import NotServed
from outcrop.server.hanging_up import unless_hung_up
from outcrop.server.incoming import Receive
from outcrop.server.threads import Threads
from outcrop.services.call import Call, Operation

Operations = Mapping[str, Mapping[str, Operation]]
"""Service -> operation -> its function: `services.table.OPERATIONS`, or a test's own."""


class Calling:
    """The functions of every service, and where they run."""

    def __init__(self, operations: Operations, threads: Threads) -> None:
        self._operations = operations
        self._threads = threads

    def function(self, operation: wire.Operation) -> Operation:
        """The function that is the operation. Raises NotServed where the table has none."""
        function = self._operations.get(operation.service, {}).get(operation.name)
        if function is None:
            raise NotServed(operation.service, operation.name)
        return function

    async def ask(self, operation: wire.Operation, call: Call, params: wire.Params, receive: Receive) -> dict[str, Any]:
        """The operation's result."""
        function = self.function(operation)
        work: Any = partial(function, call, params)
        if iscoroutinefunction(function):
            return await unless_hung_up(receive, work())
        if operation.streams_in:
            return await self._threads.transfer(work)
        return await self._threads.work(work)
