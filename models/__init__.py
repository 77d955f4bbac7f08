"""The domain: tables and the rules that hold over them. Knows no transport.

Tortoise loads its tables from here.
"""

from models.access.api_key import ApiKey, KeyAccount
from models.access.rate_limit import Attempt
from models.access.session import Session
from models.access.user import User
from models.accounts.account import Account
from models.bank.line import BankCredit
from models.bank.statement import BankStatement
from models.credit.spending import Hold
from models.credit.voucher import Redemption, Voucher
from models.db.pulse import Pulse
from models.edge.registered_query import PersistedDocument
from models.edge.sandbox_charge import SandboxCharge
from models.invoices.invoice import Invoice, InvoiceLine, NumberSeries
from models.journal.audit_log import AuditEntry
from models.journal.idempotency import IdempotencyKey
from models.journal.outbox import Event
from models.ledger.chart import Balance, CreditTransaction, Grant, LedgerAccount, Transfer
from models.payments.inbox import Receipt
from models.payments.payment import Payment
from models.payments.refund import Refund
from models.payments.settlement import Settlement
from models.payments.transmission import Transmission
from models.provider.picture import StoredPicture

__all__ = [
    "Account",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Balance",
    "BankCredit",
    "BankStatement",
    "CreditTransaction",
    "Event",
    "Grant",
    "Hold",
    "IdempotencyKey",
    "Invoice",
    "InvoiceLine",
    "KeyAccount",
    "LedgerAccount",
    "NumberSeries",
    "Payment",
    "PersistedDocument",
    "Pulse",
    "Receipt",
    "Redemption",
    "Refund",
    "SandboxCharge",
    "Session",
    "Settlement",
    "StoredPicture",
    "Transfer",
    "Transmission",
    "User",
    "Voucher",
]
