"""What every resolver can use: the caller, and helpers that the edge provides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import strawberry

from models.access import session
from models.access.identity import Actor
from models.errors import SecondFactorRequired, Unauthenticated
from models.partners.host import resolves_nothing
from schema.core import texts
from schema.core.loaders import Loaders

if TYPE_CHECKING:
    from models.partners.host import Resolve
    from schema.core.watch import Watchers


class DocumentUrl(Protocol):
    """Signs links to documents."""

    def __call__(self, file: str, locale: str, /, **params: str) -> str:
        """An absolute link to `file` (a public id and `.pdf` or `.csv`), which expires."""
        ...


@dataclass(kw_only=True)
class Context:
    """One operation's surroundings.

    `document_url` makes a download link of a document's file name, a locale and what else names it;
    `resolve` asks for the addresses of hosts that we are to call.
    """

    actor: Actor | None
    watchers: Watchers
    document_url: DocumentUrl
    resolve: Resolve = resolves_nothing
    address: str = ""
    accept_language: str = ""
    user_agent: str = ""
    #: What the browser brings of who has signed in with it before (models.access.device).
    device_notes: str = ""
    loaders: Loaders = field(default_factory=Loaders)

    def set_device_cookie(self, notes: str) -> None:
        """Have the browser keep the notes of who has signed in with it; others keep none."""

    def set_session_cookie(self, token: str) -> None:
        """Have the browser keep its session's token; others keep it themselves."""

    def clear_session_cookie(self) -> None:
        """Have the browser drop its session's token."""

    @property
    def locale(self) -> str:
        """The caller's own locale: the account's, else what the browser says, else English."""
        own = self.actor.locale if self.actor else ""
        return texts.best_locale(own, texts.accepted(self.accept_language))

    def locale_for(self, asked: str | None) -> str:
        """The locale that a field was asked for, else the caller's own."""
        return texts.best_locale(asked, self.locale) if asked else self.locale

    def signed_in(self, *, to_enrol: bool = False) -> Actor:
        """The caller; raises Unauthenticated for anonymous ones.

        Raises SecondFactorRequired for whoever must set one up first, but where it is `to_enrol`:
        for that, and for what a session does with itself.
        """
        if self.actor is None:
            raise Unauthenticated
        if self.actor.must_enrol and not to_enrol:
            raise SecondFactorRequired
        return self.actor

    async def look_again(self) -> Actor:
        """The caller as they are now, when their session has changed. Raises Unauthenticated where
        it has ended meanwhile.
        """
        self.actor = await session.as_it_is(self.signed_in(to_enrol=True))
        return self.actor

    def fresh(self) -> Self:
        """The same caller with loaders that remember nothing, for the next operation."""
        return replace(self, loaders=Loaders())

    def forget(self) -> None:
        """Let the loaders forget what they have read: the next look is at the present."""
        self.loaders = Loaders()


Info: TypeAlias = strawberry.Info[Context, None]
