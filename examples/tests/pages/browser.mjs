// Drives the pages of the example server in Chromium, as a person does. Started by pages.rs, which has
// put the modules here, made an account, and writes the mails into a folder.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import assert from 'node:assert/strict';

const { SERVER, MAILS, SHOTS, MODULES, CHROMIUM } = process.env;
const require = createRequire(join(MODULES, 'node_modules', 'here.js'));
const { default: puppeteer } = await import(pathToFileURL(require.resolve('puppeteer-core')));
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const PHONE = { width: 360, height: 640, isMobile: true, hasTouch: true };
const DESK = { width: 1280, height: 800 };
const WORDS = {
  en: { forgot: 'Forgot your password?', sent: 'If there is an account', done: 'Your new password is set.', login: 'You are logged in.', short: 'too short', dead: 'no longer valid', verified: 'Your address is confirmed.', moved: 'new address', again: 'Ask for a new link', show: 'Show password', hide: 'Hide password' },
  ko: { forgot: '비밀번호를 잊으셨나요?', sent: '가입된 이메일이라면', done: '새 비밀번호가 설정되었습니다.', login: '로그인되었습니다.', short: '너무 짧습니다', dead: '만료되었습니다', verified: '이메일이 확인되었습니다.', moved: '이메일이 변경되었습니다.', again: '새 링크 요청', show: '비밀번호 표시', hide: '비밀번호 숨기기' },
};

const browser = await puppeteer.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
let shots = 0;
let checks = 0;

/** A page that fails the test on whatever the console complains of. */
async function open({ language, script, viewport, scheme = 'light' }) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  await page.setJavaScriptEnabled(script);
  await page.setViewport(viewport);
  await page.setExtraHTTPHeaders({ 'Accept-Language': language });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  page.complaints = [];
  page.requests = [];
  page.on('console', (line) => {
    // That an answer was a refusal is said there, too, and is meant.
    if (line.type() === 'error' && !line.text().includes('status of 4')) page.complaints.push(line.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('request', (request) => page.requests.push(request));
  return Object.assign(page, { language, script });
}

/** What a person who sees, and one who does not, may ask of every page: no violation by axe, no sideways scrolling. */
async function check(page, name, rules = {}) {
  await page.screenshot({ path: join(SHOTS, `${String(++shots).padStart(2, '0')}-${name}.png`), fullPage: true });
  const wide = await inspect(page, 'document.documentElement.scrollWidth > innerWidth');
  assert.equal(wide, false, `${name} scrolls sideways`);
  assert.equal(await inspect(page, 'document.documentElement.lang'), page.language, name);
  // It waits for timers, which stand still where script is off. What the page had switched off stays unrun.
  await page.setJavaScriptEnabled(true);
  const found = await inspect(page, `${axe}; axe.run({ resultTypes: ['violations'], rules: ${JSON.stringify(rules)} })
      .then((r) => r.violations.map((v) => v.impact + ' ' + v.id + ' ' + v.nodes.map((n) => n.html).join(' ')))`);
  await page.setJavaScriptEnabled(page.script);
  assert.deepEqual(found, [], `${name}: axe`);
  assert.deepEqual(page.complaints, [], `${name}: the console`);
  checks += 1;
}

/** Runs script of the test, not of the page, in a world of its own: with JavaScript off, too. */
async function inspect(page, expression) {
  const session = await page.createCDPSession();
  const { frameTree } = await session.send('Page.getFrameTree');
  const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const outcome = await session.send('Runtime.evaluate', {
    expression, contextId: world.executionContextId, awaitPromise: true, returnByValue: true,
  });
  await session.detach();
  assert.equal(outcome.exceptionDetails, undefined, JSON.stringify(outcome.exceptionDetails));
  return outcome.result.value;
}

const text = (page) => inspect(page, 'document.body.innerText');

async function shows(page, words) {
  const body = await text(page);
  assert.ok(body.includes(words), `${words} is not in: ${body}`);
}

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key);
}

/** Sends the form from the keyboard alone and waits for what comes. */
async function enter(page) {
  const [response] = await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  return response.status();
}

