"""The domain: tables and the rules that hold over them. Knows no transport.

Tortoise loads its tables from here.
"""

from models.access.api_key import ApiKey, KeyAccount
from models.access.budget import KeySpending
from models.access.client_link import ClientLink
from models.access.external_identity import ExternalIdentity
from models.access.invitation import Invitation
from models.access.member import Member
from models.access.one_use_token import OneUseToken
from models.access.rate_limit import RateCounter
from models.access.session import Session
from models.access.user import User
from models.accounts.account import Account
from models.audit.watermark import Watermark
from models.bank.line import BankCredit
from models.bank.statement import BankStatement
from models.credit.hold import Hold
from models.credit.redemption import Redemption
from models.credit.reservation import Reservation
from models.credit.voucher import Voucher
from models.db.pulse import Pulse
from models.edge.registered_query import RegisteredQuery
from models.edge.sandbox_charge import SandboxCharge
from models.factors.challenge import SignInChallenge
from models.factors.passkey import Passkey
from models.factors.recovery_code import RecoveryCode
from models.factors.totp import Totp
from models.invoices.allocation import Allocation
from models.invoices.invoice import Invoice, InvoiceCount, InvoiceLine, InvoiceSource
from models.invoices.number import NumberSeries
from models.journal.audit_log import AuditEntry
from models.journal.feed import EventCount, Feed
from models.journal.idempotency import IdempotencyKey
from models.journal.outbox import Event
from models.ledger.chart import Balance, LedgerAccount
from models.ledger.credit_transaction import CreditTransaction
from models.ledger.grant import Grant
from models.ledger.transfer import Transfer
from models.mail.outgoing import OutgoingMail
from models.partners.attempt import DeliveryAttempt
from models.partners.delivery import WebhookDelivery
from models.partners.endpoint import WebhookEndpoint
from models.payments.inbox import Message
from models.payments.payment import Payment
from models.payments.refund import Refund
from models.payments.settlement import Settlement
from models.payments.transmission import Transmission
from models.provider.picture import StoredPicture

__all__ = [
    "Account",
    "Allocation",
    "ApiKey",
    "AuditEntry",
    "Balance",
    "BankCredit",
    "BankStatement",
    "ClientLink",
    "CreditTransaction",
    "DeliveryAttempt",
    "Event",
    "EventCount",
    "ExternalIdentity",
    "Feed",
    "Grant",
    "Hold",
    "IdempotencyKey",
    "Invitation",
    "Invoice",
    "InvoiceCount",
    "InvoiceLine",
    "InvoiceSource",
    "KeyAccount",
    "KeySpending",
    "LedgerAccount",
    "Member",
    "Message",
    "NumberSeries",
    "OneUseToken",
    "OutgoingMail",
    "Passkey",
    "Payment",
    "Pulse",
    "RateCounter",
    "RecoveryCode",
    "Redemption",
    "Refund",
    "RegisteredQuery",
    "Reservation",
    "SandboxCharge",
    "Session",
    "Settlement",
    "SignInChallenge",
    "StoredPicture",
    "Totp",
    "Transfer",
    "Transmission",
    "User",
    "Voucher",
    "Watermark",
    "WebhookDelivery",
    "WebhookEndpoint",
]
