/**
 * Seed 000. Its suites wait side by side: what they wait for is sessions that end and limits that pass.
 */

import { describe } from 'node:test'
import { pollLoopRows } from './seed-000-poll-loop.ts'
import { queueRows } from './seed-000-queue.ts'
import { seedSuite } from './stage.ts'

describe('seed 000', seedSuite, () => {
  describe('the poll loop', seedSuite, pollLoopRows)
  describe('the internal queue and the anti-patterns', seedSuite, queueRows)
})
