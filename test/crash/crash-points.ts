/**
 * Crashes a life at every change of the disk and judges what each next life finds.
 *
 *   life ──crash at change n──▶ disk by model ──▶ next life: compare, append, close; open again: compare
 *                                    └──crash at change m of its recovery──▶ disk by model ──▶ compare
 */

import { type CrashModel, type FileStore, SimDisk } from '../../src/log/index.ts'
import { Ledger, Violation } from './ledger.ts'
import { Life, type Workload } from './workload.ts'

export interface Judgement {
  /** Changes of the disk in the life, each of which was a crash. */
  readonly changes: number
  /** Disks after a crash that were judged: of each change by each model, and of recoveries that crashed. */
  readonly points: number
  readonly violations: readonly string[]
}

export interface CrashOptions {
  readonly models: readonly CrashModel[]
  /** Looks at every n-th crash point of the recovery of each crash; 0 looks at none. */
  readonly recoveryStride: number
  /** What the life under test sees of the disk: a broken one, to prove that the judge can condemn. */
  readonly wrap?: (disk: SimDisk) => FileStore
  /** Stops after so many violations; default 1. */
  readonly enough?: number
}

export async function crashEverywhere(
  workload: Workload,
  { models, recoveryStride, wrap = (disk) => disk, enough = 1 }: CrashOptions,
): Promise<Judgement> {
  const violations: string[] = []
  const changes = await countChanges(workload, wrap)
  let points = 0
  const judge = async (place: string, look: () => Promise<void>) => {
    points++
    try {
      await look()
    } catch (error) {
      violations.push(`${workload.name}, ${place}: ${wordsOf(error)}`)
    }
  }
  for (let at = 1; at <= changes && violations.length < enough; at++) {
    const { disk, ledger } = await crashAt(workload, at, wrap)
    for (const [index, model] of models.entries()) {
      const seed = at * 31 + index
      const place = `crash at ${at}, ${model}, seed ${seed}`
      const after = (crash = Infinity) => disk.afterCrash(model, seed, { crashAt: crash })
      const whole = after()
      await judge(place, () => nextLife(workload, ledger, model, whole))
      if (recoveryStride === 0) continue
      const recovery = await recoveryChanges(workload, after())
      for (let inner = 1 + (at % recoveryStride); inner <= recovery; inner += recoveryStride) {
        const second = models[(at + inner) % models.length] ?? model
        const dying = after(inner)
        await Promise.race([new Life(workload, new Ledger()).open(dying), dying.crashed])
        await settle()
        const found = dying.afterCrash(second, seed + inner)
        await judge(`${place}, again at ${inner} of the recovery, ${second}`, () =>
          nextLife(workload, ledger, second === 'process' ? model : second, found),
        )
      }
    }
  }
  return { changes, points, violations }
}

/** A life that ends at the change; and what the world knew then. */
async function crashAt(workload: Workload, at: number, wrap: (disk: SimDisk) => FileStore) {
  const disk = new SimDisk({ crashAt: at, capacityBytes: workload.capacityBytes ?? Infinity })
  const life = new Life(workload, new Ledger())
  await Promise.race([life.run(disk, wrap(disk)), disk.crashed])
  await settle()
  return { disk, ledger: life.ledger.atCrash() }
}

/**
 * Recovers and compares; loses power at that moment and compares again, because what was seen may never go; works on,
 * closes, and compares a last time.
 */
export async function nextLife(
  workload: Workload,
  ledger: Ledger,
  model: CrashModel,
  disk: SimDisk,
): Promise<void> {
  const durable = model === 'process' || (workload.policy ?? 'group') === 'group'
  const known = ledger.atCrash()
  const first = new Life(workload, known)
  await first.open(disk)
  await known.check(await first.look(), { durable })
  await lookAt(workload, known.atCrash(), disk.afterCrash('nothing', 1))
  await first.step({ kind: 'append', to: [0, 1], bytes: 100 })
  await first.step({ kind: 'record', count: 1 })
  await first.close()
  failuresOf(first)
  await lookAt(workload, known.atCrash(), disk)
}

async function lookAt(workload: Workload, ledger: Ledger, disk: SimDisk): Promise<void> {
  const life = new Life(workload, ledger)
  await life.open(disk)
  await ledger.check(await life.look(), { durable: true })
  await life.close()
  failuresOf(life)
}

function failuresOf(life: Life): void {
  const [failure] = life.failures
  if (failure !== undefined) throw new Violation(`the store failed: ${failure.message}`)
}

async function countChanges(
  workload: Workload,
  wrap: (disk: SimDisk) => FileStore,
): Promise<number> {
  const disk = new SimDisk({ capacityBytes: workload.capacityBytes ?? Infinity })
  const life = new Life(workload, new Ledger())
  await life.run(disk, wrap(disk))
  failuresOf(life)
  return disk.changeCount
}

async function recoveryChanges(workload: Workload, disk: SimDisk): Promise<number> {
  try {
    await new Life(workload, new Ledger()).open(disk)
  } catch {
    // Judged where the whole recovery is; here only the number of its changes counts.
  }
  return disk.changeCount
}

/** Lets everything that was resolved before the crash reach the ledger. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

export function wordsOf(error: unknown): string {
  if (error instanceof Violation) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
