/**
 * `serve`: the broker in the foreground, on a folder. `dev`: the same, thrown away at the end.
 *
 * Prints one `ready` line with the addresses once a client can connect; leaves with 0 on SIGINT or SIGTERM.
 */

import type { Command } from 'commander'
import type { Broker, BrokerOptions } from '../../broker/index.ts'
import type { Address } from '../../core/index.ts'
import { createLogger } from '../log.ts'
import { collect, logFormatOption } from '../flags.ts'
import type { Io } from '../io.ts'
import { stopped } from '../io.ts'
import { ShoalError } from '../../core/index.ts'
import { readServeFile } from '../settings-file.ts'
import { brokerOptions, DEFAULT_HTTP_PORT, type ServeFlags } from './serve-options.ts'

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
    .option(
      '--http-host <host>',
      'address of the HTTP API (shoal.yaml: http.host); default 127.0.0.1',
    )
    .option(
      '--http-port <port>',
      'port of the HTTP API, 0 takes a free one (shoal.yaml: http.port); default 8080, 0 beside --kafka-port 0',
    )
    .option('--no-http', 'no HTTP API')
    .option(
      '--http-allowed-host <name>',
      'a name beside localhost by which clients may call the HTTP API; repeatable (shoal.yaml: http.allowedHosts)',
      collect,
      [],
    )
    .option('--set <name=value>', 'a Kafka broker setting by its own name; repeatable', collect, [])
    .option(
      '--allow-insecure',
      'listen beyond this machine although nobody has to log in, or has a token; for trusted networks (shoal.yaml: kafka.allowInsecure)',
    )
    .addOption(logFormatOption())
    .option('--json', 'print the ready line as JSON')
}

async function serve(io: Io, flags: ServeFlags): Promise<void> {
  const file = await readServeFile(io, flags.config)
  await runBroker(io, flags, {
    ...brokerOptions(flags, file, io.env),
    data: flags.data ?? file.data ?? 'shoal-data',
  })
}

async function dev(io: Io, flags: ServeFlags): Promise<void> {
  const file = await readServeFile(io, flags.config)
  const options = brokerOptions(flags, file, io.env)
  // Nobody waits three seconds for a group that is tried out; a setting given by name still wins.
  const settings = { 'group.initial.rebalance.delay.ms': '0', ...options.settings }
  await runBroker(io, flags, { ...options, settings, data: null })
}

async function runBroker(io: Io, flags: ServeFlags, options: BrokerOptions): Promise<void> {
  const logger = createLogger(io, { format: flags.logFormat })
  // From here on a signal asks: one that comes with the ready line must not cut anything off.
  const stop = stopped(io)
  const broker = await open(io, flags, { ...options, logger })
  const { kafkaAddress, httpAddress } = broker
  const kafka = addressText(kafkaAddress)
  const http = httpAddress === null ? null : addressText(httpAddress)
  io.out(
    flags.json === true
      ? `${JSON.stringify({ schema: 'shoal.ready/1', kafka, http, data: options.data })}\n`
      : `ready kafka=${kafka} http=${http ?? 'none'} data=${options.data ?? 'none (thrown away at the end)'}\n`,
  )
  try {
    await Promise.race([stop, broker.failed])
  } finally {
    await broker.close()
  }
}

/**
 * A throw-away broker whose usual HTTP port is taken takes a free one and says so: who tries things out wants to go on, and
 * the ready line has the address. A kept one, or a port that was asked for, is refused: clients would not find it.
 */
async function open(io: Io, flags: ServeFlags, options: BrokerOptions): Promise<Broker> {
  const { Broker } = await import('../../broker/index.ts')
  try {
    return await Broker.open(options)
  } catch (error) {
    const { http } = options
    const isHttp =
      error instanceof ShoalError &&
      error.code === 'SHOAL_ADDRESS_UNUSABLE' &&
      error.details['port'] === http?.port
    if (!isHttp) throw error
    const isUsual = flags.httpPort === undefined && http?.port === DEFAULT_HTTP_PORT
    if (!isUsual || options.data !== null) throw withHint(error)
    io.err(`shoal: ${error.message}; the HTTP API takes a free port instead\n`)
    return Broker.open({ ...options, http: { ...http, port: 0 } })
  }
}

function withHint(error: ShoalError): ShoalError {
  const { code, message, details } = error
  const hint = '--http-port chooses another port, 0 a free one, --no-http none'
  return new ShoalError(code, `${message}; ${hint}`, { cause: error, details })
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

const serveHelp = `
Examples:
  shoal serve --data ./data --kafka-port 9092
  shoal serve --data ./data --set num.partitions=4 --set log.retention.ms=86400000

The line "ready kafka=HOST:PORT http=HOST:PORT" on stdout says that clients can connect.
The HTTP API asks for a token where SHOAL_HTTP_TOKEN is in the environment (shoal.yaml: http.token). Beyond this
machine it has to, or --allow-insecure. SIGTERM and Ctrl-C end it cleanly.
An unknown setting ends the start with exit code 78 and names the nearest known one.`

const devHelp = `
Example:
  shoal dev &
  echo '{"hello":"world"}' | shoal produce greetings
  shoal consume greetings`