/** A page takes its focus when it is first painted, which may be after it has loaded. */
async function hasFocus(page, expected) {
  let focused;
  for (let tries = 0; tries < 250; tries += 1) {
    focused = await inspect(page, 'document.activeElement.id || document.activeElement.type || ""');
    if (focused === expected) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(focused, expected, 'what has the focus');
}

const seen = new Set();
/** Waits for the next mail to an address, as the file that a mail program would open. */
async function mail(address) {
  const end = Date.now() + 30_000;
  while (Date.now() < end) {
    for (const file of readdirSync(MAILS).sort()) {
      if (file.endsWith('.html') && file.includes(address) && !seen.has(file)) {
        seen.add(file);
        return join(MAILS, file);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no mail to ${address}; there are ${readdirSync(MAILS)}`);
}

async function call(path, language, body, access) {
  const headers = { 'Accept-Language': language, 'Content-Type': 'application/json' };
  if (access) headers.Authorization = `Bearer ${access}`;
  const answer = await fetch(`${SERVER}/auth/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

/** A mail is shown within the page of a mail program, whose landmarks it is in. */
const OF_A_MAIL = { 'landmark-one-main': { enabled: false }, region: { enabled: false } };

/** Opens the mail and follows its link, as one does. */
async function follow(page, file, name) {
  await page.goto(pathToFileURL(file).href);
  await check(page, `${name}-mail`, OF_A_MAIL);
  const [response] = await Promise.all([page.waitForNavigation(), page.click('a')]);
  assert.equal(response.status(), 200);
}

/** Forgot, mail, link, new password, login: without a mouse but for the link of the mail. */
async function reset(options, email, password) {
  const { language, script } = options;
  const words = WORDS[language];
  const name = `${language}-${script ? 'script' : 'plain'}-${options.viewport.width}-${options.scheme ?? 'light'}`;
  const page = await open(options);
  await page.goto(`${SERVER}/forgot-password`);
  await shows(page, words.forgot);
  await check(page, `${name}-forgot`);
  await hasFocus(page, 'email');
  await page.keyboard.type('no address');
  assert.equal(await enter(page), 400);
  await hasFocus(page, 'email');
  assert.equal(await inspect(page, 'document.activeElement.getAttribute("aria-invalid")'), 'true');
  assert.ok(await inspect(page, 'document.getElementById(document.activeElement.getAttribute("aria-describedby")).innerText'));
  assert.equal(await inspect(page, 'document.activeElement.value'), 'no address', 'what was typed is kept');
  await check(page, `${name}-forgot-error`);
  await inspect(page, 'document.activeElement.select()');
  await page.keyboard.type(email);
  assert.equal(await enter(page), 200);
  await shows(page, words.sent);
  await check(page, `${name}-forgot-sent`);

  await follow(page, await mail(email), name);
  const link = page.requests.filter((request) => request.isNavigationRequest()).at(-1);
  assert.ok(link.url().includes('token='));
  assert.equal((await inspect(page, 'location.search')).includes('token='), !script, 'a script takes the token out of the address bar');
  assert.equal(await inspect(page, 'document.getElementById("email").value'), email);
  await check(page, `${name}-reset`);
  // A browser that loads the page again, as phones do with a page that was long not looked at.
  await Promise.all([page.waitForNavigation(), page.reload()]);
  await page.waitForSelector('#new_password');
  assert.equal((await inspect(page, 'location.search')).includes('token='), !script);
  await hasFocus(page, 'new_password');
  await page.keyboard.type('short');
  assert.equal(await enter(page), 400);
  await shows(page, words.short);
  await hasFocus(page, 'new_password');
  assert.equal(await inspect(page, 'document.activeElement.value'), '', 'a password is never shown again');
  await check(page, `${name}-reset-error`);
  await page.keyboard.type(password);
  if (script) await reveal(page, words);
  assert.equal(await enter(page), 200);
  await shows(page, words.done);
  await check(page, `${name}-reset-done`);

  const login = await call('login', language, { email, password });
  assert.deepEqual([login.status, login.body.message], [200, words.login]);

  // The link again, from the history: it is over, and says what to do.
  const used = await open(options);
  await used.goto(link.url());
  await used.focus('#new_password');
  await used.keyboard.type(password);
  assert.equal(await enter(used), 400);
  await shows(used, words.dead);
  await shows(used, words.again);
  await check(used, `${name}-reset-used`);
  for (const request of [...page.requests, ...used.requests]) {
    assert.ok(!request.headers().referer, `a referrer was sent to ${request.url()}`);
    assert.ok(/^(http:\/\/127\.0\.0\.1|file:)/.test(request.url()), `loaded from elsewhere: ${request.url()}`);
  }
  await used.browserContext().close();
  await page.browserContext().close();
  return login.body.access_token;
}

async function reveal(page, words) {
  const field = () => inspect(page, 'document.getElementById("new_password").type');
  assert.equal(await inspect(page, 'document.querySelector(".reveal").innerText'), words.show);
  await press(page, 'Tab', 'Space');
  assert.equal(await field(), 'text');
  assert.equal(await inspect(page, 'document.querySelector(".reveal").innerText'), words.hide);
  await press(page, 'Space');
  assert.equal(await field(), 'password');
  await press(page, 'Tab');
}

/** A link that is used by a button: opening it twice does nothing, pressing the button does. */
async function confirm(options, email, said, name) {
  const page = await open(options);
  const file = await mail(email);
  await follow(page, file, name);
  await check(page, name);
  await shows(page, email);
  await follow(page, file, `${name}-again`);
  await hasFocus(page, 'submit');
  assert.equal(await enter(page), 200);
  await shows(page, said);
  await check(page, `${name}-done`);
  await page.browserContext().close();
}

try {
  let number = 0;
  for (const [language, script, viewport, scheme] of [
    ['ko', true, PHONE, 'light'],
    ['ko', false, PHONE, 'dark'],
    ['en', true, DESK, 'dark'],
    ['en', false, DESK, 'light'],
  ]) {
    const options = { language, script, viewport, scheme };
    const words = WORDS[language];
    const [email, moved] = [`ann${++number}@example.com`, `moved${number}@example.com`];
    const made = await call('register', language, { email, password: 'correct horse battery', name: 'Ann' });
    assert.equal(made.status, 201);
    await confirm(options, email, words.verified, `${language}-${script ? 'script' : 'plain'}-verify`);
    const password = `a brand new staple ${number}`;
    const access = await reset(options, email, password);
    await mail(email); // The notice of the reset.
    const change = await call('change-email', language, { new_email: moved, current_password: password }, access);
    assert.equal(change.status, 202);
    await confirm(options, moved, words.moved, `${language}-${script ? 'script' : 'plain'}-confirm`);
    assert.equal((await call('login', language, { email: moved, password })).status, 200);
  }

  // The page of the API, on a phone and a desk.
  for (const [viewport, scheme] of [[PHONE, 'light'], [DESK, 'dark']]) {
    const docs = await open({ language: 'en', script: false, viewport, scheme });
    await docs.goto(`${SERVER}/docs`);
    await shows(docs, 'Problem codes');
    await check(docs, `docs-${viewport.width}-${scheme}`);
    await docs.browserContext().close();
  }

  // The language can be chosen, and stays chosen from page to page.
  const page = await open({ language: 'en', script: true, viewport: DESK });
  await page.goto(`${SERVER}/forgot-password`);
  await Promise.all([page.waitForNavigation(), page.click('nav button[lang=ko]')]);
  page.language = 'ko';
  await shows(page, WORDS.ko.forgot);
  await check(page, 'language-switched');
  await page.focus('#email');
  await page.keyboard.type('nobody@example.com');
  assert.equal(await enter(page), 200);
  await shows(page, WORDS.ko.sent);
  await page.browserContext().close();
  console.log(`pages: ${checks} views checked, screenshots in ${SHOTS}`);
} finally {
  await browser.close();
}
