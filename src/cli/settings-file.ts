/**
 * `.env` and `shoal.yaml`: reading them, and saying everything that is wrong with them at once.
 *
 * Precedence: a flag, the environment, `.env`, `shoal.yaml`, the default. `.env` never overrides the environment.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { parse } from 'yaml'
import { z } from 'zod'
import { messageOf, ShoalError } from '../core/index.ts'
import type { Io } from './io.ts'

const scalar = z.union([z.string(), z.number(), z.boolean()])

const serveFile = z.strictObject({
  data: z.string().min(1).optional(),
  kafka: z
    .strictObject({
      host: z.string().min(1).optional(),
      port: z.int().min(0).max(65_535).optional(),
    })
    .optional(),
  /** Kafka broker settings by their own names. */
  settings: z.record(z.string(), scalar).optional(),
})

export type ServeFile = z.infer<typeof serveFile>

/** The environment, with what `.env` in the working folder adds to it. */
export async function readEnvironment(
  io: Io,
  file = '.env',
): Promise<Readonly<Record<string, string | undefined>>> {
  const text = await readOptional(resolve(io.cwd, file))
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
  const outcome = serveFile.safeParse(parseYaml(name, text) ?? {})
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
    `${count} in configuration\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  )
}

function parseYaml(name: string, text: string): unknown {
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
