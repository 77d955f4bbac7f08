"""What a portal, a partner's system or a browser does with the API: ask it over HTTP.

Answers are shown plainly: a Money that was asked for by its amount alone is that amount, "25.00".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx

from tests.support.factors import code_of

Answer = dict[str, Any]

ERRORS = """userErrors {
  __typename code message field
  ... on AmountOutOfRange { minimum { amount } maximum { amount } }
  ... on InsufficientCredit { available { amount } required { amount } }
  ... on RateLimited { retryAfterSeconds }
}"""
INVOICE = """invoice {
  id number kind status paidAt reference total { amount } amountPaid { amount } amountDue { amount }
  creditApplied { amount } creditApplicable { amount } voidReason creditNoteNumber pdfUrl
  transferReference diagnosis { stage explanation lastHeardAt nextCheckAt }
  payments { id status received { amount } refunded { amount } }
}"""
PAYMENT = """payment {
  id status amount { amount } received { amount } failureCode failureMessage completedAt
  nextAction {
    __typename
    ... on RedirectAction { url expiresAt }
    ... on BankTransferAction {
      amount { amount } reference beneficiary bankName accountNumber bic qrCode instructions
    }
  }
}"""
BALANCE = """balance {
  available { amount } reserved { amount } pending { amount } promotional { amount }
  debt { amount } nextExpiry { expiresAt amount { amount } } version
}"""
LINES = """query ($first: Int, $after: String, $filter: CreditTransactionFilter) {
  creditTransactions(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node {
      kind amount { amount } balanceAfter { amount } version description
      invoice { number } payment { id status }
    } }
  }
}"""
INVOICES = """query ($first: Int, $after: String, $filter: InvoiceFilter) {
  invoices(first: $first, after: $after, filter: $filter) {
    totalCount pageInfo { hasNextPage endCursor }
    edges { node { id number kind status reference total { amount } lines { description } } }
  }
}"""

#: They take no idempotency key.
_UNKEYED = {
    "signIn",
    "recheckPayment",
    "requestPasswordReset",
    "removeSecondFactor",
    "revokeApiKey",
}

_keys = count()


def new_key() -> str:
    """An idempotency key, as a portal makes one a click."""
    return f"click-{next(_keys)}"


@dataclass
class Portal:
    """Somebody who asks: with a token, an API key, a cookie, or as nobody."""

    url: str
    http: httpx.Client
    token: str = ""
    email: str = ""
    account_id: str = ""
    currency: str = "USD"

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def money(self, amount: str) -> dict[str, str]:
        return {"amount": amount, "currency": self.currency}

    # ------------------------------------------------------------------------- asking

    def post(self, document: str, variables: object = None) -> httpx.Response:
        body = {"query": document, "variables": variables}
        return self.http.post(f"{self.url}/graphql", json=body, headers=self.headers)

    def ask(self, document: str, **variables: object) -> Answer:
        """The data of a request that has no errors."""
        response = self.post(document, variables)
        answer = response.json()
        assert response.status_code == 200, answer
        assert "errors" not in answer, answer
        data: Answer = plain(answer["data"])
        return data

    def error(self, document: str, **variables: object) -> str:
        """The code of a request that is refused before it reaches a rule."""
        response = self.post(document, variables)
        assert response.status_code < 500, response.text
        code: str = response.json()["errors"][0]["extensions"]["code"]
        return code

    def attempt(self, mutation: str, selection: str, /, **given: object) -> Answer:
        """The payload of a mutation, done or refused; with a fresh key where it takes one."""
        if mutation not in _UNKEYED:
            given.setdefault("idempotencyKey", new_key())
        name = f"{mutation[0].upper()}{mutation[1:]}Input"
        document = (
            f"mutation ($input: {name}!) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}"
        )
        payload: Answer = self.ask(document, input=given)[mutation]
        return payload

    def do(self, mutation: str, selection: str, /, **given: object) -> Answer:
        """The payload of a mutation that is not refused."""
        payload = self.attempt(mutation, selection, **given)
        assert payload["userErrors"] == [], payload
        return payload

    def refusal(self, mutation: str, /, **given: object) -> Answer:
        """The one user error of a mutation that is refused."""
        payload = self.attempt(mutation, "", **given)
        [error] = payload["userErrors"]
        assert error["message"]
        refused: Answer = error
        return refused

    # ------------------------------------------------------------------------- a client's clicks

    def sign_in(self, password: str) -> Answer:
        signed = self.do(
            "signIn", "token viewer { role account { id } }", email=self.email, password=password
        )
        self.token = signed["token"]
        return signed

    def set_up_app(self, password: str) -> str:
        """Sign in and set an authenticator app up; its secret. This step's code is still good."""
        self.sign_in(password)
        secret: str = self.ask("mutation { beginTotp { secret } }")["beginTotp"]["secret"]
        self.ask(
            "mutation ($code: String!) { confirmTotp(input: {code: $code}) { recoveryCodes } }",
            code=code_of(secret, -1),
        )
        return secret

    def balance(self) -> Answer:
        document = f"query ($account: ID, $currency: CurrencyCode) {{ {_BALANCE_OF} }}"
        shown: Answer = self.ask(document, account=self.account_id, currency=self.currency)[
            "balance"
        ]
        return shown

    def available(self) -> str:
        amount: str = self.balance()["available"]
        return amount

    def policy_version(self) -> str:
        version: str = self.ask("{ creditPolicy { version } }")["creditPolicy"]["version"]
        return version

    def add_funds(self, amount: str, gateway: str = "sandbox", **more: object) -> Answer:
        """+ Add Funds: the invoice."""
        given = {
            "amount": self.money(amount),
            "gateway": gateway,
            "acceptedPolicyVersion": self.policy_version(),
            **more,
        }
        invoice: Answer = self.do("addFunds", INVOICE, **given)["invoice"]
        return invoice

    def pay(self, invoice: Answer, **how: object) -> Answer:
        """Pay Now!: the payload."""
        return self.do(
            "payInvoice", f"{INVOICE} {PAYMENT} {BALANCE}", invoiceId=invoice["id"], **how
        )

    def begin(self, invoice: Answer, **how: object) -> Answer:
        """Pay Now! through a gateway: the payment."""
        payment: Answer = self.pay(invoice, **how)["payment"]
        return payment

    def deposit(self, amount: str) -> Answer:
        """Add funds and pay them at the sandbox: the payment, as it began."""
        payment = self.begin(self.add_funds(amount))
        at_sandbox(payment, "approve")
        return payment

    def invoice(self, invoice: Answer) -> Answer:
        """The invoice as it is now."""
        selection = INVOICE.removeprefix("invoice")
        found: Answer = self.ask(
            f"query ($id: ID) {{ invoice(id: $id) {selection} }}", id=invoice["id"]
        )["invoice"]
        return found

    def stage(self, invoice: Answer) -> str:
        stage: str = self.invoice(invoice)["diagnosis"]["stage"]
        return stage

    def statement(self, **page: object) -> list[Answer]:
        """Lines of the credit statement, newest first."""
        return nodes(self.ask(LINES, **page)["creditTransactions"])

    def invoices(self, **page: object) -> list[Answer]:
        return nodes(self.ask(INVOICES, **page)["invoices"])


_BALANCE_OF = BALANCE.replace("balance", "balance(accountId: $account, currency: $currency)", 1)


def nodes(connection: Answer) -> list[Answer]:
    return [edge["node"] for edge in connection["edges"]]


def plain(value: Any) -> Any:
    """The same with each `{"amount": "25.00"}` as "25.00"."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"amount"}:
        return value["amount"]
    return {name: plain(item) for name, item in value.items()}


def at_sandbox(payment: Answer, action: str, **form: str) -> Answer:
    """What the payer, or the provider's staff, does at the sandbox gateway."""
    response = httpx.post(
        f"{payment['nextAction']['url']}/{action}",
        data=form,
        headers={"accept": "application/json"},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    told: Answer = response.json()
    return told
