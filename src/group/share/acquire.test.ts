import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Accept, batch, ID, Release, ShareSim } from './fixture.test.ts'
import { deliveryCounts, nextFetchOffset, releaseDelayMs } from './index.ts'

describe('an acquisition', () => {
  test('locks new records and has their delivery counted before they leave', () => {
    const sim = new ShareSim()

    assert.deepEqual(sim.acquire('a', 0, 10), {
      response: [{ firstOffset: 0, lastOffset: 9, deliveryCount: 1 }],
      records: [
        {
          kind: 'share-delivery',
          ...ID,
          stateEpoch: 1,
          deliveries: [
            { firstOffset: 0, lastOffset: 9, value: { state: 'available', deliveryCount: 1 } },
          ],
        },
      ],
    })
    assert.deepEqual(sim.view, ['0-9 available 1 a until 31000'])
  })

  test('gives nothing that another member holds', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)

    assert.deepEqual(sim.acquire('b', 0, 20).response, [
      { firstOffset: 10, lastOffset: 19, deliveryCount: 1 },
    ])
  })

  test('gives nothing to the member itself that it holds already', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    assert.deepEqual(sim.acquire('a', 0, 10), { response: [], records: [] })
  })

  test('begins with what came back, in ranges by delivery count', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 10)
    sim.acknowledge('a', batch(2, 4, Release))

    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 2)
    assert.deepEqual(sim.acquire('b', 2, 12).response, [
      { firstOffset: 2, lastOffset: 4, deliveryCount: 2 },
      { firstOffset: 10, lastOffset: 11, deliveryCount: 1 },
    ])
  })

  test('with a record limit stops at it, within a batch', () => {
    const sim = new ShareSim()
    const first = sim.acquire('a', 0, 20, { maxRecords: 13 })
    assert.deepEqual(first.response, [{ firstOffset: 0, lastOffset: 12, deliveryCount: 1 }])

    const second = sim.acquire('b', 13, 20, { maxRecords: 13 })
    assert.deepEqual(second.response, [{ firstOffset: 13, lastOffset: 19, deliveryCount: 1 }])
  })

  test('by batches takes the batch whole that goes over the limit', () => {
    const sim = new ShareSim()
    const { response } = sim.acquire('a', 0, 30, { maxRecords: 13, mode: 'batch-optimized' })
    assert.deepEqual(response, [{ firstOffset: 0, lastOffset: 19, deliveryCount: 1 }])
  })

  test('of no records at all takes none', () => {
    const sim = new ShareSim()
    assert.deepEqual(sim.acquire('a', 0, 10, { maxRecords: 0 }), { response: [], records: [] })
  })

  test('takes only the part of a batch that the group has not had', () => {
    const sim = new ShareSim({}, 4)
    const read = { fromOffset: 4, toOffset: 10, batches: [{ firstOffset: 0, lastOffset: 9 }] }
    assert.deepEqual(sim.acquire('a', 4, 10, { read }).response, [
      { firstOffset: 4, lastOffset: 9, deliveryCount: 1 },
    ])
  })

  test('may hold for a time of its own', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 5, { lockDurationMs: 500 })
    assert.deepEqual(sim.view, ['0-4 available 1 a until 1500'])
  })
})

