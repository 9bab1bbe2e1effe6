import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decideStart } from './start-offset.ts'
import type { StartDecision, StartFacts } from './start-offset.ts'

const log = { earliest: 10, latest: 50 }

const table: readonly {
  readonly name: string
  readonly facts: Omit<StartFacts, 'earliest' | 'latest'>
  readonly expected: StartDecision
}[] = [
  {
    name: 'what was committed counts, whatever the policy',
    facts: { committed: 20, policy: 'latest', isFirstStart: true },
    expected: { kind: 'start', offset: 20, reason: 'committed' },
  },
  {
    name: 'all read is committed at the end',
    facts: { committed: 50, policy: 'none', isFirstStart: false },
    expected: { kind: 'start', offset: 50, reason: 'committed' },
  },
  {
    name: 'earliest begins with what is there',
    facts: { committed: null, policy: 'earliest', isFirstStart: true },
    expected: { kind: 'start', offset: 10, reason: 'policy' },
  },
  {
    name: 'latest begins at the end when the group meets the topic for the first time, and counts what it leaves out',
    facts: { committed: null, policy: 'latest', isFirstStart: true },
    expected: { kind: 'start', offset: 50, reason: 'policy', leftOut: 40 },
  },
  {
    name: 'latest reads a partition that appeared later from its beginning',
    facts: { committed: null, policy: 'latest', isFirstStart: false },
    expected: { kind: 'start', offset: 10, reason: 'policy' },
  },
  {
    name: 'none refuses to guess',
    facts: { committed: null, policy: 'none', isFirstStart: true },
    expected: { kind: 'stop', problem: 'no-offset' },
  },
  {
    name: 'what retention took is skipped, and counted exactly',
    facts: { committed: 3, policy: 'earliest', isFirstStart: false },
    expected: { kind: 'skip', offset: 10, count: 7 },
  },
  {
    name: 'latest does not jump over what is still there either',
    facts: { committed: 3, policy: 'latest', isFirstStart: true },
    expected: { kind: 'skip', offset: 10, count: 7 },
  },
  {
    name: 'none stops where retention took records',
    facts: { committed: 3, policy: 'none', isFirstStart: false },
    expected: { kind: 'stop', problem: 'gone' },
  },
  {
    name: 'a position beyond the end means another log: stop, whatever the policy',
    facts: { committed: 51, policy: 'earliest', isFirstStart: false },
    expected: { kind: 'stop', problem: 'beyond-end' },
  },
  {
    name: 'records that were read and that the log has lost mean a truncation: stop, whatever the policy',
    facts: { committed: 30, divergedAt: 20, policy: 'earliest', isFirstStart: false },
    expected: { kind: 'stop', problem: 'truncated' },
  },
  {
    name: 'a truncation is told as one while the log is still shorter than what was read',
    facts: { committed: 60, divergedAt: 45, policy: 'latest', isFirstStart: false },
    expected: { kind: 'stop', problem: 'truncated' },
  },
  {
    name: 'a topic that was made anew begins at its beginning, whatever was committed under its name',
    facts: { committed: 30, isRemade: true, policy: 'latest', isFirstStart: true },
    expected: { kind: 'start', offset: 10, reason: 'remade' },
  },
  {
    name: 'none stops where a topic was made anew',
    facts: { committed: 30, isRemade: true, policy: 'none', isFirstStart: false },
    expected: { kind: 'stop', problem: 'remade' },
  },
  {
    name: 'a log that agrees up to the position is the one that was read',
    facts: { committed: 30, divergedAt: 30, policy: 'none', isFirstStart: false },
    expected: { kind: 'start', offset: 30, reason: 'committed' },
  },
  {
    name: 'where retention took all that was in doubt nothing is left to decide but to skip',
    facts: { committed: 9, divergedAt: 5, policy: 'earliest', isFirstStart: false },
    expected: { kind: 'skip', offset: 10, count: 1 },
  },
]

describe('where reading begins', () => {
  for (const { name, facts, expected } of table)
    test(name, () => assert.deepEqual(decideStart({ ...log, ...facts }), expected))
})
