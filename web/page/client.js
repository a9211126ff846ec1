// A client of the messaging protocol for browsers: one conversation, kept alive.
// It does the hand-shake, holds the socket, counts the events it has seen (the cursor), keeps what the
// server has not confirmed (the outbox), and reconnects. It never touches the document: `page.js`
// shows what it reports. Numbers in brackets are sections of docs/protocol.md.

const PREFIX = 'EVENT_TYPE_';
const CLOSED_AT_THE_END = 1000; // Sent only after SESSION_END [8].
const CLOSED_SESSION_REVOKED = 4001;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 10_000;
// Browsers do not tell why an upgrade was refused, so one refusal means little. Three in a row from a
// server that is otherwise well mean that it does not know this session any more.
const REFUSALS_MAX = 3;
const FIRST_BATCH_MS_MAX = 10_000;
const RESENDS_MAX = 5;
const JOIN_AGAIN_MS = 5_000;
const TYPING_REPEAT_MS = 3_000;
const TYPING_STOPS_MS = 5_000;

/** The server said no, and asking again would not help. */
class Refused extends Error {}

// Not crypto.randomUUID: browsers offer that on https and localhost only.
const newLocalId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Reports through `on`:
 *   status(status)            { is: 'starting' | 'connecting' | 'open' | 'waiting', ms | 'ended' | 'refused', why }
 *   event(event)              every event of the conversation, in order, once; signals (sequence null) as they come
 *   message(localId, message) an own message: { text, state: { is: 'sending', resends } | { is: 'failed', why } }.
 *                             It has been sent when `event` brings its echo.
 *   lost(why)                 the session is gone; what follows is another one
 *   frame(direction, content) 'in' and 'out': a frame; 'note': a sentence about the connection
 *   save(saved)               what to pass as `saved` to go on after a reload
 */
export class Client {
  #base; #connector; #streaming; #on;
  #session = null; // { id, token } once the hand-shake is done.
  #cursor = 0; // The highest sequence seen. In memory only: after a reload everything is replayed.
  #outbox = new Map(); // By local id: messages without an echo.
  #link = null; // The current socket and its timers. What an older socket still says is ignored.
  #limits = { message_bytes: 131_072, heartbeat_ms: 30_000 };
  #joinAsked = false;
  #life = 'going'; // 'ended' after SESSION_END, 'left' after leave().
  #attempts = 0;
  #refusals = 0;
  #retryTimer = null;
  #typing = { startedAt: 0, timer: null };

  /** `connector` is an async function that returns { token, host }; it is asked before each new session. */
  constructor({ base, connector, streaming, saved, on }) {
    this.#base = base;
    this.#connector = connector;
    this.#streaming = streaming;
    this.#on = on;
    if (saved) {
      this.#session = saved.session;
      this.#outbox = new Map(saved.outbox);
    }
  }

