// An OpenID provider (panva/node-oidc-provider, certified): node oidc.mjs PORT REDIRECT_URI [CODE_TTL_S]
// Whoever signs in is called what they type; "nobody" has no account of ours.
import Provider from "oidc-provider";

const [port, redirectUri, codeTtl = "60"] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "classroom",
      client_secret: "a secret between the two",
      redirect_uris: [redirectUri],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["preferred_username", "name"] },
  ttl: { AuthorizationCode: Number(codeTtl), AccessToken: 60, IdToken: 60, Interaction: 60, Session: 60, Grant: 60 },
  cookies: { keys: ["for a test"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id.replace(/^as-/, ""), name: id }),
  }),
});

provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
