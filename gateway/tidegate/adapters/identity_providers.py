"""Which adapter asks which provider: what the configuration puts in its place, or the provider itself."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.adapters.aws.api_gateway import ApiGateway
from tidegate.adapters.aws.clients import AwsClients
from tidegate.adapters.aws.lambda_function import LambdaFunction
from tidegate.adapters.callable_provider import CallableProvider
from tidegate.adapters.command_provider import CommandProvider
from tidegate.adapters.url_provider import UrlProvider
from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import StandIn
from tidegate.core.servers import IdentityProvider
from tidegate.ports.identity_providers import IdentityProviderCall


class ProviderCalls:
    """
    The calls of one gateway.

    Args:
        stand_ins: What is asked in place of which function or URL.
        seconds: How long a question may take; threads give up a little later.
    """

    def __init__(self, clients: AwsClients, stand_ins: Iterable[StandIn], seconds: float) -> None:
        self._clients = clients
        self._stand_ins = {each.name: each for each in stand_ins}
        self._seconds = seconds
        self._made: dict[IdentityProvider, IdentityProviderCall] = {}

    def of(self, provider: IdentityProvider) -> IdentityProviderCall:
        """
        Return what asks this provider.

        Raises:
            ProviderFailed: There is none; `hint` says which setting to add.
        """
        if provider not in self._made:
            self._made[provider] = self._make(provider)
        return self._made[provider]

    def _make(self, provider: IdentityProvider) -> IdentityProviderCall:
        stand_in = self._stand_ins.get(provider.function or provider.url)
        if stand_in is not None:
            return self._in_place(stand_in)
        if provider.type == "API_GATEWAY":
            return ApiGateway(self._clients, provider.url, provider.invocation_role, self._seconds)
        if self._clients.endpoint.endpoint_url is not None:
            raise ProviderFailed(
                f"{provider.function} is not run here: aws.endpoint_url is not AWS",
                hint="say what is asked in its place: identity_providers, with `function` and one of"
                " `callable`, `command` and `url`",
            )
        return LambdaFunction(self._clients, provider.function, self._seconds)

    def _in_place(self, stand_in: StandIn) -> IdentityProviderCall:
        if stand_in.command:
            return CommandProvider(stand_in.command)
        if stand_in.url:
            return UrlProvider(stand_in.url, self._seconds)
        return CallableProvider(stand_in.callable)
