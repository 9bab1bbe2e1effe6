/**
 * What holds for KIP-848 members whatever happens: heartbeats in any order, lost answers, leaves, crashes, silence, restarts
 * of the broker, topics that come, grow and go. Members are modelled as real clients are; who owns what is what they believe.
 */

import { test } from 'node:test'
import * as fc from 'fast-check'
import { anyStep, World } from './world.test.ts'

test('no partition is owned twice, who owns one can commit it, and with time everybody has a fair share', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 80, size: 'max' }),
      fc.constantFrom('uniform', 'range', 'roundrobin'),
      fc.constantFrom(0, 1_000),
      (steps, assignor, assignmentIntervalMs) => {
        const world = new World({ assignor, assignmentIntervalMs })
        for (const step of steps) world.take(step)
        world.converge()
      },
    ),
    { numRuns: 60 },
  )
})

test('the same holds with a classic member among them, through every migration of the group and back', () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 80, size: 'max' }), (steps) => {
      const world = new World({ assignor: 'uniform', assignmentIntervalMs: 0, hasClassic: true })
      for (const step of steps) world.take(step)
      world.converge()
    }),
    { numRuns: 60 },
  )
})
