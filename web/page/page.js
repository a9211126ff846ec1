// The try-it page: shows what `client.js` reports, and nothing that it would have to know by itself.
// Everything that comes over the wire is put into the document as text nodes, never as HTML.

import { Client } from '/client.js';

const FRAMES_MAX = 500;
const ACTIVITY_MS = 10_000; // Thinking and typing have no reliable end: without news they are over.
const LINE_CHARACTERS_MAX = 10_000; // A longer line is not prose. It is shown as it came.
const STORAGE_KEY = 'segue';
const LINK_PROTOCOLS = ['http:', 'https:', 'mailto:', 'tel:'];

const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#icon-${name}`);
  svg.append(use);
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  return svg;
}

const unseen = (text) => element('span', { className: 'unseen' }, text);
const withoutPrefix = (type) => type.replace(/^EVENT_TYPE_/, '');

function clock(timestamp, options = { hour: '2-digit', minute: '2-digit' }) {
  const date = new Date(timestamp);
  return element('time', { dateTime: date.toISOString() }, date.toLocaleTimeString(undefined, options));
}

/** The address as a URL if it is one that a link may have, else null. */
function safeUrl(address) {
  try {
    const url = new URL(address, location.href);
    return LINK_PROTOCOLS.includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

function anchor(url, properties, ...children) {
  const isWeb = url.protocol.startsWith('http');
  const target = isWeb ? { target: '_blank', rel: 'noopener noreferrer' } : {};
  return element('a', { href: url.href, ...target, ...properties }, ...children);
}

// A scrolling area that stays at its end, unless the reader has scrolled up.
class Scroller {
  #area; #follows = true; #top = 0;

  constructor(area, onChange = () => {}) {
    this.#area = area;
    const stay = new ResizeObserver(() => this.follow());
    stay.observe(area);
    stay.observe(area.firstElementChild);
    area.addEventListener('scroll', () => {
      const isAtEnd = area.scrollHeight - area.scrollTop - area.clientHeight < 48;
      // Content that came since the last scroll is no wish to stay behind: only scrolling up is.
      this.#follows = isAtEnd || (this.#follows && area.scrollTop >= this.#top);
      this.#top = area.scrollTop;
      onChange(this.#follows);
    }, { passive: true });
  }

  follow() {
    if (this.#follows) this.toEnd();
  }

  toEnd() {
    this.#follows = true;
    this.#area.scrollTop = this.#area.scrollHeight;
  }
}

// Markdown: paragraphs, line breaks, lists, code, bold, italic, links. Anything else stays as it was written.
// Spans end within their line and are bounded, so that no text takes long.

const SPANS = new RegExp([
  /\\(?<escaped>[\\`*_[\]()#+.!-])/,
  /`(?<code>[^`]+)`/,
  /\[(?<label>[^[\]]{1,500})\]\((?<address>[^\s()]{1,2000}(?:\([^\s()]{0,500}\))?[^\s()]{0,2000})\)/,
  /(?<bare>https?:\/\/[^\s<>`*]{0,2000}[^\s<>`*.,:;!?'")\]])/,
  /\*\*(?<bold>\S(?:.{0,500}?\S)??)\*\*(?!\*)/,
  /(?<![\p{L}\p{N}_])__(?<strong>\S(?:.{0,500}?\S)??)__(?![\p{L}\p{N}_])/,
  /\*(?<italic>[^\s*](?:[^*]{0,500}?[^\s*])??)\*/,
  /(?<![\p{L}\p{N}_])_(?<slanted>[^\s_](?:[^_]{0,500}?[^\s_])??)_(?![\p{L}\p{N}_])/,
].map((span) => span.source).join('|'), 'gu');

function renderSpan(match) {
  const { escaped, code, label, address, bare, bold, strong, italic, slanted } = match.groups;
  if (escaped) return escaped;
  if (code) return element('code', {}, code);
  if (bold ?? strong) return element('strong', {}, ...renderSpans(bold ?? strong));
  if (italic ?? slanted) return element('em', {}, ...renderSpans(italic ?? slanted));
  const url = safeUrl(address ?? bare);
  return url ? anchor(url, {}, label ?? bare) : match[0];
}

function renderSpans(line) {
  if (line.length > LINE_CHARACTERS_MAX) return [line];
  const nodes = [];
  let end = 0;
  for (const match of line.matchAll(SPANS)) {
    nodes.push(line.slice(end, match.index), renderSpan(match));
    end = match.index + match[0].length;
  }
  return [...nodes, line.slice(end)];
}

function renderMarkdown(text) {
  const blocks = document.createDocumentFragment();
  let open = null; // The block that the next line may go on with.
  const begin = (block) => {
    blocks.append(block);
    open = block;
  };
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at];
    const item = /^\s*(?:[-*+]|(?<number>\d{1,9})[.)])\s+(?<rest>.*)$/.exec(line);
    if (/^\s*```/.test(line)) {
      const from = at + 1;
      at = from;
      while (at < lines.length && !/^\s*```\s*$/.test(lines[at])) at += 1;
      begin(element('pre', { tabIndex: 0 }, element('code', {}, lines.slice(from, at).join('\n'))));
      open = null;
    } else if (line.trim() === '') {
      // A list goes on after a blank line, a paragraph does not.
      if (open?.tagName === 'P') open = null;
    } else if (item) {
      const tag = item.groups.number ? 'OL' : 'UL';
      if (open?.tagName !== tag) begin(element(tag, tag === 'OL' ? { start: Number(item.groups.number) } : {}));
      open.append(element('li', {}, ...renderSpans(item.groups.rest)));
    } else if (open?.tagName === 'P') {
      open.append(element('br'), ...renderSpans(line));
    } else if (open && /^\s{2,}/.test(line)) {
      open.lastElementChild.append(element('br'), ...renderSpans(line.trim()));
    } else {
      begin(element('p', {}, ...renderSpans(line)));
    }
  }
  return blocks;
}

// Frames

const JSON_PARTS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

function renderJson(value) {
  const text = JSON.stringify(value, null, 2);
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(JSON_PARTS)) {
    const className = match[2] ? 'json-key' : match[1] ? 'json-string' : 'json-literal';
    nodes.push(text.slice(end, match.index), element('span', { className }, match[1] ?? match[0]), match[2] ?? '');
    end = match.index + match[0].length;
  }
  return [...nodes, text.slice(end)];
}

/** Which places of the log a frame holds. */
function places({ sequence, payload: { events } }) {
  if (!events) return sequence ? `#${sequence}` : '';
  const [first, ...others] = events.map((event) => `#${event.sequence}`);
  return others.length > 0 ? `${first} … ${others.at(-1)}` : first;
}

/** What a frame is about, in a few words. */
function brief({ payload: { text, message, state, reason, agent_name: name, language_code: code } }) {
  return (text ?? message ?? state ?? reason ?? name ?? code ?? '').slice(0, 200);
}

const TO_THE_MS = { hourCycle: 'h23', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 };
const ARROWS = { in: ['↓', 'received'], out: ['↑', 'sent'], note: ['·', ''] };

function showFrame(direction, content) {
  const [arrow, word] = ARROWS[direction];
  const head = [clock(Date.now(), TO_THE_MS), element('span', { className: 'arrow', ariaHidden: 'true' }, arrow)];
  const row = element('li', { className: 'frame' });
  row.dataset.direction = direction;
  if (direction === 'note') {
    row.append(...head, element('span', { className: 'brief' }, content));
  } else {
    const type = withoutPrefix(content.type);
    row.dataset.type = type;
    const summary = element('summary', {}, ...head, unseen(word),
      element('span', { className: 'type' }, type), element('span', { className: 'places' }, places(content)),
      element('span', { className: 'brief' }, brief(content)));
    const details = element('details', {}, summary);
    // Most frames are never opened: what is inside is made when it is asked for.
    details.addEventListener('toggle', () => details.append(element('pre', { tabIndex: 0 }, ...renderJson(content))), { once: true });
    row.append(details);
  }
  byId('frames').append(row);
  if (byId('frames').childElementCount > FRAMES_MAX) byId('frames').firstElementChild.remove();
  frameList.follow();
}

// Transcript

const transcript = new Scroller(byId('transcript'), (follows) => { byId('latest').hidden = follows; });
const frameList = new Scroller(byId('frames-scroll'));
const streams = new Map(); // By message id: agent messages of which not all chunks have come.
const unsent = new Map(); // By local id: own messages without an echo.
let activityTimer = null;
let language = '';
const names = { bot: 'The agent', live: 'The person' }; // Who speaks. Chunks do not say it.

function addEntry(list, entry) {
  if (language) entry.lang = language;
  entry.classList.add('new');
  entry.addEventListener('animationend', () => entry.classList.remove('new'), { once: true });
  list.append(entry);
}

function addNote(text, level = 'info') {
  const note = element('li', { className: 'note' }, element('p', {}, text));
  note.dataset.level = level;
  addEntry(byId('log'), note);
}

function showActivity(text) {
  clearTimeout(activityTimer);
  byId('activity').hidden = !text;
  byId('activity-text').textContent = text;
  if (text) activityTimer = setTimeout(() => showActivity(''), ACTIVITY_MS);
}

function showSuggestions(suggestions) {
  const chips = suggestions.map(({ message_text: text }) => {
    const chip = element('button', { type: 'button', className: 'chip' }, text);
    chip.addEventListener('click', () => send(text));
    return chip;
  });
  byId('suggestions').replaceChildren(...chips);
  byId('suggestions').hidden = chips.length === 0;
}

function renderAvatar(name, address) {
  const avatar = element('span', { className: 'avatar', ariaHidden: 'true' }, [...name][0] ?? '');
  const url = address && safeUrl(address);
  if (url) {
    const image = element('img', { src: url.href, alt: '' });
    image.addEventListener('error', () => image.remove());
    avatar.append(image);
  }
  return avatar;
}

function renderAttachment({ title, content_url, preview_image_url, content_type, call_to_action_text }) {
  const url = safeUrl(content_url);
  if (!url) return '';
  const isImage = content_type === 'ATTACHMENT_CONTENT_TYPE_IMAGE';
  const caption = element('span', { className: 'caption' }, element('strong', {}, title || url.host),
    element('span', {}, call_to_action_text || url.host || url.href));
  const card = anchor(url, { className: 'card' });
  const preview = isImage || preview_image_url ? safeUrl(preview_image_url || content_url) : null;
  if (preview) {
    const image = element('img', { src: preview.href, alt: isImage ? title : '' });
    // Its host is away, or the page's policy says no: the link remains.
    image.addEventListener('error', () => image.remove());
    card.append(image);
  }
  card.append(caption, icon('open'));
  return card;
}

function renderCall({ title, contact_number: number }) {
  const url = new URL(`tel:${number.replace(/[^\d+*#,;]/g, '')}`);
  return anchor(url, { className: 'card call' }, icon('call'),
    element('span', { className: 'caption' }, element('strong', {}, title || number), element('span', {}, number)));
}

/** Adds an empty message of the bot ('bot') or a live agent ('live') and returns it. */
function addAgentMessage(by, { timestamp, payload }) {
  const previous = byId('log').lastElementChild;
  const name = payload.agent_name || names[by];
  const message = element('li', { className: 'message' });
  Object.assign(message.dataset, { by, name });
  // One heading for what one speaker says in a row.
  if (previous?.dataset.by === by && previous.dataset.name === name) message.append(unseen(`${name}: `));
  else message.append(element('p', { className: 'speaker' }, renderAvatar(name, payload.avatar_url), name, ' ', clock(timestamp)));
  message.append(element('div', { className: 'bubble' }), element('div', { className: 'cards' }));
  addEntry(byId('log'), message);
  return message;
}

function fillAgentMessage(message, text, { attachments = [], chat_call_actions: calls = [] }) {
  message.querySelector('.bubble').replaceChildren(renderMarkdown(text));
  message.querySelector('.cards').append(...attachments.map(renderAttachment), ...calls.map(renderCall));
}

function takeAgentMessage(by, event) {
  const { text, attachments, response_suggestions: suggestions = [], chat_call_actions: calls } = event.payload;
  // A message with nothing in it only keeps a client from giving up.
  const isSeen = text || attachments?.length || calls?.length;
  if (!isSeen && suggestions.length === 0) return;
  showActivity('');
  if (isSeen) fillAgentMessage(addAgentMessage(by, event), text, event.payload);
  showSuggestions(suggestions);
}

function takeChunk(event) {
  const { message_id: id, text, is_complete: isComplete, response_suggestions: suggestions = [] } = event.payload;
  if (!streams.has(id)) streams.set(id, { message: addAgentMessage('bot', event), text: '' });
  const stream = streams.get(id);
  stream.text += text;
  stream.message.ariaBusy = String(!isComplete);
  fillAgentMessage(stream.message, stream.text, event.payload);
  showActivity('');
  if (!isComplete) return;
  streams.delete(id);
  showSuggestions(suggestions);
}

function showOwnState(entry, { text, state }, localId) {
  entry.dataset.state = state.is;
  const meta = entry.querySelector('.meta');
  if (state.is === 'sending') return meta.replaceChildren(icon('sending'), 'Sending');
  const retry = element('button', { type: 'button' }, 'Try again');
  retry.addEventListener('click', () => client.retry(localId));
  const discard = element('button', { type: 'button' }, 'Discard');
  discard.addEventListener('click', () => {
    client.discard(localId);
    unsent.delete(localId);
    entry.remove();
    if (byId('text').value === '') byId('text').value = text;
    byId('text').focus();
  });
  meta.replaceChildren(element('span', {}, icon('failed'), ` Not sent. ${state.why}`), retry, discard);
}

function renderOwnMessage(text) {
  const entry = element('li', { className: 'message' }, unseen('You: '),
    element('div', { className: 'bubble' }, text), element('p', { className: 'meta' }));
  entry.dataset.by = 'user';
  return entry;
}

function takeOwnState(localId, message) {
  if (!unsent.has(localId)) {
    unsent.set(localId, renderOwnMessage(message.text));
    addEntry(byId('pending'), unsent.get(localId));
    transcript.toEnd();
  }
  showOwnState(unsent.get(localId), message, localId);
}

function takeEcho({ payload, timestamp, metadata }) {
  const localId = metadata?.custom?.local_id;
  const entry = unsent.get(localId) ?? renderOwnMessage(payload.text);
  unsent.delete(localId);
  entry.dataset.state = 'sent';
  entry.querySelector('.meta').replaceChildren(clock(timestamp), icon('sent'), unseen('Sent'));
  // From below, where it waited, to its place in the conversation.
  entry.classList.remove('new');
  byId('log').append(entry);
  showSuggestions([]);
}

// The next session begins below what was said in the lost one.
function takeLoss(why) {
  for (const { message } of streams.values()) message.ariaBusy = 'false';
  streams.clear();
  showActivity('');
  showSuggestions([]);
  addNote(`${why} A new one begins here.`, 'warning');
}

function takeLanguage({ language_code: code }) {
  language = code;
  const name = new Intl.DisplayNames(undefined, { type: 'language', fallback: 'code' }).of(code);
  addNote(`The language is now ${name}`);
}

function takeQueueStatus({ display_message: message, position_in_queue: position, estimated_wait_seconds: seconds }) {
  const place = position === undefined ? '' : `, number ${position} in the queue`;
  const wait = seconds === undefined ? '' : `, about ${Math.max(1, Math.round(seconds / 60))} min`;
  showActivity(message || `Waiting for a person${place}${wait}`);
  clearTimeout(activityTimer); // Sent on change only, so it holds until something else happens.
}

function takeJoin(by, name) {
  names[by] = name || names[by];
  byId('name').textContent = names[by];
  addNote(`${names[by]} joined`);
}

const because = (reason) => (reason ? `: ${reason}` : '');
const ENDINGS = {
  REASON_USER_END: 'You ended the conversation',
  REASON_USER_ABANDONED: 'The conversation ended because nobody said anything for a long time',
};

// One line per type: what the page shows of it. What is not here leaves no trace but its frame.
const SHOW = {
  USER_MESSAGE: takeEcho,
  POLY_AGENT_JOINED: ({ payload }) => takeJoin('bot', payload.agent_name),
  POLY_AGENT_THINKING: () => showActivity(`${names.bot} is thinking`),
  POLY_AGENT_MESSAGE: (event) => takeAgentMessage('bot', event),
  POLY_AGENT_MESSAGE_CHUNK: takeChunk,
  POLY_AGENT_LEFT: ({ payload }) => addNote(`${names.bot} left${because(payload.reason)}`),
  POLY_AGENT_TRIGGERED_HANDOFF: () => addNote('Handing over to a person'),
  HANDOFF_ACCEPTED: ({ payload }) => addNote(`In the queue${because(payload.queue_name)}`),
  HANDOFF_QUEUE_STATUS: ({ payload }) => takeQueueStatus(payload),
  CLIENT_HANDOFF_REQUIRED: ({ payload }) => addNote(`The application takes over${because(payload.route ?? payload.reason)}`),
  HANDOFF_FAILED: ({ payload }) => addNote(`The handover failed${because(payload.reason)}`, 'warning'),
  HANDOFF_TIMEOUT: ({ payload }) => addNote(`Nobody was free in time${because(payload.reason)}`, 'warning'),
  LIVE_AGENT_JOINED: ({ payload }) => takeJoin('live', payload.agent_name),
  LIVE_AGENT_TYPING: ({ payload }) =>
    showActivity(payload.state === 'TYPING_STATE_STOPPED' ? '' : `${payload.agent_name || names.live} is typing`),
  LIVE_AGENT_MESSAGE: (event) => takeAgentMessage('live', event),
  LIVE_AGENT_LEFT: ({ payload }) => addNote(`${payload.agent_name || names.live} left`),
  LANGUAGE_CHANGED: ({ payload }) => takeLanguage(payload),
  SYSTEM_MESSAGE: ({ payload }) =>
    addNote(payload.message, payload.level.replace('SYSTEM_MESSAGE_LEVEL_', '').toLowerCase()),
  SESSION_END: ({ payload }) => addNote(ENDINGS[payload.reason] ?? 'The conversation has ended'),
};
// These change who speaks or say that an answer will not come: whatever was going on is over, offers included.
const TURNING_POINTS = /^(POLY_AGENT_LEFT|POLY_AGENT_TRIGGERED_HANDOFF|HANDOFF_(ACCEPTED|FAILED|TIMEOUT)|LIVE_AGENT_(JOINED|LEFT)|SESSION_END)$/;

function showEvent(event) {
  const type = withoutPrefix(event.type);
  if (TURNING_POINTS.test(type)) showSuggestions([]);
  if (TURNING_POINTS.test(type) || type === 'SYSTEM_MESSAGE') showActivity('');
  SHOW[type]?.(event);
}

// Controls

const STATUS_TEXTS = {
  starting: 'Starting', connecting: 'Connecting', open: 'Connected', waiting: 'Offline', ended: 'Ended', refused: 'Refused',
};
let client = null;
let connector = null; // As given in the form.
let countdown = null;

function showStatus(status) {
  document.body.dataset.status = status.is;
  byId('status').textContent = STATUS_TEXTS[status.is];
  byId('end').disabled = status.is !== 'open';
  byId('over').hidden = status.is !== 'ended';
  byId('composer').hidden = status.is === 'ended' || status.is === 'refused';
  if (status.is === 'waiting') showActivity('');
  if (status.is === 'starting') byId('session').textContent = '';
  showOffline(status);
  if (status.is === 'refused') askForConnector(status.why).then(beginAnew);
}

function showOffline(status) {
  clearInterval(countdown);
  // While trying, the strip stays as it is: it would only flicker.
  if (status.is !== 'waiting' && status.is !== 'connecting' && status.is !== 'starting') byId('offline').hidden = true;
  byId('offline-text').textContent = 'Trying again.';
  if (status.is !== 'waiting') return;
  byId('offline').hidden = false;
  const until = Date.now() + status.ms;
  const tell = () => {
    byId('offline-text').textContent = `Next try in ${Math.max(1, Math.ceil((until - Date.now()) / 1_000))} s.`;
  };
  tell();
  countdown = setInterval(tell, 500);
}

// A server on this machine says which connector to try. Any other leaves it to the person.
async function findConnector() {
  if (connector) return connector;
  const response = await fetch('/demo.json', { cache: 'no-store' });
  if (response.ok) return response.json();
  if (response.status !== 404) throw new Error(`/demo.json answered ${response.status}`);
  return askForConnector('');
}

function askForConnector(why) {
  byId('connect-why').textContent = why;
  byId('connect').hidden = false;
  byId('composer').hidden = true;
  byId('connect-host').value ||= location.hostname;
  byId('connect-token').focus();
  return new Promise((resolve) => {
    byId('connect').onsubmit = (event) => {
      event.preventDefault();
      connector = { token: byId('connect-token').value.trim(), host: byId('connect-host').value.trim() };
      byId('connect').hidden = true;
      byId('composer').hidden = false;
      resolve(connector);
    };
  });
}

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(STORAGE_KEY)) ?? {};
  } catch {
    return {};
  }
}

function save(saved) {
  byId('session').textContent = `Session ${saved.session.id}`;
  try {
    sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ saved, connector, streaming: byId('streaming').checked }));
  } catch {
    // Without storage, or with a full one, a reload begins a new conversation. Nothing else is lost.
  }
}

