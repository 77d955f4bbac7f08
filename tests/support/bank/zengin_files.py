"""Japanese statements as banks write them, in records of 200 characters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from tests.support.bank.files import TODAY


def era(day: date) -> str:
    return f"{day.year - 2018:02}{day:%m%d}"


def _balance(yen: int | None) -> str:
    """The sign (1 for plus), and the balance."""
    return " " * 15 if yen is None else f"{1 if yen >= 0 else 2}{abs(yen):014}"


@dataclass(frozen=True)
class Entry:
    """`yen` is positive; `reason` 11 is a transfer, 19 a correction. `payer` is in half width."""

    yen: int
    payer: str = "ﾔﾏﾀﾞ ﾀﾛｳ"
    is_credit: bool = True
    reason: str = "11"
    summary: str = ""
    edi: str = ""
    day: date = TODAY

    def record(self) -> str:
        return (
            f"2{0:08}{era(self.day)}{era(self.day)}{'1' if self.is_credit else '2'}{self.reason}"
            f"{self.yen:012}{0:012}{'':12}{'':1}{'':7}123{0:010}{self.payer:<48}"
            f"{'ｶｾﾞ':<15}{'ﾎﾝﾃﾝ':<15}{self.summary:<20}{self.edi:<20} "
        )

    def notice(self, *, large: bool = False) -> str:
        canceled = " " if self.is_credit else "1"
        first, second = (0, self.yen) if large else (self.yen, 0)
        more = f"{second:012}{0:012}" if large else ""
        return (
            f"2{0:06}{era(self.day)}{era(self.day)}{first:010}{0:010}{0:010}{self.payer:<48}"
            f"{'ｶｾﾞ':<15}{'ﾎﾝﾃﾝ':<15}{canceled}{more}{self.edi:<20}"
        ).ljust(200)


@dataclass(frozen=True)
class Account:
    """A statement (03) or a notification (01) of an account; `opening` None is not told."""

    entries: tuple[Entry, ...] = (Entry(8000),)
    opening: int | None = 1000
    number: str = "1234567"
    branch: str = "001"
    kind: int = 1
    day: date = field(default=TODAY)

    def _sum(self, *, credits: bool) -> tuple[int, int]:
        some = [one.yen for one in self.entries if one.is_credit == credits]
        return len(some), sum(some)

    def _head(self, of: str) -> str:
        days = era(self.day) * 3
        return f"1{of}0{days}0123{'ｶｾﾞ':<15}{self.branch}{'ﾁﾕｳｵｳ':<15}"

    def statement(self) -> list[str]:
        (came, received), (went, paid) = self._sum(credits=True), self._sum(credits=False)
        before = _balance(self.opening)
        closing = _balance(None if self.opening is None else self.opening + received - paid)
        head = f"{self._head('03')}000{self.kind}{self.number:0>10}{'ｶｾﾞﾎｽﾃｲﾝｸﾞ(ｶ':<40}"
        head += f"{before[0]}1{before[1:]}"
        tail = f"8{came:06}{received:013}{went:06}{paid:013}{closing}{len(self.entries):07}"
        return [head.ljust(200), *(one.record() for one in self.entries), tail.ljust(200)]

    def notification(self, *, large: bool = False) -> list[str]:
        (came, received), (went, paid) = self._sum(credits=True), self._sum(credits=False)
        head = f"{self._head('01')}{self.kind}{self.number:0>7}{'ｶｾﾞﾎｽﾃｲﾝｸﾞ(ｶ':<40}"
        tail = f"8{came:06}{received:012}{went:06}{paid:012}"
        return [
            head.ljust(200),
            *(one.notice(large=large) for one in self.entries),
            tail.ljust(200),
        ]


def statement(*accounts: Account) -> list[str]:
    """The records of a file of statements (03)."""
    body = [record for one in accounts for record in one.statement()]
    return [*body, f"9{len(body) + 1:010}{len(accounts):05}".ljust(200)]


def notification(*accounts: Account, large: bool = False) -> list[str]:
    """The records of a file of notifications (01)."""
    return [
        *(record for one in accounts for record in one.notification(large=large)),
        "9".ljust(200),
    ]


def file(records: list[str], ends: str = "\r\n", encoding: str = "cp932") -> bytes:
    return "".join(record + ends for record in records).encode(encoding)
