import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShareStart, parseShareStart } from './share-start.ts'

test('where a share group begins is a word, or a duration', () => {
  const cases: readonly (readonly [string, ReturnType<typeof parseShareStart>])[] = [
    ['latest', 'latest'],
    [' earliest ', 'earliest'],
    ['by_duration:PT5M', { agoMs: 300_000 }],
    ['by_duration:P1DT2H3M4.5S', { agoMs: ((24 + 2) * 60 + 3) * 60_000 + 4_500 }],
    ['by_duration:P2D', { agoMs: 172_800_000 }],
  ]
  for (const [text, expected] of cases) {
    assert.ok(isShareStart(text), text)
    assert.deepEqual(parseShareStart(text), expected, text)
  }
})

test('anything else is refused', () => {
  for (const text of [
    '',
    'none',
    'LATEST',
    'by_duration:',
    'by_duration:P',
    'by_duration:PT',
    'by_duration:-PT1S',
    'PT1S',
  ])
    assert.ok(!isShareStart(text), text)
})
