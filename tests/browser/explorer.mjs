// Loads the API explorer of `local` in Chromium, makes a call with it, and asks the API from pages of other origins.
// usage: node explorer.mjs URL
import { strict as assert } from 'node:assert';
import { createServer } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createRequire } from 'node:module';
import { join } from 'node:path';

// Where ./scripts/setup has put it.
const { chromium } = createRequire(new URL('../../target/tools/node/', import.meta.url))('playwright-core');

const api = process.argv[2];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** The explorer shows the contract, has a token filled in, and a call shows its answer. Nothing is loaded from elsewhere. */
async function explorer(page) {
  const elsewhere = [];
  const faults = [];
  page.on('request', (request) => request.url().startsWith(api) || request.url().startsWith('data:') || elsewhere.push(request.url()));
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(`${api}/api/docs`);
  const operation = page.locator('#operations-dashboard-getDashboardData');
  await operation.waitFor();
  await operation.locator('.opblock-summary-control').click();
  const answered = page.waitForResponse((response) => response.url() === `${api}/api/dashboard/data`);
  await operation.locator('button.execute').click();
  assert.equal((await answered).status(), 200);
  const shown = operation.locator('.live-responses-table .response .highlight-code').first();
  await shown.waitFor();
  assert.match(await shown.textContent(), /"success":\s*true/);
  assert.deepEqual({ elsewhere, faults }, { elsewhere: [], faults: [] });
}

/** A page of another origin, served on a port of its own under a host name of the test's choice. */
async function pageOf(browser, host) {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>other</title>'));
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const page = await browser.newPage();
  await page.goto(`http://${host}:${server.address().port}/`);
  return { page, close: () => server.close() };
}

/** What a page gets: a status, the JSON and a header, or the browser's refusal. */
function ask(page, path, options) {
  const call = async ([url, options]) => {
    try {
      const response = await fetch(url, options);
      return { status: response.status, rev: response.headers.get('x-rev'), body: await response.json() };
    } catch (error) {
      return { refused: error.name };
    }
  };
  return page.evaluate(call, [`${api}${path}`, options]);
}

async function origins(browser, token) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-rev': '0' };
  const read = { headers, credentials: 'include' };
  const write = { method: 'POST', headers, credentials: 'include', body: JSON.stringify({ contacts: [{ name: 'Mara Quill' }] }) };

  // Outside production every localhost port may call: the browser sends a preflight first, and the page sees X-Rev.
  const friend = await pageOf(browser, 'localhost');
  const seen = await ask(friend.page, '/api/dashboard/data', read);
  assert.deepEqual([seen.status, seen.body.success], [200, true], JSON.stringify(seen));
  assert.match(seen.rev, /^[0-9]+$/);
  const saved = await ask(friend.page, '/api/extraction/save-contacts', write);
  assert.deepEqual([saved.status, saved.body.contactsSaved], [200, 1], JSON.stringify(saved));
  const refused = await ask(friend.page, '/api/jobs', { headers: { authorization: 'Bearer x' } });
  assert.deepEqual(refused, { status: 401, rev: null, body: { success: false, error: 'Invalid or expired token' } });
  friend.close();

  // Any other name may not, neither read nor write, with a token or without.
  const stranger = await pageOf(browser, '127.0.0.1');
  for (const [path, options] of [['/api/dashboard/data', read], ['/api/extraction/save-contacts', write], ['/api/billing/plans', {}]]) {
    assert.deepEqual(await ask(stranger.page, path, options), { refused: 'TypeError' }, path);
  }
  stranger.close();
  const after = await fetch(`${api}/api/dashboard/data`, { headers });
  assert.equal(after.headers.get('x-rev'), saved.rev, 'the refused write did not happen');
}

const profile = await mkdtemp(join(tmpdir(), 'explorer-'));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: FLAGS,
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(30_000);
  await explorer(page);
  await origins(browser, await page.locator('meta[name=token]').getAttribute('content'));
  console.log('explorer: one call answered; origins: allowed and refused as configured');
} finally {
  await browser.close();
  await rm(profile, { recursive: true, force: true });
}
