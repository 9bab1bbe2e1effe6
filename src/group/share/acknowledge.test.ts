import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Accept, batch, Gap, ID, Reject, Release, Renew, ShareSim } from './fixture.test.ts'
import { dueDeadLetters, failureAt, nextFetchOffset } from './index.ts'

const NONE = { errorCode: 'NONE' }

/** `a` holds offsets 0 to 9. */
function held(config = {}) {
  const sim = new ShareSim(config)
  sim.acquire('a', 0, 10)
  return sim
}

describe('an acknowledgement', () => {
  test('is recorded, and moves the start over all that is done', () => {
    const sim = held()
    const value = { state: 'acknowledged' }
    assert.deepEqual(sim.acknowledge('a', batch(3, 5, Accept)), {
      response: NONE,
      records: [
        {
          kind: 'share-delivery',
          ...ID,
          stateEpoch: 1,
          deliveries: [{ firstOffset: 3, lastOffset: 5, value }],
        },
      ],
    })
    assert.equal(sim.state.partition.startOffset, 0)

    sim.acknowledge('a', batch(0, 2, Accept))
    assert.deepEqual(sim.view, ['6-9 available 1 a until 31000'])
  })

  test('may say something else for every offset', () => {
    const sim = held()
    const types = [Renew, Accept, Accept, Release, Reject, Gap]
    assert.deepEqual(sim.acknowledge('a', batch(2, 7, ...types)).response, NONE)
    assert.deepEqual(sim.view, [
      '0-2 available 1 a until 31000',
      '3-4 acknowledged',
      '5-5 available 1',
      '6-7 archived',
      '8-9 available 1 a until 31000',
    ])
  })

  test('of nothing is accepted', () => {
    assert.deepEqual(held().acknowledge('a'), { response: NONE, records: [] })
  })

  test('renews a lock without counting a delivery or writing anything', () => {
    const sim = held()
    sim.nowMs += 20_000
    const { records } = sim.acknowledge('a', batch(0, 3, Renew), {
      ...batch(4, 5, Renew),
      durationMs: 100,
    })
    assert.deepEqual(records, [])
    assert.deepEqual(sim.view, [
      '0-3 available 1 a until 51000',
      '4-5 available 1 a until 21100',
      '6-9 available 1 a until 31000',
    ])
  })

  test('counts for what is still in flight when the start has moved into its range', () => {
    const sim = held()
    sim.moveLogStart(4)
    assert.deepEqual(sim.acknowledge('a', batch(0, 9, Accept)).response, NONE)
    assert.equal(sim.state.partition.startOffset, 10)
  })

  test('of what lies below the start is ignored without an error, whoever sends it', () => {
    const sim = held()
    sim.acknowledge('a', batch(0, 4, Accept))
    for (const member of ['a', 'z'])
      assert.deepEqual(sim.acknowledge(member, batch(0, 4, Release)), {
        response: NONE,
        records: [],
      })
  })
})

describe('a released record', () => {
  test('is available at once to anybody', () => {
    const sim = held()
    sim.acknowledge('a', batch(0, 9, Release))
    assert.deepEqual(sim.acquire('b', 0, 10).response, [
      { firstOffset: 0, lastOffset: 9, deliveryCount: 2 },
    ])
  })

  test('stays away for its backoff, which grows with its deliveries', () => {
    const sim = held({ releaseBackoff: { initialMs: 100, factor: 2, maxMs: 30_000 } })
    sim.acknowledge('a', batch(0, 9, Release))
    assert.deepEqual(sim.view, ['0-9 available 1 until 1100'])
    assert.deepEqual(sim.acquire('b', 0, 10).response, [])

    sim.nowMs += 100
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 0)
    sim.acquire('b', 0, 10)
    sim.acknowledge('b', batch(0, 9, Release))
    assert.deepEqual(sim.view, ['0-9 available 2 until 1300'])
  })

  test('stays away for as long as the member says instead', () => {
    const sim = held({ releaseBackoff: { initialMs: 100, factor: 2, maxMs: 30_000 } })
    sim.acknowledge(
      'a',
      { ...batch(0, 4, Release), durationMs: 7 },
      { ...batch(5, 9, Release), durationMs: 0 },
    )
    assert.deepEqual(sim.view, ['0-4 available 1 until 1007', '5-9 available 1'])
  })

  test('is given up after its last delivery', () => {
    const sim = held({ deliveryCountLimit: 1 })
    sim.acknowledge('a', batch(0, 9, Release))
    assert.equal(sim.state.partition.startOffset, 10)
  })
})

describe('a rejected record', () => {
  test('is archived where nobody wants dead letters', () => {
    const sim = held()
    sim.acknowledge('a', batch(0, 9, Reject))
    assert.equal(sim.state.partition.startOffset, 10)
  })

  test('waits for its dead letter, holds the start back, and is known after a crash', () => {
    const sim = held({ hasDeadLetters: true })
    sim.acknowledge('a', batch(0, 2, Reject), batch(3, 9, Accept))
    sim.crash()
    assert.deepEqual(sim.view, ['0-2 archiving 1', '3-9 acknowledged'])
    assert.deepEqual(dueDeadLetters(sim.state.partition), [
      { firstOffset: 0, lastOffset: 2, deliveryCount: 1, reason: 'rejected' },
    ])
    assert.deepEqual(sim.acquire('b', 0, 10).response, [])
  })

  test('that is no record at all (a gap) has no dead letter', () => {
    const sim = held({ hasDeadLetters: true })
    sim.acknowledge('a', batch(0, 9, Gap))
    assert.equal(sim.state.partition.startOffset, 10)
  })
})

