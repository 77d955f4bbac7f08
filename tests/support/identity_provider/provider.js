/** A certified OpenID Connect provider: anybody is who they say. Arguments: a port, a callback. */

import Provider from "oidc-provider";

const [port, callback] = Deno.args;
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "portal",
    client_secret: "portal's own secret",
    redirect_uris: [callback],
    grant_types: ["authorization_code"],
    response_types: ["code"],
  }],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@client.example`, email_verified: true }),
  }),
});
provider.listen(Number(port), "127.0.0.1");
