/**
 * Taking turns, medians, CPU of other processes, and how a result is printed and kept.
 */

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { run } from '../test/real/program.ts'

const CLOCK_TICKS_A_SECOND = 100
const RESULTS = join(import.meta.dirname, 'results')

export const ROUNDS: number = Number(process.env['SHOAL_BENCH_ROUNDS'] ?? 5)

/** Memory that is touched before a broker is measured, which fills the page cache. */
const TOUCHED_GIB: number = Number(process.env['SHOAL_BENCH_TOUCHED_GIB'] ?? 4)

export type Figures = Readonly<Record<string, number>>

export interface Contender {
  readonly name: string
  /** One measured turn. */
  turn(round: number): Promise<Figures>
}

/**
 * Writes to some gibibytes of memory and lets them go. A virtual machine pays its host for the first use of a page (here
 * 2.5 us a KiB, ten times what the write itself costs), whoever happens to come first; nobody should.
 */
export async function touchMemory(gib: number = TOUCHED_GIB): Promise<void> {
  const program = `for (let left = ${gib * 2}, kept = []; left > 0; left--) kept.push(Buffer.alloc(2 ** 29, 1))`
  const { exitCode, stderr } = await run(process.execPath, ['-e', program], { limitMs: 600_000 })
  if (exitCode !== 0) throw new Error(`${gib} GiB of memory could not be touched: ${stderr}`)
}

/** Lets the contenders take turns, `rounds` times, and answers the median of each figure of each. */
export async function contest(
  contenders: readonly Contender[],
  rounds: number = ROUNDS,
): Promise<ReadonlyMap<string, Figures>> {
  const turns = new Map<string, Figures[]>(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const contender of contenders) {
      const figures = await contender.turn(round)
      turns.get(contender.name)?.push(figures)
      process.stderr.write(`  round ${round + 1} ${contender.name} ${text(figures)}\n`)
    }
  return new Map([...turns].map(([name, all]) => [name, medians(all)]))
}

function medians(all: readonly Figures[]): Figures {
  const names = Object.keys(all[0] ?? {})
  return Object.fromEntries(
    names.map((name) => [name, median(all.map((figures) => figures[name] ?? Number.NaN))]),
  )
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** User and system CPU seconds that a process and its threads have used so far. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_A_SECOND
}

/** Resident memory in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

export interface Result {
  readonly question: string
  readonly rows: readonly Readonly<Record<string, string | number>>[]
}

/** Prints a result and keeps it as `results/NAME.json`, with the machine and the versions. */
export async function publish(name: string, { question, rows }: Result): Promise<void> {
  process.stdout.write(`\n${question}\n`)
  process.stdout.write(
    `${rows
      .map((row) =>
        Object.entries(row)
          .map(([key, value]) => `${key}=${shown(value)}`)
          .join('  '),
      )
      .join('\n')}\n`,
  )
  const [processor] = cpus()
  const machine = { processor: processor?.model, cores: cpus().length, kernel: release() }
  const document = {
    question,
    date: new Date().toISOString().slice(0, 10),
    machine,
    node: process.version,
    rounds: ROUNDS,
    rows,
  }
  await mkdir(RESULTS, { recursive: true })
  await writeFile(join(RESULTS, `${name}.json`), `${JSON.stringify(document, null, 2)}\n`)
}

function shown(value: string | number): string {
  if (typeof value === 'string') return value
  return Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString('en-US')
    : String(Number(value.toPrecision(3)))
}

function text(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name}=${shown(value)}`)
    .join(' ')
}
