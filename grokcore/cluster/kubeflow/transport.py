"""Requests to the Kubeflow Pipelines API: retries, tokens and errors.

Uses the API's generated client directly. kfp's own wrapper keeps state in the home directory, may open a browser,
prints, and reports an unreachable server after half a minute of tracebacks.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from grokcore.cluster.kubeflow.connection import Connection
from grokcore.cluster.kubeflow.errors import ApiError, AuthError, UnavailableError, error_of, is_of_proxy
from grokcore.errors import InputError
from grokcore.network import proxy_variable

PAGE = 100
"""Records per page of a list."""

TIMEOUT = (10.0, 60.0)
"""Connect and read timeouts, in seconds."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0


class Transport:
    """A connection to the API.

    Attributes:
        models: module of the generated client, with the classes of request bodies.
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
            patience: seconds to retry a read while the API is unreachable or failing.
        """
        import kfp_server_api
        import urllib3

        self.connection, self.models = connection, kfp_server_api
        self._patience, self._timeout, self._sleep = patience, timeout, sleep
        self._secret: str | None = None
        self._has_answered = False
        configuration = kfp_server_api.Configuration(host=connection.host)
        configuration.ssl_ca_cert = str(connection.ca) if connection.ca else None
        configuration.proxy = _proxy(connection.host)
        # Retries are made here, and a redirect only leads to the login page of a proxy.
        configuration.retries = urllib3.Retry(0, redirect=False, raise_on_redirect=False)
        if connection.token is not None:
            configuration.api_key_prefix["authorization"] = "Bearer"
            configuration.refresh_api_key_hook = self._refresh
            self._refresh(configuration)  # the client calls the hook only if a key is set
        self._client = kfp_server_api.ApiClient(configuration)
        self._client.deserialize = _of_objects_only(self._client.deserialize)

    def service(self, name: str) -> Any:
        """A service of the API, by its class name in the generated client."""
        return getattr(self.models, name)(self._client)

    def read(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Make a read request; retried during `patience`, and with a changed token.

        Raises:
            ApiError: the API refused or did not respond; see its subclasses.
            InputError: as in `write`.
        """
        end, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                return self.write(call, *arguments, **options)
            except UnavailableError:
                if time.monotonic() + pause > end:
                    raise
                self._sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except AuthError:
                used = self._secret
                if self._token() == used:
                    raise

    def write(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Make a request that may change state, without retries.

        Raises:
            ApiError: as in `read`.
            InputError: the proxy is unreachable, and no request has been answered.
        """
        from kfp_server_api.exceptions import OpenApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = call(*arguments, _request_timeout=self._timeout, **options)
        except AuthError:  # the token cannot be read
            raise
        except (OpenApiException, HTTPError, OSError, AttributeError, TypeError, ValueError) as error:
            if not self._has_answered and is_of_proxy(error):
                variable = proxy_variable(self.connection.host)
                raise InputError(
                    f"{self.connection.host} is unreachable through the proxy in {variable}; check {variable}"
                ) from None
            self._has_answered |= getattr(error, "status", None) is not None
            raise error_of(error, self.connection, self._secret) from None
        self._has_answered = True
        return answer

    def text(self, path: str) -> str:
        """Read a page of the server that is not in the API's description, as text.

        Raises:
            ApiError: as in `read`.
        """

        def get(_request_timeout: tuple[float, float]) -> str:
            answer = self._client.call_api(
                path,
                "GET",
                auth_settings=["Bearer"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=_request_timeout,
            )
            return str(answer.data.decode("utf-8", "replace"))

        return str(self.read(get))

    def pages(self, call: Callable[..., Any], field: str, size: int | None = None, /, **options: Any) -> Iterator[Any]:
        """Records of all pages of a list, from `field`; `size` limits the page size.

        Raises:
            ApiError: as in `read`, or a page leads to one that was read before, which a list without end does.
        """
        token, seen = "", {""}
        while True:
            page = self.read(call, page_token=token, page_size=min(PAGE, size or PAGE), **options)
            yield from getattr(page, field) or ()
            token = page.next_page_token or ""
            if not token:
                return
            if token in seen:
                raise ApiError(f"{self.connection.host} repeats a page of its list without end; is a cache before it?")
            seen.add(token)

    def _refresh(self, configuration: Any) -> None:
        configuration.api_key["authorization"] = self._token()

    def _token(self) -> str | None:
        """Read the current token; a file that is being replaced counts as an expired token."""
        if self.connection.token is not None:
            try:
                self._secret = self.connection.token.read()
            except InputError as error:
                raise AuthError(str(error), status=401) from None
        return self._secret


def _of_objects_only(deserialize: Callable[..., Any]) -> Callable[..., Any]:
    """Make the client refuse responses other than JSON objects, which it would parse into empty records."""

    def checked(response: Any, kind: Any) -> Any:
        if not isinstance(json.loads(response.data), dict):
            raise ValueError("the response is not a JSON object")
        return deserialize(response, kind)

    return checked


def _proxy(host: str) -> str | None:
    """Proxy for a host from the environment, which the generated client ignores."""
    variable = proxy_variable(host)
    return os.environ[variable] if variable else None
