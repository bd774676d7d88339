// More than two hundred requests that are wrong, each in a way of its own, to be sent to any provider.
//
// A case is an endpoint of the metadata, a name, and a request. In values `$id` and `$secret` are the confidential client's,
// `$public` the public one's, `$token` an access token without a user. A list as a value sends the parameter more than once, null
// leaves it out.

const BACK = "https://rp.example/back";
const FORM = "application/x-www-form-urlencoded";
export const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

export const cases = [];

const add = (endpoint, usual, list) => {
  for (const [name, change, more = {}] of list) {
    const { params = {}, ...request } = usual;
    const merged = { ...params, ...change };
    const pairs = Object.entries(merged).filter(([, value]) => value !== null)
      .flatMap(([key, value]) => [value].flat().map((one) => [key, one]));
    cases.push({ endpoint, name, pairs, ...request, ...more });
  }
};

const usualAsk = { client_id: "$id", redirect_uri: BACK, response_type: "code", scope: "openid", state: "s", nonce: "n" };

add("authorization_endpoint", { method: "GET", params: usualAsk }, [
  ["no parameters", Object.fromEntries(Object.keys(usualAsk).map((name) => [name, null]))],
  ["no client_id", { client_id: null }],
  ["empty client_id", { client_id: "" }],
  ["unknown client_id", { client_id: "client_nobody" }],
  ["client_id of 5,000 characters", { client_id: "x".repeat(5000) }],
  ["client_id with a control character", { client_id: "a\u0007b" }],
  ["no redirect_uri", { redirect_uri: null }],
  ["empty redirect_uri", { redirect_uri: "" }],
  ["redirect_uri of somebody else", { redirect_uri: "https://evil.example/back" }],
  ["redirect_uri with a longer path", { redirect_uri: `${BACK}/more` }],
  ["redirect_uri with a slash at its end", { redirect_uri: `${BACK}/` }],
  ["redirect_uri with a query", { redirect_uri: `${BACK}?a=b` }],
  ["redirect_uri with a fragment", { redirect_uri: `${BACK}#a` }],
  ["redirect_uri in other letters", { redirect_uri: BACK.toUpperCase() }],
  ["redirect_uri over http", { redirect_uri: BACK.replace("https", "http") }],
  ["redirect_uri with a port", { redirect_uri: BACK.replace("example", "example:444") }],
  ["redirect_uri with a user", { redirect_uri: BACK.replace("rp.", "a@rp.") }],
  ["redirect_uri with dots in its path", { redirect_uri: BACK.replace("/back", "/x/../back") }],
  ["redirect_uri that is a script", { redirect_uri: "javascript:alert(1)" }],
  ["redirect_uri that is no address", { redirect_uri: "back" }],
  ["no response_type", { response_type: null }],
  ["empty response_type", { response_type: "" }],
  ["response_type=token", { response_type: "token" }],
  ["response_type=id_token", { response_type: "id_token" }],
  ["response_type=code id_token", { response_type: "code id_token" }],
  ["response_type=none", { response_type: "none" }],
  ["response_type=unknown", { response_type: "unknown" }],
  ["response_type=code code", { response_type: "code code" }],
  ["response_mode=unknown", { response_mode: "unknown" }],
  ["response_mode=fragment", { response_mode: "fragment" }],
  ["response_mode=query.jwt", { response_mode: "query.jwt" }],
  ["prompt=unknown", { prompt: "unknown" }],
  ["prompt=none login", { prompt: "none login" }],
  ["prompt=none consent", { prompt: "none consent" }],
  ["prompt=none, nobody signed in", { prompt: "none" }],
  ["max_age=-1", { max_age: "-1" }],
  ["max_age=soon", { max_age: "soon" }],
  ["max_age=1.5", { max_age: "1.5" }],
  ["claims that are no JSON", { claims: "{" }],
  ["claims that are a list", { claims: "[]" }],
  ["claims that are a text", { claims: '"email"' }],
  ["claims with a userinfo that is a text", { claims: '{"userinfo":"email"}' }],
  ["id_token_hint that is no token", { id_token_hint: "x" }],
  ["id_token_hint without a signature", { id_token_hint: "eyJhbGciOiJub25lIn0.e30." }],
  ["request that is no token", { request: "x" }],
  ["request and request_uri", { request: "x", request_uri: "https://rp.example/r" }],
  ["request_uri over https", { request_uri: "https://rp.example/r" }],
  ["request_uri that is no address", { request_uri: "x" }],
  ["request_uri that nobody pushed", { request_uri: "urn:ietf:params:oauth:request_uri:nobody" }],
  ["registration", { registration: "{}" }],
  ["code_challenge of 42 characters", { code_challenge: CHALLENGE.slice(1), code_challenge_method: "S256" }],
  ["code_challenge of 129 characters", { code_challenge: CHALLENGE.repeat(3), code_challenge_method: "S256" }],
  ["code_challenge with a wrong character", { code_challenge: `${CHALLENGE.slice(1)}!`, code_challenge_method: "S256" }],
  ["code_challenge_method=plain", { code_challenge: CHALLENGE, code_challenge_method: "plain" }],
  ["code_challenge without a method", { code_challenge: CHALLENGE }],
  ["code_challenge_method without a challenge", { code_challenge_method: "S256" }],
  ["public client without code_challenge", { client_id: "$public" }],
  ["public client with plain", { client_id: "$public", code_challenge: CHALLENGE, code_challenge_method: "plain" }],
  ["scope twice", { scope: ["openid", "openid"] }],
  ["state twice", { state: ["a", "b"] }],
  ["client_id twice", { client_id: ["$id", "$id"] }],
  ["redirect_uri twice", { redirect_uri: [BACK, BACK] }],
  ["response_type twice", { response_type: ["code", "code"] }],
  ["nonce twice", { nonce: ["a", "b"] }],
  ["prompt twice", { prompt: ["login", "consent"] }],
  ["max_age twice", { max_age: ["1", "2"] }],
  ["dpop_jkt that is too short", { dpop_jkt: "x" }],
  ["posted as JSON", {}, { method: "POST", json: true }],
  ["posted without a client_id", { client_id: null }, { method: "POST" }],
  ["posted with a response_type of token", { response_type: "token" }, { method: "POST" }],
  ["PUT", {}, { method: "PUT" }],
  ["DELETE", {}, { method: "DELETE" }],
]);

