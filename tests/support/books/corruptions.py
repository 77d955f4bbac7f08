"""What the audit must find: corruption of every kind, planted by SQL behind the code's back.

`:name` is what `everything` keeps under that name, `:pay(name)` the public id of that payment.
Statements keep to what the database itself demands (checks, unique keys); the guards of append-only
tables are taken down for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Plant:
    """`statements` of corruption, which `check` finds and tells of in `words`."""

    check: str
    what: str
    words: str
    statements: tuple[str, ...]

    def sql(self, there: Mapping[str, str]) -> list[str]:
        return [_filled(one, there, quote=True) for one in self.statements]

    def told(self, there: Mapping[str, str]) -> str:
        return _filled(self.words, there, quote=False)


_NAME: Final = re.compile(r":([a-z]\w*)(?:\((\w+)\))?")


def _filled(text: str, there: Mapping[str, str], *, quote: bool) -> str:
    def value(found: re.Match[str]) -> str:
        name, argument = found.groups()
        if argument:
            return f"{name}_{UUID(there[argument]).hex}"
        if name == "year":
            return there[name]
        escaped = there[name].replace("'", "''")
        return f"'{escaped}'" if quote else there[name]

    return _NAME.sub(value, text)


def _plant(check: str, what: str, words: str, *statements: str) -> Plant:
    return Plant(check, what, words, statements)


_TRANSFER: Final = (
    "INSERT INTO transfer (id, created_at, currency, kind, source, leg, from_id, to_id, amount,"
    " account_id, credit_transaction_id, payment_id)"
)
_LINE: Final = (
    "INSERT INTO credit_transaction (id, created_at, account_id, currency, kind, source, amount,"
    " balance_after, available_after, reserved_after, promotional_after, debt_after, version,"
    " note, refundable, invoice_id, payment_id)"
)
_RECEIPT: Final = (
    "INSERT INTO receipt (id, created_at, gateway, event_ref, kind, payment_ref, capture_ref,"
    " refund_ref, reference, amount, currency, failure, payload, state, note, next_try_at)"
)
_PAY: Final = "'pay_' || replace(CAST(p.id AS TEXT), '-', '')"


def _told(payment: str, kind: str, state: str, next_try: str = "NULL", amount: int = 100) -> str:
    """A message of a payment's gateway."""
    return (
        f"{_RECEIPT} SELECT :new1, p.created_at, p.gateway, 'planted', '{kind}', {_PAY}, '', '',"
        f" 'planted', {amount}, p.currency, '', '{{}}', '{state}', '', {next_try}"
        f" FROM payment p WHERE p.id = {payment}"
    )


def _first(table: str, where: str) -> str:
    return f"id = (SELECT id FROM {table} WHERE {where} ORDER BY id LIMIT 1)"


def _last_line(account: str) -> str:
    return (
        "id = (SELECT id FROM credit_transaction"
        f" WHERE account_id = {account} ORDER BY version DESC LIMIT 1)"
    )


_DEPOSIT_TRANSFER: Final = _first("transfer", "payment_id = :deposit AND kind = 'DEPOSIT'")
_DEPOSIT_LINE: Final = _first("credit_transaction", "payment_id = :deposit AND kind = 'DEPOSIT'")
_CAPTURE: Final = "kind = 'CAPTURED' AND payment_id"
_A_DEPOSITED: Final = "SELECT id FROM ledger_account WHERE kind = 'DEPOSITED' AND account_id"
_THE_SALES: Final = "SELECT id FROM ledger_account WHERE kind = 'SALES' AND currency = 'USD'"
_THE_CARDS: Final = (
    "SELECT id FROM ledger_account WHERE kind = 'CLEARING' AND currency = 'USD'"
    " AND gateway = 'card'"
)

#: A settlement with all that it makes: the money is in the ledger, on the statement and spendable.
_BOOKED_TWICE: Final = (
    (
        "INSERT INTO settlement (id, created_at, gateway, kind, reference, payment_id, amount)"
        " SELECT :new1, created_at, gateway, 'CAPTURED', 'once more', id, 700 FROM payment"
        " WHERE id = :over"
    ),
    "UPDATE payment SET received = received + 700, excess = excess + 700 WHERE id = :over",
    (
        f"{_LINE} SELECT :new2, p.created_at, p.account_id, p.currency, 'OVERPAYMENT',"
        " replace(:new1, '-', ''), 700, b.available + b.reserved - b.debt + 700,"
        " b.available + 700, b.reserved, b.promotional, b.debt, b.version + 1, i.number, FALSE,"
        " i.id, p.id FROM payment p JOIN balance b ON b.account_id = p.account_id"
        " AND b.currency = p.currency JOIN invoice i ON i.id = p.invoice_id WHERE p.id = :over"
    ),
    (
        f"{_TRANSFER} SELECT :new3, created_at, currency, 'OVERPAYMENT', replace(:new1, '-', ''),"
        f" 0, ({_THE_CARDS}), ({_A_DEPOSITED} = :ada AND currency = 'USD'), 700, account_id, :new2,"
        " id FROM payment WHERE id = :over"
    ),
    "UPDATE balance SET available = available + 700, version = version + 1 WHERE account_id = :ada",
)

#: Credit from nothing, with its line, as if staff had given it.
_A_GIFT: Final = (
    (
        f"{_LINE} SELECT :new2, updated_at, account_id, currency, 'ADJUSTMENT',"
        " replace(:new2, '-', ''), 700, available + reserved - debt + 700, available + 700,"
        " reserved, promotional, debt, version + 1, 'a gift', FALSE, NULL, NULL FROM balance"
        " WHERE account_id = :lea"
    ),
    (
        f"{_TRANSFER} SELECT :new3, updated_at, currency, 'ADJUSTMENT', replace(:new2, '-', ''), 0,"
        " (SELECT id FROM ledger_account WHERE kind = 'ADJUSTMENTS' AND currency = 'USD'),"
        f" ({_A_DEPOSITED} = :lea), 700, account_id, :new2, NULL FROM balance"
        " WHERE account_id = :lea"
    ),
    "UPDATE balance SET available = available + 700, version = version + 1 WHERE account_id = :lea",
)

#: The same, but of a time when there was no log yet: it was loaded from elsewhere.
LOADED_GIFT: Final = tuple(
    statement.replace(" updated_at,", " '2019-01-05 10:00:00.000000+00:00',")
    for statement in _A_GIFT
)

_VOID: Final = (
    "UPDATE invoice SET status = 'VOID', amount_paid = 0, credit_applied = 0,"
    " voided_at = issued_at, void_reason = 'x' WHERE id ="
)

