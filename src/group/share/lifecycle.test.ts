import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Accept, batch, ID, Reject, Release, replay, ShareSim } from './fixture.test.ts'
import {
  applyShareRecord,
  dueDeadLetters,
  heldBy,
  nextDeadlineMs,
  nextFetchOffset,
  type ShareRecord,
  shareSnapshotOf,
  startSharePartition,
} from './index.ts'

describe('a lock', () => {
  test('ends at its deadline, and the records come back with their count', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    assert.equal(nextDeadlineMs(sim.state), 31_000)

    sim.nowMs = 30_999
    assert.deepEqual(sim.expire().records, [])
    assert.deepEqual(heldBy(sim.state, 'a', sim.nowMs), [{ firstOffset: 0, lastOffset: 9 }])

    sim.nowMs = 31_000
    assert.deepEqual(heldBy(sim.state, 'a', sim.nowMs), [])
    assert.deepEqual(sim.expire().records, [])
    assert.deepEqual(sim.view, ['0-9 available 1'])
    assert.equal(nextDeadlineMs(sim.state), null)
  })

  test('that ends after the last delivery has its record given up', () => {
    const sim = new ShareSim({ deliveryCountLimit: 1, hasDeadLetters: true })
    sim.acquire('a', 0, 2)
    sim.nowMs = 31_000
    sim.expire()
    assert.deepEqual(dueDeadLetters(sim.state.partition), [
      { firstOffset: 0, lastOffset: 1, deliveryCount: 1, reason: 'delivery-limit' },
    ])
  })

  test('has the nearest deadline of all locks and delays', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.nowMs += 10
    sim.acknowledge('a', { ...batch(4, 4, Release), durationMs: 40 })
    assert.equal(nextDeadlineMs(sim.state), 1_050)
  })
})

describe('a member that goes', () => {
  test('leaves its records to the others at once, and theirs to them', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.acquire('b', 10, 20)
    assert.deepEqual(sim.leave('a').records, [])
    assert.deepEqual(sim.view, ['0-9 available 1', '10-19 available 1 b until 31000'])
  })

  test('and held nothing changes nothing', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    assert.deepEqual(sim.leave('b'), { response: undefined, records: [] })
    assert.deepEqual(sim.view, ['0-9 available 1 a until 31000'])
  })
})

describe('a crash', () => {
  test('ends all locks and delays, and keeps counts and what is done', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(1, 1, Accept), { ...batch(2, 2, Release), durationMs: 5_000 })
    sim.crash()
    assert.deepEqual(sim.view, ['0-0 available 1', '1-1 acknowledged', '2-9 available 1'])
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 0)
  })

  test('leads to the same state from a snapshot', () => {
    const sim = new ShareSim({ hasDeadLetters: true })
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(0, 0, Accept), batch(3, 5, Accept), batch(6, 6, Reject))
    const { partition } = sim.state
    sim.crash({ fromSnapshot: true })
    assert.deepEqual(sim.state.partition, partition)
    assert.equal(sim.journal.length, 1)
  })
})

describe('retention', () => {
  test('takes what lies below the log start, held, waiting for a dead letter or neither', () => {
    const sim = new ShareSim({ hasDeadLetters: true })
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(0, 1, Reject))
    const { records } = sim.moveLogStart(4)
    assert.deepEqual(records, [
      { kind: 'share-log-start', ...ID, stateEpoch: 1, logStartOffset: 4 },
    ])
    assert.deepEqual(sim.view, ['4-9 available 1 a until 31000'])
    assert.deepEqual(sim.deadLettersWritten({ firstOffset: 0, lastOffset: 1 }).records, [])
  })

  test('moves the start on over what was done already', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(4, 6, Accept))
    sim.moveLogStart(4)
    assert.equal(sim.state.partition.startOffset, 7)
  })

  test('that overtakes all that was ever delivered leaves nothing in flight', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.moveLogStart(25)
    assert.deepEqual(sim.view, [])
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 25)
    assert.deepEqual(sim.acquire('a', 25, 27).response, [
      { firstOffset: 25, lastOffset: 26, deliveryCount: 1 },
    ])
  })

  test('behind the start changes nothing', () => {
    const sim = new ShareSim({}, 7)
    assert.deepEqual(sim.moveLogStart(7).records, [])
  })
})