function begin(saved) {
  client = new Client({
    base: location.origin,
    connector: findConnector,
    streaming: byId('streaming').checked,
    saved,
    on: { status: showStatus, event: showEvent, message: takeOwnState, lost: takeLoss, frame: showFrame, save },
  });
  if (saved) save(saved);
  client.start();
}

function beginAnew() {
  client.leave();
  sessionStorage.removeItem(STORAGE_KEY);
  for (const list of ['log', 'pending']) byId(list).replaceChildren();
  for (const part of ['connect', 'offline']) byId(part).hidden = true;
  byId('name').textContent = 'Conversation';
  streams.clear();
  unsent.clear();
  language = '';
  showActivity('');
  showSuggestions([]);
  begin(null);
  focusComposer();
}

// On a touch screen this would bring up the keyboard, and it would hide the answer.
function focusComposer() {
  if (matchMedia('(pointer: fine)').matches) byId('text').focus({ preventScroll: true });
}

function fitComposer() {
  byId('text').style.height = 'auto';
  byId('text').style.height = `${byId('text').scrollHeight}px`;
}

function send(text) {
  client.send(text);
  showSuggestions([]);
  transcript.toEnd();
  focusComposer();
}

function show(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll('[data-show]')) {
    button.setAttribute('aria-pressed', String(button.dataset.show === view));
  }
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = byId('text').value;
  if (text.trim() === '') return;
  byId('text').value = '';
  fitComposer();
  send(text);
});
byId('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('composer').requestSubmit();
});
byId('text').addEventListener('input', () => {
  fitComposer();
  client.typing();
});
byId('streaming').addEventListener('change', beginAnew);
byId('new').addEventListener('click', beginAnew);
byId('again').addEventListener('click', beginAnew);
byId('end').addEventListener('click', () => client.end());
byId('hurry').addEventListener('click', () => client.hurry());
byId('latest').addEventListener('click', () => transcript.toEnd());
byId('clear').addEventListener('click', () => byId('frames').replaceChildren());
byId('heartbeats').addEventListener('change', ({ target }) => byId('frames').classList.toggle('with-heartbeats', target.checked));
for (const button of document.querySelectorAll('[data-show]')) button.addEventListener('click', () => show(button.dataset.show));
addEventListener('online', () => client.hurry());
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && client.hurry());

const { saved = null, connector: given = null, streaming = true } = load();
connector = given;
byId('streaming').checked = streaming;
begin(saved);
focusComposer();
