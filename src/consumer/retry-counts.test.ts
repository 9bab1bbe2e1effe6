import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LETTERS, World, letterHeader } from './fixtures.test.ts'

test('an outage costs what it costs alone: attempts belong to their record', async () => {
  const world = new World(2)
  world.produce(['a', 'b', 'a'], 0)
  world.produce(['a', 'b', 'b'], 1)
  const attempts = new Map<string, number[]>()
  const running = await world.start({
    deadLetter: LETTERS,
    retry: { attempts: 4, backoff: { kind: 'fixed', base: 50, jitter: 'none' } },
    handle: (_, { id, attempt }) => {
      attempts.set(id, [...(attempts.get(id) ?? []), attempt])
      if (id === 'orders/0/0') throw new Error('poison')
    },
  })
  await world.pass(1_000)
  assert.deepEqual(attempts.get('orders/0/0'), [1, 2, 3, 4])
  for (const [id, counts] of attempts) if (id !== 'orders/0/0') assert.deepEqual(counts, [1], id)
  const letters = world.broker.records(LETTERS, 0)
  assert.deepEqual([letters.length, letterHeader(letters[0], 'attempts')], [1, '4'])
  await world.drain(running)
})
