// Pieces of the reference: elements, prose, fields of a schema, examples. Nothing is ever parsed as
// HTML.

/** An element with attributes and children; `null` and `false` are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat().filter((it) => it !== null && it !== false && it !== undefined));
  return element;
}

/** Paragraphs and lists of a description; `code` in backticks is all the markup there is. */
export function prose(text, tag = 'p') {
  if (!text) return [];
  return text.split('\n\n').map((block) => {
    const rows = block.split('\n');
    if (!rows.every((row) => row.startsWith('- '))) return h(tag, {}, ...spans(block));
    return h('ul', { class: 'prose' }, ...rows.map((row) => h('li', {}, ...spans(row.slice(2)))));
  });
}

function spans(text) {
  return text.split(/`([^`]+)`/).map((piece, i) => (i % 2 === 1 ? h('code', {}, piece) : piece));
}

function resolved(document, schema) {
  if (schema.$ref) {
    const target = schema.$ref.slice(2).split('/').reduce((at, step) => at[step], document);
    return { ...resolved(document, target), ...(schema.description && { description: schema.description }) };
  }
  // One reference, wrapped so that it can have a description of its own.
  if (schema.allOf?.length === 1) {
    const { allOf, ...own } = schema;
    return { ...resolved(document, allOf[0]), ...own };
  }
  return schema;
}

/** The fields of an object. */
export function fields(document, schema) {
  const it = resolved(document, schema);
  const required = new Set(it.required ?? []);
  const rows = Object.entries(it.properties ?? {});
  if (rows.length === 0) {
    return h('p', { class: 'empty' }, it.type?.includes('null') ? 'An empty object, null, or nothing at all.' : 'An empty object.');
  }
  // What has to be there comes first.
  rows.sort(([a], [b]) => required.has(b) - required.has(a));
  return h('dl', { class: 'fields' }, ...rows.map(([name, inner]) => field(document, name, inner, required.has(name))));
}

/** One field, with what is in it. */
export function field(document, name, schema, isRequired, place) {
  const it = resolved(document, schema);
  const items = it.items && resolved(document, it.items);
  const inside = it.properties ? it : items?.properties ? items : null;
  return h(
    'div',
    { class: 'field' },
    h(
      'dt',
      {},
      h('code', { class: 'name' }, name),
      h('span', { class: 'type' }, typeOf(document, it)),
      place ? h('span', { class: 'place' }, place) : null,
      isRequired ? null : h('span', { class: 'optional' }, 'optional'),
    ),
    h(
      'dd',
      {},
      ...prose(it.description),
      ...limits(it),
      inside ? fields(document, inside) : null,
    ),
  );
}

function typeOf(document, it) {
  if (it.const !== undefined) return JSON.stringify(it.const);
  if (it.anyOf) return it.anyOf.map((one) => typeOf(document, resolved(document, one))).join(' or ');
  if (it.items?.oneOf) return 'list of events';
  if (it.items) return `list of ${typeOf(document, resolved(document, it.items))}s`;
  if (it.enum?.length === 1) return JSON.stringify(it.enum[0]);
  if (it.enum) return 'one of';
  const types = [it.type ?? 'anything'].flat();
  return types.map((type) => (type === 'string' && it.format ? it.format : type)).join(' or ');
}

/** What a value has to keep to. */
function limits(it) {
  const number = (value) => value.toLocaleString('en');
  const told = [
    it.enum && [...it.enum.flatMap((value) => [h('code', {}, String(value)), ' '])],
    it.minLength && it.maxLength && [`${number(it.minLength)} to ${number(it.maxLength)} characters`],
    !it.minLength && it.maxLength && [`up to ${number(it.maxLength)} characters`],
    it.minimum !== undefined && it.maximum !== undefined && [`${number(it.minimum)} to ${number(it.maximum)}`],
    it.minimum > 0 && it.maximum === undefined && [`from ${number(it.minimum)}`],
    it.maxItems && [`up to ${number(it.maxItems)}`],
    it.examples && ['for example ', ...it.examples.flatMap((value) => [h('code', {}, String(value)), ' '])],
  ];
  return told.filter(Boolean).map((pieces) => h('p', { class: 'limit' }, ...pieces));
}

/** A piece of JSON, coloured. */
export function example(value) {
  const text = JSON.stringify(value, null, 2);
  const token = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(token)) {
    const [all, string, colon] = match;
    pieces.push(text.slice(at, match.index));
    const kind = colon ? 'key' : string ? 'string' : 'literal';
    pieces.push(h('span', { class: `json-${kind}` }, string ?? all), colon ?? '');
    at = match.index + all.length;
  }
  pieces.push(text.slice(at));
  return h('pre', { class: 'example', tabindex: '0' }, ...pieces);
}
