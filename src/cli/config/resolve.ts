/**
 * From flags, environment, `.env` and `shoal.yaml` to one configuration, and where each value came from. Pure.
 *
 *   flag ─▶ environment ─▶ .env ─▶ shoal.yaml ─▶ default          the first that says something wins
 *
 * In the environment and in `.env` a setting has up to three names: its own (SHOAL_…), its twin for a secret (SHOAL_…_FILE,
 * whose content counts), and, for three of them, that of the classic service (KAFKA_…). All problems are told at once.
 */

import type { z } from 'zod'
import type { Kind } from './fields.ts'
import type { Leaf } from './leaves.ts'
import { leavesOf } from './leaves.ts'
import { nearest } from '../../http/index.ts'
import type { ConfigProblem } from './problems.ts'
import { aliases, brokerSections } from './schema.ts'

/** Variables from one place. */
export interface VariableSource {
  /** `environment`, or the name of the file. */
  readonly name: string
  readonly values: Readonly<Record<string, string | undefined>>
  /** Where a variable stands in its file; null in the environment. */
  lineOf(variable: string): number | null
}

/** A parsed `shoal.yaml`. */
export interface FileSource {
  readonly name: string
  readonly value: unknown
  lineOf(path: readonly (string | number)[]): number | null
}

export interface ConfigSources {
  /** By path; the flag's own name beside its text. */
  readonly flags: ReadonlyMap<string, { readonly flag: string; readonly text: string }>
  /** In order of precedence: the environment, then `.env`. */
  readonly variables: readonly VariableSource[]
  readonly file: FileSource | null
  /** What the files hold that `…_FILE` variables name; an error's words where one cannot be read. */
  readonly secretFiles: ReadonlyMap<string, { readonly text: string } | { readonly error: string }>
}

/** Where a value came from, and how it was written there. */
export interface Origin {
  /** The name that the user wrote. */
  readonly name: string
  readonly where: string
}

export interface Resolved<Config> {
  readonly config: Config | null
  readonly origins: ReadonlyMap<string, Origin>
  readonly problems: readonly ConfigProblem[]
}

/** Read by the process itself, or by other commands than the one that runs. */
const OTHER_VARIABLES = [
  'SHOAL_BROKER',
  'SHOAL_DEBUG',
  'SHOAL_DATA',
  'SHOAL_KAFKA_HOST',
  'SHOAL_KAFKA_PORT',
  'SHOAL_KAFKA_ALLOW_INSECURE',
] as const
const OTHER_PREFIX = /^SHOAL_HTTP_/
/** What Kubernetes puts into every pod beside a Service that is named shoal…; nobody wrote it. */
const OF_KUBERNETES = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_|$)/
const ADDRESS_OF_KUBERNETES = /^(?:tcp|udp|sctp):\/\//

export function resolveConfig<Schema extends z.ZodObject>(
  schema: Schema,
  sources: ConfigSources,
): Resolved<z.output<Schema>> {
  const leaves = leavesOf(schema)
  const problems: ConfigProblem[] = unknownVariables(leaves, sources.variables)
  const origins = new Map<string, Origin>()
  const raw = fileSections(sources.file, problems)
  for (const leaf of leaves) {
    const found = fromFlag(leaf, sources) ?? fromVariables(leaf, sources, problems)
    if (found !== null) {
      place(raw, leaf.path, found.value)
      origins.set(leaf.path, found.origin)
    } else if (valueAt(raw, leaf.path.split('.')) !== undefined)
      origins.set(leaf.path, fileOrigin(sources.file, leaf.path.split('.')))
  }
  const outcome = schema.safeParse(raw)
  if (!outcome.success)
    for (const issue of outcome.error.issues)
      problems.push(...issueProblems(issue, { raw, leaves, origins, file: sources.file }))
  return { config: outcome.success ? outcome.data : null, origins, problems }
}

interface Found {
  readonly value: unknown
  readonly origin: Origin
}

function fromFlag(leaf: Leaf, { flags }: ConfigSources): Found | null {
  const given = flags.get(leaf.path)
  if (given === undefined) return null
  const origin = { name: given.flag, where: 'command line' }
  return { value: valueOf(leaf.kind, given.text), origin }
}

function fromVariables(
  leaf: Leaf,
  { variables, secretFiles }: ConfigSources,
  problems: ConfigProblem[],
): Found | null {
  if (leaf.variable === null) return null
  const twin = `${leaf.variable}_FILE`
  const alias = Object.entries(aliases).find(([, path]) => path === leaf.path)?.[0]
  for (const source of variables) {
    const origin = (name: string) => ({ name, where: whereOf(source, name) })
    for (const name of [leaf.variable, ...(alias === undefined ? [] : [alias])]) {
      const text = source.values[name]
      if (text !== undefined) return { value: valueOf(leaf.kind, text), origin: origin(name) }
    }
    const path = leaf.kind === 'secret' ? source.values[twin] : undefined
    if (path === undefined) continue
    const content = secretFiles.get(path)
    if (content !== undefined && 'text' in content)
      return { value: content.text.replace(/\r?\n$/, ''), origin: origin(twin) }
    const problem = content?.error ?? 'was not read'
    problems.push({ name: twin, problem, where: whereOf(source, twin) })
    return { value: 'unreadable', origin: origin(twin) }
  }
  return null
}

