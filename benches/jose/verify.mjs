// Verifies tokens by jose, as often as it is asked; see `token_rate.rs`.
// Reads JSON lines: first what to verify, then `{ algorithm, times }` each answered by `{ nanoseconds }`.

import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { importSPKI, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
};

// Its key is imported once, and it checks what it does by itself: the signature, `exp` and `nbf`.
const verifiers = {};
for (const { algorithm, key, token, claims } of await next()) {
  const imported =
    algorithm === "HS256" ? new TextEncoder().encode(key) : await importSPKI(key, algorithm);
  const verify = async (text) =>
    (await jwtVerify(text, imported, { algorithms: [algorithm] })).payload;
  if (!isDeepStrictEqual(await verify(token), claims)) throw new Error("other claims");
  let forgeries = 0;
  try {
    await verify(token.slice(0, -2) + (token.at(-2) === "A" ? "B" : "A") + token.at(-1));
  } catch {
    forgeries += 1;
  }
  if (forgeries !== 1) throw new Error("a forgery passed");
  verifiers[algorithm] = () => verify(token);
}

for (let asked = await next(); asked; asked = await next()) {
  const verify = verifiers[asked.algorithm];
  const begin = process.hrtime.bigint();
  for (let i = 0; i < asked.times; i += 1) await verify();
  const nanoseconds = Number(process.hrtime.bigint() - begin);
  process.stdout.write(`${JSON.stringify({ nanoseconds })}\n`);
}
