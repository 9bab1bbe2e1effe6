/**
 * `run worker.ts`: a service from one module and `.env`.
 *
 * Stays in the foreground; SIGTERM and Ctrl-C finish what has started, commit it and leave the group. A second signal
 * ends the process at once.
 */

import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Option, type Command } from 'commander'
import { ShoalError, VERSION } from '../../core/index.ts'
import { timeoutOf, withAddress } from '../backend.ts'
import type { Io } from '../io.ts'
import { createLogger, runtimeLogger } from '../log.ts'
import type { AlertFunction } from '../service/alert-hooks.ts'
import type { ServiceFlags } from '../service/load-config.ts'

interface RunFlags extends ServiceFlags {
  readonly timeout: string
  readonly verbose?: boolean
}

export function addRun(program: Command, io: Io): void {
  withServiceFlags(withAddress(program.command('run')))
    .description('run a service: one module that handles the records of a topic')
    .argument('<module>', 'the module; it exports handle(message, ctx)')
    .option('-g, --group <id>', 'the consumer group; default KAFKA_GROUP_ID')
    .option('-t, --topic <topics>', 'the topic, or several with commas; default KAFKA_TOPIC')
    .option(
      '--concurrency <count>',
      `how many records at a time; default what the module says, else the cores (${availableParallelism()} here)`,
    )
    .option(
      '--metrics-port <port>',
      'serve /metrics, /livez and /readyz there (shoal.yaml: metrics.port); default: not at all',
    )
    .addOption(
      new Option('--log-format <format>', 'how the log on stderr is written; default text').choices(
        ['text', 'json'],
      ),
    )
    .addOption(
      new Option('--log-level <level>', 'the least level that is written; default info').choices([
        'debug',
        'info',
        'warn',
        'error',
      ]),
    )
    .option(
      '-v, --verbose',
      'what the runtime below the service says too, not only what goes wrong',
    )
    .addHelpText('after', runHelp)
    .action((path: string, flags: RunFlags) => run(io, path, flags))
}

/** Where the configuration comes from. */
export function withServiceFlags(command: Command): Command {
  return command
    .option(
      '--env <file>',
      'file with KAFKA_BOOTSTRAP_SERVERS, KAFKA_GROUP_ID and KAFKA_TOPIC; default .env where it exists',
    )
    .option('--config <file>', 'configuration file; default shoal.yaml where it exists')
}

async function run(io: Io, path: string, flags: RunFlags): Promise<void> {
  const { loadServiceConfig } = await import('../service/load-config.ts')
  const { config } = await loadServiceConfig(io, flags)
  const { checkServiceModule, importModule } = await import('../../consumer/index.ts')
  const { runService } = await import('../service/run-service.ts')
  const bootstrapTimeoutMs = await timeoutOf(flags)
  const { onAlert, ...exports } = await importModule(pathToFileURL(resolve(io.cwd, path)), path)
  const module = checkServiceModule(exports, path)
  const { format, level } = config.log
  const logger = createLogger(io, { format, level })
  await runService({
    config,
    module,
    onAlert: alertFunction(onAlert, path),
    cwd: io.cwd,
    version: VERSION,
    logger,
    runtimeLogger: flags.verbose === true ? logger : runtimeLogger(io, format, logger),
    clock: io.clock,
    timers: io.timers,
    stop: io.stop,
    bootstrapTimeoutMs,
  })
}

function alertFunction(onAlert: unknown, path: string): AlertFunction | undefined {
  if (onAlert === undefined || typeof onAlert === 'function')
    return onAlert as AlertFunction | undefined
  throw new ShoalError('SHOAL_CONFIG_INVALID', `${path} exports an onAlert that is no function`)
}

const runHelp = `
The module:
  export async function handle(message, ctx, { log }) {
    log(\`working on \${message.id}\`)
  }
  export const options = { order: 'key', concurrency: 16 }    // optional: the runtime's options
  export const schema = z.object({ id: z.string() })          // optional: any Standard Schema
  export function onAlert({ name, kind, records, seconds })   // optional: the lag crossed a threshold of shoal.yaml

A value that is not JSON, or not what the schema says, goes to TOPIC.dlq with its bytes; so does a record whose handler
failed three times. Nothing is committed before it is done.

Settings come from flags, the environment, .env and shoal.yaml, in this order; shoal config view shows them all.

Examples:
  shoal run worker.ts                                         what .env says
  shoal run worker.ts -b localhost:9092 -g billing -t orders
  shoal run worker.ts --concurrency 16 --log-format json`
