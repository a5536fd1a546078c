// Verifies tokens by the JWKS that a URL answers, as npm jose fetches and keeps it; see `jwks_peers.rs`.
// Reads JSON lines: first `{ url, issuer, audience }`, then `{ token }` each answered by `{ sub }` or
// `{ refused }`. Needs: npm install jose, in the folder that the first argument names.

import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const installed = createRequire(join(process.argv[2], "package.json"));
const jose = await import(pathToFileURL(installed.resolve("jose")));

let keys, options;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.url) {
    // Without the pause between two fetches, which only spares the server.
    keys = jose.createRemoteJWKSet(new URL(asked.url), { cooldownDuration: 0 });
    const { issuer, audience } = asked;
    options = { issuer, audience, typ: "at+jwt", algorithms: ["EdDSA", "ES256"] };
    continue;
  }
  let answer;
  try {
    const { payload } = await jose.jwtVerify(asked.token, keys, options);
    answer = { sub: payload.sub };
  } catch (error) {
    answer = { refused: error.code };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
