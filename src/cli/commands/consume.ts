/**
 * `consume`: prints the records of a topic. Without a group it reads to the end and leaves no trace; with one it joins,
 * prints what it is given and commits what it printed.
 */

import type { Command } from 'commander'
import { consumer } from '../../consumer/index.ts'
import { ShoalError } from '../../core/index.ts'
import { kafka } from '../../sources/kafka/index.ts'
import { readTopic } from '../../sources/kafka/admin/index.ts'
import { brokersOf, withBackend, type BackendFlags } from '../backend.ts'
import { compileFormat, recordJson, type Format } from '../format.ts'
import type { Io } from '../io.ts'
import { createLogger } from '../log.ts'
import { parsePosition } from '../position.ts'
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
      'where to begin: earliest, latest, N, -N, @time, @-2h (without a group)',
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
  const limit = limitOf(flags.count)
  const brokers = await brokersOf(io, flags)
  const progress = startProgress(io, {
    verb: 'consumed',
    unit: 'records',
    quiet: flags.quiet === true,
  })
  if (flags.group === undefined)
    await readOut(io, { topic, brokers, flags, print, limit, progress })
  else await joinGroup(io, flags.group, { topic, brokers, flags, print, limit, progress })
  progress.finish()
}

interface Job {
  readonly topic: string
  readonly brokers: string
  readonly flags: ConsumeFlags
  readonly print: Format
  readonly limit: number
  readonly progress: { add(count: number): void }
}

async function readOut(
  io: Io,
  { topic, brokers, flags, print, limit, progress }: Job,
): Promise<void> {
  const records = readTopic({
    brokers,
    topic,
    from: parsePosition(flags.offset, io.clock),
    follow: flags.follow === true,
    signal: io.stop,
    ...(flags.partition === undefined
      ? {}
      : { partitions: flags.partition.split(',').map(Number) }),
  })
  let left = limit
  for await (const record of records) {
    if (left-- <= 0) break
    io.out(print(record))
    progress.add(1)
    if (left === 0) break
  }
}

/** Printed one after the other in the order of each partition; the record that reaches the count is the last. */
async function joinGroup(
  io: Io,
  group: string,
  { topic, brokers, flags, print, limit, progress }: Job,
): Promise<void> {
  const enough = new AbortController()
  const stop = AbortSignal.any([io.stop, enough.signal])
  let left = limit
  const running = await consumer({
    group,
    source: kafka({
      brokers,
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

function limitOf(count: string | undefined): number {
  if (count === undefined) return Number.POSITIVE_INFINITY
  const limit = Number(count)
  if (!Number.isInteger(limit) || limit < 1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--count ${count}: expected a whole number of at least 1`,
    )
  return limit
}

const consumeHelp = `
Examples:
  shoal consume orders                               everything there is, then stop
  shoal consume orders --follow -o latest            what comes from now on
  shoal consume orders -o -10 -f '%p/%o %k %s\\n'     the last ten of each partition
  shoal consume orders -g billing -n 100 --json      a hundred as a member of a group`
