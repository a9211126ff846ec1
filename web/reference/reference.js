// Draws /api/openapi.json and /api/asyncapi.json. It knows the shapes that this server publishes and
// no others.

import { example, field, fields, h, prose } from './reference-parts.js';

const content = document.querySelector('#content');
const index = document.querySelector('#index');
const contents = document.querySelector('#contents');
const wide = matchMedia('(min-width: 860px)');

async function load(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} is answered with ${answer.status}`);
  return answer.json();
}

/** A part of the page with a heading, and its entry in the contents. */
function part(title, id, about) {
  const list = h('ul');
  index.append(h('p', { class: 'index-title' }, h('a', { href: `#${id}` }, title)), list);
  const section = h('section', { id, 'aria-labelledby': `${id}-title` });
  section.append(h('h2', { id: `${id}-title` }, title), ...prose(about));
  content.append(section);
  return { section, list };
}

function group({ section, list }, title) {
  section.append(h('h3', {}, title));
  list.append(h('li', { class: 'index-group' }, title));
}

function card({ section, list }, id, label, head, ...inside) {
  list.append(h('li', {}, h('a', { href: `#${id}` }, label)));
  section.append(h('article', { id, class: 'card' }, h('h4', {}, head), ...inside));
}

// ------------------------------------------------------------------------------------------ HTTP

function drawHttp(document) {
  const http = part('Over HTTP', 'http', document.info.description);
  const byTag = new Map(document.tags.map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      byTag.get(operation.tags[0]).operations.push({ path, method, operation });
    }
  }
  for (const { tag, operations } of byTag.values()) {
    group(http, tag.name);
    http.section.append(...prose(tag.description));
    for (const it of operations) drawOperation(http, document, it);
  }
}

function drawOperation(http, document, { path, method, operation }) {
  const verb = method.toUpperCase();
  const head = [
    h('span', { class: `verb verb-${method}` }, verb),
    h('span', { class: 'path' }, ...breakable(path)),
  ];
  const label = h('span', {}, h('span', { class: 'index-verb' }, verb), ` ${path}`);
  const parameters = operation.security
    .flatMap((need) => Object.entries(need))
    .map(([name, roles]) => fromScheme(document.components.securitySchemes[name], roles))
    .concat(operation.parameters ?? []);
  const body = operation.requestBody?.content['application/json'];
  card(
    http,
    operation.operationId,
    label,
    head,
    h('p', { class: 'summary' }, operation.summary),
    ...prose(operation.description),
    ...titled('Parameters', parameters.length > 0 && h('dl', { class: 'fields' }, ...parameters.map(parameter))),
    ...titled('Body', body && fields(document, body.schema), body && example(body.example)),
    h('h5', {}, 'Answers'),
    ...Object.entries(operation.responses).map(([status, answer]) => drawAnswer(document, status, answer)),
  );
}

function fromScheme(scheme, roles) {
  const isBearer = scheme.type === 'http';
  const what = scheme.bearerFormat === 'JWT' ? 'access_token' : 'key';
  const needs = roles.map((role) => `\n\nHere it has to have \`${role}\`.`).join('');
  return {
    name: isBearer ? 'Authorization' : scheme.name,
    in: 'header',
    required: true,
    schema: isBearer ? { type: 'string', examples: [`Bearer <${what}>`] } : { type: 'string' },
    description: scheme.description + needs,
  };
}

function parameter(it) {
  const schema = { ...it.schema, description: it.description };
  return field({}, it.name, schema, it.required, it.in);
}

function drawAnswer(document, status, answer) {
  const kind = status < 300 ? 'good' : status < 500 ? 'bad' : 'worse';
  const [type, media] = Object.entries(answer.content ?? {})[0] ?? [];
  const isError = media?.examples !== undefined;
  const examples = isError ? Object.values(media.examples).map((it) => it.value) : [media?.example];
  const summary = h(
    'summary',
    {},
    h('span', { class: `status status-${kind}` }, status),
    h('span', {}, ...prose(answer.description, 'span')),
  );
  if (!media) return h('div', { class: 'answer bare' }, summary.firstChild, summary.lastChild);
  return h(
    'details',
    { class: 'answer' },
    summary,
    type === 'application/json' && !isError ? fields(document, media.schema) : null,
    type === 'text/plain' ? plainText(media.schema) : null,
    ...examples.filter((it) => it !== undefined).map(example),
  );
}