describe('the limit of records in flight', () => {
  test('cuts new records where the count is strict, and holds further ones back', () => {
    const sim = new ShareSim({ partitionMaxRecordLocks: 12 })
    assert.deepEqual(sim.acquire('a', 0, 20).response, [
      { firstOffset: 0, lastOffset: 11, deliveryCount: 1 },
    ])
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), null)
    assert.deepEqual(sim.acquire('b', 12, 20).response, [])
  })

  test('is passed by a batch that began below it when batches are taken whole, not by the next', () => {
    const sim = new ShareSim({ partitionMaxRecordLocks: 12 })
    const { response } = sim.acquire('a', 0, 30, { mode: 'batch-optimized' })
    assert.deepEqual(response, [{ firstOffset: 0, lastOffset: 19, deliveryCount: 1 }])
  })

  test('counts what is done behind a record that is not, and is free again when that one is done', () => {
    const sim = new ShareSim({ partitionMaxRecordLocks: 12 })
    sim.acquire('a', 0, 12)
    sim.acknowledge('a', batch(1, 11, Accept))
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), null)

    sim.acknowledge('a', batch(0, 0, Accept))
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 12)
  })

  test('does not hold back what came back', () => {
    const sim = new ShareSim({ partitionMaxRecordLocks: 12 })
    sim.acquire('a', 0, 12)
    sim.acknowledge('a', batch(3, 3, Release))
    assert.equal(nextFetchOffset(sim.state, sim.nowMs), 3)
    assert.deepEqual(sim.acquire('b', 3, 20).response, [
      { firstOffset: 3, lastOffset: 3, deliveryCount: 2 },
    ])
  })
})

describe('offsets that the log does not have', () => {
  const read = {
    fromOffset: 0,
    toOffset: 30,
    batches: [
      { firstOffset: 5, lastOffset: 9 },
      { firstOffset: 20, lastOffset: 24 },
    ],
  }

  test('are archived, before, between and behind batches', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 30, { read })
    assert.deepEqual(sim.view, [
      '5-9 available 1 a until 31000',
      '10-19 archived',
      '20-24 available 1 a until 31000',
      '25-29 archived',
    ])
  })

  test('are archived too when compaction took them after a delivery, but not from under a member', () => {
    const sim = new ShareSim()
    sim.acquire('a', 0, 20)
    sim.acknowledge('a', batch(0, 4, Release))
    sim.acquire('b', 0, 30, { read })
    assert.deepEqual(sim.view, [
      '5-19 available 1 a until 31000',
      '20-24 available 1 b until 31000',
      '25-29 archived',
    ])
  })

  test('move the start when there is nothing else', () => {
    const sim = new ShareSim()
    const { response } = sim.acquire('a', 0, 30, { read: { ...read, batches: [] } })
    assert.deepEqual(response, [])
    assert.equal(sim.state.partition.startOffset, 30)
  })

  test('are not concluded from a read that was overtaken by a reset', () => {
    const sim = new ShareSim()
    assert.deepEqual(sim.acquire('a', 7, 20), { response: [], records: [] })
  })
})

test('a read whose batches reach beyond its end is a broken promise of the log', () => {
  const read = { fromOffset: 0, toOffset: 5, batches: [{ firstOffset: 0, lastOffset: 9 }] }
  assert.throws(() => new ShareSim().acquire('a', 0, 5, { read }), { code: 'SHOAL_INVARIANT' })
})

test('a record whose last delivery a crash ended is given up instead of delivered once more', () => {
  const sim = new ShareSim({ deliveryCountLimit: 2, isolatesFailing: false })
  for (let delivery = 1; delivery <= 2; delivery++) {
    sim.acquire('a', 0, 3)
    sim.crash()
  }
  assert.deepEqual(sim.view, ['0-2 available 2'])
  assert.deepEqual(sim.acquire('a', 0, 5).response, [
    { firstOffset: 3, lastOffset: 4, deliveryCount: 1 },
  ])
  assert.equal(sim.state.partition.startOffset, 3)
})

