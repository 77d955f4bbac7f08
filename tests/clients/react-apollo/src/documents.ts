import { graphql } from "./gql";

export const ViewerQuery = graphql(`
  query Viewer {
    viewer { role account { id name currency } }
  }
`);

export const SignInMutation = graphql(`
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      viewer { role account { id name currency } }
      userErrors { code message field }
    }
  }
`);

export const AddFundsQuery = graphql(`
  query AddFundsForm {
    balance { ...Credit }
    creditPolicy { version summary url }
    fundsLimits { minimumDeposit { amount currency formatted } maximumDeposit { formatted } }
    gateways { id code name }
  }
`);

export const AddFundsMutation = graphql(`
  mutation AddFunds($input: AddFundsInput!) {
    addFunds(input: $input) {
      invoice { ...InvoiceParts }
      userErrors { code message field }
    }
  }
`);

export const PayInvoiceMutation = graphql(`
  mutation PayInvoice($input: PayInvoiceInput!) {
    payInvoice(input: $input) {
      payment {
        id
        status
        nextAction {
          ... on RedirectAction { url }
          ... on BankTransferAction { instructions }
        }
      }
      invoice { ...InvoiceParts }
      balance { ...Credit }
      userErrors { code message field }
    }
  }
`);

export const InvoiceQuery = graphql(`
  query Invoice($id: ID!) {
    invoice(id: $id) { ...InvoiceParts }
  }
`);

export const CreditSubscription = graphql(`
  subscription CreditUpdated($afterVersion: Int) {
    creditUpdated(afterVersion: $afterVersion) {
      balance { ...Credit }
      transaction { id kind amount { formatted } }
    }
  }
`);

export const InvoiceSubscription = graphql(`
  subscription InvoiceUpdated($id: ID!) {
    invoiceUpdated(id: $id) { ...InvoiceParts }
  }
`);

graphql(`
  fragment Credit on Balance {
    id
    available { amount formatted }
    pending { amount formatted }
    version
  }
`);

graphql(`
  fragment InvoiceParts on Invoice {
    id
    number
    status
    total { amount formatted }
  }
`);
