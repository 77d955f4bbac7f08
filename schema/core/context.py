"""What every resolver can reach: who asks, and what the edge lends us."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, TypeAlias

import strawberry

from models.access.identity import Actor
from models.errors import Unauthenticated
from schema.core import texts
from schema.core.loaders import Loaders


class Bell(Protocol):
    """Rings when something was committed that its listener asked for."""

    async def wait(self, timeout_seconds: float) -> bool:
        """Return when it has rung since the last wait, or after that time."""
        ...


class Feed(Protocol):
    """Where committed topics are heard of. A ring is a hint to look, and may be lost."""

    def listen(self, topics: Collection[str]) -> AbstractAsyncContextManager[Bell]:
        """Hear of these topics from now until the context manager is left."""
        ...


class DocumentUrl(Protocol):
    """Signs links to documents."""

    def __call__(self, file: str, locale: str, /, **params: str) -> str:
        """An absolute link to `file` (a public id and `.pdf` or `.csv`), which expires."""
        ...


def _no_cookie(_token: str) -> None:
    """For those who keep none."""


def _no_cookie_to_clear() -> None:
    """As `_no_cookie`."""


@dataclass(kw_only=True)
class Context:
    """One operation's surroundings.

    `document_url` makes a download link of a document's file name, a locale and what else names it.
    """

    actor: Actor | None
    feed: Feed
    document_url: DocumentUrl
    address: str = ""
    accept_language: str = ""
    #: What the browser brings of who has signed in with it before (models.access.device).
    device_notes: str = ""
    set_device_cookie: Callable[[str], None] = _no_cookie
    set_session_cookie: Callable[[str], None] = _no_cookie
    clear_session_cookie: Callable[[], None] = _no_cookie_to_clear
    loaders: Loaders = field(default_factory=Loaders)

    @property
    def locale(self) -> str:
        """The caller's own locale: the account's, else what the browser says, else English."""
        own = self.actor.locale if self.actor else ""
        return texts.best_locale(own, texts.accepted(self.accept_language))

    def locale_for(self, asked: str | None) -> str:
        """The locale that a field was asked for, else the caller's own."""
        return texts.best_locale(asked, self.locale) if asked else self.locale

    def signed_in(self) -> Actor:
        """Who asks; raises Unauthenticated when nobody is signed in."""
        if self.actor is None:
            raise Unauthenticated
        return self.actor

    def fresh(self) -> Self:
        """The same caller with loaders that remember nothing, for the next operation."""
        return replace(self, loaders=Loaders())

    def forget(self) -> None:
        """Let the loaders forget what they have read: the next look is at the present."""
        self.loaders = Loaders()


Info: TypeAlias = strawberry.Info[Context, None]
