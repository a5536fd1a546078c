// better-auth over node:http, for ../../sql_sessions.rs and ../../peers.rs. DATABASE is sqlite:PATH or a
// postgres:// URL, of which it takes a schema of its own; SESSION is default, cached or touched; HASH is default
// (its scrypt, N=16384 r=16 p=1) or equal (Argon2id m=19456, t=2, p=1 by @node-rs/argon2); PORT is 0 for a free one.
import http from "node:http";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

const SCHEMA = "better_auth_bench";

async function sqlite(path) {
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  return database;
}

// Afresh each time: what an earlier run left is gone.
async function postgres(connectionString) {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString });
  await client.connect();
  await client.query(`drop schema if exists ${SCHEMA} cascade; create schema ${SCHEMA}`);
  await client.end();
  return new pg.Pool({ connectionString, options: `-c search_path=${SCHEMA}` });
}

const database = process.env.DATABASE.startsWith("sqlite:")
  ? await sqlite(process.env.DATABASE.slice("sqlite:".length))
  : await postgres(process.env.DATABASE);

const session = {
  default: {},
  cached: { cookieCache: { enabled: true, maxAge: 5 * 60 } },
  // Each look at a session extends it and writes its row.
  touched: { updateAge: 0 },
}[process.env.SESSION ?? "default"];
if (!session) throw new Error("SESSION is default, cached or touched");

async function argon2id() {
  const { hash, verify } = await import("@node-rs/argon2");
  const costs = { algorithm: 2, memoryCost: 19456, timeCost: 2, parallelism: 1 };
  return {
    hash: (password) => hash(password, costs),
    verify: (stored) => verify(stored.hash, stored.password, costs),
  };
}

const password = process.env.HASH === "equal" ? await argon2id() : undefined;

const server = http.createServer();
await new Promise((listening) => server.listen(+(process.env.PORT ?? 0), "127.0.0.1", listening));
const baseURL = `http://127.0.0.1:${server.address().port}`;
const options = {
  database, baseURL, session,
  secret: "bench-secret-at-least-32-characters-long!",
  emailAndPassword: { enabled: true, password },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
};
await (await getMigrations(options)).runMigrations();
server.on("request", toNodeHandler(betterAuth(options)));
console.log(`listening on ${baseURL}`);
