/**
 * `ledger worker.ts`: runs a service's own handler in processes that are killed and stopped, and says what became of
 * every record. Ends with 1 when a record was lost, or handled out of order although an order was promised.
 */

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Option } from 'commander'
import type { Command } from 'commander'
import { ShoalError } from '../../core/index.ts'
import type {
  CrashLedgerOptions,
  CrashReport,
  LedgerProgress,
  Sharing,
} from '../../testing/index.ts'
import { exitCodes } from '../exit-codes.ts'
import { wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { crashReportText } from '../text/crash-report.ts'

interface LedgerFlags {
  readonly bootstrapServer?: string
  readonly records: string
  readonly keys: string
  readonly partitions: string
  readonly sharing: Sharing
  readonly members: string
  readonly kills: string
  readonly stops: string
  readonly sessionTimeout: string
  readonly concurrency?: string
  readonly value?: string
  readonly seed?: string
  readonly json?: boolean
  readonly quiet?: boolean
}

const SCHEMA = 'shoal.ledger/1'

export function addLedger(program: Command, io: Io): void {
  program
    .command('ledger')
    .description("kill and stop a service's own handler while it works, and count what is lost")
    .argument('<module>', 'the module of the service, as for run')
    .option(
      '-b, --bootstrap-server <addresses>',
      'what to run against: host:port,… of Shoal or Kafka, or a URL (redis://…, amqp://…); default: a broker of its own, thrown away at the end',
    )
    .option('--records <count>', 'records in all', '4000')
    .option('--keys <count>', 'different keys', '200')
    .option('--partitions <count>', 'partitions of the topic (shards on Redis and RabbitMQ)', '8')
    .addOption(
      new Option(
        '--sharing <how>',
        'how members share the shards of Redis or RabbitMQ; competing promises no order',
      )
        .choices(['ordered', 'competing'])
        .default('ordered'),
    )
    .option('--members <count>', 'processes at once', '1')
    .option('--kills <count>', 'SIGKILLs', '3')
    .option('--stops <count>', 'SIGSTOPs, each for two session timeouts', '0')
    .option('--session-timeout <duration>', 'how long partitions wait for a dead member', '6s')
    .option('--concurrency <count>', 'handlers at once; default what the module says, else 100')
    .option(
      '--value <text>',
      'the value of a record, %k its key and %n its number; default {"key":"%k","sequence":%n}',
    )
    .option('--seed <number>', 'crash at the same moments as a run before')
    .option('--json', 'print the report as one JSON document')
    .option('-q, --quiet', 'no words on stderr')
    .addHelpText('after', ledgerHelp)
    .action((path: string, flags: LedgerFlags) => ledger(io, path, flags))
}

async function ledger(io: Io, path: string, flags: LedgerFlags): Promise<void> {
  const options = await ledgerOptions(io, path, flags)
  const { crashLedger, TestBroker } = await import('../../testing/index.ts')
  const broker = flags.bootstrapServer === undefined ? await TestBroker.start() : null
  try {
    const report = await crashLedger({
      ...options,
      brokers: flags.bootstrapServer ?? broker?.bootstrap ?? '',
    })
    io.out(
      flags.json === true
        ? `${JSON.stringify({ schema: SCHEMA, ...report })}\n`
        : crashReportText(report),
    )
    io.setExitCode(exitCodeOf(report))
  } finally {
    await broker?.close()
  }
}

async function ledgerOptions(
  io: Io,
  path: string,
  flags: LedgerFlags,
): Promise<Omit<CrashLedgerOptions, 'brokers'>> {
  const { loadServiceModule, parseDuration } = await import('../../consumer/index.ts')
  const sessionTimeoutMs = parseDuration(flags.sessionTimeout)
  if (sessionTimeoutMs === undefined || sessionTimeoutMs < 1)
    throw new ShoalError(
      'SHOAL_INVALID_ARGUMENT',
      `--session-timeout ${flags.sessionTimeout}: expected a duration such as 6s`,
    )
  const numbers = {
    records: wholeNumber('--records', flags.records, 1),
    keys: wholeNumber('--keys', flags.keys, 1),
    partitions: wholeNumber('--partitions', flags.partitions, 1),
    members: wholeNumber('--members', flags.members, 1),
    kills: wholeNumber('--kills', flags.kills, 0),
    stops: wholeNumber('--stops', flags.stops, 0),
  }
  const { concurrency, seed, value } = flags
  const module = pathToFileURL(resolve(io.cwd, path))
  // A module that cannot work is told at once and in one sentence, not by processes that end one after the other.
  if (!(await hasRun(module, path))) await loadServiceModule(module, path)
  return {
    ...numbers,
    sharing: flags.sharing,
    module,
    sessionTimeoutMs,
    signal: io.stop,
    ...(concurrency === undefined
      ? {}
      : { concurrency: wholeNumber('--concurrency', concurrency, 1) }),
    ...(seed === undefined ? {} : { seed: wholeNumber('--seed', seed, 0) }),
    ...(value === undefined
      ? {}
      : {
          value: (key, sequence) => value.replaceAll('%k', key).replaceAll('%n', String(sequence)),
        }),
    ...(flags.quiet === true ? {} : { onProgress: tellProgress(io) }),
  }
}

/** A module with a consumer of its own. */
async function hasRun(module: URL, path: string): Promise<boolean> {
  const { importModule } = await import('../../consumer/index.ts')
  return typeof (await importModule(module, path))['run'] === 'function'
}

/** Each crash in a line of its own, and how far it is in a line that redraws itself, or every tenth of the way. */
function tellProgress(io: Io): (progress: LedgerProgress) => void {
  const redraws = io.errIsTerminal && io.env['CI'] === undefined && io.env['TERM'] !== 'dumb'
  const clear = redraws ? '\r\u001b[K' : ''
  let told = 0
  return (progress) => {
    if (progress.kind === 'crash') {
      const signal = progress.crash === 'kill' ? 'SIGKILL' : 'SIGSTOP'
      io.err(`${clear}${signal} to ${progress.worker} after ${progress.ended} records\n`)
      return
    }
    const { ended, records } = progress
    if (redraws) io.err(`\r${ended} of ${records} records done\u001b[K`)
    else if (ended - told >= records / 10 || ended === records) {
      told = ended
      io.err(`${ended} of ${records} records done\n`)
    }
    if (redraws && ended === records) io.err('\n')
  }
}

function exitCodeOf({ passed }: CrashReport): number {
  return passed ? exitCodes.done.code : exitCodes.failed.code
}

const ledgerHelp = `
The module is the one that "shoal run" runs. A topic of its own is filled with records whose keys come in turn; each
process writes down what its handler begins and ends. Every moment of a kill comes from the seed.

A module that exports run(job) instead consumes by itself, with any client, and calls job.ledger.begin(record) and
job.ledger.done(record): that puts another consumer to the same test.

Examples:
  shoal ledger worker.ts
  shoal ledger worker.ts --kills 5 --stops 2 --members 3 -b localhost:9092
  shoal ledger worker.ts -b redis://localhost:6379
  shoal ledger worker.ts -b amqp:                      # where RABBITMQ_URL says
  shoal ledger worker.ts --value '{"id":"%k","amount":%n}' --seed 4711 --json`
