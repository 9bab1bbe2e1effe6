/**
 * `produce`: sends records from standard input, a file, or the command line; a line is a record.
 *
 * Takes the options of kafka-console-producer (`--topic`, `--broker-list`), so that its command lines work by one word.
 * Every record is acknowledged by the broker before the command ends; one that is not ends it with exit code 1.
 */

import { createReadStream } from 'node:fs'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { Command } from 'commander'
import { messageOf, ShoalError } from '../../core/index.ts'
import { backendOf, withBackend, type BackendFlags } from '../backend.ts'
import { exitCodes } from '../exit-codes.ts'
import { collect, wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { startProgress } from '../progress.ts'

/** Records that wait for their acknowledgement; reading the input waits with them. */
const MOST_IN_FLIGHT = 10_000

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
const partitioners = ['murmur2', 'crc32'] as const

interface ProduceFlags extends BackendFlags {
  readonly topic?: string
  readonly key?: string
  readonly keySeparator?: string
  readonly header: readonly string[]
  readonly value: readonly string[]
  readonly file?: string
  readonly partition?: string
  readonly compression: string
  readonly partitioner: string
  readonly json?: boolean
  readonly quiet?: boolean
}

export function addProduce(program: Command, io: Io): void {
  withBackend(program.command('produce'))
    .description('send records: each line of the input is one')
    .argument('[topic]')
    .option('-t, --topic <topic>', 'the topic, as kafka-console-producer takes it')
    .option('-k, --key <key>', 'the key of every record')
    .option('-K, --key-separator <text>', 'a line is KEY, this text, VALUE')
    .option('-H, --header <name=value>', 'a header of every record; repeatable', collect, [])
    .option(
      '-v, --value <text>',
      'a record given here instead of on the input; repeatable',
      collect,
      [],
    )
    .option('--file <path>', 'read lines from a file instead of the input')
    .option('-p, --partition <number>', 'the partition; default: the key decides')
    .option('-z, --compression <codec>', codecs.join(', '), 'none')
    .option(
      '--partitioner <name>',
      "how a key decides: murmur2 (Java's) or crc32 (librdkafka's)",
      'murmur2',
    )
    .option('--json', 'at the end, print one JSON document that says how many')
    .option('-q, --quiet', 'no words on stderr')
    .addHelpText('after', produceHelp)
    .action((topic: string | undefined, flags: ProduceFlags) =>
      produce(io, topic ?? flags.topic, flags),
    )
}

async function produce(io: Io, topic: string | undefined, flags: ProduceFlags): Promise<void> {
  if (topic === undefined)
    throw new ShoalError('SHOAL_INVALID_ARGUMENT', 'name the topic: shoal produce TOPIC')
  const template = templateOf(topic, flags)
  const input = await inputOf(io, flags)
  const { KafkaProducer } = await import('../../sources/kafka/index.ts')
  await using producer = await KafkaProducer.open({
    ...(await backendOf(io, flags)),
    compression: oneOf('--compression', codecs, flags.compression),
    partitioner: oneOf('--partitioner', partitioners, flags.partitioner),
  })
  const progress = startProgress(io, {
    verb: 'produced',
    unit: 'record',
    quiet: flags.quiet === true,
  })
  if (
    io.inIsTerminal &&
    flags.value.length === 0 &&
    flags.file === undefined &&
    flags.quiet !== true
  )
    io.err('A line is a record; Ctrl-D ends.\n')
  const failures: unknown[] = []
  let sent = 0
  const inFlight = new Set<Promise<void>>()
  for await (const line of linesOf(input, io.stop)) {
    const sending = producer.send(template(line)).then(
      () => {
        sent++
        progress.add(1)
      },
      (error: unknown) => void failures.push(error),
    )
    inFlight.add(sending)
    void sending.finally(() => inFlight.delete(sending))
    if (inFlight.size >= MOST_IN_FLIGHT) await Promise.race(inFlight)
    if (failures.length > 0 || io.stop.aborted) break
  }
  await Promise.all(inFlight)
  progress.finish()
  if (flags.json === true)
    io.out(`${JSON.stringify({ schema: 'shoal.produce/1', topic, records: sent })}\n`)
  if (failures.length > 0) throw failures[0]
  if (io.stop.aborted) io.setExitCode(exitCodes.interrupted.code)
}

function templateOf(topic: string, flags: ProduceFlags) {
  const encoder = new TextEncoder()
  const headers = flags.header.map((pair) => {
    const at = pair.indexOf('=')
    if (at <= 0)
      throw new ShoalError('SHOAL_INVALID_ARGUMENT', `--header ${pair}: expected name=value`)
    return { key: pair.slice(0, at), value: encoder.encode(pair.slice(at + 1)) }
  })
  const partition =
    flags.partition === undefined ? null : wholeNumber('--partition', flags.partition, 0)
  const bytes = (text: string | undefined) => (text === undefined ? null : encoder.encode(text))
  return (line: string) => {
    const at = flags.keySeparator === undefined ? -1 : line.indexOf(flags.keySeparator)
    const key = at < 0 ? flags.key : line.slice(0, at)
    const value = at < 0 ? line : line.slice(at + (flags.keySeparator?.length ?? 0))
    return { topic, partition, key: bytes(key), value: bytes(value), headers }
  }
}

async function inputOf(
  io: Io,
  { value, file }: ProduceFlags,
): Promise<Readable | readonly string[]> {
  if (value.length > 0) return value
  return file === undefined ? streamOf(io.in) : openedFile(resolve(io.cwd, file))
}

/**
 * To be iterated at once: an interface of readline that nobody listens to lets its lines go by.
 * A signal ends the input where it is; what was read until then is still sent.
 */
function linesOf(
  input: Readable | readonly string[],
  signal: AbortSignal,
): AsyncIterable<string> | readonly string[] {
  if (!(input instanceof Readable)) return input
  return createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal })
}

/** A stream stays what it is: readline then lets go of it at the end, whether there is more to come or not. */
function streamOf(input: Io['in']): Readable {
  return input instanceof Readable ? input : Readable.from(input)
}

async function openedFile(path: string): Promise<Readable> {
  const stream = createReadStream(path)
  try {
    await once(stream, 'open')
    return stream
  } catch (cause) {
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--file ${path} cannot be read: ${messageOf(cause)}`,
      { cause },
    )
  }
}

function oneOf<Name extends string>(flag: string, names: readonly Name[], value: string): Name {
  const name = names.find((known) => known === value)
  if (name !== undefined) return name
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `${flag} ${value}: expected one of ${names.join(', ')}`,
  )
}

const produceHelp = `
Examples:
  echo '{"id":1}' | shoal produce orders
  shoal produce orders -k customer-7 -v '{"id":2}'
  shoal produce orders -K : --file lines.txt
  shoal produce --broker-list localhost:9092 --topic Scenario-Execute`
