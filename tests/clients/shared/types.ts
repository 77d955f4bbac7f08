/** Which types an interface or a union has; the README keeps it up to date. */
export const possibleTypes = {
  Node: ["Account", "Balance", "CreditTransaction", "Gateway", "Invoice", "Payment"],
  PaymentAction: ["BankTransferAction", "ConfirmCardAction", "RedirectAction"],
  UserError: ["AmountOutOfRange", "InsufficientCredit", "RateLimited", "Refusal"],
};

/** What has no id: it is part of what it is found in. */
export const valueTypes = [
  "AmountOutOfRange",
  "BankTransferAction",
  "ConfirmCardAction",
  "CreditPolicy",
  "CreditUpdate",
  "FundsLimits",
  "InsufficientCredit",
  "InvoiceLine",
  "Money",
  "PaymentDiagnosis",
  "PromotionalExpiry",
  "RateLimited",
  "RedirectAction",
  "Refusal",
  "Viewer",
];
