/**
 * Kafka's Python client in three versions (librdkafka 2.0.2, 2.8.0, 2.16) against Shoal: one program that makes a topic,
 * produces with every compression, consumes as two members of a group, commits, resumes and administers.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pythonKinds, pythonMissing, runPython } from '../real/python.ts'
import { needs } from '../real/services.ts'
import { ShoalProcess } from '../real/shoal.ts'

const PROGRAM = join(import.meta.dirname, 'python-client.py')
/** The program calls the old names of what newer versions have too. */
const QUIET = ['-W', 'ignore::DeprecationWarning']
const GROUP = 'python-billing'
const RECORDS = 400

/** What every version says. */
const everywhere = {
  created: null,
  'created again': 'TOPIC_ALREADY_EXISTS',
  grown: null,
  partitions: 4,
  retention: '60000',
  altered: null,
  'retention then': '120000',
  delivered: RECORDS,
  places: RECORDS,
  consumed: RECORDS,
  'in key order': true,
  shared: [0, 1, 2, 3],
  'owned twice': [],
  committed: RECORDS,
  ends: RECORDS,
  'first by time': 0,
  'resumed with': 'new',
  'position behind it': true,
  'after seek': [0, 0],
  listed: true,
  deleted: null,
  'deleted again': 'UNKNOWN_TOPIC_OR_PART',
}

/** What only versions with an admin client for groups say. */
const sinceVersion2 = {
  'group state': 'EMPTY',
  'listed by state': [[GROUP, 'EMPTY']],
  'offsets listed': RECORDS,
  'offset set back': [1],
  'group deleted': null,
  'group deleted again': 'GROUP_ID_NOT_FOUND',
  brokers: 1,
  described: 4,
  'trimmed to': 1,
}

describe('a program with confluent-kafka', () => {
  let broker: ShoalProcess
  before(async () => {
    broker = await ShoalProcess.start()
  })
  after(() => broker[Symbol.asyncDispose]())

  for (const kind of pythonKinds)
    test(`works as it does with Kafka: ${kind}`, needs(pythonMissing(kind)), async (context) => {
      const { exitCode, stdout, stderr } = await runPython(kind, [
        ...QUIET,
        PROGRAM,
        broker.bootstrap,
      ])
      assert.equal(exitCode, 0, stderr)
      const { client, ...facts } = JSON.parse(stdout) as Record<string, unknown>
      context.diagnostic(`librdkafka ${String(client)}`)
      assert.deepEqual(facts, kind === 'debian' ? everywhere : { ...everywhere, ...sinceVersion2 })
      // librdkafka 2.0.2 may inform (level 6) that it ended with an event unserved; what warns is worse than that.
      assert.equal(stderr.replace(/^%6\|.*\|BGQUEUE\|.*\n/gm, ''), '')
      assert.doesNotMatch(broker.log, / - (?:ERROR|WARN) - /)
    })
})
