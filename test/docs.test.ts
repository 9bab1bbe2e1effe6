/**
 * Pages that are made from tables say what the tables say.
 */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { httpPage } from '../scripts/http-page.ts'
import { configurationPage, errorsPage, protocolPage } from '../scripts/generate-docs.ts'

const page = (name: string) => readFileSync(join(import.meta.dirname, '../docs', name), 'utf8')

test('docs/errors.md is the error table, neither more nor less (npm run docs)', () => {
  assert.equal(page('errors.md'), errorsPage())
})

test('docs/protocol-support.md is the table of served APIs (npm run docs)', () => {
  assert.equal(page('protocol-support.md'), protocolPage())
})

test('docs/configuration.md is the schema of a service’s settings (npm run docs)', () => {
  assert.equal(page('configuration.md'), configurationPage())
})

test('docs/http-api.md is the route table of the HTTP API (npm run docs)', () => {
  assert.equal(page('http-api.md'), httpPage())
})
