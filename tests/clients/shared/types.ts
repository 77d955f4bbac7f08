/** Which types an interface or a union has; the README keeps it up to date. */
export const possibleTypes = {
  Node: [
    "Account",
    "ApiKey",
    "Balance",
    "BankCredit",
    "CreditTransaction",
    "Event",
    "Gateway",
    "Invoice",
    "Member",
    "Payment",
    "Refund",
    "Session",
  ],
  PaymentAction: ["BankTransferAction", "ConfirmCardAction", "RedirectAction"],
  UserError: [
    "AmountOutOfRange",
    "InsufficientCredit",
    "PossibleDuplicate",
    "RateLimited",
    "Refusal",
  ],
};

/** What has no id: it is part of what it is found in. */
export const valueTypes = [
  "AmountOutOfRange",
  "BankTransferAction",
  "Billing",
  "ConfirmCardAction",
  "CreditPolicy",
  "CreditStatement",
  "CreditUpdate",
  "FundsLimits",
  "InsufficientCredit",
  "InvoiceLine",
  "MetadataEntry",
  "Money",
  "PaymentDiagnosis",
  "PossibleDuplicate",
  "PromotionalExpiry",
  "RateLimited",
  "RedirectAction",
  "Refusal",
  "SignInChallenge",
  "Viewer",
];
