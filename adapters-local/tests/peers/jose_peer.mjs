// Another implementation's opinion of our tokens, and its own tokens and forgeries for us to judge.
//
// Reads one JSON object on stdin and answers with one on stdout; see `tests/jwt.rs`.
// Needs: npm install jose, in the folder that the first argument names.

import assert from "node:assert/strict";
import { createHmac, createPublicKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const installed = createRequire(join(process.argv[2], "package.json"));
const jose = await import(pathToFileURL(installed.resolve("jose")));

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const unpart = (text) => JSON.parse(Buffer.from(text, "base64url"));

// Verifies a token of ours as a careful service would, by the published keys alone.
async function verified(token, { jwks, issuer, audience }) {
  const keys = jose.createLocalJWKSet(jwks);
  const { payload } = await jose.jwtVerify(token, keys, {
    issuer,
    audience,
    typ: "at+jwt",
    algorithms: ["EdDSA", "ES256"],
    requiredClaims: ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"],
  });
  return payload;
}

const signed = (header, claims, key) =>
  new jose.CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key);

// Everything that a verifier must refuse, made of a good token and public knowledge.
async function forgeries(token, jwk, stranger) {
  const [header, payload, signature] = token.split(".");
  const [head, claims] = [unpart(header), unpart(payload)];
  const evil = { ...claims, sub: randomUUID(), email: "eve@example.com" };
  const promoted = part(evil);
  const made = [
    ["changed payload", `${header}.${promoted}.${signature}`],
    ["no signature", `${header}.${promoted}.`],
  ];
  for (const alg of ["none", "None", "nOnE"]) {
    const unsigned = part({ ...head, alg });
    made.push([`alg ${alg}`, `${unsigned}.${promoted}.`]);
    made.push([`alg ${alg}, old signature`, `${unsigned}.${payload}.${signature}`]);
  }
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const secrets = [
    Buffer.from(jwk.x, "base64url"),
    key.export({ type: "spki", format: "der" }),
    key.export({ type: "spki", format: "pem" }),
    JSON.stringify(jwk),
  ];
  for (const secret of secrets) {
    const text = `${part({ ...head, alg: "HS256" })}.${promoted}`;
    const tag = createHmac("sha256", secret).update(text).digest("base64url");
    made.push(["HS256 with the public key", `${text}.${tag}`]);
  }
  const own = stranger[head.alg];
  made.push(["another key", await signed(head, evil, own.privateKey)]);
  const embedded = { ...head, jwk: await jose.exportJWK(own.publicKey) };
  made.push(["embedded key", await signed(embedded, evil, own.privateKey)]);
  const other = head.alg === "EdDSA" ? "ES256" : "EdDSA";
  const confused = { ...head, alg: other };
  made.push(["other algorithm", await signed(confused, evil, stranger[other].privateKey)]);
  const encrypted = await new jose.CompactEncrypt(Buffer.from(token))
    .setProtectedHeader({ alg: "dir", enc: "A128GCM", kid: head.kid, typ: head.typ })
    .encrypt(Buffer.alloc(16));
  made.push(["JWE", encrypted]);
  return made;
}

const newKeys = async () => ({
  EdDSA: await jose.generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true }),
  ES256: await jose.generateKeyPair("ES256", { extractable: true }),
});

const asked = JSON.parse(readFileSync(0));
const stranger = await newKeys();
const answer = { verified: [], keys: [], accepted: [], forged: [] };

for (const key of asked.jwks.keys) {
  assert.equal(key.kid, await jose.calculateJwkThumbprint(key, "sha256"));
}
for (const token of asked.tokens) {
  answer.verified.push(await verified(token, asked));
  const { kid } = jose.decodeProtectedHeader(token);
  const jwk = asked.jwks.keys.find((key) => key.kid === kid);
  answer.forged.push(...(await forgeries(token, jwk, stranger)));
}

const secret = Buffer.from(asked.compatibility_secret);
answer.compatibility = (await jose.jwtVerify(asked.compatibility_token, secret)).payload;

for (const [alg, { publicKey, privateKey }] of Object.entries(await newKeys())) {
  const jwk = await jose.exportJWK(publicKey);
  jwk.kid = await jose.calculateJwkThumbprint(jwk);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: asked.issuer, aud: asked.audience, sub: randomUUID(),
    iat: now, nbf: now, exp: now + 300, jti: randomUUID(),
    email: "bob@example.com", name: "Bob", cv: 2, sid: randomUUID(),
  };
  const header = { alg, typ: "at+jwt", kid: jwk.kid };
  const token = await signed(header, claims, privateKey);
  // Named by the thumbprint, which is ours to compute.
  const { kid, ...unnamed } = jwk;
  answer.keys.push(unnamed);
  answer.accepted.push(token);
  answer.forged.push(...(await forgeries(token, jwk, stranger)));
  for (const name of Object.keys(claims)) {
    const { [name]: left, ...fewer } = claims;
    answer.forged.push([`no ${name}`, await signed(header, fewer, privateKey)]);
  }
  for (const [name, wrong] of [
    ["late", { ...claims, iat: now - 600, nbf: now - 600, exp: now - 1 }],
    ["early", { ...claims, iat: now + 300, nbf: now + 300, exp: now + 600 }],
    ["aud in an array", { ...claims, aud: [asked.audience] }],
    ["exp as text", { ...claims, exp: `${now + 300}` }],
  ]) {
    answer.forged.push([name, await signed(header, wrong, privateKey)]);
  }
  for (const typ of ["JWT", "application/at+jwt", "AT+JWT"]) {
    answer.forged.push([`typ ${typ}`, await signed({ ...header, typ }, claims, privateKey)]);
  }
}

process.stdout.write(JSON.stringify(answer));