  start() {
    for (const [localId, message] of this.#outbox) this.#on.message(localId, message);
    this.#resume();
  }

  /** Sends a message now, or as soon as there is a connection. */
  send(text) {
    const localId = newLocalId();
    // Half a surrogate pair is not valid in JSON and would be refused.
    this.#outbox.set(localId, { text: text.toWellFormed?.() ?? text, state: null });
    this.#stopTyping();
    this.retry(localId);
    return localId;
  }

  /** Sends a failed message again, under the same id: should it have arrived after all, it is not doubled [4]. */
  retry(localId) {
    const message = this.#outbox.get(localId);
    if (!message) return;
    if (new TextEncoder().encode(message.text).length > this.#limits.message_bytes) {
      return this.#setState(localId, { is: 'failed', why: 'Message too large' });
    }
    this.#setState(localId, { is: 'sending', resends: 0 });
    this.#transmitMessage(localId);
  }

  /** Forgets a failed message. */
  discard(localId) {
    this.#outbox.delete(localId);
    this.#save();
  }

  /** To be called at every key: tells a live agent that the user is typing. */
  typing() {
    if (!this.#canSpeak()) return;
    const now = Date.now();
    if (now - this.#typing.startedAt >= TYPING_REPEAT_MS) {
      this.#typing.startedAt = now;
      this.#transmit('USER_TYPING', { state: 'TYPING_STATE_STARTED' });
    }
    clearTimeout(this.#typing.timer);
    this.#typing.timer = setTimeout(() => this.#stopTyping(), TYPING_STOPS_MS);
  }

  /** Ends the conversation: SESSION_END follows, then a close with 1000. */
  end() {
    if (this.#canSpeak()) this.#transmit('USER_END_SESSION');
  }

  /** Leaves for good, ending the conversation if the server can be reached. Nothing is reported afterwards. */
  leave() {
    this.end();
    this.#life = 'left';
    clearTimeout(this.#retryTimer);
    this.#stopTyping();
    this.#unlink();
  }

  /** Tries at once instead of waiting, when there is a reason to hope: the network is back, somebody asked. */
  hurry() {
    if (this.#retryTimer !== null) this.#resume();
  }

  // Hand-shake [1]

  #resume() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    if (this.#session) this.#connect();
    else this.#begin();
  }

  async #begin() {
    this.#on.status({ is: 'starting' });
    try {
      const { token, host } = await this.#connector();
      const access = await this.#post('/api/v1/access-token', { 'X-Token': token, 'X-Host': host }, {});
      const bearer = { Authorization: `Bearer ${access.access_token}` };
      const session = await this.#post('/api/v1/sessions', bearer, { streaming_enabled: this.#streaming, platform: 'web' });
      if (this.#life === 'left') return;
      this.#session = { id: session.session_id, token: access.access_token };
      this.#save();
      this.#connect();
    } catch (error) {
      if (this.#life === 'left') return;
      if (error instanceof Refused) this.#on.status({ is: 'refused', why: error.message });
      else this.#wait(error.retryAfterMs);
    }
  }

  async #post(path, headers, body) {
    const response = await fetch(new URL(path, this.#base), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    this.#on.frame('note', `POST ${path}: ${response.status}`);
    if (response.ok) return response.json();
    const { message } = await response.json().catch(() => ({}));
    const text = message ?? `${path} answered ${response.status}`;
    // 429 and 5xx pass; everything else is about this request and would be refused again.
    if (response.status !== 429 && response.status < 500) throw new Refused(text);
    throw Object.assign(new Error(text), { retryAfterMs: Number(response.headers.get('Retry-After')) * 1_000 });
  }

  // Socket [1, 2, 8]

  #connect() {
    this.#on.status({ is: 'connecting' });
    const url = new URL('/ws', this.#base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('session_id', this.#session.id);
    if (this.#cursor > 0) url.searchParams.set('cursor', this.#cursor);
    // The token travels as a sub-protocol: an address would end up in access logs.
    const socket = new WebSocket(url, ['segue.v1', `bearer.${this.#session.token}`]);
    const link = { socket, stage: 'opening', heard: false, heartbeat: null, patience: null };
    this.#link = link;
    link.patience = setTimeout(() => this.#lose(link, 'no answer'), FIRST_BATCH_MS_MAX);
    socket.onopen = () => {
      link.stage = 'open';
      this.#on.frame('note', `Socket open, cursor ${this.#cursor}`);
    };
    socket.onmessage = ({ data }) => {
      if (this.#link === link) this.#receive(link, JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (this.#link === link) this.#lose(link, code);
    };
  }

  #unlink() {
    clearTimeout(this.#link?.patience);
    clearInterval(this.#link?.heartbeat);
    this.#link?.socket.close();
    this.#link = null;
  }

  #lose(link, code) {
    this.#on.frame('note', link.stage === 'opening' ? `Socket not opened (${code})` : `Socket closed (${code})`);
    this.#unlink();
    if (code === CLOSED_AT_THE_END) this.#finish();
    if (this.#life === 'ended') return;
    if (code === CLOSED_SESSION_REVOKED) this.#replaceSession('The conversation was closed by the server.');
    else if (link.stage === 'opening') this.#countRefusal();
    else this.#wait();
  }

  async #countRefusal() {
    const healthy = await fetch(new URL('/healthz', this.#base), { cache: 'no-store' }).then(({ ok }) => ok, () => false);
    if (this.#life !== 'going') return;
    this.#refusals = healthy ? this.#refusals + 1 : 0;
    if (this.#refusals < REFUSALS_MAX) this.#wait();
    else this.#replaceSession('The conversation could not be resumed.');
  }

  #wait(atLeastMs = 0) {
    const backOffMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    // Jitter: after a restart, everybody comes back, but not in the same instant.
    const ms = Math.max(atLeastMs || 0, backOffMs * (0.8 + 0.4 * Math.random()));
    this.#on.status({ is: 'waiting', ms });
    this.#retryTimer = setTimeout(() => this.#resume(), ms);
  }

  #replaceSession(why) {
    this.#session = null;
    this.#cursor = 0;
    this.#joinAsked = false;
    this.#refusals = 0;
    this.#attempts = 0;
    // Not carried over: out of its conversation, an answer means something else. The person decides.
    this.#failUnsent('The conversation it belonged to is over');
    this.#on.lost(why);
    this.#begin();
  }

  #finish() {
    if (this.#life !== 'going') return;
    this.#life = 'ended';
    // SESSION_END is the last of the log, so what has no echo by now is not in it.
    this.#failUnsent('The conversation has ended');
    this.#on.status({ is: 'ended' });
  }

  #beat(link) {
    // Nothing came since the last beat, not even its echo: the network swallows everything.
    if (!link.heard) return this.#lose(link, 'silent');
    link.heard = false;
    this.#transmit('HEARTBEAT');
  }

  // Frames [3, 4, 5]

  #canSpeak() {
    return this.#link?.stage === 'ready' && this.#life === 'going';
  }

  #transmit(type, payload = {}, custom = null) {
    const frame = { type: PREFIX + type, payload };
    if (custom) frame.metadata = { custom };
    this.#link.socket.send(JSON.stringify(frame));
    this.#on.frame('out', frame);
  }

  #receive(link, frame) {
    this.#on.frame('in', frame);
    link.heard = true;
    if (frame.type === `${PREFIX}EVENT_BATCH`) frame.payload.events.forEach((event) => this.#take(event));
    else this.#take(frame);
    if (link.stage !== 'ready') this.#becomeReady(link);
  }

  // After the first batch: it has brought SESSION_START, and most of what we missed.
  #becomeReady(link) {
    link.stage = 'ready';
    clearTimeout(link.patience);
    this.#attempts = 0;
    this.#refusals = 0;
    if (this.#life !== 'going') return;
    link.heartbeat = setInterval(() => this.#beat(link), this.#limits.heartbeat_ms);
    if (!this.#joinAsked) this.#join();
    // Whether these were recorded before the connection was lost is not known here. The server knows them
    // by their id, so sending them again is always right.
    for (const localId of this.#outbox.keys()) this.#transmitMessage(localId);
    this.#on.status({ is: 'open' });
  }

  #take(event) {
    const type = event.type.slice(PREFIX.length);
    const isOwn = this.#settle(type, event);
    if (type === 'SESSION_START') this.#learnLimits(event.payload.capabilities);
    if (event.sequence !== null) {
      // SESSION_START begins every connection, and a re-sent message brings its first echo again.
      if (event.sequence <= this.#cursor) return;
      this.#cursor = event.sequence;
    }
    if (type.startsWith('POLY_AGENT_')) this.#joinAsked = true;
    if (type === 'SYSTEM_MESSAGE') this.#joinAgainIfTold(event.payload);
    if (!(isOwn && type === 'SYSTEM_MESSAGE')) this.#show(event);
    if (type === 'SESSION_END') this.#finish();
  }

  #show(event) {
    try {
      this.#on.event(event);
    } catch (error) {
      reportError(error); // What cannot be shown must not cost the events after it.
    }
  }

  #learnLimits(capabilities) {
    this.#limits = {
      message_bytes: capabilities.max_message_size_bytes,
      heartbeat_ms: capabilities.heartbeat_interval_seconds * 1_000,
    };
  }

  #join() {
    this.#joinAsked = true;
    this.#transmit('REQUEST_POLY_AGENT_JOIN');
  }

  #joinAgainIfTold({ level, message }) {
    if (level !== 'SYSTEM_MESSAGE_LEVEL_ERROR') return;
    if (!/conversation not found|unable to start a conversation/i.test(message)) return;
    this.#joinAsked = false;
    setTimeout(() => {
      if (this.#canSpeak() && !this.#joinAsked) this.#join();
    }, JOIN_AGAIN_MS);
  }

  // Outbox [4, "Exactly once"]

  #transmitMessage(localId) {
    const message = this.#outbox.get(localId);
    if (!this.#canSpeak() || message?.state.is !== 'sending') return;
    this.#transmit('USER_MESSAGE', { text: message.text }, { local_id: localId });
  }

  /** Takes the answer to an own message, its echo or a refusal. Says whether it was one. */
  #settle(type, { payload, metadata }) {
    const localId = metadata?.custom?.local_id;
    const message = this.#outbox.get(localId);
    if (!message) return false;
    if (type === 'USER_MESSAGE') {
      this.#outbox.delete(localId);
      this.#save();
    } else if (type === 'SYSTEM_MESSAGE') {
      this.#takeRefusal(localId, message.state, payload);
    }
    return true;
  }

  #takeRefusal(localId, state, { message: why, retry_after_ms: ms }) {
    if (ms === undefined || state.is !== 'sending' || state.resends >= RESENDS_MAX) {
      return this.#setState(localId, { is: 'failed', why });
    }
    this.#setState(localId, { is: 'sending', resends: state.resends + 1 });
    setTimeout(() => this.#transmitMessage(localId), ms);
  }

  #failUnsent(why) {
    for (const [localId, { state }] of this.#outbox) {
      if (state.is === 'sending') this.#setState(localId, { is: 'failed', why });
    }
  }

  #setState(localId, state) {
    const message = this.#outbox.get(localId);
    message.state = state;
    this.#save();
    this.#on.message(localId, message);
  }

  #stopTyping() {
    clearTimeout(this.#typing.timer);
    const wasTyping = this.#typing.startedAt > 0;
    this.#typing.startedAt = 0;
    if (wasTyping && this.#canSpeak()) this.#transmit('USER_TYPING', { state: 'TYPING_STATE_STOPPED' });
  }

  #save() {
    if (this.#session) this.#on.save({ session: this.#session, outbox: [...this.#outbox] });
  }
}
