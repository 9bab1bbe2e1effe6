import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FetchPlan, FetchSessionRequest, FetchTarget } from './fetch-session.ts'
import { FetchSessions } from './fetch-session.ts'

describe('a fetch session', () => {
  test('begins with epoch 0, lists everything once, then goes on with epoch 1, 2, 3', () => {
    const { sessions, begin } = fixture()
    const first = begin([target('a', 0), target('a', 1)])
    assert.equal(first.sessionId, 1)
    assert.deepEqual(partitionsOf(first), ['a/0', 'a/1'])

    for (const epoch of [1, 2, 3]) {
      const next = planned(sessions.plan(request({ sessionId: 1, sessionEpoch: epoch }), 0))
      assert.deepEqual(partitionsOf(next), ['a/0', 'a/1'])
      assert.equal(next.sessionId, 1)
    }
  })

  const refusals: readonly [string, Partial<FetchSessionRequest>, string][] = [
    ['an unknown id', { sessionId: 9, sessionEpoch: 1 }, 'FETCH_SESSION_ID_NOT_FOUND'],
    ['no id', { sessionId: 0, sessionEpoch: 1 }, 'FETCH_SESSION_ID_NOT_FOUND'],
    ['an epoch that was', { sessionId: 1, sessionEpoch: 5 }, 'INVALID_FETCH_SESSION_EPOCH'],
    ['an impossible epoch', { sessionId: 1, sessionEpoch: -2 }, 'INVALID_FETCH_SESSION_EPOCH'],
    [
      'topics by id where it has names',
      { sessionId: 1, sessionEpoch: 1, byTopicId: true },
      'FETCH_SESSION_TOPIC_ID_ERROR',
    ],
  ]
  for (const [what, change, error] of refusals)
    test(`refuses ${what} with ${error} and stays as it was`, () => {
      const { sessions, begin } = fixture()
      begin([target('a', 0)])
      const forgotten = [{ topic: 'a', partition: 0 }]
      assert.deepEqual(sessions.plan(request({ ...change, forgotten }), 0), {
        kind: 'refused',
        errorCode: error,
      })
      const next = planned(sessions.plan(request({ sessionId: 1, sessionEpoch: 1 }), 0))
      assert.deepEqual(partitionsOf(next), ['a/0'])
    })

  test('takes new partitions, changed positions and forgotten ones', () => {
    const { sessions, begin } = fixture()
    begin([target('a', 0), target('a', 1)])

    const next = planned(
      sessions.plan(
        request({
          sessionId: 1,
          sessionEpoch: 1,
          targets: [target('a', 1, 70), target('b', 0)],
          forgotten: [{ topic: 'a', partition: 0 }],
        }),
        0,
      ),
    )

    assert.deepEqual(partitionsOf(next), ['a/1', 'b/0'])
    assert.equal(next.entries[0]?.target.fetchOffset, 70)
  })

  test('ends when its last partition is forgotten, and with epoch -1', () => {
    const { sessions, begin } = fixture()
    begin([target('a', 0)])
    const forgotten = [{ topic: 'a', partition: 0 }]
    const last = planned(sessions.plan(request({ sessionId: 1, sessionEpoch: 1, forgotten }), 0))
    assert.equal(last.sessionId, 0)
    assert.equal(sessions.size, 0)

    const second = begin([target('a', 0)])
    const closing = { sessionId: second.sessionId, sessionEpoch: -1, targets: [target('a', 0)] }
    const whole = planned(sessions.plan(request(closing), 0))
    assert.deepEqual([whole.session, whole.sessionId, whole.entries.length], [null, 0, 1])
    assert.equal(sessions.size, 0)
  })

  test('tells only what changed, the first time after an error everything', () => {
    const { begin } = fixture()
    const { session, entries } = begin([target('a', 0)])
    const [entry] = entries
    assert.ok(session && entry)
    const state = { errorCode: 'NONE', highWatermark: 5, logStartOffset: 0, byteLength: 0 } as const
    const failed = { ...state, errorCode: 'UNKNOWN_TOPIC_OR_PARTITION', highWatermark: -1 } as const
    const tell = (change: object) => session.isNews(entry, { ...state, ...change })

    assert.equal(tell({}), true, 'the first answer lists everything')
    session.answered()
    assert.equal(tell({}), false)
    assert.equal(tell({ highWatermark: 6 }), true)
    assert.equal(tell({ highWatermark: 6 }), false)
    assert.equal(tell({ highWatermark: 6, logStartOffset: 2 }), true)
    assert.equal(tell({ highWatermark: 6, logStartOffset: 2, byteLength: 9 }), true)
    assert.equal(tell(failed), true)
    assert.equal(tell(failed), true, 'an error is told every time')
    assert.equal(tell({ highWatermark: 6, logStartOffset: 2 }), true)
    assert.equal(tell({ highWatermark: 6, logStartOffset: 2 }), false)
  })

  test('puts a partition that had records at the end of the line', () => {
    const { sessions, begin } = fixture()
    const { session, entries } = begin([target('a', 0), target('a', 1), target('a', 2)])
    const full = {
      errorCode: 'NONE',
      highWatermark: 5,
      logStartOffset: 0,
      byteLength: 100,
    } as const
    assert.ok(session && entries[0])
    session.isNews(entries[0], full)

    const next = planned(sessions.plan(request({ sessionId: 1, sessionEpoch: 1 }), 0))
    assert.deepEqual(partitionsOf(next), ['a/1', 'a/2', 'a/0'])
  })

  test('is refused a place when all are taken by sessions in use, and served without', () => {
    const { sessions, begin } = fixture({ slots: 2 })
    begin([target('a', 0)], 0)
    begin([target('b', 0)], 100_000)

    assert.equal(begin([target('c', 0)], 119_999).session, null)
    assert.equal(begin([target('c', 0)], 120_000).sessionId, 3)
    assert.equal(sessions.size, 2)
    assert.equal(
      sessions.plan(request({ sessionId: 1, sessionEpoch: 1 }), 120_000).kind,
      'refused',
      'the one that was idle longest gave its place',
    )
  })

  test('wraps its epoch after the largest one', () => {
    const { sessions, begin } = fixture()
    const { session } = begin([target('a', 0)])
    assert.ok(session)
    session.epoch = 2 ** 31 - 1
    planned(sessions.plan(request({ sessionId: 1, sessionEpoch: 2 ** 31 - 1 }), 0))
    planned(sessions.plan(request({ sessionId: 1, sessionEpoch: 1 }), 0))
  })
})

function fixture({ slots = 10 } = {}) {
  let lastId = 0
  const sessions = new FetchSessions({ slots, newId: () => ++lastId })
  const begin = (targets: readonly FetchTarget[], nowMs = 0) =>
    planned(sessions.plan(request({ sessionEpoch: 0, targets }), nowMs))
  return { sessions, begin }
}

function request(change: Partial<FetchSessionRequest>): FetchSessionRequest {
  return { sessionId: 0, sessionEpoch: 0, targets: [], forgotten: [], byTopicId: false, ...change }
}

function target(topic: string, partition: number, fetchOffset = 0): FetchTarget {
  const epochs = { currentLeaderEpoch: -1, lastFetchedEpoch: -1 }
  return { topic, partition, fetchOffset, maxBytes: 1_000, ...epochs }
}

function planned(plan: FetchPlan): FetchPlan & { kind: 'fetch' } {
  assert.ok(plan.kind === 'fetch')
  return plan
}

function partitionsOf({ entries }: FetchPlan & { kind: 'fetch' }): readonly string[] {
  return entries.map((entry) => `${entry.target.topic}/${entry.target.partition}`)
}
