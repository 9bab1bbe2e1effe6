import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ExpectedRecord } from './judge.ts'
import { LedgerJudge } from './judge.ts'
import type { LedgerEntry } from './lines.ts'

/** One key, its records at offsets 0, 1, 2 … of partition 0. */
const three: readonly ExpectedRecord[] = [0, 1, 2].map((sequence) => ({
  place: { partition: 0, offset: sequence },
  key: 'a',
  sequence,
}))

describe('the judge of a crash ledger', () => {
  test('has nothing to say of records done once, in order', () => {
    assert.deepEqual(judged(begin(0), done(0), begin(1), done(1), begin(2), done(2)), {
      done: 3,
      settled: 0,
      lost: [],
      outOfOrder: [],
      repeated: 0,
      inFlight: 0,
      explainedByPosition: 0,
      explainedByCompletion: 0,
    })
  })

  test('names what was never done', () => {
    assert.deepEqual(judged(begin(0), done(0), begin(1), begin(2), done(2)).lost, ['a/1'])
  })

  test('takes a dead letter for an end, and not for done', () => {
    const verdict = judged(begin(0), done(0), begin(1), settled(1), begin(2), done(2))
    assert.deepEqual([verdict.done, verdict.settled], [2, 1])
    assert.deepEqual([verdict.lost, verdict.outOfOrder], [[], []])
  })

  test('names what began before its predecessor was done', () => {
    const verdict = judged(begin(0), begin(1), done(0), done(1), begin(2), done(2))
    assert.deepEqual(verdict.outOfOrder, ['a/1 by w'])
  })

  test('counts repeats, and does not take them for disorder', () => {
    const verdict = judged(
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
    )
    assert.equal(verdict.repeated, 2)
    assert.deepEqual(verdict.outOfOrder, [])
  })

  test('explains by a crash what was not committed, and what was in flight', () => {
    const verdict = judgedWithCrash(
      begin(0),
      done(0, 10),
      begin(1),
      done(1, 20),
      commit(1, 25),
      begin(2),
    )
    assert.deepEqual(
      [verdict.inFlight, verdict.explainedByPosition, verdict.explainedByCompletion],
      [1, 2, 1],
    )
  })

  test('explains by a lost partition what was not committed of it, once, and what went on', () => {
    const entries = [begin(0), done(0, 10), begin(1), done(1, 20), commit(1, 25), begin(2), lost()]
    const again = [done(2, 40), begin(1), done(1, 50)]
    const verdict = judgedWithCrash(...entries, ...again)
    assert.deepEqual(
      [verdict.repeated, verdict.inFlight, verdict.explainedByPosition],
      [1, 0, 2 + 1],
    )
    assert.equal(verdict.explainedByCompletion, 1 + 1)
  })

  test('explains nothing by a crash when all was committed', () => {
    const verdict = judgedWithCrash(begin(0), done(0, 10), commit(1, 11))
    assert.deepEqual([verdict.explainedByPosition, verdict.explainedByCompletion], [0, 0])
  })

  test('knows how many records have ended, each once', () => {
    const judge = new LedgerJudge(three)
    for (const entry of [begin(0), done(0), begin(0), done(0), begin(1), settled(1)])
      judge.take(entry)
    assert.equal(judge.ended, 2)
  })

  test('refuses a record that nobody sent', () => {
    assert.throws(
      () => judged(begin(7)),
      /w has a record that is not of this ledger: partition 0, offset 7/,
    )
  })
})

function judged(...entries: readonly LedgerEntry[]) {
  const judge = new LedgerJudge(three)
  for (const entry of entries) judge.take(entry)
  return judge.verdict()
}

function judgedWithCrash(...entries: readonly LedgerEntry[]) {
  const judge = new LedgerJudge(three)
  for (const entry of entries) judge.take(entry)
  judge.crashed('w')
  return judge.verdict()
}

function begin(offset: number): LedgerEntry {
  return { what: 'begin', worker: 'w', atMs: 0, partition: 0, offset }
}

function done(offset: number, atMs = 0): LedgerEntry {
  return { ...begin(offset), what: 'done', atMs }
}

function settled(offset: number): LedgerEntry {
  return { ...begin(offset), what: 'settled' }
}

function lost(): LedgerEntry {
  return { ...begin(0), what: 'lost' }
}

/** @param atMs when it was sent, well after what it covers was done */
function commit(offset: number, atMs: number): LedgerEntry {
  return { what: 'commit', worker: 'w', atMs: atMs + 10, partition: 0, offset }
}
