import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BrokerPort, DeadLetterPort, StoredLetter } from './broker-port.ts'
import type { RedriveRules } from './letter.ts'
import { executeRedrive, planRedrive } from './redrive.ts'

const RULES: RedriveRules = {
  to: null,
  reason: 'E',
  group: null,
  only: new Set(),
  maxRedrives: 2,
}

test('a plan counts by destination and reason, tells what stays and why, and moves nothing', async () => {
  const port = withLetters([
    letter('E1', 'orders'),
    letter('E2', 'orders'),
    letter('E1', 'orders'),
    letter('E1', 'payments'),
    letter('E1', null),
    letter('E1', 'orders', 2),
    letter('other', 'orders'),
  ])
  const plan = await planRedrive(port, { topic: 'orders-dlq', rules: RULES, limit: 100 })
  assert.deepEqual(plan, {
    topic: 'orders-dlq',
    moves: [
      { to: 'orders', reason: 'E1', letterCount: 2 },
      { to: 'orders', reason: 'E2', letterCount: 1 },
      { to: 'payments', reason: 'E1', letterCount: 1 },
    ],
    moveCount: 4,
    otherCount: 1,
    withoutOriginCount: 1,
    tooOftenCount: 1,
    isCut: false,
  })
})

test('a plan looks at no more letters than its limit, and says so', async () => {
  const port = withLetters(Array.from({ length: 5 }, () => letter('E', 'orders')))
  const plan = await planRedrive(port, { topic: 'd', rules: RULES, limit: 3 })
  assert.deepEqual([plan.moveCount, plan.isCut], [3, true])
  const whole = await planRedrive(port, { topic: 'd', rules: RULES, limit: 5 })
  assert.deepEqual([whole.moveCount, whole.isCut], [5, false])
})

test('executing asks the same of each letter as the plan', async () => {
  const moved: (string | null)[] = []
  const deadLetters: Pick<DeadLetterPort, 'move'> = {
    move: async (_topic, decide, options) => {
      for (const each of [letter('E', 'orders'), letter('other', 'orders'), letter('E', null)]) {
        const destination = decide(each)
        moved.push(destination?.topic ?? null)
        if (destination !== null) options?.onMoved?.()
      }
    },
  }
  let count = 0
  const port = { deadLetters } as unknown as BrokerPort
  await executeRedrive(port, { topic: 'd', rules: RULES, onMoved: () => count++ })
  assert.deepEqual([moved, count], [['orders', null, null], 1])
})

function withLetters(letters: readonly StoredLetter[]): BrokerPort {
  const deadLetters: Pick<DeadLetterPort, 'read'> = {
    async *read(_topic, { limit = Infinity } = {}) {
      yield* letters.slice(0, limit)
    },
  }
  return { deadLetters } as unknown as BrokerPort
}

function letter(reason: string, origin: string | null, redriven = 0): StoredLetter {
  const said: Record<string, string> = { reason, redriven: String(redriven) }
  if (origin !== null) said['origin-topic'] = origin
  const headers = Object.entries(said).map(([name, text]) => ({
    key: `shoal-dlq-${name}`,
    value: new TextEncoder().encode(text),
  }))
  return { place: 'd/0@0', timestampMs: null, key: null, value: null, headers }
}
