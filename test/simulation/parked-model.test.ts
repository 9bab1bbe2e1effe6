/**
 * The parked-key protocol, exhaustively in a small world: some seconds.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { explore, parkedProtocol } from './parked-model.ts'
import type { ParkedProtocol } from './parked-model.ts'

const SMALL = { records: 3, failures: 1, faults: 0 }

const broken: readonly { readonly name: string; readonly change: Partial<ParkedProtocol> }[] = [
  { name: 'takes records before it has read what is parked', change: { loadsFirst: false } },
  { name: 'commits a diverted record before its append', change: { waitsForAppend: false } },
  { name: 'counts what an owner of the past still had under way', change: { voids: false } },
  { name: 'lets records overtake the one that is parked', change: { diverts: false } },
]

describe('the parked-key protocol', () => {
  for (const bounds of [
    { records: 3, failures: 1, faults: 0 },
    { records: 2, failures: 2, faults: 0 },
    { records: 2, failures: 1, faults: 1 },
  ])
    test(`keeps the order and finds a way on, in every state with ${JSON.stringify(bounds)}`, (context) => {
      const { states, violation } = explore(parkedProtocol, bounds)
      context.diagnostic(`${states} states`)
      assert.equal(violation, null)
      assert.ok(states > 5_000, `${states}`)
    })

  for (const { name, change } of broken)
    test(`a protocol that ${name} is caught`, () => {
      assert.notEqual(explore({ ...parkedProtocol, ...change }, SMALL).violation, null)
    })
})
