// An OpenID provider on loopback for one test: everybody signs in as whom he types, NAME.STORE.ROLE, with any password.
// Arguments: redirect URI, client secret. The first line of its output is its issuer.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [redirect, secret] = process.argv.slice(2);
const key = (type, options, more) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), ...more });

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'menu', client_secret: secret, redirect_uris: [redirect], response_types: ['code'],
      grant_types: ['authorization_code'], token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    }],
    cookies: { keys: ['of the test'] },
    jwks: { keys: [
      key('rsa', { modulusLength: 2048 }, { kid: 'r', use: 'sig', alg: 'RS256' }),
      key('ec', { namedCurve: 'P-256' }, { kid: 'e', use: 'sig', alg: 'ES256' }),
    ] },
    claims: { openid: ['sub', 'store_id', 'menu_role'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true, methods: ['S256'] },
    features: { devInteractions: { enabled: true } },
    findAccount: (_, id) => {
      const [, store_id, menu_role] = id.split('.');
      return { accountId: id, claims: async () => ({ sub: id, store_id, menu_role }) };
    },
    // Nobody is asked what the menu may know: it is the marketplace's own.
    loadExistingGrant: async (context) => {
      const { oidc } = context;
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid');
      await grant.save();
      return grant;
    },
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
