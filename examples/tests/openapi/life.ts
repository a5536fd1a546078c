// The life of an account, by a client whose types are generated from the server's own description.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import createClient from 'openapi-fetch';
import type { components, paths } from './api.js';

const { SERVER, MAILS } = process.env as { SERVER: string; MAILS: string };
const client = createClient<paths>({ baseUrl: SERVER });
type Problem = components['schemas']['Problem'];

function must<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.url}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
  }
  return answer.data;
}

function equal<T>(actual: T, expected: T): void {
  if (actual !== expected) throw new Error(`${String(actual)} is not ${String(expected)}`);
}

/** The token of the first mail with this subject, as soon as it is there. */
async function mailed(subject: string): Promise<string> {
  const end = Date.now() + 30_000;
  while (Date.now() < end) {
    for (const file of readdirSync(MAILS).filter((name) => name.endsWith('.txt'))) {
      const text = readFileSync(join(MAILS, file), 'utf8');
      const token = /token=(\S+)/.exec(text)?.[1];
      if (text.startsWith(`Subject: ${subject}`) && token) return decodeURIComponent(token);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no mail "${subject}"`);
}

const email = 'ann@example.com';
let password = 'correct horse battery';

const made = must(await client.POST('/auth/register', { body: { email, password, name: 'Ann' } }));
equal('email' in made && made.email, email);

const taken = await client.POST('/auth/register', { body: { email, password, name: 'Ann' } });
const problem: Problem | undefined = taken.error;
equal(problem?.code, 'email_taken');

must(await client.POST('/auth/verify-email', { body: { token: await mailed('Confirm') } }));
const login = must(await client.POST('/auth/login', { body: { email, password } }));
equal(login.token_type, 'Bearer');

let headers = { Authorization: `Bearer ${login.access_token}` };
equal(must(await client.GET('/auth/me', { headers })).name, 'Ann');
const { sessions } = must(await client.GET('/auth/sessions', { headers }));
equal(sessions.length, 1);
equal(sessions[0]?.current, true);

const next = must(await client.POST('/auth/refresh', { body: { refresh_token: login.refresh_token } }));
headers = { Authorization: `Bearer ${next.access_token}` };

const changed = must(await client.POST('/auth/change-password', {
  headers,
  body: { current_password: password, new_password: 'a brand new staple' },
}));
equal(changed.token_type, 'Bearer');
must(await client.POST('/auth/logout', { body: { refresh_token: next.refresh_token } }));

must(await client.POST('/auth/forgot-password', { body: { email }, headers: { 'Accept-Language': 'en' } }));
password = 'another staple for the horse';
const reset = must(await client.POST('/auth/reset-password', {
  body: { token: await mailed('Reset'), new_password: password },
}));
const again = must(await client.POST('/auth/login', {
  body: { email, password, device_token: reset.device_token },
}));
headers = { Authorization: `Bearer ${again.access_token}` };

const list = must(await client.GET('/auth/sessions', { headers })).sessions;
for (const { id } of list.filter((session) => !session.current)) {
  must(await client.DELETE('/auth/sessions/{id}', { params: { path: { id } }, headers }));
}
must(await client.DELETE('/auth/me', { headers, body: { current_password: password } }));
const gone = await client.POST('/auth/login', { body: { email, password } });
equal(gone.error?.code, 'credentials_rejected');
console.log('walked the life of an account');
