/**
 * Reads what configures a service: the environment, `.env`, `shoal.yaml`, and the files that `…_FILE` variables name.
 *
 * `.env` is read as Node reads it (`util.parseEnv`) and never overrides the environment. A file that was named has to
 * exist; the usual ones may be missing.
 */

import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { messageOf, ShoalError } from '../../core/index.ts'
import type { Io } from '../io.ts'
import type { ConfigProblem } from './problems.ts'
import { configProblemsError } from './problems.ts'
import type { ConfigSources, FileSource, VariableSource } from './resolve.ts'

export interface SourceNames {
  /** Default `.env`, where it exists. */
  readonly env?: string | undefined
  /** Default `shoal.yaml`, where it exists. */
  readonly config?: string | undefined
}

/** @throws ShoalError SHOAL_CONFIG_INVALID when a file cannot be read, or is not what its name says. */
export async function readConfigSources(
  io: Io,
  names: SourceNames,
  flags: ConfigSources['flags'],
): Promise<ConfigSources> {
  const environment: VariableSource = { name: 'environment', values: io.env, lineOf: () => null }
  const problems: ConfigProblem[] = []
  const attempt = async <T>(read: Promise<T | null>): Promise<T | null> => {
    try {
      return await read
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error
      problems.push({ name: 'file', problem: error.message, where: '' })
      return null
    }
  }
  const dotEnv = await attempt(readDotEnv(io, names.env))
  const file = await attempt(readYaml(io, names.config))
  if (problems.length > 0) throw configProblemsError(problems, ['files'])
  const variables = dotEnv === null ? [environment] : [environment, dotEnv]
  return { flags, variables, file, secretFiles: await readSecretFiles(io, variables) }
}

/** What was read, for the head of a list of problems. */
export function sourceNames({ variables, file }: ConfigSources): readonly string[] {
  const names = variables.map(({ name }) => name).toReversed()
  return file === null ? names : [file.name, ...names]
}

async function readDotEnv(io: Io, name: string | undefined): Promise<VariableSource | null> {
  const file = name ?? '.env'
  const text = await readNamed(io, file, name !== undefined, '--env')
  if (text === null) return null
  const lines = text.split(/\r?\n/)
  return {
    name: file,
    values: { ...parseEnv(text) },
    // The last one counts, as it does for the parser.
    lineOf: (variable) => {
      const index = lines.findLastIndex((line) =>
        new RegExp(`^\\s*(?:export\\s+)?${RegExp.escape(variable)}\\s*=`).test(line),
      )
      return index < 0 ? null : index + 1
    },
  }
}

async function readYaml(io: Io, name: string | undefined): Promise<FileSource | null> {
  const file = name ?? 'shoal.yaml'
  const text = await readNamed(io, file, name !== undefined, '--config')
  if (text === null) return null
  const { LineCounter, parseDocument, isMap, isPair, isNode } = await import('yaml')
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const [error] = document.errors
  if (error !== undefined)
    throw new ShoalError('SHOAL_CONFIG_INVALID', `${file} is not YAML: ${error.message}`, {
      cause: error,
    })
  return {
    name: file,
    value: document.toJS({ maxAliasCount: 100 }) as unknown,
    lineOf: (path) => {
      const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents
      const pair = isMap(parent)
        ? parent.items.find((item) => isPair(item) && String(item.key) === String(path.at(-1)))
        : undefined
      const node = isNode(pair?.key) ? pair.key : document.getIn(path, true)
      const offset = isNode(node) ? node.range?.[0] : undefined
      return offset === undefined ? null : lines.linePos(offset).line
    },
  }
}

async function readSecretFiles(
  io: Io,
  variables: readonly VariableSource[],
): Promise<ConfigSources['secretFiles']> {
  const paths = new Set(
    variables.flatMap(({ values }) =>
      Object.entries(values).flatMap(([name, path]) =>
        /^SHOAL_\w+_FILE$/.test(name) && path !== undefined ? [path] : [],
      ),
    ),
  )
  const contents = new Map<string, { readonly text: string } | { readonly error: string }>()
  for (const path of paths)
    try {
      contents.set(path, { text: await readFile(resolve(io.cwd, path), 'utf8') })
    } catch (error) {
      contents.set(path, { error: `cannot be read: ${messageOf(error)}` })
    }
  return contents
}

async function readNamed(
  io: Io,
  file: string,
  isNamed: boolean,
  flag: string,
): Promise<string | null> {
  try {
    return await readFile(resolve(io.cwd, file), 'utf8')
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (isMissing && !isNamed) return null
    throw new ShoalError(
      'SHOAL_CONFIG_INVALID',
      isMissing
        ? `${file} does not exist; create it or leave ${flag} out`
        : `${file} cannot be read: ${messageOf(error)}`,
      { cause: error },
    )
  }
}
