<script type="module" src="{$api|escape}/embed.js"></script>
<script type="module" src="{$module|escape}/account_credit.js"></script>

<account-credit-balance></account-credit-balance>
<account-credit-add-funds></account-credit-add-funds>
<account-credit-invoices></account-credit-invoices>