LEDGER: Final = (
    _plant(
        "transfer-accounts",
        "a transfer in another currency",
        "not between two ledger accounts of its currency",
        f"UPDATE transfer SET currency = 'JPY' WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-accounts",
        "a transfer to nowhere",
        "not between two ledger accounts of its currency",
        f"UPDATE transfer SET to_id = :new1 WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-accounts",
        "a ledger account that is gone",
        "not between two ledger accounts of its currency",
        "DELETE FROM ledger_account WHERE kind = 'DEPOSITED' AND account_id = :lea",
    ),
    _plant(
        "totals",
        "a transfer to nowhere, in the sums",
        "USD: debits and credits differ by",
        f"UPDATE transfer SET to_id = :new1 WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-posting",
        "sales turned into adjustments",
        "never moves money from ADJUSTMENTS to CLEARING",
        "UPDATE ledger_account SET kind = 'ADJUSTMENTS' WHERE kind = 'SALES' AND currency = 'USD'",
        "UPDATE transfer SET kind = 'SALE_REVERSED' WHERE payment_id = :by_card AND kind = 'SALE'",
        "UPDATE transfer SET from_id = to_id, to_id = from_id WHERE payment_id = :by_card"
        " AND kind = 'SALE_REVERSED'",
    ),
    _plant(
        "transfer-posting",
        "sales alone turned into adjustments",
        "to ADJUSTMENTS",
        "UPDATE ledger_account SET kind = 'ADJUSTMENTS' WHERE kind = 'SALES' AND currency = 'USD'",
    ),
    _plant(
        "transfer-posting",
        "a sale that was turned round",
        "SALE never moves money from SALES to CLEARING",
        "UPDATE transfer SET from_id = to_id, to_id = from_id WHERE payment_id = :by_card"
        " AND kind = 'SALE'",
    ),
    _plant(
        "transfer-client",
        "a transfer given to another client",
        "is booked for one client, but moves another's credit",
        f"UPDATE transfer SET account_id = :ben WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-client",
        "a transfer into another client's deposits",
        "is booked for one client, but moves another's credit",
        f"UPDATE transfer SET to_id = ({_A_DEPOSITED} = :bea) WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-line",
        "a transfer taken off its line",
        "doesn't match its credit transaction",
        f"UPDATE transfer SET credit_transaction_id = NULL WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-line",
        "a transfer of another source",
        "doesn't match its credit transaction",
        f"UPDATE transfer SET source = 'x' WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "transfer-line",
        "a line that is gone",
        "doesn't match its credit transaction",
        f"DELETE FROM credit_transaction WHERE {_last_line(':lea')}",
    ),
    _plant(
        "transfer-unpaid",
        "money of a gateway that no payment brought",
        "passes through a gateway's clearing account, but has no payment",
        f"{_TRANSFER} SELECT :new1, updated_at, 'USD', 'SALE', 'x', 0, ({_THE_CARDS}),"
        f" ({_THE_SALES}), 5, account_id, NULL, NULL FROM balance WHERE account_id = :ada",
    ),
    _plant(
        "transfer-payment",
        "a sale given to another client",
        "its payment",
        "UPDATE transfer SET account_id = :ben WHERE payment_id = :by_card AND kind = 'SALE'",
    ),
    _plant(
        "transfer-payment",
        "a sale through another gateway",
        "its payment",
        f"UPDATE transfer SET from_id = ({_THE_CARDS}) WHERE payment_id = :by_card"
        " AND kind = 'SALE'",
    ),
    _plant(
        "transfer-source",
        "a fee of nothing that was settled",
        "has no settlement, payment or refund as its source",
        "UPDATE transfer SET source = 'x' WHERE payment_id = :deposit AND kind = 'FEE'",
    ),
    _plant(
        "transfer-hold",
        "a hold that is gone",
        "there is no such hold",
        "DELETE FROM credit_hold WHERE payment_id = :waiting",
    ),
    _plant(
        "ledger-account-kind",
        "reserved credit of nobody",
        "HELD doesn't fit its owner",
        "UPDATE ledger_account SET account_id = NULL WHERE account_id = :lea AND kind = 'HELD'",
    ),
    _plant(
        "ledger-account-kind",
        "sales of a client",
        "SALES doesn't fit its owner",
        "UPDATE ledger_account SET account_id = :lea WHERE kind = 'SALES' AND currency = 'KWD'",
    ),
    _plant(
        "ledger-account-grant",
        "a grant that is gone",
        "GRANT in USD doesn't match its grant, or has none",
        "DELETE FROM credit_grant WHERE account_id = :jon AND amount = 700",
    ),
    _plant(
        "ledger-account-grant",
        "a grant given to another client",
        "GRANT in USD doesn't match its grant, or has none",
        "UPDATE credit_grant SET account_id = :ida WHERE account_id = :jon AND amount = 900",
    ),
    _plant(
        "ledger-account-client",
        "a client that is gone",
        "belongs to account :ada, which doesn't exist",
        "DELETE FROM account WHERE id = :ada",
    ),
    _plant(
        "balance-missing",
        "a balance that is gone",
        "account :ada: has a ledger account in USD, but no balance",
        "DELETE FROM balance WHERE account_id = :ada",
    ),
    _plant(
        "provider-account",
        "fees turned into promotions, where there are none",
        "PROMOTIONS in KWD was opened as something else",
        "UPDATE ledger_account SET kind = 'PROMOTIONS' WHERE kind = 'FEE_INCOME'"
        " AND currency = 'KWD'",
    ),
    _plant(
        "provider-account",
        "clearing of another gateway",
        "CLEARING in KWD was opened as something else",
        "UPDATE ledger_account SET gateway = 'bank' WHERE kind = 'CLEARING' AND currency = 'KWD'",
    ),
    _plant(
        "provider-account",
        "a kind that there is not",
        "GIFTS in KWD was opened as something else",
        "UPDATE ledger_account SET kind = 'GIFTS' WHERE kind = 'SALES' AND currency = 'KWD'",
    ),
    _plant(
        "line-kind",
        "a line of no kind",
        "there is no such kind as GIFT",
        f"UPDATE credit_transaction SET kind = 'GIFT' WHERE {_last_line(':lea')}",
    ),
    _plant(
        "line-amount",
        "a transfer of another amount",
        "for 90.00 USD, but its transfers move 90.01 USD",
        f"UPDATE transfer SET amount = amount + 1 WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "line-amount",
        "a transfer that is gone",
        "its transfers move 0.00 USD",
        f"DELETE FROM transfer WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "line-balance",
        "another balance on a line",
        "its balance is not the balance before it plus its amount",
        "UPDATE credit_transaction SET balance_after = balance_after + 1,"
        f" available_after = available_after + 1 WHERE {_last_line(':ada')}",
    ),
    _plant(
        "line-debt",
        "a debt on a line that there was not",
        "its debt is not the debt before it",
        "UPDATE credit_transaction SET debt_after = debt_after + 1,"
        f" available_after = available_after + 1 WHERE {_last_line(':ada')}",
    ),
    _plant(
        "line-promotional",
        "deposits that a line calls promotional",
        "its promotional or reserved credit doesn't follow",
        "UPDATE credit_transaction SET promotional_after = promotional_after + 1"
        f" WHERE {_last_line(':lea')}",
    ),
    _plant(
        "line-promotional",
        "available credit that a line calls reserved",
        "its promotional or reserved credit doesn't follow",
        "UPDATE credit_transaction SET available_after = available_after - 1,"
        f" reserved_after = reserved_after + 1 WHERE {_last_line(':lea')}",
    ),
    _plant(
        "line-payment",
        "a line of another payment",
        "has no payment of the same client, currency and invoice",
        f"UPDATE credit_transaction SET payment_id = :over WHERE {_DEPOSIT_LINE}",
    ),
    _plant(
        "line-invoice",
        "an invoice that credit paid, given to another client",
        "has no invoice of the same client and currency",
        "UPDATE invoice SET account_id = :ben WHERE id = :by_credit_invoice",
    ),
    _plant(
        "line-source",
        "a deposit of nothing that was settled",
        "has no known cause",
        f"UPDATE credit_transaction SET source = 'x' WHERE {_DEPOSIT_LINE}",
        f"UPDATE transfer SET source = 'x' WHERE {_DEPOSIT_TRANSFER}",
    ),
    _plant(
        "line-payment",
        "a line given to another client",
        "has no payment of the same client",
        f"UPDATE credit_transaction SET account_id = :hal, version = 99 WHERE {_DEPOSIT_LINE}",
    ),
    _plant(
        "line-voucher",
        "a redemption deleted, and the voucher counted down",
        "and the redemptions of vouchers don't match",
        "DELETE FROM redemption WHERE account_id = :ida",
        "UPDATE voucher SET redeemed = redeemed - 1 WHERE amount IN (700, 800)",
    ),
    _plant(
        "line-note",
        "another number on a line",
        "its note is neither the invoice's number",
        f"UPDATE credit_transaction SET note = 'INV-1' WHERE {_DEPOSIT_LINE}",
    ),
    _plant(
        "line-refundable",
        "a gift that can be paid out",
        "ADJUSTMENT is marked refundable",
        f"UPDATE credit_transaction SET refundable = TRUE WHERE {_last_line(':lea')}",
    ),
    _plant(
        "balance-client",
        "a client that is gone, with a balance",
        "belongs to account :ada, which doesn't exist",
        "DELETE FROM account WHERE id = :ada",
    ),
    _plant(
        "balance-accounts",
        "debt turned into holds",
        "account :lea: doesn't have exactly one ledger account each",
        "UPDATE ledger_account SET kind = 'HELD' WHERE kind = 'DEBT' AND account_id = :lea",
    ),
    _plant(
        "balance-transfers",
        "more available",
        "account :ada: its balance in USD is not the sum of its transfers",
        "UPDATE balance SET available = available + 1 WHERE account_id = :ada",
    ),
    _plant(
        "balance-transfers",
        "deposits made of promotions",
        "account :jon: its balance in USD is not the sum of its transfers",
        "UPDATE balance SET promotional = promotional - 1 WHERE account_id = :jon",
    ),
    _plant(
        "balance-transfers",
        "a debt forgotten",
        "account :hal: its balance in USD is not the sum of its transfers",
        "UPDATE balance SET debt = debt - 1 WHERE account_id = :hal",
    ),
    _plant(
        "balance-missing",
        "a balance given to another client",
        "account :ada: has a ledger account in USD, but no balance",
        "UPDATE balance SET account_id = :max WHERE account_id = :ada",
    ),
    _plant(
        "balance-version",
        "a gap in the versions",
        "or a version is missing",
        f"UPDATE credit_transaction SET version = version + 1 WHERE {_last_line(':ada')}",
    ),
    _plant(
        "balance-line",
        "credit made with a transfer and no line",
        "is not the one after its last credit transaction",
        f"{_TRANSFER} SELECT :new1, updated_at, 'USD', 'ADJUSTMENT', 'x', 0,"
        " (SELECT id FROM ledger_account WHERE kind = 'ADJUSTMENTS' AND currency = 'USD'),"
        f" ({_A_DEPOSITED} = :ada AND currency = 'USD'), 1, account_id, NULL, NULL FROM balance"
        " WHERE account_id = :ada",
        "UPDATE balance SET available = available + 1 WHERE account_id = :ada",
    ),
    _plant(
        "balance-holds",
        "a hold that was let go on paper",
        "its open holds come to 0.00 USD",
        "UPDATE credit_hold SET state = 'RELEASED' WHERE payment_id = :waiting",
    ),
)

