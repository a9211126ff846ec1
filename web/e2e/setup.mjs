// The real server in a folder of its own, and a browser to look at it.
//
//   SEGUE_BIN  the program (needed)
//   SHOTS      a folder for screenshots (none are taken without it)

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const WAIT_MS_MAX = 30_000;
const CONNECT_AGAIN_MS = 20;
export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };
const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let folder;
let port;
let server;
let browser;

async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port: free } = listener.address();
  listener.close();
  await once(listener, 'close');
  return free;
}

async function accepts() {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export async function startServer() {
  server = spawn(resolve(process.env.SEGUE_BIN), ['serve', '--listen', `127.0.0.1:${port}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const deadline = Date.now() + WAIT_MS_MAX;
  while (!(await accepts())) {
    assert.equal(server.exitCode, null, 'the server exits at its start');
    assert.ok(Date.now() < deadline, 'the server does not listen');
    await setTimeout(CONNECT_AGAIN_MS);
  }
}

export async function killServer() {
  const gone = once(server, 'exit');
  process.kill(server.pid, 'SIGKILL');
  await gone;
}

before(async () => {
  assert.ok(process.env.SEGUE_BIN, 'SEGUE_BIN names the program to test');
  folder = await mkdtemp(join(tmpdir(), 'segue-e2e-'));
  port = await freePort();
  await startServer();
  // Playwright gives every launch a profile folder of its own, and removes it.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: BROWSER_ARGUMENTS });
});

after(async () => {
  await browser?.close();
  if (server?.exitCode === null && server.signalCode === null) await killServer();
  if (folder) await rm(folder, { recursive: true });
});

/** A page of the server, in a browser of its own. A fault on it fails the test. */
export async function visit(t, path, viewport = DESKTOP) {
  const context = await browser.newContext({ viewport });
  context.setDefaultTimeout(WAIT_MS_MAX);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (entry) => {
    if (/content security policy/i.test(entry.text())) faults.push(entry.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  await page.goto(`http://127.0.0.1:${port}${path}`);
  return page;
}

/** Takes a picture, where pictures are wanted. */
export async function shot(page, name) {
  if (!process.env.SHOTS) return;
  await mkdir(process.env.SHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), animations: 'disabled' });
}
