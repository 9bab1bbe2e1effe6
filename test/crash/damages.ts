/**
 * Damage at rest: a folder with one file of it changed, and whether a store that opens it says nothing wrong.
 */

import assert from 'node:assert/strict'
import { randomBelow, seededRandom, ShoalError } from '../../src/core/index.ts'
import { SimDisk } from '../../src/log/index.ts'
import { type BatchNote, demand, Ledger, Violation } from './ledger.ts'
import { Life, type Step, type Workload } from './workload.ts'

const steps: readonly Step[] = Array.from({ length: 7 }, (): Step[] => [
  { kind: 'append', to: [0, 1], bytes: 150 },
  { kind: 'record', count: 2 },
  { kind: 'append', to: [1], bytes: 60 },
]).flat()

const workload: Workload = { name: 'damage', checkpointBytes: 2_000, steps }
/** The larger batches go straight to their segments. */
const directWorkload: Workload = {
  ...workload,
  directWriteBytes: 200,
  config: { segmentBytes: 1_500 },
}

export interface DamageRun {
  readonly count: number
  readonly kind: keyof typeof kinds
  /** The folder was closed in order; else its process was killed. */
  readonly closed: boolean
  /** Some batches were written past the journal. */
  readonly direct: boolean
}

type Outcome = 'refused' | 'corrupt' | 'harmless'

/** A folder in which everything is acknowledged: segments, a checkpoint and a journal behind it. */
async function folder({ closed, direct }: Omit<DamageRun, 'count' | 'kind'>) {
  const disk = new SimDisk()
  const life = new Life(direct ? directWorkload : workload, new Ledger())
  await life.open(disk)
  for (const step of steps)
    if (step.kind === 'append' || step.kind === 'record') await life.step(step)
  // A checkpoint is under way beside the steps: it ends in later turns, then more comes behind it.
  await life.step({ kind: 'advance', ms: 100 })
  await life.step({ kind: 'append', to: [0, 1], bytes: 100 })
  await life.step({ kind: 'record', count: 1 })
  if (closed) await life.close()
  disk.crash()
  return { disk, ledger: life.ledger }
}

/** Opens what is left and demands that nothing wrong is said, and at most so many batches of a partition refused. */
async function judge(disk: SimDisk, ledger: Ledger, mostRefused: number): Promise<Outcome> {
  const life = new Life(workload, new Ledger())
  try {
    await life.open(disk)
  } catch (error) {
    const codes = ['SHOAL_STORAGE_CORRUPT', 'SHOAL_FOLDER_FORMAT']
    if (error instanceof ShoalError && codes.includes(error.code)) return 'refused'
    throw error
  }
  const { logs, records } = await life.look()
  const texts = ledger.notes.flatMap((note) => (note.kind === 'record' ? [note.text] : []))
  assert.deepEqual(records, texts, 'the machine has other records')
  let isCorrupt = false
  for (const [partition, log] of logs) {
    const batches = ledger.notes.filter(
      (note): note is BatchNote => note.kind === 'batch' && note.partition === partition,
    )
    let refused = 0
    for (const batch of batches) {
      const result = await log.read({
        offset: batch.baseOffset,
        maxBytes: 1,
        atLeastOneBatch: true,
      })
      if (result.kind === 'refused') refused++
      else
        demand(
          Buffer.concat(result.chunks).equals(batch.bytes),
          `partition ${partition} serves other bytes at offset ${batch.baseOffset}`,
        )
    }
    demand(refused <= mostRefused, `partition ${partition} refuses ${refused} batches for one`)
    demand(
      refused === 0 || log.corrupt !== null,
      `partition ${partition} refuses ${refused} reads and counts as sound`,
    )
    if (log.corrupt !== null) isCorrupt = true
  }
  await life.close()
  const [failure] = life.failures
  if (failure !== undefined) throw new Violation(`the store failed: ${failure.message}`)
  return isCorrupt ? 'corrupt' : 'harmless'
}

/** How often each kind of damage came to what, by file. */
export async function damageOften({
  count,
  kind,
  closed,
  direct,
}: DamageRun): Promise<ReadonlyMap<string, number>> {
  const { damage, mostRefused } = kinds[kind]
  const { disk, ledger } = await folder({ closed, direct })
  const outcomes = new Map<string, number>()
  const paths = disk.paths()
  for (let number = 0; number < count; number++) {
    const path = paths[number % paths.length] ?? ''
    const damaged = disk.afterCrash('process', number)
    damage(damaged, path, number)
    try {
      const outcome = await judge(damaged, ledger, mostRefused)
      const key = `${outcome}: ${path.replace(/\d{20}/, 'n').replace(/topics.*\//, '')}`
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    } catch (error) {
      throw new Error(`damage ${number} to ${path}: ${String(error)}`, { cause: error })
    }
  }
  return outcomes
}

function flipBit(disk: SimDisk, path: string, seed: number): void {
  const bytes = disk.contents(path)
  if (bytes.length === 0) return
  const random = seededRandom(seed)
  const at = randomBelow(random, bytes.length)
  bytes[at] = (bytes[at] ?? 0) ^ (1 << randomBelow(random, 8))
  disk.overwrite(path, bytes)
}

function cutZeroOrRemove(disk: SimDisk, path: string, seed: number): void {
  const random = seededRandom(seed)
  const bytes = disk.contents(path)
  const at = randomBelow(random, bytes.length + 1)
  const kind = randomBelow(random, 3)
  if (kind === 0) disk.lose(path)
  else if (kind === 1) disk.overwrite(path, bytes.subarray(0, at))
  else disk.overwrite(path, Uint8Array.from(bytes).fill(0, at))
}

/** What is done to a file, and how many batches of a partition that may cost. */
const kinds = {
  'a flipped bit': { damage: flipBit, mostRefused: 1 },
  'a cut, zeroed or removed file': { damage: cutZeroOrRemove, mostRefused: Infinity },
} as const
