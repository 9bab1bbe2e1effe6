/**
 * A service in one module: what `shoal run worker.ts` imports, and what it may export.
 *
 *   export async function handle(message, ctx, { log }) { … }     one record; return when it is done, throw to try again
 *   export const schema = …                                       optional, any Standard Schema (zod, valibot, arktype)
 *   export const options = { order: 'key', concurrency: 16 }      optional, the runtime's own options
 */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Ctx, Outcome, ServiceOptions } from '../../consumer/index.ts'
import { messageOf, ShoalError, type LogFields } from '../../core/index.ts'

export interface ServiceTools {
  /** Writes a line of the service's log. */
  log(message: string, fields?: LogFields): void
}

export interface ServiceModule {
  handle(message: unknown, ctx: Ctx, tools: ServiceTools): Promise<Outcome> | Outcome
  readonly schema?: StandardSchemaV1
  readonly options?: ServiceOptions
}

const known = new Set(['handle', 'schema', 'options'])

/** @throws ShoalError SHOAL_CONFIG_INVALID that says what the module lacks, or why it cannot be loaded. */
export async function loadServiceModule(cwd: string, path: string): Promise<ServiceModule> {
  const loaded = await load(resolve(cwd, path), path)
  const strangers = Object.keys(loaded).filter((name) => !known.has(name))
  if (typeof loaded['handle'] !== 'function')
    throw new ShoalError(
      'SHOAL_CONFIG_INVALID',
      `${path} exports no function named handle${strangers.length > 0 ? ` (it exports ${strangers.join(', ')})` : ''}; write: export async function handle(message, ctx) { … }`,
    )
  if (loaded['schema'] !== undefined && !isSchema(loaded['schema']))
    throw new ShoalError(
      'SHOAL_CONFIG_INVALID',
      `${path} exports a schema that is no Standard Schema; zod, valibot and arktype make one`,
    )
  if (
    loaded['options'] !== undefined &&
    (typeof loaded['options'] !== 'object' || loaded['options'] === null)
  )
    throw new ShoalError('SHOAL_CONFIG_INVALID', `${path} exports options that are not an object`)
  return loaded as unknown as ServiceModule
}

async function load(file: string, path: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    throw new ShoalError('SHOAL_CONFIG_INVALID', notLoaded(file, path, error), { cause: error })
  }
}

function notLoaded(file: string, path: string, error: unknown): string {
  if (!existsSync(file)) return `${path} does not exist: name the module of the service`
  // A syntax error of TypeScript says where only in its stack, one of JavaScript nowhere: `/path/worker.ts:12`.
  const line =
    error instanceof Error ? /^(?:file:|\/).*:(\d+)$/m.exec(error.stack ?? '')?.[1] : undefined
  const where = error instanceof SyntaxError && line !== undefined ? ` (line ${line})` : ''
  return `${path} cannot be loaded${where}: ${messageOf(error)}`
}

function isSchema(value: unknown): value is StandardSchemaV1 {
  return typeof value === 'object' || typeof value === 'function'
    ? value !== null && '~standard' in value
    : false
}
