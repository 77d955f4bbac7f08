"""Signed links to documents, which work without other credentials until they expire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.downloads.signing import LinkSigner
from models.clock import now

if TYPE_CHECKING:
    from starlette.requests import Request

_QUERY_CHARS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a good link names: a record, a format, a locale, and what else it says."""

    record: str
    format: str
    locale: str
    params: Mapping[str, str]


class Links:
    """Makes and reads the links, which work for `minutes`."""

    def __init__(self, secret: bytes, public_url: str, minutes: int) -> None:
        self._signer = LinkSigner(secret)
        self._public_url = public_url
        self._lifetime = timedelta(minutes=minutes)

    def url(self, file: str, locale: str, /, **params: str) -> str:
        """An absolute link to `file`: a record's public id, and `.pdf` or `.csv`."""
        expires_at = now() + self._lifetime
        path = f"/documents/{file}"
        query = {**params, "locale": locale}
        return self._public_url + self._signer.sign(path, expires_at=expires_at, **query)

    def wanted(self, request: Request) -> Wanted | None:
        """What a good link names; None for any other. Raises LinkExpired."""
        if len(request.url.query) > _QUERY_CHARS_MAX:
            return None
        params = self._signer.verify(request.url.path, dict(request.query_params))
        if params is None:
            return None
        record, _, kind = request.path_params["file"].rpartition(".")
        return Wanted(record, kind, params.pop("locale", "en"), params)