/** A text as its kind reads it; what does not fit stays a text, and the schema says what is wrong with it. */
function valueOf(kind: Kind, text: string): unknown {
  if (kind === 'number' && /^-?\d{1,16}$/.test(text.trim())) return Number(text)
  if (kind === 'flag' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}

function unknownVariables(
  leaves: readonly Leaf[],
  sources: readonly VariableSource[],
): ConfigProblem[] {
  const known = new Set<string>(OTHER_VARIABLES)
  for (const { variable, kind } of leaves) {
    if (variable !== null) known.add(variable)
    if (variable !== null && kind === 'secret') known.add(`${variable}_FILE`)
  }
  return sources.flatMap((source) =>
    Object.entries(source.values)
      .filter(([name]) => /^SHOAL_/i.test(name) && !known.has(name) && !OTHER_PREFIX.test(name))
      .filter(([name, text = '']) => !OF_KUBERNETES.test(name) && !ADDRESS_OF_KUBERNETES.test(text))
      .map(([name]) => ({
        name,
        problem: `unknown setting${suggestion(nearest(name.toUpperCase(), known))}`,
        where: whereOf(source, name),
      })),
  )
}

/** The sections of the file that are this schema's. */
function fileSections(file: FileSource | null, problems: ConfigProblem[]): Record<string, unknown> {
  if (file === null || file.value === null || file.value === undefined) return {}
  if (typeof file.value !== 'object' || Array.isArray(file.value)) {
    problems.push({
      name: file.name,
      problem: 'expected sections such as consumer:',
      where: file.name,
    })
    return {}
  }
  const sections = Object.entries(file.value as Record<string, unknown>)
  return Object.fromEntries(
    sections
      .filter(([name]) => !brokerSections.has(name))
      // An empty section (`consumer:` and nothing below) says nothing.
      .map(([name, value]) => [name, isPlain(value) ? { ...value } : (value ?? {})]),
  )
}

interface IssueContext {
  readonly raw: Record<string, unknown>
  readonly leaves: readonly Leaf[]
  readonly origins: ReadonlyMap<string, Origin>
  readonly file: FileSource | null
}

function issueProblems(
  issue: z.core.$ZodIssue,
  { raw, leaves, origins, file }: IssueContext,
): readonly ConfigProblem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const full = [...path, key]
      const near = nearest(full.join('.'), known(leaves))
      return {
        name: full.join('.'),
        problem: `unknown setting${suggestion(near)}`,
        where: fileOrigin(file, full).where,
      }
    })
  const leaf = leaves.find((each) => each.path === path.slice(0, 2).join('.'))
  if (leaf?.isRequired === true && valueAt(raw, leaf.path.split('.')) === undefined)
    return [{ name: nameOf(leaf), problem: `required: ${leaf.description}`, where: '' }]
  const origin = origins.get(path.slice(0, 2).join('.'))
  // What came from the file is named as deep as it goes; a variable or a flag is one name.
  const isInside = origin === undefined || origin.name === leaf?.path
  const name = isInside ? path.join('.') : origin.name
  return [
    {
      name: name === '' ? (file?.name ?? 'configuration') : name,
      problem: issue.message,
      where: isInside ? fileOrigin(file, path).where : origin.where,
    },
  ]
}

/** Sections and settings: what a key of the file may have meant. */
function known(leaves: readonly Leaf[]): ReadonlySet<string> {
  return new Set(leaves.flatMap(({ path }) => [path, path.split('.')[0] ?? path]))
}

/** The name that most people know it by. */
function nameOf({ path, variable }: Leaf): string {
  return Object.entries(aliases).find(([, aliased]) => aliased === path)?.[0] ?? variable ?? path
}

function fileOrigin(file: FileSource | null, path: readonly (string | number)[]): Origin {
  const line = file?.lineOf(path) ?? null
  const where = file === null ? '' : line === null ? file.name : `${file.name}:${line}`
  return { name: path.join('.'), where }
}

function whereOf(source: VariableSource, name: string): string {
  const line = source.lineOf(name)
  return line === null ? source.name : `${source.name}:${line}`
}

function suggestion(near: string | undefined): string {
  return near === undefined ? '' : `; did you mean ${near}?`
}

function place(raw: Record<string, unknown>, path: string, value: unknown): void {
  const [section = '', name = ''] = path.split('.')
  const fields = raw[section]
  if (isPlain(fields)) fields[name] = value
  else if (fields === undefined) raw[section] = { [name]: value }
}

function valueAt(
  raw: Record<string, unknown>,
  [section = '', name = '']: readonly string[],
): unknown {
  const fields = raw[section]
  return isPlain(fields) ? fields[name] : undefined
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
