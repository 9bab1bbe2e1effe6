import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { defaultConfig } from './partition-fixture.test.ts'
import { countDeletable, type RetentionContext, type RetentionSegment } from './retention.ts'

describe('retention', () => {
  // Three segments of 10 records and 100 bytes, 1, 2 and 3 seconds of age at 10 s.
  const segments: readonly RetentionSegment[] = [7_000, 8_000, 9_000].map((timestampMs, index) => ({
    nextOffset: 10 * (index + 1),
    size: 100,
    createdMs: 0,
    indexes: { largestTimestampMs: timestampMs },
  }))
  const rows: readonly (readonly [
    what: string,
    config: Partial<RetentionContext['config']>,
    count: number,
    context?: Partial<RetentionContext>,
  ])[] = [
    ['without limits keeps everything', {}, 0],
    ['by time takes what is older', { retentionMs: 1_999 }, 2],
    ['by time keeps what is exactly as old', { retentionMs: 2_000 }, 1],
    ['by time takes the active segment too', { retentionMs: 0 }, 3],
    ['by time takes nothing that is not flushed', { retentionMs: 0 }, 1, { highWatermark: 19 }],
    ['by size keeps at least what is asked for', { retentionBytes: 101 }, 1],
    ['by size takes what is over', { retentionBytes: 100 }, 2],
    ['by size of nothing takes all', { retentionBytes: 0 }, 3],
    ['by log start takes segments that are wholly below', {}, 1, { logStartOffset: 19 }],
    ['by log start keeps the active segment', {}, 2, { logStartOffset: 30 }],
    [
      'of a compacted topic goes by log start only',
      { cleanupPolicy: 'compact', retentionMs: 0, retentionBytes: 0 },
      1,
      { logStartOffset: 10 },
    ],
    ['of a topic that is both goes by all', { cleanupPolicy: 'compact,delete', retentionMs: 0 }, 3],
    ['takes what any rule takes', { retentionMs: 2_500, retentionBytes: 100 }, 2],
  ]
  for (const [what, config, count, context] of rows)
    test(what, () => {
      const all = { ...defaultConfig, retentionMs: -1, ...config }
      assert.equal(
        countDeletable(segments, {
          config: all,
          nowMs: 10_000,
          logStartOffset: 0,
          highWatermark: 30,
          ...context,
        }),
        count,
      )
    })

  test('stops at the first segment that stays: only a prefix goes', () => {
    const [first, second, third] = segments as [
      RetentionSegment,
      RetentionSegment,
      RetentionSegment,
    ]
    const future = { ...second, indexes: { largestTimestampMs: 99_000 } }
    const context = {
      config: { ...defaultConfig, retentionMs: 0 },
      nowMs: 10_000,
      logStartOffset: 0,
      highWatermark: 30,
    }
    assert.equal(countDeletable([first, future, third], context), 1)
  })

  test('goes by the time of the first append where records have no timestamps', () => {
    const segment = {
      nextOffset: 1,
      size: 1,
      createdMs: 5_000,
      indexes: { largestTimestampMs: -1 },
    }
    const context = {
      config: { ...defaultConfig, retentionMs: 1_000 },
      logStartOffset: 0,
      highWatermark: 1,
    }
    assert.equal(countDeletable([segment], { ...context, nowMs: 6_000 }), 0)
    assert.equal(countDeletable([segment], { ...context, nowMs: 6_001 }), 1)
  })
})
