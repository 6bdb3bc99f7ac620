"""How a service's function is asked: awaited, in a thread, or at once. Knows nothing of HTTP."""

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

_AT_ONCE = {"bedrock", "iam", "sts", "kms"}
_READS = ("Get", "List", "Describe")


class Calling:
    """The functions of every service, and where they run.

    `reads_never_wait` says that the database answers a read at once whoever writes (SQLite in WAL mode): then the small
    services' reads run on the event loop, as handing one to a thread costs more than the read itself.
    """

    def __init__(self, operations: Operations, threads: Threads, *, reads_never_wait: bool) -> None:
        self._operations = operations
        self._threads = threads
        self._reads_never_wait = reads_never_wait

    def function(self, operation: wire.Operation) -> Operation:
        """The function that is the operation. Raises NotServed where the table has none."""
        function = self._operations.get(operation.service, {}).get(operation.name)
        if function is None:
            raise NotServed(operation.service, operation.name)
        return function

    async def ask(self, operation: wire.Operation, call: Call, params: wire.Params, receive: Receive) -> dict[str, Any]:
        """The operation's result."""
        function = self.function(operation)
        if self._reads_never_wait and operation.service in _AT_ONCE and operation.name.startswith(_READS):
            return function(call, params)
        work: Any = partial(function, call, params)
        if iscoroutinefunction(function):
            return await unless_hung_up(receive, work())
        if operation.streams_in:
            return await self._threads.transfer(work)
        return await self._threads.work(work)
