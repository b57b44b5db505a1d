"""Requests to the API of Kubeflow Pipelines: which may be asked again, and what is raised when they fail.

The requests are made by the API's generated client. The client that kfp wraps around it is left out: it keeps a context
in the home directory, may open a browser, prints, and says that nobody answers after half a minute of tracebacks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from grokcore.cluster.kubeflow.connection import Connection
from grokcore.cluster.kubeflow.errors import AuthError, UnavailableError, error_of
from grokcore.errors import InputError

PAGE = 100
"""Records that are asked for at once."""

TIMEOUT = (10.0, 60.0)
"""Seconds until a connection stands, and between two pieces of an answer."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


class Transport:
    """One connection to the API.

    Attributes:
        models: the generated client's module, for the classes of what is sent.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        patience: float = 30.0,
        timeout: tuple[float, float] = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            patience: seconds in which a question is asked again while the API cannot be reached or fails itself.
        """
        import kfp_server_api
        import urllib3

        self.connection, self.models = connection, kfp_server_api
        self._patience, self._timeout, self._sleep = patience, timeout, sleep
        self._secret: str | None = None
        configuration = kfp_server_api.Configuration(host=connection.host)
        configuration.ssl_ca_cert = str(connection.ca) if connection.ca else None
        configuration.proxy = _proxy(connection.host)
        # Retries are made here, and a redirect leads to the login page of a proxy, which has nothing to say.
        configuration.retries = urllib3.Retry(0, redirect=False, raise_on_redirect=False)
        if connection.token is not None:
            configuration.api_key_prefix["authorization"] = "Bearer"
            configuration.refresh_api_key_hook = self._refresh
            self._refresh(configuration)  # without a key to begin with, the client calls no hook
        self._client = kfp_server_api.ApiClient(configuration)
        self._client.deserialize = _of_objects_only(self._client.deserialize)

    def service(self, name: str) -> Any:
        """A part of the API, by the name of its class in the generated client."""
        return getattr(self.models, name)(self._client)

    def ask(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A question, which changes nothing: asked again while there is patience, and with a token that has changed.

        Raises:
            ApiError: the API refused, or does not answer; its subclasses say more.
        """
        end, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return self.tell(call, *arguments, **options)
            except UnavailableError:
                if time.monotonic() + pause > end:
                    raise
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except AuthError:
                used = self._secret
                if self._token() == used:
                    raise

    def tell(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """A request that may change something, so it is made once.

        Raises:
            ApiError: as for `ask`.
        """
        from kfp_server_api.exceptions import OpenApiException
        from urllib3.exceptions import HTTPError

        try:
            return call(*arguments, _request_timeout=self._timeout, **options)
        except AuthError:  # of a token that cannot be read
            raise
        except (OpenApiException, HTTPError, OSError, AttributeError, TypeError, ValueError) as error:
            raise error_of(error, self.connection, self._secret) from None

    def pages(self, call: Callable[..., Any], field: str, size: int | None = None, /, **options: Any) -> Iterator[Any]:
        """The records in the field of all pages of a list, `size` at a time if that is less than a page."""
        token = ""
        while True:
            page = self.ask(call, page_token=token, page_size=min(PAGE, size or PAGE), **options)
            yield from getattr(page, field) or ()
            token = page.next_page_token or ""
            if not token:
                return

    def _refresh(self, configuration: Any) -> None:
        configuration.api_key["authorization"] = self._token()

    def _token(self) -> str | None:
        """The token of this moment; a file that is just being replaced is as good as an old one."""
        if self.connection.token is not None:
            try:
                self._secret = self.connection.token.read()
            except InputError as error:
                raise AuthError(str(error), status=401) from None
        return self._secret


def _of_objects_only(deserialize: Callable[..., Any]) -> Callable[..., Any]:
    """The client's reader of answers, for JSON objects alone: of anything else it makes records without a content."""

    def checked(response: Any, kind: Any) -> Any:
        if not isinstance(json.loads(response.data), dict):
            raise ValueError("the answer is no object")
        return deserialize(response, kind)

    return checked


def _proxy(host: str) -> str | None:
    """The proxy that the environment names for a host, which the generated client does not look for."""
    url = urlsplit(host)
    return None if proxy_bypass(url.netloc) else getproxies().get(url.scheme)
