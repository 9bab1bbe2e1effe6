/**
 * `consume`: prints the records of a topic. Without a group it reads to the end and leaves no trace; with one it joins,
 * prints what it is given and commits what it printed.
 */

import type { Command } from 'commander'
import { ShoalError } from '../../core/index.ts'
import { backendOf, withBackend, type Backend, type BackendFlags } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeNumber, wholeNumbers } from '../flags.ts'
import { compileFormat, recordJson, type Format } from '../format.ts'
import type { Io } from '../io.ts'
import { createLogger } from '../log.ts'
import { startProgress } from '../progress.ts'

interface ConsumeFlags extends BackendFlags {
  readonly group?: string
  readonly offset: string
  readonly count?: string
  readonly partition?: string
  readonly format: string
  readonly follow?: boolean
  readonly json?: boolean
  readonly quiet?: boolean
}

export function addConsume(program: Command, io: Io): void {
  withBackend(program.command('consume'))
    .description('print the records of a topic')
    .argument('<topic>')
    .option(
      '-g, --group <id>',
      'join this consumer group and commit what was printed; runs until it is stopped, or -n',
    )
    .option(
      '-o, --offset <position>',
      'where to begin: earliest, latest, N, -N, @time, @-2h; a group takes earliest or latest, for its first start',
      'earliest',
    )
    .option('-n, --count <count>', 'stop after so many records')
    .option('-p, --partition <list>', 'only these partitions, with commas (without a group)')
    .option('-f, --format <format>', 'how a record is printed: %t %p %o %k %s %T %h', '%s\\n')
    .option('--follow', 'go on at the end of the topic')
    .option('--json', 'print each record as a JSON object on a line of its own')
    .option('-q, --quiet', 'no words on stderr')
    .addHelpText('after', consumeHelp)
    .action((topic: string, flags: ConsumeFlags) => consume(io, topic, flags))
}

async function consume(io: Io, topic: string, flags: ConsumeFlags): Promise<void> {
  const print = printer(flags)
  const limit =
    flags.count === undefined ? Number.POSITIVE_INFINITY : wholeNumber('--count', flags.count, 1)
  if (flags.group !== undefined) refuseWithGroup(flags)
  const backend = await backendOf(io, flags)
  const progress = startProgress(io, {
    verb: 'consumed',
    unit: 'record',
    quiet: flags.quiet === true,
  })
  const job = { topic, backend, flags, print, limit, progress }
  const reachedEnd = await (flags.group === undefined
    ? readOut(io, job)
    : joinGroup(io, flags.group, job))
  progress.finish()
  if (!reachedEnd) io.setExitCode(exitCodes.interrupted.code)
}

/** A group says itself which partitions it reads and where it goes on. */
function refuseWithGroup({ partition, offset }: ConsumeFlags): void {
  if (partition !== undefined)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      '--partition and --group: the group decides who reads which partition; leave one of the two out',
    )
  if (offset !== 'earliest' && offset !== 'latest')
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--offset ${offset} and --group: a group goes on behind what it committed; only earliest and latest say where it starts the first time`,
    )
}

interface Job {
  readonly topic: string
  readonly backend: Backend
  readonly flags: ConsumeFlags
  readonly print: Format
  readonly limit: number
  readonly progress: { add(count: number): void }
}

/** Resolves with whether it came to its end by itself; following has none. */
async function readOut(
  io: Io,
  { topic, backend, flags, print, limit, progress }: Job,
): Promise<boolean> {
  const { readTopic } = await import('../../sources/kafka/admin/index.ts')
  const { parsePosition } = await import('../position.ts')
  const records = readTopic({
    ...backend,
    topic,
    from: parsePosition(flags.offset, io.clock),
    follow: flags.follow === true,
    signal: io.stop,
    ...(flags.partition === undefined
      ? {}
      : { partitions: wholeNumbers('--partition', flags.partition) }),
  })
  let left = limit
  for await (const record of records) {
    left--
    io.out(print(record))
    progress.add(1)
    if (left === 0) return true
  }
  return flags.follow === true || !io.stop.aborted
}

/** Printed one after the other in the order of each partition; the record that reaches the count is the last. */
async function joinGroup(
  io: Io,
  group: string,
  { topic, backend, flags, print, limit, progress }: Job,
): Promise<boolean> {
  const enough = new AbortController()
  const stop = AbortSignal.any([io.stop, enough.signal])
  let left = limit
  const { consumer } = await import('../../consumer/index.ts')
  const { kafka } = await import('../../sources/kafka/index.ts')
  const running = await consumer({
    group,
    source: kafka({
      ...backend,
      topics: [topic],
      offsetReset: flags.offset === 'latest' ? 'latest' : 'earliest',
    }),
    order: 'partition',
    concurrency: 1,
    decode: 'bytes',
    logger: createLogger(io, { format: 'text', level: flags.quiet === true ? 'error' : 'warn' }),
    handle: async (value, ctx) => {
      // What comes after the last one that was asked for waits for the end and goes back unfinished.
      if (left <= 0) return aborted(ctx.signal)
      left--
      const headers = [...ctx.headers].map(([key, bytes]) => ({ key, value: bytes }))
      const { partition, offset, timestamp, keyBytes } = ctx
      const timestampMs = timestamp.getTime()
      io.out(
        print({ topic: ctx.topic, partition, offset, timestampMs, key: keyBytes, value, headers }),
      )
      progress.add(1)
      if (left === 0) enough.abort()
    },
  }).start({ signal: stop })
  await running.finished
  return left === 0 || limit === Number.POSITIVE_INFINITY
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener(
      'abort',
      () => reject(new ShoalError('SHOAL_CLOSED', 'the command has printed what it was asked for')),
      { once: true },
    )
  })
}

function printer(flags: ConsumeFlags): Format {
  if (flags.json === true) return (record) => `${recordJson(record)}\n`
  return compileFormat(flags.format)
}

const consumeHelp = `
Examples:
  shoal consume orders                               everything there is, then stop
  shoal consume orders --follow -o latest            what comes from now on
  shoal consume orders -o -10 -f '%p/%o %k %s\\n'     the last ten of each partition
  shoal consume orders -g billing -n 100 --json      a hundred as a member of a group`