describe('dead letters', () => {
  test('that are written let the start go on, once', () => {
    const sim = new ShareSim({ hasDeadLetters: true })
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(0, 4, Reject), batch(5, 9, Accept))
    sim.deadLettersWritten({ firstOffset: 0, lastOffset: 1 })
    assert.deepEqual(dueDeadLetters(sim.state.partition), [
      { firstOffset: 2, lastOffset: 4, deliveryCount: 1, reason: 'rejected' },
    ])
    sim.deadLettersWritten({ firstOffset: 0, lastOffset: 9 })
    assert.equal(sim.state.partition.startOffset, 10)
    assert.deepEqual(sim.deadLettersWritten({ firstOffset: 0, lastOffset: 9 }).records, [])
  })

  test('of records that members hold are not believed', () => {
    const sim = new ShareSim({ hasDeadLetters: true })
    sim.acquire('a', 0, 10)
    assert.deepEqual(sim.deadLettersWritten({ firstOffset: 0, lastOffset: 9 }).records, [])
  })
})

test('a start offset that is set anew begins a state epoch, also further back', () => {
  const sim = new ShareSim({}, 5)
  sim.acquire('a', 5, 15)
  const record = startSharePartition(ID, sim.state.partition, 2)
  assert.equal(record.stateEpoch, 2)
  const partition = applyShareRecord(sim.state.partition, record)
  assert.deepEqual(partition, {
    ...ID,
    stateEpoch: 2,
    startOffset: 2,
    endOffset: 2,
    deliveries: [],
    failures: [],
  })
})

describe('a journal that cannot be', () => {
  const sim = new ShareSim()
  sim.acquire('a', 0, 10)
  sim.acknowledge('a', batch(3, 4, Accept))
  const history = sim.journal
  const delivery = (firstOffset: number, lastOffset: number, value: object, stateEpoch = 1) =>
    ({
      kind: 'share-delivery',
      ...ID,
      stateEpoch,
      deliveries: [{ firstOffset, lastOffset, value }],
    }) as ShareRecord
  const available = { state: 'available', deliveryCount: 2 }

  const cases: Readonly<Record<string, ShareRecord>> = {
    'brings back what was acknowledged': delivery(3, 3, available),
    'lets a delivery count fall': delivery(0, 0, { ...available, deliveryCount: 0 }),
    'leaves offsets out': delivery(11, 12, available),
    'has a range that ends before it begins': delivery(10, 9, available),
    'comes from another state epoch': delivery(10, 10, available, 2),
    'skips a state epoch': { ...startSharePartition(ID, sim.state.partition, 0), stateEpoch: 3 },
    'moves the log start back': {
      kind: 'share-log-start',
      ...ID,
      stateEpoch: 1,
      logStartOffset: 0,
    },
    'has a snapshot of what is there': shareSnapshotOf(sim.state.partition),
  }
  for (const [what, record] of Object.entries(cases))
    test(`because it ${what} stops the broker`, () => {
      assert.throws(() => replay([...history, record]), { code: 'SHOAL_INVARIANT' })
    })

  test('because it delivers below the start stops the broker', () => {
    const moved: ShareRecord = { kind: 'share-log-start', ...ID, stateEpoch: 1, logStartOffset: 2 }
    assert.throws(() => replay([...history, moved, delivery(1, 1, available)]), {
      code: 'SHOAL_INVARIANT',
    })
  })
})

test('memory follows the ranges that differ, not the records in flight', () => {
  const sim = new ShareSim({ partitionMaxRecordLocks: 1_000_000 })
  sim.acquire('a', 0, 100_000, { maxRecords: 100_000 })
  sim.acknowledge('a', batch(10, 49_999, Accept), batch(50_000, 60_000, Release))
  const { partition, holds } = sim.state
  assert.equal(partition.deliveries.length, 3)
  assert.equal(holds.length, 2)
})
