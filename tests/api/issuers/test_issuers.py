"""Trusted issuers: whose tokens sign clients in, and whose don't."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, OctKey, OKPKey

from api.issuers.issuers import Issuers
from api.settings.issuers import TrustedIssuer
from models.access.credential import holding
from models.access.user import User
from models.accounts.account import Account
from models.accounts.create import CreateAccount
from models.accounts.external import External
from models.clock import now
from models.db.transactions import transaction
from models.journal.command import run
from models.money import Money
from models.provider import provider as providers
from models.provider.provider import Limits
from tests.support.factories import STAFF
from tests.support.identities import wire_small_provider
from tests.support.issuer import AUDIENCE, ISSUER, claims, jwks, part, rsa, signed
from tests.support.providers import key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.access.identity import Actor

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("provider")]

ADDRESS: Final = "192.0.2.7"


@pytest.fixture
def provider(
    db: None,  # noqa: ARG001 - it is connected
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wired = wire_small_provider(monkeypatch)
    limits = {code: Limits(Money(1, code), Money(100, code)) for code in ("EUR", "USD")}
    monkeypatch.setattr(providers, "_provider", replace(wired, limits=limits))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(rsa()))
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text)


def trusting(keys: Path, **more: Any) -> Issuers:
    how = {"issuer": ISSUER, "audience": AUDIENCE, "partner": "Portal", **more}
    return Issuers([TrustedIssuer(jwks=keys.as_uri(), **how)], ["EUR", "USD"])


async def a_client() -> tuple[Account, str]:
    name = key()
    external = External(external_id=name, partner="Portal")
    email = f"{name}@client.example"
    made = await run(CreateAccount("Ada", email, "USD", external=external), STAFF, key())
    return made, name


async def who(issuers: Issuers, token: str) -> Actor | None:
    return await issuers.actor_of(token, ADDRESS)


async def test_a_good_token_is_the_client_that_it_names(keys: Path) -> None:
    issuers, (ada, name) = trusting(keys), await a_client()
    told = claims(name)
    for _ in range(2):
        actor = await who(issuers, signed(told))
        assert actor is not None
        assert (actor.role, actor.account_id, actor.address) == ("CLIENT", ada.id, ADDRESS)
        assert actor.expires_at is not None
        assert actor.expires_at.timestamp() == told["exp"]
        assert actor.proven_at is None, "that a token is new proves nothing of its client"
    proven = await who(issuers, signed(claims(name, auth_time=int(time()) - 5)))
    assert proven is not None
    assert proven.proven_at is not None
    assert await who(issuers, signed(claims("nobody-" + name))) is None


def hs256_by_public_key(name: str) -> str:
    """The classical confusion: the public key, which everybody has, as a shared secret."""
    pem = rsa().public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return signed(claims(name), pem, "HS256", kid="one")


def of_a_stranger(name: str, **header: Any) -> str:
    return signed(claims(name), rsa("stranger"), **{"kid": "one", **header})


def with_duplicate(name: str) -> str:
    text = json.dumps(claims("somebody else"))
    return signed(f'{text[:-1]}, "sub": {json.dumps(name)}}}')


def tampered(name: str) -> str:
    head, _, signature = signed(claims("somebody else")).split(".")
    return f"{head}.{part(claims(name))}.{signature}"


HOSTILE: Final[dict[str, Callable[[str], str]]] = {
    "alg none": lambda name: f"{part({'alg': 'none'})}.{part(claims(name))}.",
    "alg none, signed": lambda name: f"{part({'alg': 'none'})}.{part(claims(name))}.{part('x')}",
    "alg None": lambda name: f"{part({'alg': 'None'})}.{part(claims(name))}.{part('x')}",
    "no alg": lambda name: f"{part({})}.{part(claims(name))}.{part('x')}",
    "alg of a number": lambda name: f"{part({'alg': 256})}.{part(claims(name))}.{part('x')}",
    "HS256 by the public key": hs256_by_public_key,
    "an algorithm that was not agreed on": lambda name: signed(claims(name), alg="RS384"),
    "PSS for RS": lambda name: signed(claims(name), alg="PS256"),
    "a stranger's key with a known kid": of_a_stranger,
    "a stranger's key": lambda name: of_a_stranger(name, kid="stranger"),
    "a stranger's key without a kid": lambda name: of_a_stranger(name, kid=None),
    "its own jwk": lambda name: of_a_stranger(name, jwk=rsa("stranger").as_dict(private=False)),
    "a jku": lambda name: of_a_stranger(name, jku="https://evil.example/jwks.json"),
    "an x5u": lambda name: of_a_stranger(name, x5u="https://evil.example/cert.pem"),
    "an x5c": lambda name: of_a_stranger(name, x5c=["AAAA"]),
    "a kid that is a path": lambda name: of_a_stranger(name, kid="../../../../dev/null"),
    "a kid that is SQL": lambda name: of_a_stranger(name, kid="' OR 1=1 --"),
    "a kid that is a list": lambda name: (
        f"{part({'alg': 'RS256', 'kid': ['one']})}.{part(claims(name))}.{part('x')}"
    ),
    "a kid that is long": lambda name: signed(claims(name), kid="x" * 201),
    "crit": lambda name: (
        f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['exp'], 'exp': 1})}"
        f".{part(claims(name))}.{part('x')}"
    ),
    "tampered": tampered,
    "no signature": lambda name: signed(claims(name)).rpartition(".")[0] + ".",
    "half a signature": lambda name: signed(claims(name))[:-100],
    "claims twice": with_duplicate,
    "another issuer": lambda name: signed(claims(name, iss="https://evil.example")),
    "an issuer with a slash": lambda name: signed(claims(name, iss=ISSUER + "/")),
    "issuers": lambda name: signed(claims(name, iss=[ISSUER])),
    "no issuer": lambda name: signed(claims(name, iss=None)),
    "another audience": lambda name: signed(claims(name, aud="another")),
    "other audiences": lambda name: signed(claims(name, aud=["another", AUDIENCE + "2"])),
    "a part of the audience": lambda name: signed(claims(name, aud=f"x{AUDIENCE}x")),
    "no audience": lambda name: signed(claims(name, aud=None)),
    "an audience that is an object": lambda name: signed(claims(name, aud={AUDIENCE: 1})),
    "expired": lambda name: signed(claims(name, exp=int(time()) - 61)),
    "no exp": lambda name: signed(claims(name, exp=None)),
    "exp in words": lambda name: signed(claims(name, exp=str(int(time()) + 300))),
    "exp is true": lambda name: signed(claims(name, exp=True)),
    "exp without end": lambda name: signed(
        json.dumps(claims(name, exp=0)).replace('"exp": 0', '"exp": Infinity')
    ),
    "exp beyond all": lambda name: signed(claims(name, exp=10**30)),
    "not yet": lambda name: signed(claims(name, nbf=int(time()) + 120)),
    "nbf in words": lambda name: signed(claims(name, nbf="now")),
    "nobody": lambda name: signed(claims(name, sub="")),
    "several": lambda name: signed(claims(name, sub=[name])),
    "a NUL": lambda name: signed(claims(name + "\0")),
    "half a character": lambda name: signed(claims(name + "\ud800")),
    "a space before": lambda name: signed(claims(" " + name)),
    "a line end after": lambda name: signed(claims(name + "\n")),
    "no sub": lambda name: signed(claims(name, sub=None)),
    "huge": lambda name: signed(claims(name, more="x" * 9000)),
    "deep": lambda name: signed("[" * 2500 + name + "]" * 2500),
    "no object": lambda name: signed(json.dumps([claims(name)])),
    "no JSON": lambda name: signed("iss=" + ISSUER + name),
    "encrypted": lambda name: signed(claims(name)) + ".a.b",
    "white space": lambda name: signed(claims(name)) + " ",
    "padding": lambda name: signed(claims(name)) + "==",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_token_signs_nobody_in(keys: Path, kind: str) -> None:
    issuers, (_, name) = trusting(keys), await a_client()
    assert await who(issuers, HOSTILE[kind](name)) is None
    assert await who(issuers, signed(claims(name))) is not None


async def test_a_shared_secret_or_a_weak_key_in_the_jwks_verifies_nothing(keys: Path) -> None:
    _, name = await a_client()
    secret = OctKey.import_key(bytes(range(32)), {"kid": "secret"})
    encrypting = {**rsa("enc").as_dict(private=False), "use": "enc"}
    weak = {**rsa("weak", 1024).as_dict(private=False)}
    told = json.loads(jwks(secret, rsa()))
    write(keys, json.dumps({"keys": [*told["keys"], encrypting, weak, {"kty": 1}, 7]}))
    issuers = trusting(keys)
    assert await who(issuers, signed(claims(name), bytes(range(32)), "HS256", kid="secret")) is None
    assert await who(issuers, signed(claims(name), rsa("enc"))) is None
    assert await who(issuers, signed(claims(name), rsa("weak", 1024))) is None
    assert await who(issuers, signed(claims(name))) is not None


async def test_elliptic_curves_are_good_where_they_are_agreed_on(keys: Path) -> None:
    _, name = await a_client()
    ec, ed = (
        ECKey.generate_key("P-256", {"kid": "ec"}),
        OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    )
    other = ECKey.generate_key("P-384", {"kid": "big"})
    write(keys, jwks(ec, ed, other))
    issuers = trusting(keys, algorithms=["ES256", "EdDSA"])
    assert await who(issuers, signed(claims(name), ec, "ES256")) is not None
    assert await who(issuers, signed(claims(name), ed, "EdDSA")) is not None
    assert await who(issuers, signed(claims(name), other, "ES384")) is None
    assert await who(issuers, signed(claims(name), rsa())) is None


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({"exp": -30}, True),
        ({"exp": -61}, False),
        ({"nbf": 30}, True),
        ({"nbf": 90}, False),
        ({"aud": ["another", AUDIENCE]}, True),
    ],
)
async def test_clocks_may_differ_by_a_minute(
    keys: Path, more: dict[str, Any], *, good: bool
) -> None:
    issuers, (_, name) = trusting(keys), await a_client()
    told = {n: v if isinstance(v, list) else int(time()) + v for n, v in more.items()}
    actor = await who(issuers, signed(claims(name, **told)))
    assert (actor is not None) == good
    if actor is not None and actor.expires_at is not None:
        assert actor.expires_at > now(), "what is accepted is not over at once"


async def test_an_external_id_may_be_another_claim_and_a_number(keys: Path) -> None:
    ada, name = await a_client()
    await transaction(lambda: Account.filter(id=ada.id).update(external_id="4711" + name))
    issuers = trusting(keys, external_id_claim="client_id")
    assert await who(issuers, signed(claims("x", client_id="4711" + name))) is not None
    assert await who(issuers, signed(claims("4711" + name))) is None
    await transaction(lambda: Account.filter(id=ada.id).update(external_id=str(ada.id.int)))
    assert await who(issuers, signed(claims("x", client_id=ada.id.int))) is not None
    assert await who(issuers, signed(claims("x", client_id=True))) is None


async def test_another_partners_client_of_that_name_is_not_meant(keys: Path) -> None:
    issuers, (_, name) = trusting(keys, partner="Another portal"), await a_client()
    assert await who(issuers, signed(claims(name))) is None


async def test_a_disabled_client_is_nobody_and_what_is_open_ends(keys: Path) -> None:
    issuers, (ada, name) = trusting(keys), await a_client()
    actor = await who(issuers, signed(claims(name)))
    assert actor is not None
    assert await holding({actor}) == {actor}
    await transaction(lambda: Account.filter(id=ada.id).update(external_id=None))
    assert await holding({actor}) == set()
    await transaction(lambda: Account.filter(id=ada.id).update(external_id=name))
    await transaction(lambda: User.filter(account_id=ada.id).update(disabled_at=now()))
    assert await holding({actor}) == set()
    assert await who(issuers, signed(claims(name))) is None


async def test_an_issuer_that_has_left_signs_nobody_in() -> None:
    _, name = await a_client()
    assert await who(Issuers([], ["USD"]), signed(claims(name))) is None


async def test_a_token_that_was_good_is_refused_when_it_has_expired_or_its_key_is_gone(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuers, (_, name) = trusting(keys), await a_client()
    token = signed(claims(name))
    assert await who(issuers, token) is not None
    write(keys, jwks(rsa("two")))
    assert await who(issuers, signed(claims(name), rsa("two"))) is not None
    assert await who(issuers, token) is None, "its key has been taken back"
    later = signed(claims(name), rsa("two"))
    assert await who(issuers, later) is not None
    monkeypatch.setattr("api.issuers.tokens.LEEWAY_SECONDS", -400)
    assert await who(issuers, later) is None


async def test_two_first_requests_at_once_make_one_account(keys: Path) -> None:
    issuers, name = trusting(keys, create_accounts=True), key()
    email = f"{name}@client.example"
    tokens = [
        signed(claims(name, email=email, email_verified=True, name="Bo", jti=str(n)))
        for n in range(4)
    ]
    actors = await asyncio.gather(*(who(issuers, token) for token in tokens))
    assert len({actor.account_id for actor in actors if actor is not None}) == 1
    assert None not in actors
    account = await Account.get(external_id=name)
    assert (account.name, account.email, account.currency) == ("Bo", email, "USD")
    assert await Account.filter(email=email).count() == 1


@pytest.mark.parametrize(
    "more",
    [
        {"email": None},
        {"email": "nobody"},
        {"email": 7},
        {"email_verified": None},  # it isn't there
        {"email_verified": False},
        {"email_verified": "true"},
        {"sub": " x"},
        {"sub": "x\0"},
    ],
)
async def test_an_account_is_not_opened_without_a_good_address(
    keys: Path, more: dict[str, Any]
) -> None:
    issuers, name = trusting(keys, create_accounts=True), key()
    told = {"email": f"{name}@client.example", "email_verified": True, **more}
    before = await Account.all().count()
    assert await who(issuers, signed(claims(name, **told))) is None
    assert await Account.all().count() == before


async def test_nobody_gets_an_account_by_its_address(keys: Path) -> None:
    issuers, (ada, name) = trusting(keys, create_accounts=True), await a_client()
    before = await Account.all().count()
    token = signed(claims("another-" + name, email=ada.email, email_verified=True, name="Eve"))
    assert await who(issuers, token) is None
    assert await who(issuers, token) is None
    assert await Account.all().count() == before
    assert (await Account.get(id=ada.id)).external_id == name


async def test_an_issuer_may_vouch_for_all_addresses_that_it_gives_out(keys: Path) -> None:
    issuers = trusting(keys, create_accounts=True, email_verified=True)
    name, other = key(), key()
    assert await who(issuers, signed(claims(name, email=f"{name}@client.example"))) is not None
    told = claims(other, email=f"{other}@client.example", email_verified=False)
    assert await who(issuers, signed(told)) is None, "it says so of this one"
