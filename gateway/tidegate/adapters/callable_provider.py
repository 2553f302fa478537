"""An identity provider that is a function of Python: the event in, the answer out."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import Question


class CallableProvider:
    """
    The port `IdentityProviderCall` over `module:function`, imported when it is asked first.

    A plain function runs in a thread; a coroutine function on the gateway's loop, which it must not block.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        # Its own: somebody else's code answers, as slowly as it likes.
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="login")

    async def ask(self, question: Question) -> object:
        try:
            loop = asyncio.get_running_loop()
            function = await loop.run_in_executor(self._pool, lambda: self._function)
            if inspect.iscoroutinefunction(function):
                return await function(question.event())
            answer: object = await loop.run_in_executor(self._pool, function, question.event())
            return await answer if inspect.isawaitable(answer) else answer
        except ProviderFailed:
            raise
        except Exception as error:  # noqa: BLE001 - somebody else's code, which may raise anything
            # Not what it says: that may hold the password.
            raise ProviderFailed(f"{self._name} raised {type(error).__name__}{_place(error)}") from None

    @cached_property
    def _function(self) -> Callable[[dict[str, str]], Any]:
        module, _, path = self._name.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise ProviderFailed(
                f"there is no {self._name}: {error}",
                hint="write module:function, and name its directory in PYTHONPATH",
            ) from None
        function: Callable[[dict[str, str]], Any] = found
        return function


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" in {trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}"
