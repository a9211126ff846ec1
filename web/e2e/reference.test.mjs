// The reference at /api in a real browser: it shows all that the two documents say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESKTOP, PHONE, shot, visit } from './setup.mjs';

async function open(t, viewport, hash = '') {
  const page = await visit(t, `/api${hash}`, viewport);
  await page.waitForSelector('main:not([aria-busy])');
  return page;
}

const document = (page, name) => page.evaluate(async (path) => (await fetch(path)).json(), `/api/${name}`);

const tooWide = (page) =>
  page.evaluate(() => {
    const width = globalThis.document.documentElement.clientWidth;
    const isTooWide = (it) => it.getBoundingClientRect().right > width + 1 && !it.closest('pre');
    return [...globalThis.document.querySelectorAll('body *')].filter(isTooWide).map(({ tagName, id }) => id || tagName);
  });

test('shows every operation, every message and every answer', async (t) => {
  const page = await open(t, DESKTOP);
  await shot(page, '1280-reference');
  assert.equal(await page.locator('#failed').isVisible(), false);
  const ids = await page.$$eval('.card', (cards) => cards.map(({ id }) => id));
  const openapi = await document(page, 'openapi.json');
  const asyncapi = await document(page, 'asyncapi.json');
  const operations = Object.values(openapi.paths).flatMap((methods) => Object.values(methods));
  const expected = [
    ...operations.map(({ operationId }) => operationId),
    ...Object.keys(asyncapi.components.messages),
  ];
  assert.deepEqual([...ids].sort(), [...expected].sort());
  // Each is in the contents, and there is nothing that leads nowhere.
  const links = await page.$$eval('a[href^="#"]', (all) => all.map((it) => it.getAttribute('href').slice(1)));
  for (const id of ids) assert.ok(links.includes(id), `${id} is not in the contents`);
  const dead = await page.evaluate((all) => all.filter((id) => !globalThis.document.getElementById(id)), links);
  assert.deepEqual(dead, []);
  for (const { operationId, responses } of operations) {
    const statuses = await page.$$eval(`#${operationId} .status`, (all) => all.map((it) => it.textContent));
    assert.deepEqual(statuses, Object.keys(responses));
  }
});

test('shows fields with what they mean, and examples that can be read', async (t) => {
  const page = await open(t, DESKTOP, '#polyAgentMessage');
  const asyncapi = await document(page, 'asyncapi.json');
  const { properties } = asyncapi.components.schemas.PolyAgentMessagePayload;
  const names = await page.$$eval('#polyAgentMessage > .fields > .field > dt > .name', (all) => all.map((it) => it.textContent));
  assert.deepEqual([...names].sort(), Object.keys(properties).sort());
  const card = page.locator('#polyAgentMessage');
  for (const { description } of Object.values(properties)) {
    assert.ok((await card.textContent()).includes(description), description);
  }
  assert.ok(await card.evaluate((it) => it.getBoundingClientRect().top < globalThis.innerHeight));
  const shown = JSON.parse(await card.locator('.example').first().textContent());
  assert.deepEqual(shown, asyncapi.components.messages.polyAgentMessage.examples[0].payload);
  await shot(page, '1280-reference-message');
  const error = page.locator('#createSession .answer').filter({ hasText: 'Invalid access token' });
  await error.locator('summary').click();
  assert.equal(JSON.parse(await error.locator('.example').first().textContent()).code, 'invalid_access_token');
  await error.scrollIntoViewIfNeeded();
  await shot(page, '1280-reference-answer');
});

test('fits a narrow screen, with the contents folded', async (t) => {
  const page = await open(t, PHONE);
  await shot(page, '360-reference');
  assert.equal(await page.locator('#index').isVisible(), false);
  assert.deepEqual(await tooWide(page), []);
  await page.click('#contents > summary');
  assert.equal(await page.locator('#index').isVisible(), true);
  await shot(page, '360-reference-contents');
  await page.click('#index a[href="#polyAgentMessageChunk"]');
  assert.equal(await page.locator('#index').isVisible(), false);
  await page.waitForFunction(() => {
    const { top } = globalThis.document.querySelector('#polyAgentMessageChunk').getBoundingClientRect();
    return top >= 0 && top < globalThis.innerHeight / 2;
  });
  await shot(page, '360-reference-message');
  await page.locator('#createSession').scrollIntoViewIfNeeded();
  await shot(page, '360-reference-operation');
});

test('is dark where the system is', async (t) => {
  const page = await open(t, DESKTOP);
  const ground = () => page.evaluate(() => getComputedStyle(globalThis.document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.notEqual(await ground(), light);
  await shot(page, '1280-reference-dark');
});
