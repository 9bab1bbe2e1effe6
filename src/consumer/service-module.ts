/**
 * A service in one module: what it exports, how it is loaded, and the consumer that it becomes.
 *
 *   export async function handle(message, ctx, { log }) { … }     one record; return when it is done, throw to try again
 *   export const schema = …                                       optional, any Standard Schema (zod, valibot, arktype)
 *   export const options = { order: 'key', concurrency: 16 }      optional, the runtime's own options
 *
 * Not here: where it consumes from, what it logs, and who watches it.
 */

import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { LogFields, Logger } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'
import { consumer } from './consumer.ts'
import type { Consumer, Ctx, Outcome, ServiceOptions } from './options.ts'
import type { Source } from './source.ts'

/** What a handler gets beside the message and its context. */
export interface ServiceTools {
  /** Writes a line of the service's log. */
  log(message: string, fields?: LogFields): void
}

/** What the module of a service exports. */
export interface ServiceModule {
  handle(message: unknown, ctx: Ctx, tools: ServiceTools): Promise<Outcome> | Outcome
  readonly schema?: StandardSchemaV1
  readonly options?: ServiceOptions
}

/** The rest of what a service needs to become a consumer. */
export interface ServiceSetting {
  readonly group: string
  readonly source: Source
  /** Where records go that cannot be handled, unless the module says it. */
  readonly deadLetter: string
  /** Handlers at once, unless the module says it. */
  readonly concurrency: number
  readonly logger: Logger
  readonly tools: ServiceTools
  /** Options that win over the module's: what an operator set. */
  readonly overrides?: ServiceOptions
}

const known = new Set(['handle', 'schema', 'options'])

/** The consumer of a service. Records are JSON; a record that failed three times goes to the dead letters. */
export function serviceConsumer(module: ServiceModule, setting: ServiceSetting): Consumer {
  const { group, source, deadLetter, concurrency, logger, tools, overrides } = setting
  const common = {
    concurrency,
    deadLetter,
    retry: {
      attempts: 3,
      backoff: { kind: 'exponential', base: '1s', max: '30s', jitter: 'full' },
    },
    logger,
    ...module.options,
    ...overrides,
    group,
    source,
    handle: (message: unknown, ctx: Ctx) => module.handle(message, ctx, tools),
  } as const
  return module.schema === undefined
    ? consumer({ decode: 'json', ...common })
    : consumer({ ...common, schema: module.schema })
}

/**
 * Imports the module of a service and checks what it exports.
 * @param name what the user called it, for messages
 * @throws ShoalError SHOAL_CONFIG_INVALID that says what the module lacks, or why it cannot be loaded.
 */
export async function loadServiceModule(url: URL, name: string): Promise<ServiceModule> {
  return checkServiceModule(await importModule(url, name), name)
}

/** @throws ShoalError SHOAL_CONFIG_INVALID when it does not exist or cannot be loaded. */
export async function importModule(
  url: URL,
  name: string,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(url.href)) as Record<string, unknown>
  } catch (error) {
    throw new ShoalError('SHOAL_CONFIG_INVALID', notLoaded(url, name, error), { cause: error })
  }
}

/** @throws ShoalError SHOAL_CONFIG_INVALID */
export function checkServiceModule(
  loaded: Readonly<Record<string, unknown>>,
  name: string,
): ServiceModule {
  const strangers = Object.keys(loaded).filter((export_) => !known.has(export_))
  const { handle, schema, options } = loaded
  if (typeof handle !== 'function')
    throw invalid(
      `${name} exports no function named handle${strangers.length > 0 ? ` (it exports ${strangers.join(', ')})` : ''}; write: export async function handle(message, ctx) { … }`,
    )
  if (schema !== undefined && !isSchema(schema))
    throw invalid(
      `${name} exports a schema that is no Standard Schema; zod, valibot and arktype make one`,
    )
  if (options !== undefined && (typeof options !== 'object' || options === null))
    throw invalid(`${name} exports options that are not an object`)
  return loaded as unknown as ServiceModule
}

function notLoaded(url: URL, name: string, error: unknown): string {
  // A module that is missing is named in the error; one that it imports in vain has another name.
  if (
    error instanceof Error &&
    'code' in error &&
    error.code === 'ERR_MODULE_NOT_FOUND' &&
    'url' in error &&
    error.url === url.href
  )
    return `${name} does not exist: name the module of the service`
  // A syntax error of TypeScript says where only in its stack, one of JavaScript nowhere: `/path/worker.ts:12`.
  const line =
    error instanceof Error ? /^(?:file:|\/).*:(\d+)$/m.exec(error.stack ?? '')?.[1] : undefined
  const where = error instanceof SyntaxError && line !== undefined ? ` (line ${line})` : ''
  return `${name} cannot be loaded${where}: ${messageOf(error)}`
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  return typeof value === 'object' || typeof value === 'function'
    ? value !== null && '~standard' in value
    : false
}

function invalid(message: string): ShoalError {
  return new ShoalError('SHOAL_CONFIG_INVALID', message)
}
