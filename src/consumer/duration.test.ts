import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration } from './duration.ts'

test('a duration is milliseconds or a number with its unit', () => {
  const known: [unknown, number][] = [
    [0, 0],
    [250.5, 250.5],
    ['200ms', 200],
    ['5s', 5_000],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['1h', 3_600_000],
  ]
  for (const [text, ms] of known) assert.equal(parseDuration(text), ms)
})

test('what is no duration is undefined', () => {
  for (const text of [-1, Number.NaN, Infinity, '', '5', '5 s', 's', '-5s', '5d', '1e3s', null, {}])
    assert.equal(parseDuration(text), undefined)
})
