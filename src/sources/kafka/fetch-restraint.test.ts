import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../core/index.ts'
import { EpochTrail } from './epoch-trail.ts'
import { FetchRestraint } from './fetch-restraint.ts'
import { newTrack } from './fetch-track.ts'
import type { Track } from './fetch-track.ts'
import { FetchedAnswer } from './fetched-records.ts'
import { owned } from './fetcher-fixture.test.ts'

const LIMITS = { maxBytes: 1_000, maxPartitionBytes: 400 }

function fixture() {
  const clock = new VirtualClock()
  let goOn = 0
  return {
    clock,
    restraint: new FetchRestraint(LIMITS, clock, () => goOn++),
    goneOn: () => goOn,
  }
}

/** @param endOffset beyond 0: it is behind. */
function track(partition: number, endOffset: number): Track {
  const made = newTrack(owned(partition), 0, { topicId: null, trail: new EpochTrail() })
  made.endOffset = endOffset
  return made
}

function withAnswer(of: Track): Track {
  const limits = { from: 0, aborted: null, maxDecompressedBytes: 1_000, pieceBytes: 1_000 }
  of.arrived.push({ answer: new FetchedAnswer(new Uint8Array(400), 9, limits), endOffset: 9 })
  return of
}

describe('what is fetched ahead', () => {
  test('is one answer beside the one that waits to be delivered', () => {
    const { restraint } = fixture()
    const behind = [track(0, 9), track(1, 9), track(2, 9)]
    assert.deepEqual(restraint.choose(behind, 1_000), behind)
    const expected = restraint.asked(behind)
    assert.deepEqual(restraint.choose(behind, 1), [])
    assert.deepEqual(restraint.choose(behind, 0), behind)
    restraint.answered(expected)
    assert.deepEqual(restraint.choose(behind, 1_000), behind)
    assert.deepEqual(restraint.choose(behind, 1_001), [])
    restraint.close()
  })

  test('is counted by what so many partitions can bring', () => {
    const { restraint } = fixture()
    const behind = [track(0, 9)]
    restraint.asked(behind)
    assert.deepEqual(restraint.choose(behind, 600), behind)
    assert.deepEqual(restraint.choose(behind, 601), [])
    restraint.close()
  })

  test('does not hold up partitions that are at their end', () => {
    const { restraint } = fixture()
    const [behind, atEnd] = [track(0, 9), track(1, 0)]
    assert.deepEqual(restraint.choose([behind, atEnd], 5_000), [atEnd])
    assert.equal(restraint.asked([atEnd]), 0)
    restraint.close()
  })
})

describe('a partition that is held back', () => {
  test('is asked for after a moment when it has nothing to deliver, whatever waits of others', async () => {
    const { clock, restraint, goneOn } = fixture()
    const [hungry, fed] = [track(0, 9), withAnswer(track(1, 9))]
    assert.deepEqual(restraint.choose([hungry, fed], 5_000), [])
    await clock.advance(9)
    assert.equal(goneOn(), 0)
    await clock.advance(1)
    assert.equal(goneOn(), 1)
    assert.deepEqual(restraint.choose([hungry, fed], 5_000), [hungry])
    restraint.asked([hungry])
    assert.deepEqual(restraint.choose([hungry, fed], 5_000), [])
    await clock.advance(10)
    assert.equal(goneOn(), 2)
  })

  test('is not asked for after a moment when it has something, nor once all is over', async () => {
    const { clock, restraint, goneOn } = fixture()
    assert.deepEqual(restraint.choose([withAnswer(track(1, 9))], 5_000), [])
    await clock.advance(100)
    assert.deepEqual(restraint.choose([track(0, 9)], 5_000), [])
    restraint.close()
    await clock.advance(100)
    assert.equal(goneOn(), 0)
  })
})