MONEY: Final = (
    _plant(
        "payment-invoice",
        "another currency, paid",
        ":pay(by_card): its invoice",
        "UPDATE invoice SET currency = 'EUR' WHERE id = :by_card_invoice",
    ),
    _plant(
        "payment-invoice",
        "a payment of an invoice that is not there",
        ":pay(over): its invoice",
        "UPDATE payment SET invoice_id = :new1 WHERE id = :over",
    ),
    _plant(
        "payment-received",
        "a capture of another amount",
        ":pay(over): received 26.00 USD, but its captures come to 26.01 USD",
        f"UPDATE settlement SET amount = amount + 1 WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "payment-received",
        "a capture that is gone",
        ":pay(over): received 26.00 USD, but its captures come to 0.00 USD",
        f"DELETE FROM settlement WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "payment-received",
        "a capture moved to another payment",
        ":pay(over): received 26.00 USD, but its captures come to 0.00 USD",
        f"UPDATE settlement SET payment_id = :part WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "payment-received",
        "a capture turned into a refund",
        ":pay(over): received 26.00 USD, but its captures come to 0.00 USD",
        f"UPDATE settlement SET kind = 'REFUNDED' WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "payment-received",
        "more received",
        ":pay(over): received 26.01 USD",
        "UPDATE payment SET received = received + 1, excess = excess + 1 WHERE id = :over",
    ),
    _plant(
        "payment-taken-back",
        "a refund's settlement deleted",
        ":pay(refunded): 25.00 USD was taken back, but its refunds and disputes come to 0.00 USD",
        "DELETE FROM settlement WHERE payment_id = :refunded AND kind = 'REFUNDED'",
    ),
    _plant(
        "payment-taken-back",
        "a dispute that was won, lost",
        ":pay(won): 0.00 USD was taken back, but its refunds and disputes come to 20.00 USD",
        "UPDATE settlement SET kind = 'DISPUTE_LOST' WHERE payment_id = :won"
        " AND kind = 'DISPUTE_WON'",
    ),
    _plant(
        "payment-taken-back",
        "more taken back than the gateway said",
        ":pay(over): 0.01 USD was taken back",
        "UPDATE payment SET taken_back = 1, excess = excess - 1 WHERE id = :over",
    ),
    _plant(
        "payment-booked",
        "a capture that says more than was booked",
        ":pay(over): received 26.01 USD, of which 0.00 USD was taken back, and that is not",
        f"UPDATE settlement SET amount = amount + 1 WHERE {_CAPTURE} = :over",
        "UPDATE payment SET received = received + 1, excess = excess + 1 WHERE id = :over",
    ),
    _plant(
        "payment-fee",
        "a fee that counts on the invoice",
        ":pay(deposit): 0.20 USD of its fee",
        "UPDATE payment SET fee_taken = 20, applied = applied + 10 WHERE id = :deposit",
    ),
    _plant(
        "payment-fee",
        "another fee than was taken",
        ":pay(deposit): 0.30 USD of its fee of 0.10 USD was taken",
        "UPDATE payment SET fee = 10 WHERE id = :deposit",
    ),
    _plant(
        "payment-applied",
        "what an invoice had, turned into credit",
        ":pay(by_card): ",
        "UPDATE payment SET applied = applied - 100, excess = excess + 100 WHERE id = :by_card",
    ),
    _plant(
        "payment-applied",
        "what a void invoice had, kept from the client",
        ":pay(void_sold): 1.00 USD counts towards invoice",
        "UPDATE payment SET applied = applied + 100, excess = excess - 100 WHERE id = :void_sold",
    ),
    _plant(
        "payment-status",
        "FAILED although money came",
        ":pay(over): FAILED, but 26.00 USD came in",
        "UPDATE payment SET status = 'FAILED', failure = 'declined' WHERE id = :over",
    ),
    _plant(
        "payment-status",
        "SUCCEEDED although none did",
        ":pay(moving): SUCCEEDED, but 0.00 USD came in",
        "UPDATE payment SET status = 'SUCCEEDED', completed_at = created_at WHERE id = :moving",
    ),
    _plant(
        "payment-disputed",
        "a dispute that there is not",
        ":pay(over): whether it is disputed is not",
        "UPDATE payment SET disputed = TRUE WHERE id = :over",
    ),
    _plant(
        "payment-disputed",
        "a dispute that is forgotten",
        ":pay(disputed): whether it is disputed is not",
        "UPDATE payment SET disputed = FALSE WHERE id = :disputed",
        "UPDATE account SET open_disputes = 0 WHERE id = :fay",
    ),
    _plant(
        "payment-credit-part",
        "more credit for a payment than is held",
        ":pay(waiting): REQUIRES_ACTION with a credit part of 9.00 USD",
        "UPDATE payment SET credit_part = 900, amount = 1800 WHERE id = :waiting",
    ),
    _plant(
        "payment-credit-part",
        "credit for a deposit",
        ":pay(transfer): SUCCEEDED with a credit part of 0.01 USD",
        "UPDATE payment SET credit_part = 1 WHERE id = :transfer",
    ),
    _plant(
        "payment-amount",
        "a payment over more than its invoice",
        ":pay(moving): for 28.01 USD",
        "UPDATE payment SET amount = amount + 1 WHERE id = :moving",
    ),
    _plant(
        "payment-several",
        "a payment for several invoices without its parts",
        ":pay(several): for 13.00 USD",
        "DELETE FROM payment_allocation WHERE payment_id = :several",
    ),
    _plant(
        "allocation-invoice",
        "a part of a payment that pays somebody else's invoice",
        ":pay(several): is also for invoice",
        "UPDATE payment_allocation SET invoice_id = :deposit_invoice"
        " WHERE payment_id = :several AND place = 1",
    ),
    _plant(
        "allocation-applied",
        "money of one invoice that counts on the other",
        ":pay(several): ",
        "UPDATE payment_allocation SET applied = applied + CASE place WHEN 0 THEN 100 ELSE -100 END"
        " WHERE payment_id = :several",
    ),
    _plant(
        "payment-ended",
        "a payment that ended, and did not",
        ":pay(over): SUCCEEDED, but its completion date says otherwise",
        "UPDATE payment SET completed_at = NULL WHERE id = :over",
    ),
    _plant(
        "payment-ended",
        "a payment under way that somebody gave up",
        ":pay(moving): CANCELED, but its completion date says otherwise",
        "UPDATE payment SET status = 'CANCELED' WHERE id = :moving",
    ),
    _plant(
        "payment-unasked",
        "a payment that nobody will ask about",
        ":pay(moving): PROCESSING, but its gateway will not be asked",
        "UPDATE payment SET next_check_at = NULL WHERE id = :moving",
    ),
    _plant(
        "settlement-payment",
        "a capture through another gateway",
        "CAPTURED at bank, but its payment goes through another gateway",
        f"UPDATE settlement SET gateway = 'bank' WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "settlement-payment",
        "a payment through another gateway",
        "CAPTURED at card, but its payment goes through another gateway",
        "UPDATE payment SET gateway = 'paid-card' WHERE id = :over",
    ),
    _plant(
        "settlement-reason",
        "a capture booked twice, consistently, under a reference that no message names",
        "settlement once more: CAPTURED of 7.00 USD for :pay(over), but no message from card",
        *_BOOKED_TWICE,
    ),
    _plant(
        "settlement-reason",
        "a capture whose message is gone",
        "CAPTURED of 26.00 USD for :pay(over), but no message from card",
        "DELETE FROM receipt WHERE kind = 'CAPTURED' AND payment_ref = ':pay(over)'",
    ),
    _plant(
        "settlement-reason",
        "a capture whose message says less",
        "CAPTURED of 26.00 USD for :pay(over), but no message from card",
        "UPDATE receipt SET amount = 100 WHERE kind = 'CAPTURED' AND payment_ref = ':pay(over)'",
    ),
    _plant(
        "settlement-reason",
        "a capture whose message was put aside",
        "CAPTURED of 26.00 USD for :pay(over), but no message from card",
        "UPDATE receipt SET state = 'QUARANTINED', note = 'a joke' WHERE kind = 'CAPTURED'"
        " AND payment_ref = ':pay(over)'",
    ),
    _plant(
        "settlement-reason",
        "a capture under another reference",
        "settlement mine: CAPTURED of 26.00 USD for :pay(over)",
        f"UPDATE settlement SET reference = 'mine' WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "settlement-reason",
        "a bank transfer without its line",
        "CAPTURED of 25.00 USD for :pay(transfer)",
        "DELETE FROM bank_credit WHERE id = :line_booked",
    ),
    _plant(
        "settlement-reason",
        "a capture of staff's that nobody has recorded",
        "settlement :pay(over): CAPTURED of 26.00 USD for :pay(over)",
        f"UPDATE settlement SET reference = ':pay(over)' WHERE {_CAPTURE} = :over",
    ),
    _plant(
        "settlement-reason",
        "what staff have recorded, and the audit log has not",
        "settlement :pay(stuck): CAPTURED of 29.00 USD for :pay(stuck)",
        "DELETE FROM audit_entry WHERE action = 'payment.outcome'",
    ),
    _plant(
        "message-unbooked",
        "a capture's message that is APPLIED and has no settlement",
        "CAPTURED planted of 1.00 USD is APPLIED, but was never booked",
        _told(":moving", "CAPTURED", "APPLIED"),
    ),
    _plant(
        "message-unbooked",
        "a refund told by the gateway that was never booked",
        "REFUNDED planted of 1.00 USD is APPLIED, but was never booked",
        _told(":over", "REFUNDED", "APPLIED"),
    ),
    _plant(
        "message-unbooked",
        "a dispute that was told and is gone",
        "is APPLIED, but was never booked",
        "DELETE FROM settlement WHERE payment_id = :won",
    ),
    _plant(
        "message-stuck",
        "a message that is STORED and will never be tried again",
        "CAPTURED planted is STORED, but will never be tried again",
        _told(":moving", "CAPTURED", "STORED"),
    ),
    _plant(
        "message-stuck",
        "a message that is PARKED for a thousand years",
        "CAPTURED planted is PARKED, but will never be tried again",
        _told(":moving", "CAPTURED", "PARKED", "'3026-01-01 00:00:00+00:00'"),
    ),
    _plant(
        "message-state",
        "a capture's message that is ignored",
        "CAPTURED planted can't be IGNORED",
        _told(":moving", "CAPTURED", "IGNORED"),
    ),
    _plant(
        "message-state",
        "a message in a state that there is not",
        "CAPTURED planted can't be LOST",
        _told(":moving", "CAPTURED", "LOST"),
    ),
    _plant(
        "message-aside",
        "a capture's message that was put aside",
        "was quarantined, but could have been booked to :pay(moving)",
        _told(":moving", "CAPTURED", "QUARANTINED"),
    ),
    _plant(
        "message-waiting",
        "a message that nobody tries again",
        "CAPTURED planted is STORED, but should have been tried an hour ago",
        _told(":moving", "CAPTURED", "STORED", "'2020-01-01 00:00:00+00:00'"),
    ),
    _plant(
        "refund-payment",
        "a refund given to another client",
        ":rfd(refund_done): its payment",
        "UPDATE refund SET account_id = :ben WHERE id = :refund_done",
    ),
    _plant(
        "refund-capture",
        "a refund of more than came in",
        ":rfd(refund_done): 25.01 USD of capture",
        "UPDATE refund SET amount = amount + 1 WHERE id = :refund_done",
    ),
    _plant(
        "refund-capture",
        "a refund of another capture",
        ":rfd(refund_done): 25.00 USD of capture nothing",
        "UPDATE refund SET capture = 'nothing' WHERE id = :refund_done",
    ),
    _plant(
        "refund-hold",
        "a refund under way whose credit is free",
        ":rfd(refund_pending): PENDING with 15.00 USD to hold, but its hold is RELEASED",
        "UPDATE credit_hold SET state = 'RELEASED' WHERE payment_id = :refund_pending",
    ),
    _plant(
        "refund-hold",
        "a refund under way whose hold is gone",
        ":rfd(refund_pending): PENDING with 15.00 USD to hold, but its hold is missing",
        "DELETE FROM credit_hold WHERE payment_id = :refund_pending",
    ),
    _plant(
        "refund-succeeded",
        "a refund SUCCEEDED without a settlement",
        ":rfd(refund_unheld): SUCCEEDED, but 3.00 USD has not gone back",
        "UPDATE refund SET status = 'SUCCEEDED', completed_at = created_at"
        " WHERE id = :refund_unheld",
    ),
    _plant(
        "refund-succeeded",
        "a refund that failed, SUCCEEDED",
        ":rfd(refund_failed): SUCCEEDED, but 10.00 USD has not gone back",
        "UPDATE refund SET status = 'SUCCEEDED', failure = NULL WHERE id = :refund_failed",
    ),
    _plant(
        "refund-failed",
        "a refund turned from SUCCEEDED to FAILED",
        ":rfd(refund_done): FAILED, but its 25.00 USD has gone back",
        "UPDATE refund SET status = 'FAILED', failure = 'x' WHERE id = :refund_done",
    ),
    _plant(
        "refund-ended",
        "a refund that ended, and did not",
        ":rfd(refund_done): SUCCEEDED, but its completion date says otherwise",
        "UPDATE refund SET completed_at = NULL WHERE id = :refund_done",
    ),
    _plant(
        "refund-unasked",
        "a refund that nobody will ask about",
        ":rfd(refund_pending): PENDING, but its gateway will not be asked",
        "UPDATE refund SET next_check_at = NULL WHERE id = :refund_pending",
    ),
    _plant(
        "refund-asked",
        "a refund of less than staff asked for",
        ":pay(failing): the audit log and its refunds of 9",
        "UPDATE refund SET amount = 900, held = 900 WHERE id = :refund_failed",
    ),
    _plant(
        "refund-asked",
        "a refund that is gone",
        ":pay(bought): the audit log and its refunds of 300",
        "DELETE FROM refund WHERE id = :refund_unheld",
    ),
    _plant(
        "bank-line-unbooked",
        "a line that is booked, and was not",
        ":bcr(line_parked)",
        "UPDATE bank_credit SET state = 'BOOKED', payment_id = :transfer WHERE id = :line_parked",
    ),
    _plant(
        "bank-line-unbooked",
        "a line over more than was booked",
        ":bcr(line_booked)",
        "UPDATE bank_credit SET amount = amount + 1 WHERE id = :line_booked",
    ),
    _plant(
        "bank-line-unbooked",
        "a line booked on another payment",
        ":bcr(line_booked)",
        "UPDATE bank_credit SET payment_id = :typed WHERE id = :line_booked",
    ),
    _plant(
        "bank-line-note",
        "a line that nobody dismissed",
        ":bcr(line_parked)",
        "UPDATE bank_credit SET state = 'DISMISSED' WHERE id = :line_parked",
    ),
    _plant(
        "bank-line-assigned",
        "a line that nobody assigned",
        ":bcr(line_booked)",
        "UPDATE bank_credit SET state = 'ASSIGNED' WHERE id = :line_booked",
    ),
    _plant(
        "bank-line-booked",
        "a line that is booked, and waits again",
        ":bcr(line_booked)",
        "UPDATE bank_credit SET state = 'PARKED', why = 'BATCH', payment_id = NULL"
        " WHERE id = :line_booked",
    ),
    _plant(
        "bank-line-booked",
        "money that went back, dismissed",
        ":bcr(line_returned)",
        "UPDATE bank_credit SET state = 'DISMISSED', note = 'x', payment_id = NULL"
        " WHERE id = :line_returned",
    ),
)