const code = { grant_type: "authorization_code", code: "unknown", redirect_uri: BACK };

add("token_endpoint", { method: "POST", auth: "basic", params: code }, [
  ["nothing at all", { grant_type: null, code: null, redirect_uri: null }],
  ["nothing at all, from nobody", { grant_type: null, code: null, redirect_uri: null }, { auth: "none" }],
  ["no grant_type", { grant_type: null }],
  ["empty grant_type", { grant_type: "" }],
  ["unknown grant_type", { grant_type: "unknown" }],
  ["grant_type=password", { grant_type: "password", username: "a", password: "canary-b" }],
  ["grant_type=implicit", { grant_type: "implicit" }],
  ["grant_type twice", { grant_type: ["authorization_code", "authorization_code"] }],
  ["unknown code", {}],
  ["no code", { code: null }],
  ["empty code", { code: "" }],
  ["code twice", { code: ["a", "b"] }],
  ["code of 5,000 characters", { code: "x".repeat(5000) }],
  ["code with a control character", { code: "a\u0000b" }],
  ["no redirect_uri", { redirect_uri: null }],
  ["no refresh_token", { grant_type: "refresh_token", code: null }],
  ["unknown refresh_token", { grant_type: "refresh_token", refresh_token: "unknown", code: null }],
  ["refresh_token that is an access token", { grant_type: "refresh_token", refresh_token: "$token", code: null }],
  ["refresh_token twice", { grant_type: "refresh_token", refresh_token: ["a", "b"], code: null }],
  ["no device_code", { grant_type: "urn:ietf:params:oauth:grant-type:device_code" }],
  ["unknown device_code", { grant_type: "urn:ietf:params:oauth:grant-type:device_code", device_code: "x" }],
  ["wrong secret", {}, { auth: "wrong" }],
  ["unknown client", {}, { auth: "unknown" }],
  ["no client", {}, { auth: "none" }],
  ["no client, but its id", { client_id: "$id" }, { auth: "none" }],
  ["secret in the body of a client of the header", { client_id: "$id", client_secret: "$secret" }, { auth: "none" }],
  ["wrong secret in the body", { client_id: "$id", client_secret: "canary-x" }, { auth: "none" }],
  ["secret in the header and in the body", { client_id: "$id", client_secret: "$secret" }],
  ["another client_id in the body than in the header", { client_id: "$public" }],
  ["public client with a secret", { client_id: "$public", client_secret: "canary-x" }, { auth: "none" }],
  ["public client and client_credentials", { client_id: "$public", grant_type: "client_credentials" }, { auth: "none" }],
  ["header that is no Basic", {}, { headers: { authorization: "Basic" }, auth: "none" }],
  ["header that is no base64", {}, { headers: { authorization: "Basic %%%" }, auth: "none" }],
  ["header without a colon", {}, { headers: { authorization: `Basic ${btoa("client")}` }, auth: "none" }],
  ["header with a bad escape", {}, { headers: { authorization: `Basic ${btoa("%zz:%zz")}` }, auth: "none" }],
  ["header of another scheme", {}, { headers: { authorization: "Digest x" }, auth: "none" }],
  ["header with a bearer token", {}, { headers: { authorization: "Bearer $token" }, auth: "none" }],
  ["assertion without a type", { client_assertion: "x", client_id: "$id" }, { auth: "none" }],
  ["assertion of an unknown type", { client_assertion: "x", client_assertion_type: "x", client_id: "$id" }, { auth: "none" }],
  ["assertion that is no token",
    { client_assertion: "x", client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" }, { auth: "none" }],
  ["client credentials with an unknown scope", { grant_type: "client_credentials", code: null, scope: "unknown" }],
  ["client credentials with openid", { grant_type: "client_credentials", code: null, scope: "openid" }],
  ["client credentials with two scopes at once", { grant_type: "client_credentials", code: null, scope: ["a", "b"] }],
  ["client credentials for an unknown resource", { grant_type: "client_credentials", code: null, resource: "https://x.example" }],
  ["client credentials for a resource that is no address", { grant_type: "client_credentials", code: null, resource: "x" }],
  ["client credentials for a resource with a fragment",
    { grant_type: "client_credentials", code: null, resource: "https://x.example#a" }],
  ["DPoP proof that is no token", { grant_type: "client_credentials", code: null }, { headers: { dpop: "x" } }],
  ["DPoP proof without a signature", { grant_type: "client_credentials", code: null },
    { headers: { dpop: "eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ.e30." } }],
  ["JSON", {}, { json: true }],
  ["another type of body", {}, { type: "text/plain" }],
  ["GET", {}, { method: "GET" }],
  ["PUT", {}, { method: "PUT" }],
]);

for (const [endpoint, what] of [["introspection_endpoint", "introspection"], ["revocation_endpoint", "revocation"]]) {
  add(endpoint, { method: "POST", auth: "basic", params: { token: "unknown" } }, [
    [`unknown token`, {}],
    [`no token`, { token: null }],
    [`empty token`, { token: "" }],
    [`token twice`, { token: ["a", "b"] }],
    [`token of 5,000 characters`, { token: "x".repeat(5000) }],
    [`unknown token_type_hint`, { token_type_hint: "unknown" }],
    [`token_type_hint twice`, { token_type_hint: ["a", "b"] }],
    [`wrong secret`, {}, { auth: "wrong" }],
    [`unknown client`, {}, { auth: "unknown" }],
    [`no client`, {}, { auth: "none" }],
    [`no client, but its id`, { client_id: "$id" }, { auth: "none" }],
    [`secret in the header and in the body`, { client_id: "$id", client_secret: "$secret" }],
    [`JSON`, {}, { json: true }],
    [`another type of body`, {}, { type: "text/plain" }],
    [`GET`, {}, { method: "GET" }],
  ]);
}

const pushed = { redirect_uri: BACK, response_type: "code", scope: "openid", state: "s", nonce: "n" };

add("pushed_authorization_request_endpoint", { method: "POST", auth: "basic", params: pushed }, [
  ["nothing at all", { redirect_uri: null, response_type: null, scope: null, state: null, nonce: null }],
  ["no response_type", { response_type: null }],
  ["response_type=token", { response_type: "token" }],
  ["no redirect_uri", { redirect_uri: null }],
  ["redirect_uri of somebody else", { redirect_uri: "https://evil.example/back" }],
  ["a request_uri", { request_uri: "urn:ietf:params:oauth:request_uri:x" }],
  ["prompt=none login", { prompt: "none login" }],
  ["max_age=soon", { max_age: "soon" }],
  ["claims that are no JSON", { claims: "{" }],
  ["code_challenge_method=plain", { code_challenge: CHALLENGE, code_challenge_method: "plain" }],
  ["code_challenge of 42 characters", { code_challenge: CHALLENGE.slice(1), code_challenge_method: "S256" }],
  ["scope twice", { scope: ["openid", "openid"] }],
  ["wrong secret", {}, { auth: "wrong" }],
  ["no client", {}, { auth: "none" }],
  ["another client_id in the body than in the header", { client_id: "$public" }],
  ["public client without code_challenge", { client_id: "$public" }, { auth: "none" }],
  ["JSON", {}, { json: true }],
  ["GET", {}, { method: "GET" }],
]);

add("userinfo_endpoint", { method: "GET" }, [
  ["no token", {}],
  ["unknown token", {}, { headers: { authorization: "Bearer unknown" } }],
  ["empty token", {}, { headers: { authorization: "Bearer " } }],
  ["two words", {}, { headers: { authorization: "Bearer a b" } }],
  ["another scheme", {}, { headers: { authorization: "Basic YTpi" } }],
  ["a token without a user", {}, { headers: { authorization: "Bearer $token" } }],
  ["a token for another scheme", {}, { headers: { authorization: "DPoP $token" } }],
  ["a token in the query", { access_token: "$token" }],
  ["a token without a signature", {}, { headers: { authorization: "Bearer eyJhbGciOiJub25lIn0.e30." } }],
  ["posted without a token", {}, { method: "POST" }],
  ["posted with an unknown token", { access_token: "unknown" }, { method: "POST" }],
  ["a token in the header and in the body", { access_token: "$token" }, { method: "POST", headers: { authorization: "Bearer $token" } }],
  ["PUT", {}, { method: "PUT" }],
]);

const client = { redirect_uris: [BACK] };

for (const [name, change] of [
  ["no redirect_uris", { redirect_uris: undefined }],
  ["redirect_uris that are a text", { redirect_uris: BACK }],
  ["redirect_uris that are empty", { redirect_uris: [] }],
  ["redirect_uri with a fragment", { redirect_uris: [`${BACK}#a`] }],
  ["redirect_uri that is no address", { redirect_uris: ["back"] }],
  ["redirect_uri that is a script", { redirect_uris: ["javascript:alert(1)"] }],
  ["redirect_uri that is a number", { redirect_uris: [7] }],
  ["unknown grant_type", { grant_types: ["unknown"] }],
  ["grant_types that are a text", { grant_types: "authorization_code" }],
  ["grant_type password", { grant_types: ["password"] }],
  ["response_type token", { response_types: ["token"] }],
  ["unknown token_endpoint_auth_method", { token_endpoint_auth_method: "unknown" }],
  ["private_key_jwt without keys", { token_endpoint_auth_method: "private_key_jwt" }],
  ["jwks and jwks_uri", { jwks: { keys: [] }, jwks_uri: "https://rp.example/jwks" }],
  ["jwks that are a text", { jwks: "x" }],
  ["jwks_uri that is no address", { jwks_uri: "x" }],
  ["id_token_signed_response_alg none", { id_token_signed_response_alg: "none" }],
  ["unknown id_token_signed_response_alg", { id_token_signed_response_alg: "XS256" }],
  ["client_uri that is no address", { client_uri: "x" }],
  ["logo_uri that is a script", { logo_uri: "javascript:alert(1)" }],
  ["client_name that is a number", { client_name: 7 }],
  ["post_logout_redirect_uri that is no address", { post_logout_redirect_uris: ["x"] }],
  ["backchannel_logout_uri that is no address", { backchannel_logout_uri: "x" }],
  ["unknown application_type", { application_type: "unknown" }],
  ["unknown subject_type", { subject_type: "unknown" }],
  ["default_max_age that is a text", { default_max_age: "soon" }],
]) {
  cases.push({ endpoint: "registration_endpoint", name, method: "POST", pairs: [], text: JSON.stringify({ ...client, ...change }),
    type: "application/json" });
}
for (const [name, text, type = "application/json", method = "POST"] of [
  ["no JSON", "{"],
  ["a list", "[]"],
  ["nothing", ""],
  ["a form", "redirect_uris=x", FORM],
]) {
  cases.push({ endpoint: "registration_endpoint", name, method, pairs: [], text, type });
}

add("end_session_endpoint", { method: "GET" }, [
  ["post_logout_redirect_uri without a client", { post_logout_redirect_uri: "https://rp.example/left" }],
  ["post_logout_redirect_uri that isn't registered", { client_id: "$id", post_logout_redirect_uri: "https://evil.example/" }],
  ["unknown client_id", { client_id: "client_nobody", post_logout_redirect_uri: "https://rp.example/left" }],
  ["id_token_hint that is no token", { id_token_hint: "x" }],
  ["id_token_hint without a signature", { id_token_hint: "eyJhbGciOiJub25lIn0.e30." }],
  ["id_token_hint twice", { id_token_hint: ["x", "y"] }],
  ["post_logout_redirect_uri twice", { post_logout_redirect_uri: ["https://a.example/", "https://b.example/"] }],
  ["PUT", {}, { method: "PUT" }],
]);
