/**
 * The consumers that the measurements beside the peers know, and how one of them is run: a process of its own for each
 * turn, whose tally must add up.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Program } from '../../test/real/program.ts'
import { startPython } from '../../test/real/python.ts'
import type { Job, Tally } from './keyed-check.ts'

const PYTHON = '2.16.1'
const TURN_LIMIT_MS = 300_000
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']

export interface Consumer {
  readonly name: string
  readonly program: string
  readonly handler: Job['handler']
  /** Whether it promises the order of the keys: then a violation ends the run, else they are counted. */
  readonly keepsOrder: boolean
}

export const shoal: Consumer = consumer('shoal', 'consume-shoal.ts')
export const shoalAsync: Consumer = { ...shoal, name: 'shoal, async handler', handler: 'async' }
export const raw: Consumer = consumer('own raw fetch loop', 'consume-raw.ts')
export const eachMessage: Consumer = consumer('kafkajs eachMessage', 'consume-kafkajs.ts')
export const eachBatch: Consumer = unordered('kafkajs eachBatch + pool', 'consume-kafkajs-batch.ts')
export const platformatic: Consumer = unordered(
  '@platformatic/kafka stream + pool',
  'consume-platformatic.ts',
)
export const rdkafka: Consumer = unordered('node-rdkafka + pool', 'consume-rdkafka.ts')
export const seed004: Consumer = unordered('seed 004, Python threads', 'consume-seed-004.py')

/** node-rdkafka has to be compiled: `bench/peers/install`. */
export const hasRdkafka: boolean = existsSync(
  join(import.meta.dirname, '../peers/node_modules/node-rdkafka/build'),
)

/** Starts a consumer on a job; `tallyOf` its output once it has ended. */
export function start({ program }: Consumer, job: Job): Program {
  const path = join(import.meta.dirname, program)
  return program.endsWith('.py')
    ? startPython(PYTHON, [path, JSON.stringify(job)])
    : new Program(process.execPath, [...NODE_FLAGS, path, JSON.stringify(job)])
}

/** Waits for its end. @throws when it failed, or its records do not add up. */
export async function tallyOf(
  { name, keepsOrder }: Consumer,
  program: Program,
  expected: { readonly count: number; readonly bytes: number },
): Promise<Tally> {
  const { exitCode, stdout, stderr } = await program.finished(TURN_LIMIT_MS)
  if (exitCode !== 0) throw new Error(`${name}: ${stderr}`)
  const tally = JSON.parse(stdout) as Tally
  const { handled, bytes, disordered } = tally
  if (handled !== expected.count || bytes !== expected.bytes)
    throw new Error(`${name}: ${handled} of ${expected.count} records, ${bytes} bytes`)
  if (keepsOrder && disordered > 0) throw new Error(`${name}: ${disordered} out of order`)
  return tally
}

function consumer(name: string, program: string): Consumer {
  return { name, program, handler: 'returns', keepsOrder: true }
}

function unordered(name: string, program: string): Consumer {
  return { ...consumer(name, program), keepsOrder: false }
}