_ONE_MORE: Final = "UPDATE invoice SET total = total + 1, subtotal = subtotal + 1 WHERE id ="

INVOICES: Final = (
    _plant(
        "invoice-client",
        "a client that is gone, with invoices",
        "belongs to account :ada, which doesn't exist",
        "DELETE FROM account WHERE id = :ada",
    ),
    _plant(
        "invoice-lines",
        "total raised",
        "invoice :unpaid: its lines come to 31.43 USD, but its subtotal is 31.44 USD",
        f"{_ONE_MORE} :unpaid_invoice",
    ),
    _plant(
        "invoice-lines",
        "lines that do not make the total",
        "invoice :unpaid: its lines come to 31.42 USD",
        "UPDATE invoice_line SET total = total - 1 WHERE invoice_id = :unpaid_invoice"
        " AND position = 1",
    ),
    _plant(
        "invoice-lines",
        "a line deleted",
        "invoice :unpaid: its lines come to 16.44 USD",
        "DELETE FROM invoice_line WHERE invoice_id = :unpaid_invoice AND position = 1",
    ),
    _plant(
        "invoice-snapshot-lines",
        "a line deleted that cost nothing",
        "invoice :unpaid: its document has more lines than the invoice",
        "DELETE FROM invoice_line WHERE invoice_id = :unpaid_invoice AND position = 2",
    ),
    _plant(
        "invoice-snapshot",
        "a snapshot with another total",
        "invoice :unpaid: for",
        "UPDATE invoice SET snapshot = :snapshot_total WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-snapshot",
        "a snapshot that is gone",
        "invoice :unpaid: for",
        "UPDATE invoice SET snapshot = '{}' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-snapshot",
        "another currency, unpaid",
        "invoice :unpaid: for 35.60 EUR, differs from what its document said",
        "UPDATE invoice SET currency = 'EUR' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-snapshot",
        "renumbered so that the series has a gap",
        "invoice INV-2019-000017: for",
        "UPDATE invoice SET number = 'INV-2019-000017' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-snapshot",
        "a reference for transfers that was never given out",
        "invoice :unpaid: for",
        "UPDATE invoice SET transfer_reference = 'RF18' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-tax",
        "more tax, on the document as well",
        "invoice :unpaid: 9.17 USD is not the tax on its lines",
        "UPDATE invoice SET tax = tax + 500, total = total + 500, snapshot = :snapshot_tax"
        " WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-paid",
        "an invoice that says less is paid",
        "is paid, but credit came to 0.00 USD and payments to 10.00 USD",
        "UPDATE invoice SET amount_paid = amount_paid - 1 WHERE id = :part_invoice",
    ),
    _plant(
        "invoice-credit",
        "credit that a payment is said to be",
        "8.00 USD of credit is applied, but the credit statement says 9.00 USD",
        "UPDATE invoice SET credit_applied = credit_applied - 100 WHERE id = :split_invoice",
        "UPDATE payment SET applied = applied + 100, received = received + 100 WHERE id = :split",
    ),
    _plant(
        "invoice-sales",
        "PAID turned into VOID with nothing returned",
        "VOID with 0.00 USD paid, but 15.00 USD of it is in sales",
        f"{_VOID} :by_credit_invoice",
    ),
    _plant(
        "invoice-sales",
        "paid by card, turned into VOID, and what came in called credit",
        "VOID with 0.00 USD paid, but ",
        f"{_VOID} :by_card_invoice",
        "UPDATE payment SET excess = excess + applied, applied = 0 WHERE id = :by_card",
    ),
    _plant(
        "invoice-covered",
        "covered in full, and UNPAID",
        "UNPAID, but 15.00 USD of 15.00 USD is paid",
        "UPDATE invoice SET status = 'UNPAID', paid_at = NULL WHERE id = :by_credit_invoice",
    ),
    _plant(
        "invoice-processing",
        "PROCESSING without a payment that is",
        "invoice :unpaid: PROCESSING, but none of its payments is",
        "UPDATE invoice SET status = 'PROCESSING' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-refunded",
        "REFUNDED, and nothing went back",
        "REFUNDED, but no money of it went back",
        "UPDATE invoice SET status = 'REFUNDED' WHERE id = :part_invoice",
    ),
    _plant(
        "invoice-due-again",
        "a deposit that went back, and is due again",
        "UNPAID, but its deposit has already come in",
        "UPDATE invoice SET status = 'UNPAID' WHERE id = :refunded_invoice",
    ),
    _plant(
        "invoice-paid-when",
        "paid, and never",
        "PAID, but its payment date says otherwise",
        "UPDATE invoice SET paid_at = NULL WHERE id = :by_credit_invoice",
    ),
    _plant(
        "invoice-void",
        "void in part",
        "invoice :unpaid: UNPAID, but its void date, reason or amounts say otherwise",
        "UPDATE invoice SET voided_at = issued_at WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-void",
        "a deposit turned into VOID, and what came in called credit",
        "VOID, but its void date, reason or amounts say otherwise",
        f"{_VOID} :over_invoice",
        "UPDATE payment SET excess = excess + applied, applied = 0 WHERE id = :over",
    ),
    _plant(
        "invoice-credit-note",
        "a credit note that is gone",
        "VOID, but it has a credit note it shouldn't have, or lacks one",
        "UPDATE invoice SET credit_note_number = NULL WHERE id = :void_invoice",
    ),
    _plant(
        "invoice-line-orphan",
        "an invoice that is gone",
        "has lines, but doesn't exist",
        "DELETE FROM invoice WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-line",
        "a line about something else",
        "invoice :unpaid: line 0 for 16.44 USD is not what its document said",
        "UPDATE invoice_line SET description = 'x' WHERE invoice_id = :unpaid_invoice"
        " AND position = 0",
    ),
    _plant(
        "invoice-line",
        "a document whose lines say something else",
        "invoice :unpaid: line 0 for 16.44 USD is not what its document said",
        "UPDATE invoice SET snapshot = :snapshot_line WHERE id = :unpaid_invoice",
    ),
    _plant(
        "invoice-void-by",
        "void, and nobody took it back",
        ":inv(unpaid_invoice): is void but the audit log doesn't say by whom",
        f"{_VOID} :unpaid_invoice",
    ),
    _plant(
        "invoice-void-by",
        "taken back, and due again",
        ":inv(void_unpaid_invoice): is void but the audit log doesn't say by whom, or"
        " the audit log says so",
        "UPDATE invoice SET status = 'UNPAID', voided_at = NULL, void_reason = NULL"
        " WHERE id = :void_unpaid_invoice",
    ),
    _plant(
        "invoice-count",
        "an invoice that is counted twice",
        "account :ada: ",
        "UPDATE invoice_count SET invoices = invoices + 1 WHERE account_id = :ada",
    ),
    _plant(
        "invoice-count",
        "invoices that are not counted",
        "account :ada: 0 invoices are counted",
        "DELETE FROM invoice_count WHERE account_id = :ada",
    ),
    _plant(
        "series",
        "a number without an invoice",
        "numbers were given out",
        "UPDATE number_series SET last_number = last_number + 1 WHERE name LIKE 'INV-%'",
    ),
    _plant(
        "series",
        "an invoice that is gone, without its lines",
        "numbers were given out",
        "DELETE FROM invoice_line WHERE invoice_id = :unpaid_invoice",
        "DELETE FROM invoice WHERE id = :unpaid_invoice",
    ),
    _plant(
        "series",
        "renumbered so that the series has a gap, on the document as well",
        "the last of them INV-:year-000900",
        "UPDATE invoice SET number = 'INV-:year-000900', snapshot = :snapshot_number"
        " WHERE id = :unpaid_invoice",
    ),
    _plant(
        "series",
        "renumbered as if it came from elsewhere",
        "numbers were given out",
        "UPDATE invoice SET number = 'OLD-17' WHERE id = :unpaid_invoice",
    ),
    _plant(
        "series",
        "a series that is gone",
        "0 numbers were given out",
        "DELETE FROM number_series WHERE name LIKE 'CN-%'",
    ),
    _plant(
        "payment-reference",
        "a payment under the reference of another's invoice",
        ":pay(waiting): has the reference RF18",
        "UPDATE invoice SET transfer_reference = 'RF18' WHERE id = :unpaid_invoice",
        "UPDATE payment SET reference = 'RF18' WHERE id = :waiting",
    ),
)

