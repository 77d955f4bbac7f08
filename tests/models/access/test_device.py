"""Browsers that somebody has signed in with before: others do not shut them out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from models.access import password
from models.access import session as sessions
from models.access.device import known, noted
from models.access.user import User
from models.errors import InvalidCredentials, RateLimited
from models.provider import retention
from tests.support.identities import ADDRESS, PASSWORD, a_client, signed_in, wire_small_provider

if TYPE_CHECKING:
    from tests.support.clock import At

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    wire_small_provider(monkeypatch)


async def guess(times: int, *, notes: str = "", address: str = ADDRESS) -> int:
    """Wrong passwords for Ada; how many of them were looked at."""
    looked_at = 0
    for number in range(times):
        try:
            await signed_in("ada@example.com", f"guess {number}", address=address, notes=notes)
        except InvalidCredentials:
            looked_at += 1
        except RateLimited:
            pass
    return looked_at


async def a_device(user: User, notes: str = "") -> str:
    await signed_in(str(user.email), PASSWORD, address=ADDRESS, notes=notes)
    return await noted(notes, user.id)


async def test_wrong_passwords_from_elsewhere_do_not_lock_out_a_browser_that_is_known() -> None:
    ada = await a_client()
    notes = await a_device(ada)
    assert await guess(20, address="203.0.113.9") == 10
    with pytest.raises(RateLimited):
        await signed_in("ada@example.com", PASSWORD, address=ADDRESS)
    actor, _ = await signed_in("ada@example.com", PASSWORD, address=ADDRESS, notes=notes)
    assert actor.user_id == ada.id


async def test_a_neighbour_who_used_the_addresss_attempts_does_not_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_GUESSES_PER_ADDRESS", 5)
    notes = await a_device(await a_client())
    assert await guess(10) == 5
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS, notes=notes)


async def test_a_stolen_note_has_a_limit_of_its_own_from_wherever_it_is_used() -> None:
    notes = await a_device(await a_client())
    looked_at = [await guess(1, notes=notes, address=f"203.0.113.{n}") for n in range(20)]
    assert sum(looked_at) == 10
    with pytest.raises(RateLimited):
        await signed_in("ada@example.com", PASSWORD, address=ADDRESS, notes=notes)
    # It spends nothing of what everybody else has.
    await signed_in("ada@example.com", PASSWORD, address=ADDRESS)


async def test_many_stolen_notes_are_counted_together() -> None:
    ada = await a_client()
    stolen = [await a_device(ada) for _ in range(5)]
    assert len({known(notes, ada) for notes in stolen}) == 5
    assert sum([await guess(10, notes=notes) for notes in stolen]) == 30


async def test_a_browser_stays_the_same_device_however_often_it_signs_in() -> None:
    ada = await a_client()
    notes = await a_device(ada)
    again = await a_device(ada, notes)
    assert known(again, ada) == known(notes, ada) is not None
    assert again.count(ada.id.hex) == 1


async def test_a_note_is_good_for_its_user_alone() -> None:
    ada, bo = await a_client(), await a_client("bo@example.com")
    hers = await a_device(ada)
    assert known(hers, bo) is None
    assert await guess(20, notes=await a_device(bo)) == 10
    renamed = hers.replace(ada.id.hex, bo.id.hex)
    assert known(renamed, bo) is None


async def test_a_browser_remembers_several_users_and_the_last_ones_only() -> None:
    users = [await a_client(f"{n}@example.com") for n in range(7)]
    notes = ""
    for user in users:
        notes = await a_device(user, notes)
    assert [known(notes, user) is not None for user in users] == [False] * 2 + [True] * 5
    assert len(notes) < 1000


async def test_a_note_ends_with_its_time_and_with_the_password(at: At) -> None:
    ada = await a_client()
    notes = await a_device(ada)
    with at(retention.DEVICES + timedelta(seconds=1)):
        assert known(notes, ada) is None
    assert known(notes, ada) is not None
    await User.filter(id=ada.id).update(password_hash=await password.hashed("another pass phrase"))
    assert known(notes, await User.get(id=ada.id)) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "",
        lambda _: "~~~",
        lambda _: "...",
        lambda notes: notes[:-1],
        lambda notes: notes[:-1] + ("0" if notes[-1] != "0" else "1"),
        lambda notes: notes.upper(),
        lambda notes: notes.replace(".", "..", 1),
        lambda notes: ".".join([*notes.split(".")[:2], "9999999999", notes.split(".")[3]]),
        lambda notes: ".".join([notes.split(".")[0], "0" * 32, *notes.split(".")[2:]]),
        lambda notes: ".".join([*notes.split(".")[:3], ""]),
        lambda notes: notes + "~" + "x" * 2000,
        lambda _: "\ud800",
        lambda _: "ü.ü.ü.ü",
    ],
)
async def test_a_forged_note_is_none_and_helps_nobody(forge: object) -> None:
    ada = await a_client()
    forged = forge(await a_device(ada))  # type: ignore[operator]
    assert known(forged, ada) is None
    assert await guess(20, notes=forged) == 10