describe('records that keep failing', () => {
  const fail = (sim: ShareSim, from: number, to: number) => {
    const { response } = sim.acquire('a', from, to)
    for (const { firstOffset, lastOffset } of response)
      sim.acknowledge('a', batch(firstOffset, lastOffset, Release))
    return response
  }

  test('travel in smaller portions, apart from others, the last time alone', () => {
    const sim = new ShareSim()
    const seen = Array.from({ length: 6 }, () => fail(sim, 0, 10))
    const portion = (lastOffset: number, deliveryCount: number) => [
      { firstOffset: 0, lastOffset, deliveryCount },
    ]
    assert.deepEqual(seen.slice(0, 5), [
      portion(9, 1),
      portion(9, 2),
      portion(9, 3),
      portion(4, 4),
      portion(0, 5),
    ])
    assert.deepEqual(seen[5], [{ firstOffset: 1, lastOffset: 1, deliveryCount: 5 }])
    assert.equal(sim.state.partition.startOffset, 2)
  })

  test('are not added to what an acquisition has already, they begin the next', () => {
    const sim = new ShareSim()
    sim.acquire('b', 0, 5)
    for (let count = 1; count <= 3; count++) fail(sim, 5, 10)
    sim.acknowledge('b', batch(0, 4, Release))

    assert.deepEqual(sim.acquire('c', 0, 20).response, [
      { firstOffset: 0, lastOffset: 4, deliveryCount: 2 },
    ])
    assert.deepEqual(sim.acquire('c', 5, 20).response, [
      { firstOffset: 5, lastOffset: 6, deliveryCount: 4 },
    ])
  })

  test('use up the deliveries of their neighbours where that is wanted', () => {
    const sim = new ShareSim({ isolatesFailing: false })
    const counts = Array.from({ length: 5 }, () => fail(sim, 0, 10)[0]?.deliveryCount)
    assert.deepEqual(counts, [1, 2, 3, 4, 5])
    assert.equal(sim.state.partition.startOffset, 10)
  })
})

test('what is in flight can be counted by where it stands', () => {
  const sim = new ShareSim({ releaseBackoff: { initialMs: 100, factor: 2, maxMs: 1_000 } })
  sim.acquire('a', 0, 10)
  sim.acknowledge('a', batch(1, 2, Accept), batch(3, 3, Release), batch(4, 4, 3))
  const counts = { available: 0, acquired: 6, acknowledged: 2, archiving: 0, archived: 1 }
  assert.deepEqual(deliveryCounts(sim.state, sim.nowMs), { ...counts, delayed: 1 })
  const later = { ...counts, available: 1, delayed: 0 }
  assert.deepEqual(deliveryCounts(sim.state, sim.nowMs + 100), later)
})

test('a backoff grows by its factor from delivery to delivery, up to its maximum', () => {
  const backoff = { initialMs: 100, factor: 2, maxMs: 30_000 }
  const delays = [1, 2, 3, 9, 10, 5_000].map((count) => releaseDelayMs(backoff, count))
  assert.deepEqual(delays, [100, 200, 400, 25_600, 30_000, 30_000])
  assert.equal(releaseDelayMs(null, 3), 0)
})

test('what is withheld is in flight and nobody has it, until it is read again without', () => {
  const sim = new ShareSim()
  const read = (isWithheld: boolean) => ({
    fromOffset: 0,
    toOffset: 6,
    batches: [
      { firstOffset: 0, lastOffset: 1 },
      { firstOffset: 2, lastOffset: 3, isWithheld },
      { firstOffset: 4, lastOffset: 5 },
    ],
  })
  assert.deepEqual(sim.acquire('a', 0, 6, { read: read(true) }).response, [
    { firstOffset: 0, lastOffset: 1, deliveryCount: 1 },
    { firstOffset: 4, lastOffset: 5, deliveryCount: 1 },
  ])
  assert.deepEqual(sim.view, [
    '0-1 available 1 a until 31000',
    '2-3 available 0',
    '4-5 available 1 a until 31000',
  ])
  sim.crash()
  assert.deepEqual(sim.acquire('b', 2, 4).response, [
    { firstOffset: 2, lastOffset: 3, deliveryCount: 1 },
  ])
})

test('what is withheld has to have room among the records in flight', () => {
  const sim = new ShareSim({ partitionMaxRecordLocks: 4 })
  const batches = [
    { firstOffset: 0, lastOffset: 1 },
    { firstOffset: 2, lastOffset: 9, isWithheld: true },
  ]
  sim.acquire('a', 0, 10, { read: { fromOffset: 0, toOffset: 10, batches } })
  assert.equal(sim.state.partition.endOffset, 4)
})
