/**
 * `.env` and `shoal.yaml`: reading them, and saying everything that is wrong with them at once.
 *
 * Precedence: a flag, the environment, `.env`, `shoal.yaml`, the default. `.env` never overrides the environment.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { messageOf, ShoalError } from '../core/index.ts'
import type { Io } from './io.ts'

/** What `shoal.yaml` may say of a broker. */
export interface ServeFile {
  readonly data?: string | undefined
  readonly kafka?:
    | {
        readonly host?: string | undefined
        readonly port?: number | undefined
        readonly allowInsecure?: boolean | undefined
      }
    | undefined
  readonly http?:
    | {
        readonly host?: string | undefined
        readonly port?: number | undefined
        readonly token?: string | undefined
        readonly allowedHosts?: readonly string[] | undefined
        /** By the names of `ApiLimits` and `HttpLimits`. */
        readonly limits?: Readonly<Record<string, number>> | undefined
      }
    | undefined
  /** Kafka broker settings by their own names. */
  readonly settings?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** The environment, with what a file adds to it: `.env` where there is one, or the one that was named. */
export async function readEnvironment(
  io: Io,
  file?: string,
): Promise<Readonly<Record<string, string | undefined>>> {
  const text = await readOptional(resolve(io.cwd, file ?? '.env'))
  if (text === null && file !== undefined)
    throw configurationError([`${file} does not exist; create it or leave --env out`])
  return text === null ? io.env : { ...parseEnv(text), ...io.env }
}

/** @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem of the file. */
export async function readServeFile(io: Io, path: string | undefined): Promise<ServeFile> {
  const name = path ?? 'shoal.yaml'
  const text = await readOptional(resolve(io.cwd, name))
  if (text === null && path !== undefined)
    throw new ShoalError(
      'SHOAL_CONFIG_INVALID',
      `${name} does not exist; create it or leave --config out`,
    )
  if (text === null) return {}
  return checkServeFile(name, text)
}

/** The libraries that read the file are loaded only where there is one: most starts have none. */
async function checkServeFile(name: string, text: string): Promise<ServeFile> {
  const { z } = await import('zod')
  const { apiLimitDefaults, httpLimitDefaults } = await import('../http/index.ts')
  const { idempotency: _, ...apiLimits } = apiLimitDefaults
  const limitNames = Object.keys({ ...apiLimits, ...httpLimitDefaults })
  const schema = z.strictObject({
    data: z.string().min(1).optional(),
    kafka: z
      .strictObject({
        host: z.string().min(1).optional(),
        port: z.int().min(0).max(65_535).optional(),
        allowInsecure: z.boolean().optional(),
      })
      .optional(),
    http: z
      .strictObject({
        host: z.string().min(1).optional(),
        port: z.int().min(0).max(65_535).optional(),
        token: z.string().min(8).optional(),
        allowedHosts: z.array(z.string().min(1)).optional(),
        limits: z
          .record(z.string(), z.int().min(1))
          .refine(
            (limits) => Object.keys(limits).every((name) => limitNames.includes(name)),
            `the limits are ${limitNames.join(', ')}`,
          )
          .optional(),
      })
      .optional(),
    settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
    // The service's sections, when one file serves both; `config/schema.ts` knows them.
    consumer: z.unknown().optional(),
    metrics: z.unknown().optional(),
    log: z.unknown().optional(),
    lag: z.unknown().optional(),
  })
  const outcome = schema.safeParse((await parseYaml(name, text)) ?? {})
  if (outcome.success) return outcome.data
  throw configurationError(
    outcome.error.issues.map(
      (issue) => `${name}: ${issue.path.join('.') || 'file'}: ${issue.message}`,
    ),
  )
}

/** One error for all problems, a line each. */
export function configurationError(problems: readonly string[]): ShoalError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new ShoalError(
    'SHOAL_CONFIG_INVALID',
    `✖ ${count} in configuration\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  )
}

async function parseYaml(name: string, text: string): Promise<unknown> {
  const { parse } = await import('yaml')
  try {
    return parse(text)
  } catch (error) {
    throw new ShoalError('SHOAL_CONFIG_INVALID', `${name} is not YAML: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function readOptional(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw new ShoalError('SHOAL_CONFIG_INVALID', `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
