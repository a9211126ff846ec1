// The specifications, held against those of OpenAPI and AsyncAPI by validators that are not ours.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import asyncapi from '@asyncapi/specs';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const read = async (name) =>
  JSON.parse(await readFile(new URL(`../../docs/api/${name}`, import.meta.url), 'utf8'));

/** Says what is wrong with an OpenAPI document. */
async function faultsOfOpenapi(document) {
  const { valid, errors } = await new Validator().validate(document);
  return valid ? [] : [errors].flat();
}

// The schema of AsyncAPI has that of JSON Schema within itself.
const ajv = new Ajv({ strict: false, allErrors: true, meta: false, validateSchema: false });
addFormats(ajv);
const isAsyncapi = ajv.compile(asyncapi.schemasWithoutId['3.0.0']);

/** Says what is wrong with an AsyncAPI document. */
function faultsOfAsyncapi(document) {
  return isAsyncapi(document) ? [] : isAsyncapi.errors;
}

test('openapi.json is OpenAPI 3.1', async () => {
  const document = await read('openapi.json');
  assert.match(document.openapi, /^3\.1\./);
  assert.deepEqual(await faultsOfOpenapi(document), []);
});

test('asyncapi.json is AsyncAPI 3.0', async () => {
  const document = await read('asyncapi.json');
  assert.equal(document.asyncapi, '3.0.0');
  assert.deepEqual(faultsOfAsyncapi(document), []);
});

test('the validators see what is wrong', async () => {
  const openapi = await read('openapi.json');
  delete Object.values(Object.values(openapi.paths)[0])[0].responses;
  openapi.info.title = 7;
  assert.notDeepEqual(await faultsOfOpenapi(openapi), []);
  const socket = await read('asyncapi.json');
  Object.values(socket.operations)[0].action = 'shout';
  assert.notDeepEqual(faultsOfAsyncapi(socket), []);
});

test('every schema of the socket is one of draft 7', async () => {
  const document = await read('asyncapi.json');
  const strict = new Ajv({ strict: true, allowUnionTypes: true });
  addFormats(strict);
  // The place where a document keeps its schemas.
  strict.addKeyword('components');
  strict.addSchema({ $id: 'https://segue.example/asyncapi', components: document.components });
  for (const [name, message] of Object.entries(document.components.messages)) {
    const validate = strict.compile({ $ref: `https://segue.example/asyncapi${message.payload.$ref}` });
    for (const { payload } of message.examples) {
      assert.ok(validate(payload), `${name}: ${JSON.stringify(validate.errors)}`);
    }
  }
});
