/**
 * Runs ledger workers as processes of their own, fills their topic, and waits until the ledger has everything.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaProducer } from 'shoal/kafka'
import { Program, GENEROUS_LIMIT_MS } from '../real/program.ts'
import { shoal } from '../real/shoal.ts'
import { readLedger, type Entry } from './ledger.ts'
import type { WorkerJob } from './ledger-worker.ts'

export interface LedgerPlan {
  readonly bootstrap: string
  readonly topic: string
  readonly records: number
  readonly keys: number
  readonly partitions: number
  readonly workMs: number
  readonly concurrency: number
  readonly sessionTimeoutMs: number
}

export class LedgerRun implements AsyncDisposable {
  readonly #plan: LedgerPlan
  readonly #folder: string
  readonly #workers = new Set<Program>()

  private constructor(plan: LedgerPlan, folder: string) {
    this.#plan = plan
    this.#folder = folder
  }

  /** Makes the topic and fills it: keys in turn, values their key's sequence number. */
  static async open(plan: LedgerPlan): Promise<LedgerRun> {
    const made = await shoal([
      'topics',
      'create',
      plan.topic,
      '--partitions',
      String(plan.partitions),
      '-b',
      plan.bootstrap,
    ])
    if (made.exitCode !== 0) throw new Error(made.stderr)
    await using producer = await KafkaProducer.open({ brokers: plan.bootstrap })
    const text = new TextEncoder()
    const sends = Array.from({ length: plan.records }, (_, index) =>
      producer.send({
        topic: plan.topic,
        partition: null,
        key: text.encode(`key-${index % plan.keys}`),
        value: text.encode(String(Math.floor(index / plan.keys))),
        headers: [],
      }),
    )
    await Promise.all(sends)
    return new LedgerRun(plan, await mkdtemp(join(tmpdir(), 'shoal-ledger-')))
  }

  /** How many records each key has. */
  get expected(): ReadonlyMap<string, number> {
    const { records, keys } = this.#plan
    return new Map(
      Array.from({ length: keys }, (_, key) => [`key-${key}`, Math.ceil((records - key) / keys)]),
    )
  }

  /** Starts a worker; resolves once it works on its first record. */
  async startWorker(worker: string, groupInstanceId?: string): Promise<Program> {
    const { bootstrap, topic, workMs, concurrency, sessionTimeoutMs } = this.#plan
    const job: WorkerJob = {
      brokers: bootstrap,
      topic,
      group: `${topic}-group`,
      worker,
      ledger: this.#ledger,
      workMs,
      concurrency,
      sessionTimeoutMs,
      ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    }
    const flags = ['--disable-warning=ExperimentalWarning', '--conditions=@shoal/source']
    const program = new Program(process.execPath, [
      ...flags,
      join(import.meta.dirname, 'ledger-worker.ts'),
      JSON.stringify(job),
    ])
    this.#workers.add(program)
    await program.until(({ stdout }) => stdout.includes('working'))
    return program
  }

  entries(): Promise<readonly Entry[]> {
    return readLedger(this.#ledger)
  }

  /** Waits until that many different records are done. */
  async untilDone(count: number, limitMs = GENEROUS_LIMIT_MS * 2): Promise<void> {
    const deadline = performance.now() + limitMs
    for (;;) {
      const done = new Set(
        (await this.entries())
          .filter(({ what }) => what === 'done')
          .map(({ key, sequence }) => `${key}/${sequence}`),
      )
      if (done.size >= count) return
      if (performance.now() > deadline)
        throw new Error(
          `${done.size} of ${count} records done after ${limitMs} ms\n${[...this.#workers].map(({ stderr }) => stderr.slice(-2_000)).join('\n')}`,
        )
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers) await worker.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #ledger(): string {
    return join(this.#folder, 'ledger')
  }
}
