/**
 * The portal's parts as elements of other pages. All elements of a page are one client's: they share
 * the token, the connection and the language.
 */

import "./embed.css";
import { tell } from "../page.ts";
import { define } from "./element.tsx";
import { FundsView, InvoicesView } from "./invoice.tsx";
import { BalanceView } from "./shell.tsx";
import { tell as tellStyle } from "./style.ts";

/** Put in by the server: what it says in the portal's <html>, and which file the style is. */
const said = JSON.parse("%ACCOUNT_CREDIT_SAYS%");

tell(said);
tellStyle(said);

define("account-credit-balance", BalanceView);
define("account-credit-add-funds", FundsView);
define("account-credit-invoices", InvoicesView);
