/**
 * `serve`: the broker in the foreground, on a folder. `dev`: the same, thrown away at the end.
 *
 * Prints one `ready` line with the addresses once a client can connect; leaves with 0 on SIGINT or SIGTERM.
 */

import type { Command } from 'commander'
import type { BrokerOptions } from '../../broker/index.ts'
import { createLogger, type LogFormat } from '../log.ts'
import { collect, logFormatOption } from '../flags.ts'
import type { Io } from '../io.ts'
import { stopped } from '../io.ts'
import { configurationError, readServeFile, type ServeFile } from '../settings-file.ts'

const DEFAULT_PORT = 9092

interface ServeFlags {
  readonly config?: string
  readonly data?: string
  readonly kafkaHost?: string
  readonly kafkaPort?: string
  readonly set: readonly string[]
  readonly allowInsecure?: boolean
  readonly logFormat: LogFormat
  readonly json?: boolean
}

export function addServe(program: Command, io: Io): void {
  shared(program.command('serve'))
    .description('run the broker in the foreground on a folder')
    .option('--data <folder>', 'where the log lives (shoal.yaml: data); default ./shoal-data')
    .addHelpText('after', serveHelp)
    .action((flags: ServeFlags) => serve(io, flags))
  shared(program.command('dev'))
    .description('run a throw-away broker: nothing is kept')
    .addHelpText('after', devHelp)
    .action((flags: ServeFlags) => dev(io, flags))
}

function shared(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file; default shoal.yaml where it exists')
    .option(
      '--kafka-host <host>',
      'address to listen on (shoal.yaml: kafka.host); default 127.0.0.1',
    )
    .option(
      '--kafka-port <port>',
      'port for Kafka clients, 0 takes a free one (shoal.yaml: kafka.port); default 9092',
    )
    .option('--set <name=value>', 'a Kafka broker setting by its own name; repeatable', collect, [])
    .option(
      '--allow-insecure',
      'listen beyond this machine although nobody has to log in; for trusted networks (shoal.yaml: kafka.allowInsecure)',
    )
    .addOption(logFormatOption())
    .option('--json', 'print the ready line as JSON')
}

async function serve(io: Io, flags: ServeFlags): Promise<void> {
  const file = await readServeFile(io, flags.config)
  await runBroker(io, flags, {
    ...brokerOptions(flags, file),
    data: flags.data ?? file.data ?? 'shoal-data',
  })
}

async function dev(io: Io, flags: ServeFlags): Promise<void> {
  const file = await readServeFile(io, flags.config)
  const options = brokerOptions(flags, file)
  // Nobody waits three seconds for a group that is tried out; a setting given by name still wins.
  const settings = { 'group.initial.rebalance.delay.ms': '0', ...options.settings }
  await runBroker(io, flags, { ...options, settings, data: null })
}

async function runBroker(io: Io, flags: ServeFlags, options: BrokerOptions): Promise<void> {
  const logger = createLogger(io, { format: flags.logFormat })
  // From here on a signal asks: one that comes with the ready line must not cut anything off.
  const stop = stopped(io)
  const { Broker } = await import('../../broker/index.ts')
  const broker = await Broker.open({ ...options, logger })
  const address = `${broker.kafkaAddress.host}:${broker.kafkaAddress.port}`
  io.out(
    flags.json === true
      ? `${JSON.stringify({ schema: 'shoal.ready/1', kafka: address, data: options.data })}\n`
      : `ready kafka=${address} data=${options.data ?? 'none (thrown away at the end)'}\n`,
  )
  try {
    await Promise.race([stop, broker.failed])
  } finally {
    await broker.close()
  }
}

/** What the flags and the file say of the broker; every problem in one error. */
export function brokerOptions(
  flags: ServeFlags,
  file: ServeFile,
): BrokerOptions & { settings: Record<string, string> } {
  const problems: string[] = []
  const settings: Record<string, string> = {}
  for (const [name, value] of Object.entries(file.settings ?? {})) settings[name] = String(value)
  for (const pair of flags.set) {
    const at = pair.indexOf('=')
    if (at <= 0) problems.push(`--set ${pair}: expected name=value, such as --set num.partitions=4`)
    else settings[pair.slice(0, at)] = pair.slice(at + 1)
  }
  const port =
    flags.kafkaPort === undefined ? (file.kafka?.port ?? DEFAULT_PORT) : Number(flags.kafkaPort)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    problems.push(`--kafka-port ${flags.kafkaPort}: expected a whole number from 0 to 65535`)
  if (problems.length > 0) throw configurationError(problems)
  const host = flags.kafkaHost ?? file.kafka?.host ?? '127.0.0.1'
  const allowInsecure = flags.allowInsecure ?? file.kafka?.allowInsecure ?? false
  return { kafka: { host, port }, allowInsecure, settings }
}

const serveHelp = `
Examples:
  shoal serve --data ./data --kafka-port 9092
  shoal serve --data ./data --set num.partitions=4 --set log.retention.ms=86400000

The line "ready kafka=HOST:PORT" on stdout says that clients can connect. SIGTERM and Ctrl-C end it cleanly.
An unknown setting ends the start with exit code 78 and names the nearest known one.`

const devHelp = `
Example:
  shoal dev &
  echo '{"hello":"world"}' | shoal produce greetings
  shoal consume greetings`
