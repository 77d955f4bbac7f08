"""Who may do what: every operation of the API, and each role.

One letter a role, in the order of `ROLES`:

    y  answered, done, or refused for what was given      U  UNAUTHENTICATED      F  FORBIDDEN
    N  NOT_FOUND: they have none

An operation that the schema has and this table has not, or the other way round, fails a test. What
is somebody else's is in `tests.support.access.table`; here it is always their own.
"""

from __future__ import annotations

from typing import Final

ROLES: Final = ("anonymous", "OWNER", "BILLING", "VIEWER", "partner", "staff")

_EVERYBODY: Final = "yyyyyy"
_SIGNED_IN: Final = "Uyyyyy"
_PAYING: Final = "UyyFyy"
_OWNERS: Final = "UyFFFy"
_ORDERS: Final = "UFFFyy"
_STAFF: Final = "UFFFFy"
_PEOPLE: Final = "UyyyFy"

MATRIX: Final = {
    "Query.account": _SIGNED_IN,
    "Query.accountByExternalId": _ORDERS,
    "Query.accounts": "UFFFyy",
    "Query.apiKeys": _STAFF,
    "Query.auditLog": _ORDERS,
    "Query.balance": _SIGNED_IN,
    "Query.bankCredits": _STAFF,
    "Query.creditPolicy": _EVERYBODY,
    "Query.creditStatement": _SIGNED_IN,
    "Query.creditTransactions": _SIGNED_IN,
    "Query.events": _SIGNED_IN,
    "Query.fundsLimits": _SIGNED_IN,
    "Query.gateways": _SIGNED_IN,
    "Query.invoice": _SIGNED_IN,
    "Query.invoices": _SIGNED_IN,
    "Query.node": _SIGNED_IN,
    "Query.nodes": _SIGNED_IN,
    "Query.previewAddFunds": _PAYING,
    "Query.previewPayment": _PAYING,
    "Query.sessions": _SIGNED_IN,
    "Query.viewer": _EVERYBODY,
    "Query.webhookEndpoints": _ORDERS,
    "Mutation.addFunds": _PAYING,
    "Mutation.adjustCredit": _STAFF,
    "Mutation.assignBankCredit": _STAFF,
    "Mutation.beginConfirmIdentity": "UNNNFN",  # nobody has a passkey
    "Mutation.beginPasskey": _PEOPLE,
    "Mutation.beginTotp": _PEOPLE,
    "Mutation.cancelPayment": _PAYING,
    "Mutation.captureHold": _ORDERS,
    "Mutation.changeEmail": _PEOPLE,
    "Mutation.changeMember": _OWNERS,
    "Mutation.changePassword": _PEOPLE,
    "Mutation.completeSignIn": _EVERYBODY,
    "Mutation.confirmEmail": _EVERYBODY,
    "Mutation.confirmIdentity": _PEOPLE,
    "Mutation.confirmPasskey": _PEOPLE,
    "Mutation.confirmTotp": _PEOPLE,
    "Mutation.createAccount": _ORDERS,
    "Mutation.createApiKey": _STAFF,
    "Mutation.createClientSession": _ORDERS,
    "Mutation.createInvoice": _ORDERS,
    "Mutation.createWebhookEndpoint": "UFFFyF",  # with whose rights?
    "Mutation.deleteWebhookEndpoint": _ORDERS,
    "Mutation.dismissBankCredit": _STAFF,
    "Mutation.endSession": "Uyyy-y",  # a partner has none
    "Mutation.extendHold": _ORDERS,
    "Mutation.inviteMember": _OWNERS,
    "Mutation.issueVouchers": _STAFF,
    "Mutation.payInvoice": _PAYING,
    "Mutation.payInvoices": _PAYING,
    "Mutation.recheckPayment": _PAYING,
    "Mutation.recordBankTransfer": _STAFF,
    "Mutation.recordPaymentOutcome": _STAFF,
    "Mutation.redeemVoucher": _PAYING,
    "Mutation.refundPayment": _STAFF,
    "Mutation.releaseHold": _ORDERS,
    "Mutation.removeMember": _OWNERS,
    "Mutation.removeSecondFactor": _PEOPLE,
    "Mutation.renewRecoveryCodes": _PEOPLE,
    "Mutation.requestPasswordReset": _EVERYBODY,
    "Mutation.reserveCredit": _ORDERS,
    "Mutation.resendWebhooks": _ORDERS,
    "Mutation.revokeApiKey": _STAFF,
    "Mutation.rotateApiKey": _STAFF,
    "Mutation.rotateWebhookSecret": _ORDERS,
    "Mutation.sendTestEvent": _ORDERS,
    "Mutation.setPassword": _EVERYBODY,
    "Mutation.signIn": _EVERYBODY,
    "Mutation.signOut": _EVERYBODY,
    "Mutation.signUp": _EVERYBODY,
    "Mutation.switchAccount": "UyyyFF",
    "Mutation.updateAccount": "UyFFyy",
    "Mutation.updateWebhookEndpoint": _ORDERS,
    "Mutation.voidInvoice": _ORDERS,
    "Subscription.creditUpdated": _SIGNED_IN,
    "Subscription.invoiceUpdated": _SIGNED_IN,
}
