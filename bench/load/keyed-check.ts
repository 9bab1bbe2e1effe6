/**
 * What the loads beside the peers count: records, their bytes, and records of a key that began before their predecessor had
 * ended.
 *
 *   value   sequence of its key uint32 · number of its key uint32 · when it was due float64 (0: at any time) · filler
 *
 * The clock runs from the first record to the last. The check costs a few nanoseconds and is the same for everybody: keys
 * are numbers in the value, so nobody pays for reading the key's text. With work to do, how long the work really took
 * is summed up too: timers are late by up to a millisecond, whoever sets them.
 */

export interface Job {
  readonly bootstrap: string
  readonly topic: string
  readonly group: string
  readonly count: number
  readonly keys: number
  readonly workMs: number
  readonly concurrency: number
  /** How the handler ends that has nothing to do: without a promise, or (`async`) with one. */
  readonly handler: 'returns' | 'async'
}

export interface Tally {
  readonly seconds: number
  /** CPU seconds, user and system. */
  readonly cpu: number
  readonly handled: number
  readonly bytes: number
  readonly disordered: number
  /** Mean of what the work took; 0 where there was none. */
  readonly workMs: number
  /** Handler start less the moment at which the record was due, where it had one. */
  readonly delayP50Ms: number
  readonly delayP99Ms: number
}

const KEY_POSITION = 4
const DUE_POSITION = 8

export class KeyedCheck {
  readonly #job: Job
  /** The last sequence number that ended, by key. */
  readonly #last: Int32Array
  readonly #delays: Float64Array
  #delayCount = 0
  #handled = 0
  #bytes = 0
  #disordered = 0
  #workedMs = 0
  #startedMs = 0
  #cpu = process.cpuUsage()
  readonly finished: Promise<void>
  #finish: () => void = () => {}

  constructor(job: Job) {
    this.#job = job
    this.#last = new Int32Array(job.keys).fill(-1)
    this.#delays = new Float64Array(job.count)
    this.finished = new Promise((resolve) => (this.#finish = resolve))
  }

  /** A handler with nothing to do. */
  atOnce(value: Uint8Array): void {
    this.#begin(value)
    this.#end(value)
  }

  /** The same as an async function. */
  async soon(value: Uint8Array): Promise<void> {
    this.#begin(value)
    this.#end(value)
  }

  /** A handler that waits for a timer. */
  async later(value: Uint8Array): Promise<void> {
    this.#begin(value)
    const startedMs = performance.now()
    await new Promise((resolve) => setTimeout(resolve, this.#job.workMs))
    this.#workedMs += performance.now() - startedMs
    this.#end(value)
  }

  /** What the job wants done with a record. */
  get handler(): (value: Uint8Array) => Promise<void> | void {
    if (this.#job.workMs > 0) return (value) => this.later(value)
    return this.#job.handler === 'async'
      ? (value) => this.soon(value)
      : (value) => this.atOnce(value)
  }

  result(): Tally {
    const { user, system } = process.cpuUsage(this.#cpu)
    const delays = this.#delays.subarray(0, this.#delayCount).sort()
    const delayAt = (share: number) => delays[Math.floor(delays.length * share)] ?? 0
    return {
      seconds: (performance.now() - this.#startedMs) / 1000,
      cpu: (user + system) / 1e6,
      handled: this.#handled,
      bytes: this.#bytes,
      disordered: this.#disordered,
      workMs: this.#handled === 0 ? 0 : this.#workedMs / this.#handled,
      delayP50Ms: delayAt(0.5),
      delayP99Ms: delayAt(0.99),
    }
  }

  #begin(value: Uint8Array): void {
    if (this.#startedMs === 0) {
      this.#startedMs = performance.now()
      this.#cpu = process.cpuUsage()
    }
    const key = uint32At(value, KEY_POSITION)
    if (uint32At(value, 0) !== (this.#last[key] as number) + 1) this.#disordered++
    // Most have no due moment: a look at one byte tells (the sign and exponent of a float64 above 2).
    if (value[DUE_POSITION] !== 0)
      this.#delays[this.#delayCount++] = monotonicMs() - float64At(value, DUE_POSITION)
  }

  #end(value: Uint8Array): void {
    this.#last[uint32At(value, KEY_POSITION)] = uint32At(value, 0)
    this.#bytes += value.length
    if (++this.#handled === this.#job.count) this.#finish()
  }
}

/** Milliseconds of the machine's monotonic clock, which is the same in every process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/**
 * What a load was asked for, and how it answers: `joined` on stderr once `consume` has resolved, for it has its partitions
 * then, and its tally on stdout at the end.
 */
export async function measured(
  consume: (job: Job, check: KeyedCheck) => Promise<() => Promise<unknown>>,
): Promise<void> {
  const job = JSON.parse(process.argv[2] ?? '') as Job
  const check = new KeyedCheck(job)
  const stop = await consume(job, check)
  process.stderr.write('joined\n')
  await check.finished
  const tally = check.result()
  await stop()
  process.stdout.write(JSON.stringify(tally))
}

/** A value of a record: see above. */
export function keyedValue(key: number, sequence: number, dueMs: number, size: number): Uint8Array {
  const value = new Uint8Array(size)
  const view = new DataView(value.buffer)
  view.setUint32(0, sequence)
  view.setUint32(KEY_POSITION, key)
  view.setFloat64(DUE_POSITION, dueMs)
  return value
}

function uint32At(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  )
}

function float64At(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(at)
}
