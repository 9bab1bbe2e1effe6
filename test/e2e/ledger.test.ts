import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { judge, type Entry } from './ledger.ts'

describe('the crash ledger', () => {
  const expected = new Map([['a', 3]])

  test('has nothing to say of records done once, in order', () => {
    const verdict = judge([begin(0), done(0), begin(1), done(1), begin(2), done(2)], expected)
    assert.deepEqual(verdict, { done: 3, lost: [], disordered: [], repeated: 0, restarted: 0 })
  })

  test('names what was never done', () => {
    assert.deepEqual(judge([begin(0), done(0), begin(1), begin(2), done(2)], expected).lost, [
      'a/1',
    ])
  })

  test('names what began before its predecessor was done', () => {
    const verdict = judge([begin(0), begin(1), done(0), done(1), begin(2), done(2)], expected)
    assert.deepEqual(verdict.disordered, ['a/1 by w'])
  })

  test('counts repeats, and does not take them for disorder', () => {
    const verdict = judge(
      [
        begin(0),
        done(0),
        begin(1),
        done(1),
        begin(0),
        done(0),
        begin(1),
        done(1),
        begin(2),
        done(2),
      ],
      expected,
    )
    assert.equal(verdict.repeated, 2)
    assert.deepEqual(verdict.disordered, [])
  })

  test('counts what was in flight at a crash', () => {
    assert.equal(
      judge([begin(0), begin(0), done(0), begin(1), done(1), begin(2), done(2)], expected)
        .restarted,
      1,
    )
  })
})

function begin(sequence: number): Entry {
  return { what: 'begin', worker: 'w', partition: 0, offset: sequence, key: 'a', sequence }
}

function done(sequence: number): Entry {
  return { ...begin(sequence), what: 'done' }
}
