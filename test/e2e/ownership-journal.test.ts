/** The journal of ownership notices what it is there to notice. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { OwnershipJournal } from './ownership-journal.ts'

describe('the journal of ownership', () => {
  test('finds nothing where a partition is handed on', () => {
    const journal = new OwnershipJournal()
    journal.assigned('a', [0, 1], 100)
    journal.ended('a', [1], 'revoked', 200)
    journal.assigned('b', [1], 205)
    journal.gone('a', 300)
    journal.assigned('b', [0], 310)
    assert.deepEqual(journal.overlaps(), { violations: [], fenced: 0 })
    assert.deepEqual(
      [...journal.owners()],
      [
        [1, ['b']],
        [0, ['b']],
      ],
    )
    assert.deepEqual(journal.keptThrough(210, 400), [1])
  })

  test('finds a partition that two own, also when one of them has not ended', () => {
    const journal = new OwnershipJournal()
    journal.assigned('a', [0, 1], 100)
    journal.assigned('b', [0], 150)
    journal.assigned('b', [1], 150)
    journal.ended('a', [0], 'revoked', 200)
    assert.equal(journal.overlaps().violations.length, 2)
  })

  test('takes two members for apart that were never in one generation, and for two owners else', () => {
    const apart = new OwnershipJournal()
    apart.joined('a', 1, 90)
    apart.assigned('a', [0], 100)
    apart.joined('b', 2, 140)
    apart.assigned('b', [0], 150)
    apart.gone('a', 200)
    assert.deepEqual(apart.overlaps(), { violations: [], fenced: 1 })
    const together = new OwnershipJournal()
    together.joined('a', 1, 90)
    together.assigned('a', [0], 100)
    together.joined('b', 2, 140)
    together.assigned('b', [0], 150)
    together.joined('a', 2, 160)
    together.gone('a', 200)
    assert.equal(together.overlaps().violations.length, 1)
  })

  test('counts apart what a fenced member still believed', () => {
    const journal = new OwnershipJournal()
    journal.assigned('a', [0], 100)
    journal.assigned('b', [0], 150)
    journal.ended('a', [0], 'lost', 200)
    assert.deepEqual(journal.overlaps(), { violations: [], fenced: 1 })
  })
})
