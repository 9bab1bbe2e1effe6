/**
 * What a request says, checked against its route: path parameters, query and body. All that is wrong is told at once.
 *
 * A query is text: numbers and booleans are read as their schema asks, `?flag` alone is true, a name given twice is refused
 * unless the schema takes a list.
 */

import type { z } from 'zod'
import { type FieldProblem, type Problem, problem } from './problems.ts'
import type { RequestOf, Route } from './route.ts'

export interface RawRequest {
  readonly params: Readonly<Record<string, string>>
  /** What follows the question mark. */
  readonly query: string
  readonly body: unknown
}

/** Reads the requests of one route. */
export type RequestReader = (raw: RawRequest) => RequestOf<Route> | Problem

export function requestReader(route: Route): RequestReader {
  const { params, query, body } = route
  const kinds = query === undefined ? new Map<string, QueryKind>() : queryKinds(query)
  return (raw) => {
    const errors: FieldProblem[] = []
    const checked = {
      params: check('path', params, raw.params, errors),
      query: check('query', query, query && queryValues(raw.query, kinds, errors), errors),
      body: check('body', body, raw.body, errors),
    }
    if (query === undefined && raw.query !== '') noQuery(raw.query, errors)
    return errors.length === 0 ? (checked as RequestOf<Route>) : invalid(errors)
  }
}

function invalid(errors: readonly FieldProblem[]): Problem {
  const detail = errors.map(({ path, message }) => `${path}: ${message}`).join('; ')
  return problem('INVALID_REQUEST', detail, { errors })
}

function check(
  part: string,
  schema: z.ZodType | undefined,
  value: unknown,
  errors: FieldProblem[],
): unknown {
  if (schema === undefined) return undefined
  const outcome = schema.safeParse(value)
  if (outcome.success) return outcome.data
  for (const issue of outcome.error.issues) errors.push(...fieldProblems(part, issue))
  return undefined
}

function fieldProblems(part: string, issue: z.core.$ZodIssue): readonly FieldProblem[] {
  const path = [part, ...issue.path.map(String)].join('.')
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: `${path}.${key}`, message: 'is not a known field' }))
    case 'invalid_type':
      return [{ path, message: typeMessage(issue) }]
    case 'invalid_union': {
      // The alternative that came closest says it best: fewest problems, the right type, the furthest inside.
      const [closest] = issue.errors.toSorted(
        (left, right) =>
          left.length - right.length ||
          wrongTypes(left) - wrongTypes(right) ||
          depth(right) - depth(left),
      )
      const inner = closest?.flatMap((each) => fieldProblems(path, each)) ?? []
      return inner.length > 0 ? inner : [{ path, message: lower(issue.message) }]
    }
    default:
      return [{ path, message: lower(issue.message) }]
  }
}

function typeMessage(issue: z.core.$ZodIssueInvalidType): string {
  return issue.message.endsWith('received undefined') ? 'is missing' : lower(issue.message)
}

function wrongTypes(issues: readonly z.core.$ZodIssue[]): number {
  return issues.filter(({ code, path }) => code === 'invalid_type' && path.length === 0).length
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length))
}

function lower(message: string): string {
  return message.replace(/^Invalid input: /, '').replace(/^[A-Z]/, (first) => first.toLowerCase())
}

type QueryKind = 'text' | 'number' | 'boolean' | 'list'

function queryKinds(schema: z.ZodObject): Map<string, QueryKind> {
  return new Map(Object.entries(schema.shape).map(([name, field]) => [name, kindOf(field)]))
}

function kindOf(field: z.core.$ZodType): QueryKind {
  const { def } = (field as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
    case 'default':
    case 'nullable':
      return kindOf(def.innerType)
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array':
      return 'list'
    default:
      return 'text'
  }
}

function queryValues(
  text: string,
  kinds: ReadonlyMap<string, QueryKind>,
  errors: FieldProblem[],
): Readonly<Record<string, unknown>> {
  const values = new Map<string, unknown>()
  if (text !== '')
    for (const [name, value] of new URLSearchParams(text)) {
      const kind = kinds.get(name) ?? 'text'
      if (kind === 'list') values.set(name, [...((values.get(name) as string[]) ?? []), value])
      else if (values.has(name))
        errors.push({ path: `query.${name}`, message: 'is given more than once' })
      else values.set(name, queryValue(kind, value))
    }
  return Object.fromEntries(values)
}

function queryValue(kind: QueryKind, text: string): unknown {
  if (kind === 'number' && /^-?\d{1,16}$/.test(text)) return Number(text)
  if (kind === 'boolean' && (text === '' || text === 'true')) return true
  if (kind === 'boolean' && text === 'false') return false
  return text
}

function noQuery(text: string, errors: FieldProblem[]): void {
  for (const name of new URLSearchParams(text).keys())
    errors.push({ path: `query.${name}`, message: 'is not a known field' })
}
