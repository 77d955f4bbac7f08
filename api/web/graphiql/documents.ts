/** The ready documents: the main job, from the form to the money, for each kind of caller. */

import { graphql } from "../portal/graphql.ts";

export interface Ready {
  title: string;
  about: string;
  query: unknown;
  /** Values such as `$invoice` are filled in when it is opened: see fill.ts. */
  variables?: Record<string, unknown>;
}

const CLIENT: Ready[] = [
  {
    title: "Who am I",
    about: "The role, the account and its credit.",
    query: graphql(`query Viewer {
  viewer {
    role
    scopes
    account {
      id
      name
      currency
      balance {
        available { formatted }
        pending { formatted }
        promotional { formatted }
        version
      }
    }
  }
}`),
  },
  {
    title: "Gateways and limits",
    about: "What the Add Funds form shows for an amount.",
    query: graphql(`query AddFundsForm($amount: MoneyInput!) {
  gateways(amount: $amount) {
    code
    name
    available
    fee(amount: $amount) { formatted }
  }
  fundsLimits {
    minimumDeposit { formatted }
    maximumDeposit { formatted }
    maximumBalance { formatted }
  }
  creditPolicy { version refundableInCash summary url }
}`),
    variables: { amount: { amount: "$amount", currency: "$currency" } },
  },
  {
    title: "Add funds",
    about: "Issues an unpaid invoice. One idempotency key per click.",
    query: graphql(`mutation AddFunds($input: AddFundsInput!) {
  addFunds(input: $input) {
    invoice { id number status total { formatted } pdfUrl }
    userErrors { code message field }
  }
}`),
    variables: {
      input: {
        amount: { amount: "$amount", currency: "$currency" },
        gateway: "$gateway",
        acceptedPolicyVersion: "$policy",
        idempotencyKey: "$key",
      },
    },
  },
  {
    title: "Pay an invoice",
    about: "nextAction says what comes next: here, open its url.",
    query: graphql(`mutation PayInvoice($input: PayInvoiceInput!) {
  payInvoice(input: $input) {
    invoice { number status amountDue { formatted } }
    payment {
      id
      status
      nextAction {
        ... on RedirectAction { url }
        ... on BankTransferAction { reference accountNumber amount { formatted } }
      }
    }
    balance { available { formatted } pending { formatted } version }
    userErrors { code message field }
  }
}`),
    variables: { input: { invoiceId: "$unpaid", useCredit: false, idempotencyKey: "$key" } },
  },
  {
    title: "Watch the credit",
    about: "A subscription: the current credit, then every change.",
    query: graphql(`subscription Credit {
  creditUpdated {
    balance { available { amount formatted } pending { formatted } version }
    transaction { kind amount { formatted } description }
  }
}`),
  },
  {
    title: "Redeem a voucher",
    about: "Turns a code into credit that is spent first.",
    query: graphql(`mutation RedeemVoucher($input: RedeemVoucherInput!) {
  redeemVoucher(input: $input) {
    transaction { kind amount { formatted } }
    balance { available { formatted } promotional { formatted } version }
    userErrors { code message field }
  }
}`),
    variables: { input: { code: "", idempotencyKey: "$key" } },
  },
  {
    title: "Credit statement",
    about: "The newest lines; version counts them without a gap.",
    query: graphql(`query Statement {
  creditTransactions(first: 10) {
    totalCount
    edges {
      node { version kind amount { formatted } balanceAfter { formatted } description createdAt }
    }
    pageInfo { hasNextPage endCursor }
  }
}`),
  },
];

const INVOICE: Ready[] = [
  {
    title: "Audit an invoice",
    about: "Everything that has happened to it, and why it isn't paid.",
    query: graphql(`query AuditInvoice($id: ID!) {
  invoice(id: $id) {
    number
    kind
    status
    overdue
    issuedAt
    dueAt
    paidAt
    total { formatted }
    creditApplied { formatted }
    amountPaid { formatted }
    amountDue { formatted }
    diagnosis { stage explanation lastHeardAt nextCheckAt supportUrl }
    payments {
      id
      status
      failureCode
      failureMessage
      amount { formatted }
      fee { formatted }
      received { formatted }
      refunded { formatted }
      createdAt
      completedAt
      gateway { code name available }
    }
    lines { description quantity unitPrice { formatted } }
    pdfUrl
  }
}`),
    variables: { id: "$invoice" },
  },
  {
    title: "Watch an invoice",
    about: "A subscription: its current state, then every change.",
    query: graphql(`subscription InvoiceChanges($id: ID!) {
  invoiceUpdated(id: $id) {
    number
    status
    amountDue { formatted }
    diagnosis { stage explanation }
  }
}`),
    variables: { id: "$invoice" },
  },
];

const PARTNER: Ready[] = [
  {
    title: "Bill an order",
    about: "Partners (invoices:write) and staff.",
    query: graphql(`mutation CreateInvoice($input: CreateInvoiceInput!) {
  createInvoice(input: $input) {
    invoice {
      id
      number
      status
      total { formatted }
      tax { formatted }
      creditApplicable { formatted }
    }
    userErrors { code message field }
  }
}`),
    variables: {
      input: {
        accountId: "$account",
        currency: "$currency",
        lines: [
          { description: "Virtual server M", quantity: "3", unitPrice: "9.99", taxRate: "0.1" },
        ],
        reference: "ORDER-1042",
        idempotencyKey: "$key",
      },
    },
  },
  {
    title: "Void an order",
    about: "Credit returns to where it came from.",
    query: graphql(`mutation VoidInvoice($input: VoidInvoiceInput!) {
  voidInvoice(input: $input) {
    invoice { number status creditNoteNumber }
    userErrors { code message field }
  }
}`),
    variables: { input: { invoiceId: "", reason: "Ordered twice", idempotencyKey: "$key" } },
  },
  {
    title: "Find clients",
    about: "Their IDs, which the documents above need.",
    query: graphql(`query Clients($search: String) {
  accounts(first: 20, search: $search) {
    edges { node { id name email currency } }
  }
}`),
    variables: { search: "" },
  },
  {
    title: "Adjust credit",
    about: "Staff only: corrects a mistake, with a reason.",
    query: graphql(`mutation AdjustCredit($input: AdjustCreditInput!) {
  adjustCredit(input: $input) {
    balance { available { formatted } version }
    userErrors { code message field }
  }
}`),
    variables: {
      input: {
        accountId: "$account",
        amount: { amount: "5.00", currency: "$currency" },
        reason: "",
        idempotencyKey: "$key",
      },
    },
  },
];

export const GROUPS: { name: string; documents: Ready[] }[] = [
  { name: "As a client", documents: CLIENT },
  { name: "About an invoice", documents: INVOICE },
  { name: "As a partner or staff", documents: PARTNER },
];

export const FIRST = String(CLIENT[0]?.query);