describe('a refused acknowledgement', () => {
  const late = 'INVALID_RECORD_STATE'
  const malformed = 'INVALID_REQUEST'
  const cases = [
    ['of what another member holds', 'b', [batch(0, 9, Accept)], late],
    ['of what is available to all', 'a', [batch(10, 10, Accept)], late],
    ['of what is done, behind the start', 'a', [batch(12, 12, Accept)], late],
    ['of the same offset twice', 'a', [batch(3, 5, Accept), batch(5, 6, Accept)], late],
    ['of a delivery that ended', 'a', [{ ...batch(0, 0, Accept), deliveryCount: 2 }], late],
    ['of ranges of which one is not held', 'a', [batch(0, 1, Accept), batch(9, 10, Accept)], late],
    ['of offsets that were never delivered', 'a', [batch(13, 14, Accept)], malformed],
    ['that reaches beyond what was delivered', 'a', [batch(5, 14, Accept)], malformed],
    ['of an unknown type', 'a', [batch(0, 0, 5)], malformed],
    ['of a negative type', 'a', [batch(0, 1, Accept, -1)], malformed],
    ['without a type', 'a', [batch(0, 0)], malformed],
    ['with fewer types than offsets', 'a', [batch(0, 2, Accept, Accept)], malformed],
    ['with more types than offsets', 'a', [batch(0, 0, Accept, Accept)], malformed],
    ['of a range that ends before it begins', 'a', [batch(5, 4, Accept)], malformed],
    ['of negative offsets', 'a', [batch(-2, -1, Accept)], malformed],
    ['of ranges out of order', 'a', [batch(5, 6, Accept), batch(0, 1, Accept)], malformed],
    ['of ranges that overlap', 'a', [batch(0, 5, Accept), batch(4, 6, Accept)], malformed],
    ['for a time below zero', 'a', [{ ...batch(0, 0, Renew), durationMs: -1 }], malformed],
    ['for no time at all', 'a', [{ ...batch(0, 0, Release), durationMs: Number.NaN }], malformed],
  ] as const

  for (const [what, member, batches, errorCode] of cases)
    test(`${what} says ${errorCode} and changes nothing`, () => {
      const sim = held()
      sim.acquire('b', 10, 13)
      sim.acknowledge('b', batch(10, 12, Release, Accept, Accept))
      const before = sim.view

      const { response, records } = sim.acknowledge(member, ...batches)

      assert.equal(response.errorCode, errorCode)
      assert.deepEqual(records, [])
      assert.deepEqual(sim.view, before)
    })

  test('while nothing is in flight says INVALID_RECORD_STATE', () => {
    const { response } = new ShareSim().acknowledge('a', batch(0, 0, Accept))
    assert.equal(response.errorCode, late)
  })

  test('that comes when the lock has just ended says so, noticed or not, and leaves its next holder alone', () => {
    const sim = held()
    sim.nowMs += 30_000
    assert.equal(sim.acknowledge('a', batch(0, 9, Accept)).response.errorCode, late)

    sim.acquire('b', 0, 10)
    assert.equal(sim.acknowledge('a', batch(0, 9, Accept)).response.errorCode, late)
    assert.equal(sim.acknowledge('a', batch(0, 9, Renew)).response.errorCode, late)
    assert.deepEqual(sim.view, ['0-9 available 2 b until 61000'])
  })

  test('that comes after a restart of the broker says so', () => {
    const sim = held()
    sim.crash()
    assert.equal(sim.acknowledge('a', batch(0, 9, Accept)).response.errorCode, late)
  })
})

describe('what members say of failed deliveries', () => {
  const said = (error: string, atMs: number) => ({ failure: { error, atMs } })

  test('is kept with the first and the last time, over restarts, until the record is done', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 5)
    sim.acknowledge('a', { ...batch(1, 3, Release), ...said('busy', 100) })
    sim.acquire('a', 1, 4)
    sim.acknowledge('a', { ...batch(2, 2, Release), ...said('broken', 200) })
    for (const fromSnapshot of [false, true]) {
      sim.crash({ fromSnapshot })
      assert.deepEqual(sim.state.partition.failures, [
        { firstOffset: 1, lastOffset: 1, value: { firstMs: 100, lastMs: 100, error: 'busy' } },
        { firstOffset: 2, lastOffset: 2, value: { firstMs: 100, lastMs: 200, error: 'broken' } },
        { firstOffset: 3, lastOffset: 3, value: { firstMs: 100, lastMs: 100, error: 'busy' } },
      ])
    }
    assert.equal(failureAt(sim.state.partition, 2)?.error, 'broken')
    assert.equal(failureAt(sim.state.partition, 4), null)
    sim.acquire('a', 0, 5)
    sim.acknowledge('a', batch(0, 2, Accept))
    assert.deepEqual(
      sim.state.partition.failures.map(({ firstOffset }) => firstOffset),
      [3],
    )
    sim.moveLogStart(4)
    assert.deepEqual(sim.state.partition.failures, [])
  })

  test('is there when the record is given up by it', () => {
    const sim = new ShareSim({ hasDeadLetters: true })
    sim.acquire('a', 0, 2)
    sim.acknowledge('a', { ...batch(0, 1, Reject), ...said('no such customer', 7) })
    assert.equal(failureAt(sim.state.partition, 1)?.error, 'no such customer')
    sim.deadLettersWritten({ firstOffset: 0, lastOffset: 1 })
    assert.deepEqual(sim.state.partition.failures, [])
  })
})
