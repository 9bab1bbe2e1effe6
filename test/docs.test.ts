/**
 * Pages that are made from tables say what the tables say.
 */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { topicConfigTable } from '../src/broker/index.ts'
import { conformancePage } from '../scripts/conformance-page.ts'
import { httpPage } from '../scripts/http-page.ts'
import { configurationPage, errorsPage, protocolPage } from '../scripts/generate-docs.ts'

const ROOT = join(import.meta.dirname, '..')
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

test('docs/conformance.md is what each broker skips of the source suite, and why (npm run docs)', () => {
  assert.equal(page('conformance.md'), conformancePage())
})

test('S001-68 the pages about reliability, offsets and delivery guarantees exist, and every link leads somewhere', () => {
  const pages = ['README.md', 'deploy/README.md', 'examples/README.md', ...docsPages()]
  for (const name of ['reliability', 'offsets', 'delivery-guarantees'])
    assert.ok(pages.includes(`docs/${name}.md`), name)
  for (const file of pages) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g))
      assert.ok(existsSync(join(ROOT, dirname(file), target)), `${file} links to ${target}`)
  }
})

function docsPages(): readonly string[] {
  return readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`)
}

test('docs/delivery.md has each delivery config of topics, with its default', () => {
  const text = page('delivery.md')
  for (const [name, { default: value }] of Object.entries(topicConfigTable))
    if (name.startsWith('shoal.delivery.'))
      assert.match(text, new RegExp(`^\\| \`${name}\` \\| ${value} \\|`, 'm'))
})
