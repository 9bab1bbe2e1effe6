/**
 * Damage at rest: flipped bits, cut, zeroed and missing files, in a folder that a killed process left and in one that was
 * closed in order.
 *
 * What may follow: the store says that it is damaged and does not open; it opens and names the damaged partition, whose
 * other offsets are still read; or the damage is harmless. What may never: other bytes than those appended, an
 * acknowledged record silently gone, a hang.
 * `SHOAL_DAMAGE_COUNT` sets how many bits are flipped (default 1,000 a folder).
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { inThread, THREADS } from './thread.ts'

const FLIPS = Number(process.env['SHOAL_DAMAGE_COUNT'] ?? 1_000)
const CUTS = Math.ceil(FLIPS / 4)

function demandEveryKind(outcomes: ReadonlyMap<string, number>): void {
  for (const kind of ['corrupt', 'refused', 'harmless'])
    assert.ok(
      [...outcomes.keys()].some((key) => key.startsWith(kind)),
      `nothing was ${kind}: ${JSON.stringify([...outcomes])}`,
    )
}

const folders = [
  { place: 'in a folder that a killed process left', closed: false, direct: false },
  { place: 'in a folder that was closed', closed: true, direct: false },
  {
    place: "in a killed process's folder with batches past the journal",
    closed: false,
    direct: true,
  },
]

for (const { place, closed, direct } of folders)
  describe(place, { concurrency: THREADS }, () => {
    test('a flipped bit is found or harmless, and nothing else is lost', async (t) => {
      const outcomes = await inThread('damage', {
        count: FLIPS,
        kind: 'a flipped bit',
        closed,
        direct,
      })
      demandEveryKind(outcomes)
      t.diagnostic(JSON.stringify([...outcomes]))
    })

    test('a file that was cut, zeroed or removed is rebuilt or told', async (t) => {
      const kind = 'a cut, zeroed or removed file'
      const outcomes = await inThread('damage', { count: CUTS, kind, closed, direct })
      demandEveryKind(outcomes)
      t.diagnostic(JSON.stringify([...outcomes]))
    })
  })
