/**
 * Delayed messages over SIGKILLs of a real broker: what was acknowledged comes once, in the order of due times.
 *
 * Some 10 s. Crashes at every kind of moment, and what a disk may lose: test/crash/delayed.test.ts.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalProcess } from '../real/shoal.ts'
import { eventually } from '../seeds/waiting.ts'

const KILLS = 4
const BATCH = 50
const SPREAD_MS = 1_500

interface Sent {
  readonly name: string
  readonly dueMs: number
  readonly acknowledgedMs: number
}

describe('delayed messages of a broker that is killed', () => {
  test('come once each, in the order in which they were due', async () => {
    await using broker = await ShoalProcess.start()
    const topic = { name: 'later', num_partitions: 1 }
    assert.equal((await post(broker, '/topics', topic)).status, 201)
    const sent: Sent[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      await publish(broker, sent, kill)
      // Some are due, some are on their way, some wait.
      await eventually(
        () => values(broker),
        (found) => found.length >= (kill + 0.4) * BATCH,
      )
      await broker.kill()
      await broker.start()
    }
    const found = await eventually(
      () => values(broker),
      (all) => all.length >= sent.length,
    )
    assert.deepEqual([...found].sort(), sent.map(({ name }) => name).sort())
    const dueOf = new Map(sent.map((message) => [message.name, message]))
    let latestMs = 0
    for (const name of found) {
      const { dueMs, acknowledgedMs } = dueOf.get(name)!
      assert.ok(dueMs >= latestMs || acknowledgedMs > latestMs, `${name} came late`)
      latestMs = Math.max(latestMs, dueMs)
    }
    const { body } = await get(broker, '/topics/later')
    assert.equal(body['delayed'], 0)
  })
})

async function publish(broker: ShoalProcess, sent: Sent[], round: number): Promise<void> {
  const messages = Array.from({ length: BATCH }, (_, index) => ({
    value: `${round}-${index}`,
    // In no order, several at the same time.
    delay: 100 + ((index * 37) % 30) * (SPREAD_MS / 30),
  }))
  const { status, body } = await post(broker, '/topics/later/messages', { messages })
  assert.equal(status, 200, JSON.stringify(body))
  const results = body['results'] as readonly { readonly deliver_at: string }[]
  for (const [index, { deliver_at: at }] of results.entries())
    sent.push({ name: `${round}-${index}`, dueMs: Date.parse(at), acknowledgedMs: Date.now() })
}

async function values(broker: ShoalProcess): Promise<readonly string[]> {
  const found: string[] = []
  for (let offset = 0; ;) {
    const path = `/topics/later/partitions/0/messages?limit=1000&offset=${offset}`
    const { body } = await get(broker, path)
    found.push(...(body['messages'] as { value: string }[]).map(({ value }) => value))
    if (body['next_offset'] === body['log_end_offset']) return found
    offset = Number(body['next_offset'])
  }
}

interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

async function get(broker: ShoalProcess, path: string): Promise<Answer> {
  return answerOf(await fetch(`${broker.url}${path}`))
}

async function post(broker: ShoalProcess, path: string, body: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return answerOf(await fetch(`${broker.url}${path}`, init))
}

async function answerOf(response: Response): Promise<Answer> {
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}
