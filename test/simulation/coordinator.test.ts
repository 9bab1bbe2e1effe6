/**
 * The whole group coordinator under seeded faults in virtual time, and the proof that the checker can fail.
 *
 * SHOAL_SEEDS=10000 runs more, SHOAL_SEED=4711 replays one.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { brokenCoordinators, wholeBuild } from './broken-coordinators.ts'
import { brokenShareGroups } from './broken-share-groups.ts'
import { simulateCoordinator } from './coordinator-world.ts'

const FIRST_SEED = Number(process.env['SHOAL_SEED'] ?? 1)
const SEED_COUNT = process.env['SHOAL_SEED'] ? 1 : Number(process.env['SHOAL_SEEDS'] ?? 2_000)
/** A broken build has to be noticed within so many seeds. */
const SEEDS_TO_NOTICE = 2_000

describe('the group coordinator in simulation', () => {
  test(`keeps its promises in ${SEED_COUNT} seeds`, () => {
    const totals: Record<string, number> = {}
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEED_COUNT; seed++) {
      const { violations, counts } = simulateCoordinator(seed, wholeBuild)
      assert.deepEqual(violations, [], `SHOAL_SEED=${seed}`)
      for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count
    }
    // A fault that never happened proves nothing.
    if (SEED_COUNT >= 100)
      for (const name of WHAT_HAPPENS) assert.ok((totals[name] ?? 0) > 0, `no seed had a ${name}`)
  })

  test('does the same for the same seed', () => {
    for (const seed of [7, 42, 1_000])
      assert.deepEqual(simulateCoordinator(seed, wholeBuild), simulateCoordinator(seed, wholeBuild))
  })

  for (const build of [...brokenCoordinators, ...brokenShareGroups])
    test(`notices a build that ${build.name}`, () => {
      let noticed: string | undefined
      for (let seed = 1; seed <= SEEDS_TO_NOTICE && noticed === undefined; seed++)
        noticed = simulateCoordinator(seed, build).violations[0]
      assert.ok(noticed !== undefined, `not within ${SEEDS_TO_NOTICE} seeds`)
    })
})

const WHAT_HAPPENS = [
  'broker crash',
  'lost',
  'member crash',
  'member leave',
  'member stall',
  'host stall',
  'wall jump',
  'late commit',
  'refused',
  'pause',
  'resume',
  'reset',
  'commit',
  'expired',
  'ownership',
  'request lost',
  'answer lost',
  'repeated',
  'topic created',
  'topic grown',
  'topic deleted',
  'share assignment',
  'shared partition',
  'share subscription',
  'share config',
  'share member expired',
  'share member told that it is out',
  'share FENCED_MEMBER_EPOCH',
  'share UNKNOWN_MEMBER_ID',
  'share GROUP_ID_NOT_FOUND',
  'late heartbeat',
  'other type refused',
] as const
