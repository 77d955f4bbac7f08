"""Bank statements as banks write them, in three forms, of what we say has moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

from models.clock import now
from models.money import Money

IBAN: Final = "DE89370400440532013000"
TODAY: Final = now().date()


@dataclass(frozen=True)
class Transfer:
    """One transfer on an account; `minor` is positive, a debit has `is_credit` False."""

    minor: int
    text: str | tuple[str, ...] = ""
    ref: str = ""
    is_credit: bool = True
    is_reversal: bool = False
    structured: str = ""
    status: str = "BOOK"
    payer: str = "Erika Mustermann"
    day: date = TODAY

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,) if isinstance(self.text, str) else self.text


@dataclass(frozen=True)
class Day:
    """The statement of a day: what was there when it began, and what moved."""

    transfers: tuple[Transfer, ...] = ()
    opening: int = 0
    number: int = 1
    currency: str = "EUR"
    account: str = IBAN
    day: date = TODAY
    #: The day of the opening balance, where it is not that of the closing.
    opened: date | None = None
    #: Transfers that the bank books in one sum, of all that have this reference.
    batch: str = ""
    details: bool = True
    id: str = field(default="")

    @property
    def closing(self) -> int:
        booked = [one for one in self.transfers if one.status == "BOOK"]
        return self.opening + sum(one.minor if one.is_credit else -one.minor for one in booked)

    def next(self, *transfers: Transfer, number: int | None = None) -> Day:
        return Day(
            transfers,
            self.closing,
            self.number + 1 if number is None else number,
            self.currency,
            self.account,
            self.day + timedelta(days=1),
        )

    # ------------------------------------------------------------------------- camt

    def camt053(self, version: int = 8) -> bytes:
        balances = self._balance("OPBD", self.opening, self.opened or self.day)
        balances += self._balance("CLBD", self.closing, self.day)
        body = f"<ElctrncSeqNb>{self.number}</ElctrncSeqNb>{self._acct()}{balances}"
        return self._message("camt.053", "BkToCstmrStmt", "Stmt", body, version)

    def camt054(self, version: int = 8) -> bytes:
        return self._message("camt.054", "BkToCstmrDbtCdtNtfctn", "Ntfctn", self._acct(), version)

    def _message(self, form: str, root: str, child: str, head: str, version: int) -> bytes:
        name = f"{form}-{self.id or f'{self.day}-{self.number}'}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{form}.001.{version:02}"><{root}>'
            f"<GrpHdr><MsgId>{name}</MsgId></GrpHdr><{child}><Id>{name}</Id>{head}"
            f"{self._entries(version)}</{child}></{root}></Document>"
        ).encode()

    def _acct(self) -> str:
        kind = "IBAN" if self.account[:2].isalpha() else "Othr"
        number = self.account if kind == "IBAN" else f"<Id>{self.account}</Id>"
        return f"<Acct><Id><{kind}>{number}</{kind}></Id><Ccy>{self.currency}</Ccy></Acct>"

    def _balance(self, code: str, minor: int, day: date) -> str:
        mark = "CRDT" if minor >= 0 else "DBIT"
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{self._amt(abs(minor))}"
            f"<CdtDbtInd>{mark}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        )

    def _amt(self, minor: int) -> str:
        return f'<Amt Ccy="{self.currency}">{self._major(minor)}</Amt>'

    def _major(self, minor: int) -> Decimal:
        return Money(minor, self.currency).amount

    def _entries(self, version: int) -> str:
        alone = [one for one in self.transfers if not (self.batch and one.ref == self.batch)]
        together = [one for one in self.transfers if self.batch and one.ref == self.batch]
        entries = [self._entry([one], version) for one in alone]
        return "".join(entries + ([self._entry(together, version)] if together else []))

    def _entry(self, transfers: list[Transfer], version: int) -> str:
        first = transfers[0]
        status = f"<Cd>{first.status}</Cd>" if version > 6 else first.status
        details = "".join(
            self._details(one, version, alone=len(transfers) == 1) for one in transfers
        )
        count = f"<Btch><NbOfTxs>{len(transfers)}</NbOfTxs></Btch>" if len(transfers) > 1 else ""
        return (
            f"<Ntry>{self._amt(sum(one.minor for one in transfers))}"
            f"<CdtDbtInd>{'CRDT' if first.is_credit else 'DBIT'}</CdtDbtInd>"
            f"{'<RvslInd>true</RvslInd>' if first.is_reversal else ''}<Sts>{status}</Sts>"
            f"<BookgDt><Dt>{first.day}</Dt></BookgDt>"
            f"{f'<AcctSvcrRef>{first.ref}</AcctSvcrRef>' if first.ref else ''}"
            f"<NtryDtls>{count}{details if self.details else ''}</NtryDtls></Ntry>"
        )

    def _details(self, one: Transfer, version: int, *, alone: bool) -> str:
        amount = self._amt(one.minor)
        if version <= 6:
            amount = f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        name = f"<Nm>{escape(one.payer)}</Nm>"
        party = name if version <= 6 else f"<Pty>{name}</Pty>"
        texts = "".join(f"<Ustrd>{escape(text)}</Ustrd>" for text in one.texts if text)
        if one.structured:
            texts += f"<Strd><CdtrRefInf><Ref>{one.structured}</Ref></CdtrRefInf></Strd>"
        return (
            f"<TxDtls><Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>{'' if alone else amount}"
            f"<RltdPties><Dbtr>{party}</Dbtr></RltdPties><RmtInf>{texts}</RmtInf></TxDtls>"
        )

    # ------------------------------------------------------------------------- MT940

    def mt940(self, *, named: bool = True) -> bytes:
        """`named`: whether the bank gives its own references in this form, too."""
        lines = "".join(self._line(one, named=named) for one in self.transfers)
        return (
            f":20:{self.id or 'STARTUMSE'}\n:25:{self.account}\n:28C:{self.number}/1\n"
            f":60F:{self._marked(self.opening, self.opened or self.day)}\n{lines}"
            f":62F:{self._marked(self.closing, self.day)}\n-\n"
        ).encode()

    def _marked(self, minor: int, day: date) -> str:
        amount = str(self._major(abs(minor))).replace(".", ",")
        return f"{'C' if minor >= 0 else 'D'}{day:%y%m%d}{self.currency}{amount}"

    def _line(self, one: Transfer, *, named: bool) -> str:
        mark = {(True, False): "C", (False, False): "D", (False, True): "RC", (True, True): "RD"}[
            one.is_credit, one.is_reversal
        ]
        amount = str(self._major(one.minor)).replace(".", ",")
        if "," not in amount:
            amount += ","
        ref = f"//{one.ref}" if named and one.ref else ""
        texts = "".join(f"?{20 + n}{text}" for n, text in enumerate((*one.texts, one.structured)))
        return (
            f":61:{one.day:%y%m%d%m%d}{mark}{amount}NTRFNONREF{ref}\n"
            f":86:166?00CREDIT{texts}?32{one.payer[:27]}\n"
        )