PROMISES: Final = (
    _plant(
        "hold-owner",
        "a hold given to another client",
        "hold :waiting: 4.00 USD is for no payment, refund or order of this client",
        "UPDATE credit_hold SET account_id = :ben WHERE payment_id = :waiting",
    ),
    _plant(
        "hold-over",
        "a hold of a payment that is over",
        "hold :waiting: 4.00 USD is still held, but what it is for is FAILED",
        "UPDATE payment SET status = 'FAILED', failure = 'x', completed_at = created_at"
        " WHERE id = :waiting",
    ),
    _plant(
        "hold-amount",
        "a payment that wanted more credit",
        "hold :failed: for 7.00 USD, but its payment or refund says another amount",
        "UPDATE payment SET credit_part = 800 WHERE id = :failed",
    ),
    _plant(
        "hold-amount",
        "a refund that holds less than it promises",
        "hold :refund_pending: for 15.00 USD, but its payment or refund says another amount",
        "UPDATE refund SET held = 100 WHERE id = :refund_pending",
    ),
    _plant(
        "hold-transfers",
        "a hold over more than was held",
        "OPEN for 5.00 USD, but the ledger held 4.00 USD",
        "UPDATE credit_hold SET amount = 500 WHERE payment_id = :waiting",
        "UPDATE payment SET credit_part = 500, amount = 2200 WHERE id = :waiting",
    ),
    _plant(
        "hold-spent",
        "a hold that was spent on nothing",
        "hold :failed: SPENT, but no credit transaction says on what",
        "UPDATE credit_hold SET state = 'SPENT' WHERE payment_id = :failed",
    ),
    _plant(
        "hold-owner",
        "a hold for an order that is gone",
        "is for no payment, refund or order of this client",
        "DELETE FROM reservation WHERE id = :put_by",
    ),
    _plant(
        "reservation-owner",
        "credit put by for an order, and not held",
        ":hld(put_by): holds nothing",
        "DELETE FROM credit_hold WHERE payment_id = :put_by",
    ),
    _plant(
        "reservation-held",
        "a hold that is less than what is put by",
        ":hld(put_by): OPEN for 10.00 USD of which 3.00 USD were captured, but what it holds is",
        "UPDATE credit_hold SET amount = 699 WHERE payment_id = :put_by",
    ),
    _plant(
        "reservation-held",
        "a released reservation that still holds",
        ":hld(put_by): RELEASED for 10.00 USD of which 3.00 USD were captured",
        "UPDATE reservation SET state = 'RELEASED', ended_at = created_at WHERE id = :put_by",
    ),
    _plant(
        "reservation-transfers",
        "a capture that took less than it says",
        ":hld(billed): 5.00 USD of 6.00 USD were captured, but the ledger held 6.00 USD and"
        " captured 4.00 USD",
        "UPDATE reservation SET captured = 500 WHERE id = :billed",
    ),
    _plant(
        "reservation-billed",
        "a capture that paid for nothing",
        ":hld(billed): 4.00 USD were captured, but not all of it has paid an order",
        "UPDATE transfer SET source = 'x' WHERE kind = 'INVOICE_PAYMENT' AND from_id IN"
        " (SELECT to_id FROM transfer WHERE kind = 'HOLD_RELEASED' AND payment_id = :billed)",
    ),
    _plant(
        "reservation-billed",
        "a capture whose invoice is another client's",
        ":hld(billed): 4.00 USD were captured, but not all of it has paid an order",
        "UPDATE reservation SET invoice_id = :by_card_invoice WHERE id = :billed",
    ),
    _plant(
        "reservation-late",
        "credit put by that nobody gives back",
        ":hld(put_by): 10.00 USD of account :ora were held until 2020-01-01",
        "UPDATE reservation SET expires_at = '2020-01-01 00:00:00+00:00' WHERE id = :put_by",
    ),
    _plant(
        "grant-transfers",
        "a grant with less left",
        "8.99 USD remains, but its transfers leave 9.00 USD",
        "UPDATE credit_grant SET remaining = remaining - 1 WHERE account_id = :jon"
        " AND amount = 900",
    ),
    _plant(
        "grant-redemption",
        "a grant without its redemption, and the voucher counted down",
        "but account :ida redeemed no voucher for it",
        "DELETE FROM redemption WHERE account_id = :ida",
        "UPDATE voucher SET redeemed = redeemed - 1 WHERE amount IN (700, 800)",
    ),
    _plant(
        "grant-amount",
        "a grant's amount doubled",
        "of 18.00 USD, but its voucher was for another amount",
        "UPDATE credit_grant SET amount = 2 * amount WHERE account_id = :jon AND amount = 900",
    ),
    _plant(
        "grant-expiry",
        "a grant that never runs out",
        "9.00 USD until None, but its voucher says otherwise",
        "UPDATE credit_grant SET expires_at = NULL WHERE account_id = :jon AND amount = 900",
    ),
    _plant(
        "grant-expired",
        "a grant long past its expiry with credit left",
        "9.00 USD of account :jon expired at 2020-01-01",
        "UPDATE credit_grant SET expires_at = '2020-01-01 00:00:00+00:00'"
        " WHERE account_id = :jon AND amount = 900",
        "UPDATE voucher SET credit_expires_at = '2020-01-01 00:00:00+00:00' WHERE amount = 900",
    ),
    _plant(
        "redemption",
        "a redemption without a grant",
        "account :ada has no grant, voucher or credit transaction for it",
        "INSERT INTO redemption (id, created_at, voucher_id, account_id, credit_transaction_id)"
        " SELECT :new1, created_at, id, :ada, :new2 FROM voucher WHERE amount = 700",
        "UPDATE voucher SET redeemed = redeemed + 1 WHERE amount = 700",
    ),
    _plant(
        "voucher-redeemed",
        "a voucher that forgot who redeemed it",
        "redeemed 0 times of at most 1, but there are 1 redemptions",
        "UPDATE voucher SET redeemed = 0 WHERE amount = 900",
    ),
    _plant(
        "vouchers-issued",
        "a voucher that is worth more",
        "vouchers for 9000 minor units of USD: 1 exist, but staff issued 0",
        "UPDATE voucher SET amount = 9000 WHERE amount = 5000",
    ),
    _plant(
        "vouchers-issued",
        "a voucher that is gone",
        "vouchers for 5000 minor units of USD: 0 exist, but staff issued 1",
        "DELETE FROM voucher WHERE amount = 5000",
    ),
    _plant(
        "adjustment-by",
        "credit from nothing, consistently",
        'an adjustment of 700 minor units of USD, "a gift"',
        *_A_GIFT,
    ),
    _plant(
        "adjustment-by",
        "an adjustment whose reason is another",
        "an adjustment of -200 minor units of USD",
        f"UPDATE credit_transaction SET note = 'x' WHERE {_last_line(':lea')}",
    ),
    _plant(
        "account-disputes",
        "open disputes raised",
        ":acc(ada): 1 open disputes, but its payments have 0",
        "UPDATE account SET open_disputes = 1 WHERE id = :ada",
    ),
    _plant(
        "account-frozen",
        "a client whom nobody froze",
        ":acc(ada): the audit log doesn't say who froze it",
        "UPDATE account SET frozen = TRUE WHERE id = :ada",
    ),
    _plant(
        "account-frozen",
        "a client who may spend again, and nobody said so",
        ":acc(max): the audit log doesn't say who froze it",
        "UPDATE account SET frozen = FALSE WHERE id = :max",
    ),
    _plant(
        "user-client",
        "a client that is gone, with a user",
        "user :new1: belongs to account :new2, which doesn't exist",
        "INSERT INTO users (id, created_at, role, name, account_id)"
        " SELECT :new1, created_at, 'CLIENT', '', :new2 FROM account WHERE id = :ada",
    ),
    _plant(
        "told-invoice",
        "an unpaid invoice given to another client",
        "invoice :unpaid_invoice: its event invoice.issued names another client",
        "UPDATE invoice SET account_id = :ben WHERE id = :unpaid_invoice",
    ),
    _plant(
        "event-sequence",
        "an event that is gone",
        "events are kept, numbered 1 to ",
        "DELETE FROM event WHERE account_id = :ada AND sequence = 2",
    ),
    _plant(
        "event-published",
        "an event with a place that nobody has given it",
        "event :new1: has the place 999999 among all and None among its account's",
        "INSERT INTO event (id, created_at, kind, account_id, subject_id, data, position)"
        " SELECT :new1, created_at, 'account.updated', id, id, '{}', 999999 FROM account"
        " WHERE id = :ada",
    ),
    _plant(
        "event-late",
        "an event that is not published",
        "event :new1: account.updated, but nobody has been told of it",
        "INSERT INTO event (id, created_at, kind, account_id, subject_id, data)"
        " SELECT :new1, '2026-01-01 00:00:00+00:00', 'account.updated', id, id, '{}' FROM account"
        " WHERE id = :ada",
    ),
    _plant(
        "told-payment",
        "an invoice and its payments given to another client",
        "payment :moving: its event payment.begun names another client",
        "UPDATE invoice SET account_id = :ben WHERE id = :moving_invoice",
        "UPDATE payment SET account_id = :ben WHERE id = :moving",
    ),
    _plant(
        "told-hold",
        "an event of a hold told to another client",
        "hold :put_by: its event hold.reserved names another client",
        "UPDATE event SET account_id = :ben WHERE subject_id = :put_by AND kind = 'hold.reserved'",
    ),
    _plant(
        "logged",
        "a client that is gone, of whom the audit log speaks",
        ":acc(lea): is in the audit log (credit.adjust), but doesn't exist",
        "DELETE FROM account WHERE id = :lea",
    ),
    _plant(
        "key",
        "an idempotency key that names what does not exist",
        "idempotency key planted of somebody: what it made doesn't exist",
        "INSERT INTO idempotency_key (id, created_at, principal, key, fingerprint, result)"
        " VALUES (:new1, '2026-11-01 00:00:00+00:00', 'somebody', 'planted', 'x',"
        ' \'{"invoice": "inv_00000000000000000000000000000000"}\')',
    ),
)