/** The texts that an answer may be, or the pattern that they keep to. */
function plainText(schema) {
  const told = schema.enum ? lines(schema.enum) : [h('code', {}, schema.pattern)];
  return h('p', {}, 'Plain text: ', ...told);
}

function lines(texts) {
  return texts.flatMap((text, i) => [i > 0 ? ' or ' : '', h('code', {}, text.trim())]);
}

// ---------------------------------------------------------------------------------------- socket

function drawSocket(document) {
  const [channel] = Object.values(document.channels);
  const socket = part('On the socket', 'socket', document.info.description);
  socket.section.append(...prose(channel.description));
  drawFlow(socket.section, document);
  const { catchUp, tell, signal, ...rest } = document.operations;
  const groups = [
    ['From the client', Object.values(rest)],
    ['From the server, in the log', [tell]],
    ['From the server, for the moment', [catchUp, signal]],
  ];
  for (const [title, operations] of groups) {
    group(socket, title);
    for (const { $ref } of operations.flatMap((it) => it.messages)) {
      const name = $ref.split('/').pop();
      drawMessage(socket, document, name, document.components.messages[name]);
    }
  }
}

/** What a client may do, and what answers it. */
function drawFlow(section, document) {
  const name = (reference) => reference.$ref.split('/').pop();
  const link = (reference) => {
    const { title } = document.components.messages[name(reference)];
    const label = name(reference) === 'refusal' ? 'or a refusal' : title;
    return h('a', { href: `#${name(reference)}` }, label);
  };
  const asked = Object.values(document.operations).filter((it) => it.action === 'receive');
  const rows = asked.map((it) => h(
    'li',
    {},
    h('span', { class: 'flow-what' }, it.summary),
    h('span', { class: 'flow-sent' }, link(it.messages[0])),
    h('span', { class: 'flow-answers' }, ...it.reply.messages.flatMap((to, i) => [i > 0 ? ' ' : '', link(to)])),
  ));
  section.append(h('h3', {}, 'What a client may do, and what answers it'), h('ol', { class: 'flow' }, ...rows));
}

function drawMessage(socket, document, name, message) {
  const frame = document.components.schemas[message.payload.$ref.split('/').pop()];
  const { payload, metadata, sequence } = frame.properties;
  const beside = [
    sequence && (message['x-in-log'] === 'at times' ? 'sequence or null' : message['x-in-log'] ? 'has a sequence' : 'sequence is null'),
    metadata && (sequence ? 'returns metadata.custom' : 'may have metadata.custom'),
  ].filter(Boolean);
  const head = [h('span', { class: 'path' }, ...breakable(message.title))];
  card(
    socket,
    name,
    message.title,
    head,
    h('p', { class: 'summary' }, message.summary),
    ...prose(message.description),
    h('p', { class: 'beside' }, ...beside.map((it) => h('span', { class: 'tag' }, it))),
    h('h5', {}, 'Payload'),
    fields(document, payload),
    ...titled('Examples', ...message.examples.flatMap((it) => [h('p', { class: 'caption' }, it.summary), example(it.payload)])),
  );
}

// --------------------------------------------------------------------------------------- helpers

/** A heading with what stands under it, or nothing. */
function titled(title, ...inside) {
  const there = inside.filter(Boolean);
  return there.length > 0 ? [h('h5', {}, title), ...there] : [];
}

/** A long name may be broken where its words end. */
function breakable(name) {
  return name.split(/(?<=[_/])/).flatMap((word) => [word, h('wbr')]);
}

function openOnWideScreens() {
  contents.open = wide.matches;
}

async function draw() {
  const [openapi, asyncapi] = await Promise.all([load('/api/openapi.json'), load('/api/asyncapi.json')]);
  document.querySelector('#version').textContent = `version ${openapi.info.version}`;
  drawHttp(openapi);
  drawSocket(asyncapi);
}

openOnWideScreens();
wide.addEventListener('change', openOnWideScreens);
index.addEventListener('click', (event) => {
  if (event.target.closest('a') && !wide.matches) contents.open = false;
});
draw().then(
  () => {
    content.removeAttribute('aria-busy');
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  },
  (error) => {
    content.removeAttribute('aria-busy');
    const failed = document.querySelector('#failed');
    failed.textContent = `The documents cannot be read: ${error.message}. Reload the page to try again.`;
    failed.hidden = false;
  },
);
