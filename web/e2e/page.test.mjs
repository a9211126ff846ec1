// The try-it page in a real browser against the real server, which is killed on the way.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DESKTOP, PHONE, killServer, shot, startServer, visit } from './setup.mjs';

/** Opens the page in a conversation of its own and waits for the greeting. */
async function open(t, viewport = DESKTOP) {
  const page = await visit(t, '/', viewport);
  await page.waitForSelector('#log [data-by="bot"]:not([aria-busy="true"])');
  return page;
}

const type = async (page, text) => {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
};

/** Waits until the bot has said something complete after the user's last message, which is `text`. */
const answered = (page, text) =>
  page.waitForFunction((question) => {
    const entries = [...document.querySelectorAll('#log > li')];
    const at = entries.findLastIndex(({ dataset }) => dataset.by === 'user');
    if (at < 0 || entries[at].querySelector('.bubble').textContent !== question) return false;
    const answers = entries.slice(at).filter(({ dataset }) => dataset.by === 'bot');
    return answers.length > 0 && answers.every((answer) => answer.ariaBusy !== 'true');
  }, text);

const ask = async (page, text) => {
  await type(page, text);
  await answered(page, text);
};

/** Who said what, in order. */
const conversation = (page) =>
  page.$$eval('#log > .message', (messages) =>
    messages.map((message) => `${message.dataset.by}: ${message.querySelector('.bubble').textContent}`));

const isStatus = (page, status) => page.waitForSelector(`body[data-status="${status}"]`);

/** What would have to be scrolled sideways: the page or one of its two lists. */
const tooWide = (page) =>
  page.$$eval('html, .scroll', (areas) =>
    areas.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map(({ id, tagName }) => id || tagName));

test('greets, answers a question, and shows the frames of both directions', async (t) => {
  const page = await open(t);
  await shot(page, '1280-greeting');
  await ask(page, 'When are you open?');
  const [greeting, question, answer] = await conversation(page);
  assert.match(greeting, /^bot: ./s);
  assert.equal(question, 'user: When are you open?');
  assert.match(answer, /^bot: ./s);
  await page.waitForSelector('#log [data-by="user"][data-state="sent"]');

  await page.waitForSelector('.frame[data-direction="out"][data-type="REQUEST_POLY_AGENT_JOIN"]');
  const sent = page.locator('.frame[data-direction="out"][data-type="USER_MESSAGE"]');
  const echo = page.locator('.frame[data-direction="in"][data-type="USER_MESSAGE"]');
  await sent.locator('summary').click();
  const frame = JSON.parse(await sent.locator('pre').textContent());
  await echo.locator('summary').click();
  const event = JSON.parse(await echo.locator('pre').textContent());
  assert.equal(frame.payload.text, 'When are you open?');
  assert.deepEqual(event.metadata, frame.metadata);
  assert.ok(event.sequence > 1);
  await shot(page, '1280-frames');
});

test('sends a suggestion that is clicked', async (t) => {
  const page = await open(t);
  const chips = page.locator('#suggestions button');
  // Which answers come with suggestions is up to the bot; one of these has some.
  const questions = ['When are you open?', 'How do I return something?', 'Help', 'Something else entirely'];
  while ((await chips.count()) === 0 && questions.length > 0) await ask(page, questions.shift());
  assert.notEqual(await chips.count(), 0, 'no answer came with suggestions');
  await shot(page, '1280-suggestions');
  const suggestion = await chips.first().textContent();
  const saidBefore = await conversation(page);
  await chips.first().click();
  await page.waitForFunction(
    (count) => document.querySelectorAll('#log [data-by="user"][data-state="sent"]').length === count,
    saidBefore.filter((message) => message.startsWith('user: ')).length + 1,
  );
  assert.equal((await conversation(page))[saidBefore.length], `user: ${suggestion}`);
});

test('goes on where it was when the server is killed and comes back', async (t) => {
  const page = await open(t);
  await ask(page, 'When are you open?');
  const saidBefore = await conversation(page);
  await page.evaluate(() => { window.hasNotBeenReloaded = true; });

  await killServer();
  await isStatus(page, 'waiting');
  await type(page, 'How do I return something?');
  await page.waitForSelector('#pending [data-by="user"][data-state="sending"]');
  await shot(page, '1280-disconnected');

  await startServer();
  await isStatus(page, 'open');
  await answered(page, 'How do I return something?');
  assert.equal(await page.evaluate(() => window.hasNotBeenReloaded), true);
  assert.equal(await page.locator('#pending > li').count(), 0);
  const said = await conversation(page);
  assert.deepEqual(said.slice(0, saidBefore.length), saidBefore);
  assert.equal(said[saidBefore.length], 'user: How do I return something?');
  assert.equal(said.filter((message) => message === 'user: How do I return something?').length, 1);

  // A reload begins without a cursor: what it shows is the server's log.
  await page.reload();
  await answered(page, 'How do I return something?');
  assert.deepEqual(await conversation(page), said);
  await shot(page, '1280-resumed');
});

test('begins a new conversation when streaming is switched', async (t) => {
  const page = await open(t);
  const session = await page.textContent('#session');
  await page.waitForSelector('.frame[data-type="POLY_AGENT_MESSAGE_CHUNK"]', { state: 'attached' });
  await page.click('#clear');
  await page.locator('.switch').click();
  await page.waitForFunction((old) => !['', old].includes(document.querySelector('#session').textContent), session);
  await page.waitForSelector('.frame[data-type="POLY_AGENT_MESSAGE"]', { state: 'attached' });
  assert.equal(await page.locator('.frame[data-type="POLY_AGENT_MESSAGE_CHUNK"]').count(), 0);
  assert.equal((await conversation(page)).length, 1);
});

test('ends the conversation and starts a new one', async (t) => {
  const page = await open(t);
  await ask(page, 'When are you open?');
  await page.click('#end');
  await isStatus(page, 'ended');
  assert.equal(await page.locator('#composer').isVisible(), false);
  await page.waitForSelector('.frame[data-type="SESSION_END"]', { state: 'attached' });
  await shot(page, '1280-ended');
  await page.click('#again');
  await isStatus(page, 'open');
  await page.waitForSelector('#log [data-by="bot"]:not([aria-busy="true"])');
  assert.equal((await conversation(page)).length, 1);
});

test('fits a narrow screen, with the frames behind a tab', async (t) => {
  const page = await open(t, PHONE);
  await shot(page, '360-greeting');
  await ask(page, 'How do I return something?');
  assert.deepEqual(await tooWide(page), []);
  assert.equal(await page.locator('#frames').isVisible(), false);
  await shot(page, '360-conversation');
  await page.click('[data-show="frames"]');
  await page.locator('.frame[data-type="USER_MESSAGE"] summary').first().click();
  assert.equal(await page.locator('#composer').isVisible(), false);
  assert.deepEqual(await tooWide(page), []);
  await shot(page, '360-frames');
});

test('is dark where the system is', async (t) => {
  const page = await open(t);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.notEqual(await ground(), light);
  await shot(page, '1280-dark');
});
