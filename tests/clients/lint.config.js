// What @graphql-eslint says of the API's schema: its recommended rules and Relay's.
import graphql from "@graphql-eslint/eslint-plugin";

// What has no identity of its own: it is part of what it is found in.
const values = [
  "AddFundsPreview",
  "AmountOutOfRange",
  "Billing",
  "CreditPolicy",
  "CreditSource",
  "CreditStatement",
  "CreditUpdate",
  "DeliveryAttempt",
  "FundsLimits",
  "InsufficientCredit",
  "InvoiceLine",
  "MetadataEntry",
  "Money",
  "PageInfo",
  "PaymentAllocation",
  "PaymentDiagnosis",
  "PaymentPreview",
  "PossibleDuplicate",
  "PromotionalExpiry",
  "RateLimited",
  "Refusal",
  "SignInChallenge",
  "Viewer",
];
const exceptions = { types: values, suffixes: ["Action", "Connection", "Edge", "Payload"] };

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "schema/schema.graphql" } },
    },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      "@graphql-eslint/strict-id-in-types": ["error", { exceptions }],
      // A list of scopes is no connection.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
