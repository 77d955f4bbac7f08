"""The domain: tables and the rules that hold over them. Knows no transport.

Tortoise loads its tables from here.
"""

from models.account import Account
from models.api_key import ApiKey, KeyAccount
from models.attempt import Attempt
from models.audit_log import AuditEntry
from models.bank_credit import BankCredit
from models.bank_statement import BankStatement
from models.credit import Hold
from models.event import Event
from models.idempotency import IdempotencyKey
from models.invoice import Invoice, InvoiceLine, NumberSeries
from models.ledger import Balance, CreditTransaction, Grant, LedgerAccount, Transfer
from models.payment import Payment
from models.persisted import PersistedDocument
from models.picture import StoredPicture
from models.pulse import Pulse
from models.receipt import Receipt
from models.refund import Refund
from models.sandbox import SandboxCharge
from models.session import Session
from models.settlement import Settlement
from models.transmission import Transmission
from models.user import User
from models.voucher import Redemption, Voucher

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
