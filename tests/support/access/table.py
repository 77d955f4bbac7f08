"""Who gets what: every field of the API, and what each kind of caller hears about Ada's things.

One letter a caller, in the order of `callers.CALLERS`:

    nobody, cookie (of a session that has expired), client (Ada), other (client), partner (all
    scopes), partners with accounts:read, credit:read, invoices:read or invoices:write alone,
    stranger (a partner with all scopes for another account), staff

    +  what is Ada's             U  UNAUTHENTICATED
    ~  something, none of it     F  FORBIDDEN
       Ada's                     N  NOT_FOUND, in the same words as for what does not exist
    -  null                      0  an empty page
    R  refused by a rule: what is given here proves nothing

A field that the schema has and this table has not, or the other way round, fails a test.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

ERRORS: Final = "userErrors { code message field }"


class Ask(NamedTuple):
    """A document, and the verdicts on the fields that it asks for, by their path in the data."""

    document: str
    verdicts: dict[str, tuple[str, str]]
    #: Fields that have the verdict of the first one: pages, edges, and the like.
    along: str = ""


def query(field: str, path: str, letters: str, asked: str, along: str = "") -> Ask:
    """A query of one row: the field, where it is in the answer, and the letters."""
    variables = _declared(asked, account="ID!", id="ID!", number="String")
    return Ask(f"query {variables}{{ {asked} }}", {field: (path, letters)}, along)


def mutation(field: str, letters: str, input: str, selection: str, **edges: tuple[str, str]) -> Ask:
    """A mutation, and the fields of its payload: name -> (field, letters)."""
    name = field.partition(".")[2]
    verdicts = {field: (name, letters)}
    verdicts |= {at: (f"{name}.{path}", its) for path, (at, its) in edges.items()}
    variables = _declared(input, key="String!", target="ID!", text="String!", until="DateTime!")
    given = f"({input})" if input else ""
    document = f"mutation {variables}{{ {name}{given} {{ {ERRORS} {selection} }} }}"
    return Ask(document, verdicts)


def _declared(asked: str, **types: str) -> str:
    """The declarations of those variables that a selection names."""
    named = ", ".join(f"${name}: {type_}" for name, type_ in types.items() if f"${name}" in asked)
    return f"({named}) " if named else ""


_PREVIEWED: Final = (
    "userErrors due credit promotional throughGateway fee feeSaved charged remainingDue"
    " availableAfter quote"
)
_ADDED: Final = "userErrors credited fee charged bonus debtRepaid availableAfter"

QUERIES: Final = [
    query("Query.balance", "balance", "UU+N+F+FFN+", "balance(accountId: $account) { id }"),
    query(
        "Query.creditTransactions",
        "creditTransactions",
        "UU+N+F+FFN+",
        "creditTransactions(accountId: $account) { edges { node { id description } } totalCount }",
        "CreditTransactionConnection.edges CreditTransactionEdge.node",
    ),
    query(
        "Query.creditStatement",
        "creditStatement",
        "UU+N+F+FFN+",
        'creditStatement(accountId: $account, from: "2026-01-01", to: "2035-12-31")'
        " { closingBalance { amount } transactionCount pdfUrl csvUrl }",
    ),
    query(
        "Query.invoices",
        "invoices",
        "UU+N+FF++N+",
        "invoices(accountId: $account) { edges { node { id } } totalCount }",
        "InvoiceConnection.edges InvoiceEdge.node",
    ),
    query("Query.invoices", "invoices", "UU+~+FF++~+", "invoices { edges { node { id number } } }"),
    query("Query.invoice", "invoice", "UU+-+FF++-+", "invoice(id: $id) { id number }"),
    query("Query.invoice", "invoice", "UU+-+FF++-+", "invoice(number: $number) { id number }"),
    query("Query.account", "account", "UU+-++FFF-+", "account(id: $account) { id name email }"),
    query(
        "Query.apiKeys",
        "apiKeys",
        "UUFFFFFFFF+",
        "apiKeys { edges { node { id name accounts { edges { node { id name } } } } } totalCount }",
        "ApiKeyConnection.edges ApiKeyEdge.node ApiKey.accounts",
    ),
    query(
        "Query.accountByExternalId",
        "accountByExternalId",
        "UUFF-NFFFN-",
        'accountByExternalId(externalId: "nobody", partner: "partner") { id name }',
    ),
    query(
        "Query.accounts",
        "accounts",
        "UUFF++FFF~+",
        "accounts { edges { node { id name } } totalCount }",
        "AccountConnection.edges AccountEdge.node",
    ),
    query(
        "Query.accounts",
        "accounts",
        "UUFF++FFF0+",
        'accounts(search: "hidden") { edges { node { id name } } totalCount }',
    ),
    query(
        "Query.bankCredits",
        "bankCredits",
        "UUFFFFFFFF+",
        "bankCredits { edges { node { id payerName } } totalCount }",
        "BankCreditConnection.edges BankCreditEdge.node",
    ),
    query(
        "Query.events",
        "events",
        "UU+N+~~++N+",
        "events(accountId: $account) { edges { node { id type } } totalCount }",
        "EventConnection.edges EventEdge.node",
    ),
    query("Query.events", "events", "UU+~+~~++~+", "events { edges { node { id type } } }"),
    query(
        "Query.auditLog",
        "auditLog",
        "UUFF+FFFFN+",
        "auditLog(accountId: $account) { edges { node { id action actor } } totalCount }",
        "AuditEntryConnection.edges AuditEntryEdge.node",
    ),
    query("Query.auditLog", "auditLog", "UUFF+FFFF~+", "auditLog { edges { node { id } } }"),
    query(
        "Query.previewPayment",
        "previewPayment",
        "UU~N~FFF~N~",
        f'previewPayment(invoiceIds: [$id], gateway: "sandbox") {{ {ERRORS} due {{ amount }} }}',
        " ".join(f"PaymentPreview.{name}" for name in _PREVIEWED.split()),
    ),
    query(
        "Query.previewAddFunds",
        "previewAddFunds",
        "UU~N~FFFFN~",
        'previewAddFunds(accountId: $account, amount: {amount: "5.00", currency: "USD"})'
        f" {{ {ERRORS} charged {{ amount }} }}",
        " ".join(f"AddFundsPreview.{name}" for name in _ADDED.split()),
    ),
    query("Query.gateways", "gateways", "UU~~~~~~~~~", "gateways { id name }"),
    query(
        "Query.fundsLimits",
        "fundsLimits",
        "UU~~~~~~~~~",
        'fundsLimits(currency: "USD") { minimumDeposit { amount } }',
    ),
    query("Query.creditPolicy", "creditPolicy", "~~~~~~~~~~~", "creditPolicy { version url }"),
    query("Query.sessions", "sessions", "UU+~000000~", "sessions { id address userAgent }"),
    query(
        "Query.webhookEndpoints",
        "webhookEndpoints",
        "UUFF+FFFF0+",
        "webhookEndpoints { id url deliveries { edges { node { id type } } totalCount } }",
        "WebhookEndpoint.deliveries WebhookDeliveryConnection.edges WebhookDeliveryEdge.node",
    ),
    query("Query.viewer", "viewer", "--~~~~~~~~~", "viewer { role scopes }"),
]

#: What each type's id finds through `node` and `nodes`.
NODES: Final = {
    "Account": ("account", "UU+-++----+"),
    "ApiKey": ("api_key", "UU--------+"),
    "AuditEntry": ("audit_entry", "UU--+-----+"),
    "Balance": ("balance", "UU+-+-+---+"),
    "CreditTransaction": ("line", "UU+-+-+---+"),
    "Grant": ("grant", "UU+-+-+---+"),
    "Hold": ("hold", "UU+-+-+---+"),
    "Invoice": ("invoice", "UU+-+--++-+"),
    "Payment": ("payment", "UU+-+--++-+"),
    "Refund": ("refund", "UU+-+--++-+"),
    "BankCredit": ("bank_credit", "UU--------+"),
    "Event": ("event", "UU+-+--++-+"),
    "Gateway": ("gateway", "UU~~~~~~~~~"),
    "Member": ("member", "UU+-++----+"),
    "Session": ("session", "UU+--------"),
    "WebhookDelivery": ("webhook_delivery", "UU--+-----+"),
    "WebhookEndpoint": ("webhook_endpoint", "UU--+-----+"),
}

_INVOICE: Final = "UU+-+FF++-+"

#: From one object to another.
EDGES: Final = [
    query("Viewer.account", "viewer.account", "--+~-------", "viewer { account { id name } }"),
    query(
        "Viewer.accounts",
        "viewer.accounts",
        "--+~0000000",
        "viewer { accounts { id name } }",
    ),
    query("Viewer.email", "viewer.email", "--+~------~", "viewer { email }"),
    query("Viewer.name", "viewer.name", "--+~~~~~~~-", "viewer { name }"),
    query(
        "Account.members",
        "account.members",
        "UU+-++FFF-+",
        "account(id: $account) { id members { id email } }",
    ),
    query(
        "Account.balance",
        "account.balance",
        "UU+-+FFFF-+",
        "account(id: $account) { id balance { id } }",
    ),
    query(
        "Account.balances",
        "account.balances",
        "UU+-+FFFF-+",
        "account(id: $account) { id balances { id } }",
    ),
    query(
        "Event.account",
        "events.edges.node.account",
        "UU+~+00FF~+",
        'events(types: ["invoice.issued"]) { edges { node { account { id name } } } }',
    ),
    query(
        "Event.subject",
        "events.edges.node.subject",
        "UU+~+00++~+",
        'events(types: ["invoice.issued"]) { edges { node { subject { id } } } }',
    ),
    query(
        "Account.invoices",
        "account.invoices",
        "UU+-+FFFF-+",
        "account(id: $account) { invoices { edges { node { id number } } totalCount } }",
    ),
    query(
        "Account.creditTransactions",
        "account.creditTransactions",
        "UU+-+FFFF-+",
        "account(id: $account) { creditTransactions { edges { node { id } } totalCount } }",
    ),
    query(
        "Account.grants",
        "account.grants",
        "UU+-+FFFF-+",
        "account(id: $account) { grants { edges { node { id name state } } totalCount } }",
        "GrantConnection.edges GrantEdge.node",
    ),
    query(
        "CreditTransaction.sources",
        "creditTransactions.edges.node.sources",
        "UU+N+F+FFN+",
        "creditTransactions(accountId: $account, filter: {kind: [INVOICE_PAYMENT]}) "
        "{ edges { node { sources { amount { amount } grant { id name } } } } }",
        "CreditSource.grant",
    ),
    query(
        "AuditEntry.account",
        "auditLog.edges.node.account",
        "UUFF+FFFFN+",
        "auditLog(accountId: $account) { edges { node { account { id name } } } }",
    ),
    query(
        "AuditEntry.subject",
        "auditLog.edges.node.subject",
        "UUFF+FFFFN+",
        "auditLog(accountId: $account) { edges { node { subject { id } } } }",
    ),
    query(
        "Account.holds",
        "account.holds",
        "UU+-+FFFF-+",
        "account(id: $account) { id holds(state: [OPEN]) { edges { node { id } } totalCount } }",
        "HoldConnection.edges HoldEdge.node",
    ),
    query(
        "Hold.account",
        "node.account",
        "UU+-+-F---+",
        "node(id: $id) { ... on Hold { account { id name } } }",
    ),
    query(
        "Hold.invoice",
        "node.invoice",
        "UU+-+-F---+",
        "node(id: $id) { ... on Hold { invoice { id reference } } }",
    ),
    query(
        "Invoice.account",
        "invoice.account",
        "UU+-+FFFF-+",
        "invoice(id: $id) { id account { id name } }",
    ),
    query(
        "Invoice.account",
        "invoices.edges.node.account",
        "UU+N+FFFFN+",
        "invoices(accountId: $account) { edges { node { account { id } } } }",
    ),
    query("Invoice.lines", "invoice.lines", _INVOICE, "invoice(id: $id) { lines { description } }"),
    query(
        "Invoice.payments",
        "node.invoice.payments",
        "UU+-+--++-+",
        "node(id: $id) { ... on Payment { invoice { payments { id } } } }",
    ),
    query(
        "Invoice.diagnosis",
        "invoice",
        _INVOICE,
        "invoice(id: $id) { id diagnosis { stage explanation } }",
    ),
    query(
        "Invoice.creditApplicable",
        "invoice.creditApplicable",
        "UU~-~FFFF-~",
        "invoice(id: $id) { creditApplicable { amount } }",
    ),
    query("Invoice.pdfUrl", "invoice.pdfUrl", _INVOICE, "invoice(id: $id) { pdfUrl }"),
    query(
        "Payment.invoice",
        "node.invoice",
        "UU+-+--++-+",
        "node(id: $id) { ... on Payment { invoice { id } } }",
    ),
    query(
        "Payment.allocations",
        "node.allocations",
        "UU+-+--++-+",
        "node(id: $id) { ... on Payment { allocations { amount { amount } invoice { id } } } }",
        "PaymentAllocation.invoice PaymentAllocation.amount",
    ),
    query(
        "Payment.nextAction",
        "node",
        "UU+-+--++-+",
        "node(id: $id) { id ... on Payment { nextAction { ... on RedirectAction { url } } } }",
    ),
    query(
        "Payment.refunds",
        "node.payment.refunds",
        "UU+-+--++-+",
        "node(id: $id) { ... on Refund { payment { refunds { id reason } } } }",
    ),
    query(
        "Refund.payment",
        "node.payment",
        "UU+-+--++-+",
        "node(id: $id) { ... on Refund { payment { id } } }",
    ),
    *(
        query(
            f"WebhookDelivery.{name}",
            "webhookEndpoints",
            "UUFF+FFFF0+",
            f"webhookEndpoints {{ deliveries {{ edges {{ node {{ {asked} }} }} }} }}",
        )
        for name, asked in (
            ("endpoint", "endpoint { id }"),
            ("event", "event { account { id } }"),
            ("attempts", "id attempts { problem }"),
        )
    ),
    query(
        "BankCredit.payment",
        "node.payment",
        "UU--------+",
        "node(id: $id) { ... on BankCredit { payment { invoice { account { id } } } } }",
    ),
    query(
        "BankCredit.duplicateOf",
        "node.duplicateOf",
        "UU--------+",
        "node(id: $id) { ... on BankCredit { duplicateOf { payerName } } }",
    ),
    query(
        "CreditTransaction.invoice",
        "creditTransactions.edges.node.invoice",
        "UU+N+FFFFN+",
        "creditTransactions(accountId: $account, filter: {kind: [INVOICE_PAYMENT]}) "
        "{ edges { node { invoice { id reference } } } }",
    ),
    query(
        "CreditTransaction.payment",
        "creditTransactions.edges.node.payment",
        "UU+N+FFFFN+",
        "creditTransactions(accountId: $account, filter: {kind: [DEPOSIT]}) "
        "{ edges { node { payment { id invoice { lines { description } } } } } }",
    ),
]

_ON_PAYMENT: Final = "UU+N+FFF+N+"
_FOR_CLIENT: Final = "UU+N+FFFFN+"
_ON_ORDER: Final = "UUFF+FFF+N+"
_CREDIT_AFTER: Final = {_ON_PAYMENT: "UU+N+FFF-N+", _ON_ORDER: "UUFF+FFF-N+"}
_STAFF: Final = "UUFFFFFFFF+"
_HOLDER: Final = "UUFF+FFFFN+"
_KEY: Final = "idempotencyKey: $key"
_MONEY: Final = '{amount: "5.00", currency: "USD"}'

_REFUSED: Final = "R" * 11

MUTATIONS: Final = {
    "addFunds": mutation(
        "Mutation.addFunds",
        _FOR_CLIENT,
        f'input: {{accountId: $target, amount: {_MONEY}, gateway: "sandbox", {_KEY}, '
        'acceptedPolicyVersion: "2026-01"}',
        "invoice { id account { id } }",
        invoice=("AddFundsPayload.invoice", _FOR_CLIENT),
    ),
    "payInvoice": mutation(
        "Mutation.payInvoice",
        _ON_PAYMENT,
        f'input: {{invoiceId: $target, gateway: "sandbox", {_KEY}}}',
        "balance { id } invoice { id } payment { id invoice { lines { description } } }",
        balance=("PayInvoicePayload.balance", _CREDIT_AFTER[_ON_PAYMENT]),
        invoice=("PayInvoicePayload.invoice", _ON_PAYMENT),
        payment=("PayInvoicePayload.payment", _ON_PAYMENT),
    ),
    "payInvoices": mutation(
        "Mutation.payInvoices",
        _ON_PAYMENT,
        f'input: {{invoiceIds: [$target], gateway: "sandbox", {_KEY}}}',
        "balance { id } invoices { id } payment { id allocations { amount { amount }"
        " invoice { lines { description } } } }",
        balance=("PayInvoicesPayload.balance", _CREDIT_AFTER[_ON_PAYMENT]),
        invoices=("PayInvoicesPayload.invoices", _ON_PAYMENT),
        payment=("PayInvoicesPayload.payment", _ON_PAYMENT),
    ),
    "recheckPayment": mutation(
        "Mutation.recheckPayment",
        _ON_PAYMENT,
        "input: {paymentId: $target}",
        "payment { id } invoice { id payments { id } }",
        payment=("RecheckPaymentPayload.payment", _ON_PAYMENT),
        invoice=("RecheckPaymentPayload.invoice", _ON_PAYMENT),
    ),
    "cancelPayment": mutation(
        "Mutation.cancelPayment",
        _ON_PAYMENT,
        f"input: {{paymentId: $target, {_KEY}}}",
        "payment { id } invoice { id payments { id } }",
        payment=("CancelPaymentPayload.payment", _ON_PAYMENT),
        invoice=("CancelPaymentPayload.invoice", _ON_PAYMENT),
    ),
    "createInvoice": mutation(
        "Mutation.createInvoice",
        _ON_ORDER,
        'input: {accountId: $target, currency: "USD", reference: "HIDDEN-1", lines: '
        f'[{{description: "A hidden thing", unitPrice: "1.00"}}], {_KEY}}}',
        "balance { id } invoice { reference lines { description } }",
        balance=("CreateInvoicePayload.balance", _CREDIT_AFTER[_ON_ORDER]),
        invoice=("CreateInvoicePayload.invoice", _ON_ORDER),
    ),
    "voidInvoice": mutation(
        "Mutation.voidInvoice",
        _ON_ORDER,
        f'input: {{invoiceId: $target, reason: "a test", {_KEY}}}',
        "balance { id } invoice { id }",
        balance=("VoidInvoicePayload.balance", _CREDIT_AFTER[_ON_ORDER]),
        invoice=("VoidInvoicePayload.invoice", _ON_ORDER),
    ),
    "reserveCredit": mutation(
        "Mutation.reserveCredit",
        _HOLDER,
        f'input: {{accountId: $target, amount: {_MONEY}, expiresAt: $until, reference: "HIDDEN-1", '
        f'description: "A hidden thing", {_KEY}}}',
        "balance { id } hold { id reference }",
        balance=("HoldPayload.balance", _HOLDER),
        hold=("HoldPayload.hold", _HOLDER),
    ),
    "extendHold": mutation(
        "Mutation.extendHold",
        _HOLDER,
        f"input: {{holdId: $target, expiresAt: $until, {_KEY}}}",
        "balance { id } hold { id reference }",
        hold=("HoldPayload.hold", _HOLDER),
    ),
    "captureHold": mutation(
        "Mutation.captureHold",
        _HOLDER,
        f'input: {{holdId: $target, amount: "1.00", {_KEY}}}',
        "balance { id } hold { id reference } invoice { reference lines { description } }",
        balance=("HoldPayload.balance", _HOLDER),
        hold=("HoldPayload.hold", _HOLDER),
        invoice=("HoldPayload.invoice", _HOLDER),
    ),
    "releaseHold": mutation(
        "Mutation.releaseHold",
        _HOLDER,
        f"input: {{holdId: $target, {_KEY}}}",
        "balance { id } hold { id reference }",
        hold=("HoldPayload.hold", _HOLDER),
    ),
    "updateAccount": mutation(
        "Mutation.updateAccount",
        "UU+N+FFFFN+",
        f"input: {{accountId: $target, autoApplyCredit: false, {_KEY}}}",
        "account { id balance { id } metadata { key value } }",
        account=("UpdateAccountPayload.account", "UU+N+FFFFN+"),
    ),
    "createAccount": mutation(
        "Mutation.createAccount",
        "UUFF~FFFF~~",
        f'input: {{name: "New", email: $text, currency: "USD", {_KEY}}}',
        "account { id }",
        account=("CreateAccountPayload.account", "UUFF~FFFF~~"),
    ),
    "createApiKey": mutation(
        "Mutation.createApiKey",
        "UUFFFFFFFF+",
        'input: {partner: "hidden", name: "till", scopes: ["accounts:read"], accountIds: [$target],'
        f" {_KEY}}}",
        "apiKey { id accounts { edges { node { id name } } } } token",
        apiKey=("ApiKeyPayload.apiKey", "UUFFFFFFFF+"),
    ),
    "rotateApiKey": mutation(
        "Mutation.rotateApiKey",
        "UUFFFFFFFF+",
        f"input: {{apiKeyId: $target, {_KEY}}}",
        "apiKey { id name accounts { edges { node { id name } } } } token",
    ),
    "revokeApiKey": mutation(
        "Mutation.revokeApiKey",
        "UUFFFFFFFF+",
        "input: {apiKeyId: $target}",
        "apiKey { id name revokedAt }",
        apiKey=("ApiKeyPayload.apiKey", "UUFFFFFFFF+"),
    ),
    "createWebhookEndpoint": mutation(
        "Mutation.createWebhookEndpoint",
        "UUFF~FFFF~F",
        f'input: {{url: "https://8.8.8.8/Ada", events: ["*"], {_KEY}}}',
        "endpoint { id url } secret",
        endpoint=("WebhookEndpointPayload.endpoint", "UUFF~FFFF~F"),
    ),
    "updateWebhookEndpoint": mutation(
        "Mutation.updateWebhookEndpoint",
        "UUFF+FFFFN+",
        "input: {endpointId: $target, enabled: true}",
        "endpoint { id }",
    ),
    "deleteWebhookEndpoint": mutation(
        "Mutation.deleteWebhookEndpoint",
        "UUFF~FFFFN~",
        "input: {endpointId: $target}",
        "",
    ),
    "rotateWebhookSecret": mutation(
        "Mutation.rotateWebhookSecret",
        "UUFF+FFFFN+",
        f"input: {{endpointId: $target, {_KEY}}}",
        "endpoint { id } secret",
    ),
    "resendWebhooks": mutation(
        "Mutation.resendWebhooks",
        "UUFF+FFFFN+",
        f"input: {{endpointId: $target, after: $text, {_KEY}}}",
        "deliveries { id endpoint { id } }",
        deliveries=("WebhookDeliveryPayload.deliveries", "UUFF+FFFFN+"),
    ),
    "sendTestEvent": mutation(
        "Mutation.sendTestEvent",
        "UUFF+FFFFN+",
        f"input: {{endpointId: $target, {_KEY}}}",
        "deliveries { id endpoint { id } }",
    ),
    "createClientSession": mutation(
        "Mutation.createClientSession",
        "UUFF~FFFFN~",
        f"input: {{accountId: $target, {_KEY}}}",
        "url token expiresAt",
    ),
    "adjustCredit": mutation(
        "Mutation.adjustCredit",
        _STAFF,
        f'input: {{accountId: $target, amount: {_MONEY}, reason: "a hidden reason", {_KEY}}}',
        "balance { id } transaction { description }",
        balance=("AdjustCreditPayload.balance", _STAFF),
        transaction=("AdjustCreditPayload.transaction", _STAFF),
    ),
    "refundPayment": mutation(
        "Mutation.refundPayment",
        _STAFF,
        f'input: {{paymentId: $target, reason: "a hidden reason", {_KEY}}}',
        "balance { id } refund { id reason } payment { id } invoice { id account { id } }",
        balance=("RefundPaymentPayload.balance", _STAFF),
        refund=("RefundPaymentPayload.refund", _STAFF),
        payment=("RefundPaymentPayload.payment", _STAFF),
        invoice=("RefundPaymentPayload.invoice", _STAFF),
    ),
    "recordPaymentOutcome": mutation(
        "Mutation.recordPaymentOutcome",
        _STAFF,
        f'input: {{paymentId: $target, captured: true, reason: "a hidden reason", {_KEY}}}',
        "payment { id } invoice { id account { id } }",
        payment=("PaymentOutcomePayload.payment", _STAFF),
        invoice=("PaymentOutcomePayload.invoice", _STAFF),
    ),
    "recordBankTransfer": mutation(
        "Mutation.recordBankTransfer",
        _STAFF,
        f'input: {{reference: $text, amount: {_MONEY}, bankAccount: "DE1", '
        f"bankTransactionId: $key, {_KEY}}}",
        "balance { id } payment { id } invoice { id account { id } }",
        balance=("RecordBankTransferPayload.balance", _STAFF),
        payment=("RecordBankTransferPayload.payment", "UUFFFFFFFF~"),
        invoice=("RecordBankTransferPayload.invoice", _STAFF),
    ),
    "assignBankCredit": mutation(
        "Mutation.assignBankCredit",
        _STAFF,
        f"input: {{bankCreditId: $target, reference: $text, {_KEY}}}",
        "balance { id } bankCredit { id } payment { id } invoice { id account { id } }",
        balance=("AssignBankCreditPayload.balance", _STAFF),
        bankCredit=("AssignBankCreditPayload.bankCredit", _STAFF),
        payment=("AssignBankCreditPayload.payment", "UUFFFFFFFF~"),
        invoice=("AssignBankCreditPayload.invoice", _STAFF),
    ),
    "dismissBankCredit": mutation(
        "Mutation.dismissBankCredit",
        _STAFF,
        f'input: {{bankCreditId: $target, reason: "a hidden reason", {_KEY}}}',
        "bankCredit { id note }",
        bankCredit=("DismissBankCreditPayload.bankCredit", _STAFF),
    ),
    "redeemVoucher": mutation(
        "Mutation.redeemVoucher",
        _FOR_CLIENT,
        f"input: {{accountId: $target, code: $text, {_KEY}}}",
        "balance { id } transaction { id }",
        balance=("RedeemVoucherPayload.balance", _FOR_CLIENT),
        transaction=("RedeemVoucherPayload.transaction", "UU~N~FFFFN~"),
    ),
    "issueVouchers": mutation(
        "Mutation.issueVouchers",
        "UUFFFFFFFF~",
        f"input: {{amount: {_MONEY}, {_KEY}}}",
        "codes",
        codes=("IssueVouchersPayload.codes", "UUFFFFFFFF~"),
    ),
    "inviteMember": mutation(
        "Mutation.inviteMember",
        "UU~NFFFFFF~",
        f"input: {{accountId: $target, email: $text, role: VIEWER, {_KEY}}}",
        "member { id }",
        member=("MemberPayload.member", "UU~NFFFFFF~"),
    ),
    "changeMember": mutation(
        "Mutation.changeMember",
        "UU+NFFFFFF+",
        "input: {memberId: $target, role: BILLING}",
        "member { id }",
    ),
    "removeMember": mutation(
        "Mutation.removeMember", "UU~NFFFFFF~", "input: {memberId: $target}", "__typename"
    ),
    "switchAccount": mutation(
        "Mutation.switchAccount",
        "UU+NFFFFFFF",
        "input: {accountId: $target}",
        "viewer { account { id name } }",
        viewer=("ViewerPayload.viewer", "UU+NFFFFFFF"),
    ),
    "endSession": mutation(
        "Mutation.endSession", "UU~NNNNNNNN", "input: {sessionId: $target}", "__typename"
    ),
    "signUp": mutation(
        "Mutation.signUp",
        _REFUSED,
        'input: {email: $text, password: "four kazoos in the attic", name: "Ada", currency: "USD", '
        f"{_KEY}}}",
        "token viewer { role }",
        viewer=("SignUpPayload.viewer", _REFUSED),
        token=("SignUpPayload.token", _REFUSED),
    ),
    "requestPasswordReset": mutation(
        "Mutation.requestPasswordReset", "~~~~~~~~~~~", "input: {email: $text}", ""
    ),
    "setPassword": mutation(
        "Mutation.setPassword",
        _REFUSED,
        'input: {token: $text, password: "four kazoos in the attic"}',
        "token viewer { role }",
    ),
    "changePassword": mutation(
        "Mutation.changePassword",
        "UURRFFFFFFR",
        'input: {currentPassword: $text, newPassword: "four kazoos in the attic"}',
        "",
    ),
    "changeEmail": mutation(
        "Mutation.changeEmail",
        "UURRFFFFFFR",
        'input: {email: "new@example.com", password: $text}',
        "",
    ),
    "confirmEmail": mutation(
        "Mutation.confirmEmail",
        _REFUSED,
        "input: {token: $text}",
        "viewer { role }",
        viewer=("ViewerPayload.viewer", _REFUSED),
    ),
    "completeSignIn": mutation(
        "Mutation.completeSignIn",
        "RRRRRRRRRRR",
        'input: {challenge: $text, code: "000000"}',
        "challenge { token } viewer { role }",
        challenge=("SignInPayload.challenge", "RRRRRRRRRRR"),
    ),
    "beginConfirmIdentity": mutation("Mutation.beginConfirmIdentity", "UUNNFFFFFFN", "", "options"),
    "confirmIdentity": mutation(
        "Mutation.confirmIdentity",
        "UU~~FFFFFF~",
        'input: {password: "correct horse battery"}',
        "",
    ),
    "beginTotp": mutation("Mutation.beginTotp", "UU~~FFFFFF~", "", "secret uri"),
    "confirmTotp": mutation(
        "Mutation.confirmTotp",
        "UURRFFFFFFR",
        'input: {code: "000000"}',
        "viewer { role } recoveryCodes",
        viewer=("ConfirmFactorPayload.viewer", "UURRFFFFFFR"),
    ),
    "beginPasskey": mutation("Mutation.beginPasskey", "UU+~FFFFFF~", "", "options"),
    "confirmPasskey": mutation(
        "Mutation.confirmPasskey",
        "UURRFFFFFFR",
        'input: {credential: "{}", name: "A key"}',
        "viewer { role } recoveryCodes",
    ),
    "renewRecoveryCodes": mutation(
        "Mutation.renewRecoveryCodes", "UURRFFFFFFR", "", "recoveryCodes"
    ),
    "removeSecondFactor": mutation(
        "Mutation.removeSecondFactor",
        "UURRFFFFFFR",
        'input: {factor: TOTP, password: "wrong horse battery"}',
        "viewer { role }",
        viewer=("ViewerPayload.viewer", "UURRFFFFFFR"),
    ),
    "signIn": mutation(
        "Mutation.signIn",
        "+++++++++++",
        'input: {email: $text, password: "correct horse battery"}',
        "token viewer { role account { id } }",
        viewer=("SignInPayload.viewer", "+++++++++++"),
    ),
    "signOut": Ask(
        "mutation { signOut { userErrors { code message field } } }",
        {"Mutation.signOut": ("signOut", "~~~~~~~~~~~")},
    ),
}

SUBSCRIPTIONS: Final = [
    Ask(
        "subscription ($account: ID!) { creditUpdated(accountId: $account) "
        "{ balance { id } transaction { id } } }",
        {
            "Subscription.creditUpdated": ("creditUpdated", "UU+N+F+FFN+"),
            "CreditUpdate.balance": ("creditUpdated.balance", "UU+N+F+FFN+"),
            "CreditUpdate.transaction": ("creditUpdated.transaction", "UU-N-F-FFN-"),
        },
    ),
    Ask(
        "subscription ($account: ID!) { creditUpdated(accountId: $account, afterVersion: 2) "
        "{ balance { id } transaction { id invoice { id reference } } } }",
        {"CreditTransaction.invoice": ("creditUpdated.transaction.invoice", "UU+N+FFFFN+")},
    ),
    Ask(
        "subscription ($id: ID!) { invoiceUpdated(id: $id) { id number } }",
        {"Subscription.invoiceUpdated": ("invoiceUpdated", "UU+N+FF++N+")},
    ),
    Ask(
        "subscription ($id: ID!) { invoiceUpdated(id: $id) { account { id name } } }",
        {"Invoice.account": ("invoiceUpdated.account", "UU+N+FFFFN+")},
    ),
]

#: Whoever has the object may read these of it: they have no rule of their own. Read by a test.
PLAIN: Final = {
    "Account": "id name email locale currency autoApplyCredit billing spendingFrozen "
    "externalId metadata",
    "ApiKey": "id partner name prefix scopes allAccounts allowedAddresses dailyBudget "
    "paymentBudget createdAt lastUsedAt expiresAt revokedAt",
    "AuditEntry": "id at actor action details address",
    "Balance": "id currency available reserved pending promotional nextExpiry debt version "
    "updatedAt spendingFrozen",
    "BankCredit": "id kind state parkedReason bankAccount bankTransactionId amount bookedOn "
    "payerName payerAccount text note createdAt",
    "CreditTransaction": "id kind amount balanceAfter version refundable createdAt description",
    "Event": "id type sequence occurredAt",
    "Gateway": "id code kind currencies available name minimum maximum fee",
    "Grant": "id source name amount remaining effectiveAt expiresAt state",
    "Hold": "id amount captured reference description state expiresAt createdAt endedAt",
    "Invoice": "id number kind status overdue issuedAt dueAt dueOn paidAt subtotal tax total "
    "reference transferReference creditApplied amountPaid amountDue voidedAt voidReason "
    "creditNoteNumber gateway voidDocumentUrl metadata",
    "Member": "id email name role invited",
    "Payment": "id gateway invoiceCount amount fee charged received refunded status failureCode "
    "expiresAt createdAt completedAt failureMessage receiptUrl",
    "Refund": "id amount status reason failureCode failureMessage createdAt completedAt",
    "Session": "id createdAt lastSeenAt expiresAt address userAgent current",
    "WebhookDelivery": "id type state nextAttemptAt",
    "WebhookEndpoint": "id url events document enabled disabledReason createdAt",
}

#: Values: they belong to what they are part of, and say nothing without it.
VALUES: Final = {
    "AmountOutOfRange": "code message field minimum maximum",
    "ApiKeyPayload": "token",
    "BankTransferAction": "amount reference beneficiary bankName accountNumber bic qrCode "
    "branchName branchCode accountType instructions",
    "BeginPasskeyPayload": "options",
    "BeginTotpPayload": "secret uri qrCode",
    "Billing": "company address postcode city country vatId",
    "ConfirmFactorPayload": "recoveryCodes",
    "ConfirmCardAction": "clientSecret publishableKey",
    "CreateClientSessionPayload": "url token expiresAt",
    "CreditSource": "amount",
    "CreditPolicy": "version url refundableInCash summary",
    "CreditStatement": "currency firstDay lastDay openingBalance closingBalance added spent "
    "transactionCount pdfUrl csvUrl",
    "DeliveryAttempt": "at status milliseconds problem answer",
    "FundsLimits": "minimumDeposit maximumDeposit maximumBalance",
    "InsufficientCredit": "code message field available required",
    "InvoiceLine": "description quantity unitPrice unitPriceExact taxRate total",
    "MetadataEntry": "key value",
    "Money": "amount currency formatted",
    "PossibleDuplicate": "code message field bankCredit",
    "PageInfo": "hasNextPage hasPreviousPage startCursor endCursor",
    "PaymentDiagnosis": "stage lastHeardAt nextCheckAt supportUrl explanation",
    "PromotionalExpiry": "amount expiresAt",
    "RateLimited": "code message field retryAfterSeconds",
    "RedirectAction": "url expiresAt",
    "Refusal": "code message field",
    "SignInChallenge": "token methods passkeyOptions expiresAt",
    "SignInPayload": "token",
    "WebhookEndpointPayload": "secret",
    "Viewer": "role scopes memberRole secondFactors",
}

#: What every page and payload has.
EVERYWHERE: Final = {
    "Connection": "pageInfo totalCount",
    "Edge": "cursor",
    "Payload": "userErrors",
}


def rows() -> list[Ask]:
    """Every document of the table but those of `node` and `nodes`."""
    return [*QUERIES, *EDGES, *MUTATIONS.values(), *SUBSCRIPTIONS]


def covered() -> set[str]:
    """The fields, as `Type.field`, that the table has."""
    found = {"Query.node", "Query.nodes"}
    for ask in rows():
        found |= {*ask.verdicts, *ask.along.split()}
    for type_, names in [*PLAIN.items(), *VALUES.items()]:
        found |= {f"{type_}.{name}" for name in names.split()}
    return found


def common(type_: str) -> set[str]:
    """The fields that the type has because of what kind of type it is."""
    return {
        f"{type_}.{name}"
        for kind, names in EVERYWHERE.items()
        if type_.endswith(kind)
        for name in names.split()
    }


def fields_of(schema: Any) -> set[str]:
    """Every field of every object type of the schema, as `Type.field`."""
    return {
        f"{name}.{field}"
        for name, type_ in schema.type_map.items()
        if type_.__class__.__name__ == "GraphQLObjectType" and not name.startswith("__")
        for field in type_.fields
    }
