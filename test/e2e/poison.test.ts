/**
 * A record that kills the process (here by SIGSEGV; an endless loop and too much memory come to the same), among hundreds:
 * after a bounded number of deaths it is in the dead letters, and everything else is handled. Some 5 s.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { TestBroker } from 'shoal/testing'
import { run } from '../real/program.ts'
import type { Finished } from '../real/program.ts'

const TOPIC = 'orders'
const EACH = 200
const POISON = `${TOPIC}/1/57`

test('a record that kills the process is found after few deaths, and all others are handled', async (context) => {
  await using broker = await TestBroker.start({ topics: { [TOPIC]: 2, [`${TOPIC}.dlq`]: 1 } })
  for (const partition of [0, 1])
    await broker.produce(
      TOPIC,
      Array.from({ length: EACH }, (_, index) => ({ key: `k${index}`, value: index, partition })),
    )
  const handled = new Set<string>()
  const deaths: string[] = []
  for (let life = await live(broker.bootstrap); ; life = await live(broker.bootstrap)) {
    for (const id of life.stdout.split('\n').slice(0, -1)) handled.add(id)
    if (life.exitCode === 0) break
    deaths.push(life.stderr)
    assert.ok(deaths.length < 10, deaths.join('\n'))
  }
  context.diagnostic(`${deaths.length} deaths, ${handled.size} of ${2 * EACH} records handled`)
  // One over which nothing is known, then among 64, among 8, and alone. Where the first commit is not answered in time,
  // one more.
  assert.ok(deaths.length >= 4 && deaths.length <= 6, deaths.join('\n'))
  assert.equal(handled.size, 2 * EACH - 1)
  assert.ok(!handled.has(POISON))
  const letters = await broker.records(`${TOPIC}.dlq`)
  assert.deepEqual(
    letters.map(({ headers }) => [header(headers, 'id'), header(headers, 'reason')]),
    [[`poisoned/${POISON}`, 'process-died']],
  )
})

function header(
  headers: readonly { readonly key: string; readonly value: unknown }[],
  name: string,
): string | undefined {
  const value = headers.find(({ key }) => key === `shoal-dlq-${name}`)?.value
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined
}

/** One process of the consumer, until it ends. */
function live(brokers: string): Promise<Finished> {
  return run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--conditions=@shoal/source',
    join(import.meta.dirname, 'poison-worker.ts'),
    brokers,
    TOPIC,
    POISON,
    String(EACH),
  ])
}
