/**
 * `run worker.ts`: a service from one module and `.env`.
 *
 * Stays in the foreground; SIGTERM and Ctrl-C finish what has started, commit it and leave the group. A second signal
 * ends the process at once.
 */

import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { timeoutOf, withBackend } from '../backend.ts'
import { logFormatOption, wholeNumber } from '../flags.ts'
import type { Io } from '../io.ts'
import { createLogger, runtimeLogger, type LogFormat } from '../log.ts'
import { serviceSettings, type ServiceFlags } from '../service/service-settings.ts'
import { readEnvironment } from '../settings-file.ts'

interface RunFlags extends ServiceFlags {
  readonly env?: string
  readonly timeout: string
  readonly concurrency?: string
  readonly logFormat: LogFormat
  readonly verbose?: boolean
}

export function addRun(program: Command, io: Io): void {
  withBackend(program.command('run'))
    .description('run a service: one module that handles the records of a topic')
    .argument('<module>', 'the module; it exports handle(message, ctx)')
    .option(
      '--env <file>',
      'file with KAFKA_BOOTSTRAP_SERVERS, KAFKA_GROUP_ID and KAFKA_TOPIC; default .env where it exists',
    )
    .option('-g, --group <id>', 'the consumer group; default KAFKA_GROUP_ID')
    .option('-t, --topic <topics>', 'the topic, or several with commas; default KAFKA_TOPIC')
    .option(
      '--concurrency <count>',
      `how many records at a time; default what the module says, else the cores (${availableParallelism()} here)`,
    )
    .addOption(logFormatOption())
    .option(
      '-v, --verbose',
      'what the runtime below the service says too, not only what goes wrong',
    )
    .addHelpText('after', runHelp)
    .action((path: string, flags: RunFlags) => run(io, path, flags))
}

async function run(io: Io, path: string, flags: RunFlags): Promise<void> {
  const settings = serviceSettings(flags, await readEnvironment(io, flags.env))
  const { loadServiceModule } = await import('../../consumer/index.ts')
  const { runService } = await import('../service/run-service.ts')
  const bootstrapTimeoutMs = await timeoutOf(flags)
  const concurrency =
    flags.concurrency === undefined
      ? {}
      : { concurrency: wholeNumber('--concurrency', flags.concurrency, 1) }
  const module = await loadServiceModule(pathToFileURL(resolve(io.cwd, path)), path)
  const logger = createLogger(io, { format: flags.logFormat })
  await runService({
    settings,
    module,
    logger,
    runtimeLogger: flags.verbose === true ? logger : runtimeLogger(io, flags.logFormat, logger),
    stop: io.stop,
    bootstrapTimeoutMs,
    ...concurrency,
  })
}

const runHelp = `
The module:
  export async function handle(message, ctx, { log }) {
    log(\`working on \${message.id}\`)
  }
  export const options = { order: 'key', concurrency: 16 }    // optional: the runtime's options
  export const schema = z.object({ id: z.string() })          // optional: any Standard Schema

A value that is not JSON, or not what the schema says, goes to TOPIC.dlq with its bytes; so does a record whose handler
failed three times. Nothing is committed before it is done.

Examples:
  shoal run worker.ts                                         what .env says
  shoal run worker.ts -b localhost:9092 -g billing -t orders
  shoal run worker.ts --concurrency 16 --log-format json`