#: As if it had been there for long.
_LONG_AGO: Final = (
    "UPDATE webhook_endpoint SET created_at = '2020-01-01 00:00:00.000000+00:00' WHERE id = :some"
)
_TRIED_LONG_AGO: Final = (
    "UPDATE webhook_attempt SET created_at = '2020-01-01 00:00:00.000000+00:00'"
)
_ENABLED_LONG_AGO: Final = (
    "UPDATE audit_entry SET created_at = '2020-01-01 00:00:00.000000+00:00'"
    " WHERE subject = ':whe(every)'"
)

DELIVERIES: Final = (
    _plant(
        "delivery-endpoint",
        "an endpoint that is gone",
        ":whd(some_first): ",
        "DELETE FROM webhook_endpoint WHERE id = :some",
    ),
    _plant(
        "delivery-endpoint",
        "an endpoint of another partner than its key's",
        ":whd(every_first): ",
        "UPDATE webhook_endpoint SET user_id = :new1 WHERE id = :every",
    ),
    _plant(
        "delivery-endpoint",
        "a delivery to nowhere",
        ":whd(some_last): ",
        "UPDATE webhook_delivery SET endpoint_id = :new1 WHERE id = :some_last",
    ),
    _plant(
        "delivery-event",
        "an event that is gone, and is not old",
        ":whd(some_last): credit.changed is for event :last_event",
        "DELETE FROM event WHERE id = :last_event",
    ),
    _plant(
        "delivery-event",
        "an event of another type",
        ":whd(some_last): credit.low is for event",
        "UPDATE webhook_delivery SET kind = 'credit.low' WHERE id = :some_last",
    ),
    _plant(
        "delivery-event",
        "an event that nobody has published",
        ":whd(some_last): credit.changed is for event",
        "UPDATE event SET position = NULL, sequence = NULL WHERE id = :last_event",
    ),
    _plant(
        "delivery-event",
        "a test that has become an event",
        "is for event None",
        "UPDATE webhook_delivery SET kind = 'invoice.paid' WHERE event_id IS NULL",
    ),
    _plant(
        "delivery-hears",
        "a client that the key does not reach",
        ":whd(some_last): :whe(some) is told of credit.changed of account :ada,",
        "UPDATE event SET account_id = :ada, sequence = 9999 WHERE id = :last_event",
    ),
    _plant(
        "delivery-hears",
        "a key without the scope",
        ":whd(some_last): :whe(some) is told of credit.changed",
        "UPDATE api_key SET scopes = replace(scopes, 'credit', 'audit')"
        " WHERE id = (SELECT line_id FROM webhook_endpoint WHERE id = :some)",
    ),
    _plant(
        "delivery-hears",
        "a client of no partner, for a key of its partner's clients",
        ":whd(some_last): :whe(some) is told of credit.changed",
        "DELETE FROM key_account WHERE account_id = :pat",
    ),
    _plant(
        "delivery-state",
        "delivered, and never tried",
        "is DELIVERED, next at None",
        _TRIED_LONG_AGO,
        "UPDATE webhook_delivery SET state = 'DELIVERED', next_at = NULL WHERE id = :some_last",
    ),
    _plant(
        "delivery-state",
        "given up, and never refused",
        "is FAILED, next at None",
        _TRIED_LONG_AGO,
        "UPDATE webhook_delivery SET state = 'FAILED', next_at = NULL WHERE id = :some_last",
    ),
    _plant(
        "delivery-state",
        "put off for good",
        ":whd(some_last): credit.changed is PENDING",
        "UPDATE webhook_delivery SET next_at = '2099-01-01 00:00:00.000000+00:00'"
        " WHERE id = :some_last",
    ),
    _plant(
        "delivery-state",
        "more tries than claims",
        ":whd(some_last): credit.changed is PENDING",
        "UPDATE webhook_delivery SET tries = 3 WHERE id = :some_last",
    ),
    _plant(
        "delivery-late",
        "a delivery that nobody sends",
        ":whd(some_last): credit.changed was due at 2026-01-01",
        "UPDATE webhook_delivery SET next_at = '2026-01-01 00:00:00.000000+00:00'"
        " WHERE id = :some_last",
    ),
    _plant(
        "delivery-missing",
        "a delivery that is gone",
        "event :last_event: :whe(some) isn't told of credit.changed of account :pat",
        _LONG_AGO,
        "DELETE FROM webhook_delivery WHERE id = :some_last",
    ),
    _plant(
        "delivery-missing",
        "a delivery that is gone, of an endpoint that was enabled since",
        "event :last_event: :whe(every) isn't told of credit.changed of account :pat",
        _LONG_AGO.replace(":some", ":every"),
        _ENABLED_LONG_AGO,
        "DELETE FROM webhook_delivery WHERE id = :every_last",
    ),
    _plant(
        "delivery-missing",
        "a client that has become the partner's only here",
        "event :last_event: :whe(some) isn't told of credit.changed of account :pat",
        _LONG_AGO,
        "DELETE FROM webhook_delivery WHERE id = :some_last",
        "DELETE FROM key_account WHERE account_id = :pat",
        "UPDATE account SET partner_id = (SELECT user_id FROM webhook_endpoint WHERE id = :some)"
        " WHERE id = :pat",
    ),
)

PLANTS: Final = (*LEDGER, *MONEY, *INVOICES, *PROMISES, *DELIVERIES)
