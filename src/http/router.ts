/**
 * From a method and a path to the one route that serves them; the same lookup decides who may ask and who answers.
 *
 * Fixed parts win over parameters (`/messages/ack` before `/messages/{id}`). A parameter is one part of the path, decoded:
 * `/groups/a%2Fb` is the group `a/b`. A slash at the end changes nothing.
 */

import { nearest } from './nearest.ts'
import type { Method, Route, RouteTable } from './route.ts'

interface Pattern {
  readonly id: string
  readonly method: Method
  readonly path: string
  readonly parts: readonly Part[]
}

/** A fixed part, or the name of a parameter; the other one is null. */
interface Part {
  readonly text: string | null
  readonly name: string | null
}

export type Match =
  | {
      readonly kind: 'found'
      readonly id: string
      readonly params: Readonly<Record<string, string>>
    }
  /** The path has routes, of other methods. */
  | { readonly kind: 'other-method'; readonly methods: readonly Method[] }
  | { readonly kind: 'unknown'; readonly nearest: string | undefined }

export class Router {
  /** By the number of parts; those with more fixed parts first. */
  readonly #patterns = new Map<number, Pattern[]>()

  constructor(routes: RouteTable) {
    for (const [id, route] of Object.entries(routes)) {
      const parts = partsOf(route)
      const sameLength = this.#patterns.get(parts.length) ?? []
      sameLength.push({ id, method: route.method, path: route.path, parts })
      this.#patterns.set(parts.length, sameLength)
    }
    for (const patterns of this.#patterns.values())
      patterns.sort((left, right) => fixedCount(right) - fixedCount(left))
  }

  /** `path` without its query. HEAD is served as GET. */
  match(method: string, path: string): Match {
    const asked = method === 'HEAD' ? 'GET' : method
    const given = split(path)
    const methods: Method[] = []
    for (const pattern of this.#patterns.get(given.length) ?? []) {
      if (!fits(pattern, given)) continue
      if (pattern.method === asked)
        return { kind: 'found', id: pattern.id, params: paramsOf(pattern, given) }
      methods.push(pattern.method)
    }
    if (methods.length > 0) return { kind: 'other-method', methods }
    const near = this.#nearest(given)
    // A part that is empty is missing: the same path again is no advice.
    return { kind: 'unknown', nearest: near === `/${given.join('/')}` ? undefined : near }
  }

  /** The path whose fixed parts are nearest, with what was asked for in place of its parameters. */
  #nearest(given: readonly string[]): string | undefined {
    const candidates = (this.#patterns.get(given.length) ?? []).map(
      ({ parts }) => `/${parts.map((part, index) => part.text ?? given[index]).join('/')}`,
    )
    return nearest(`/${given.join('/')}`, new Set(candidates))
  }
}

function split(path: string): readonly string[] {
  const parts = path.split('/')
  if (parts[0] === '') parts.shift()
  if (parts.length > 1 && parts.at(-1) === '') parts.pop()
  return parts
}

function partsOf({ path }: Route): readonly Part[] {
  return split(path).map((text) => {
    const [, name] = /^\{(\w+)\}$/.exec(text) ?? []
    return name === undefined ? { text, name: null } : { text: null, name }
  })
}

function fixedCount({ parts }: Pattern): number {
  return parts.filter(({ text }) => text !== null).length
}

function fits({ parts }: Pattern, given: readonly string[]): boolean {
  return parts.every(({ text }, index) =>
    text === null ? given[index] !== '' : given[index] === text,
  )
}

function paramsOf({ parts }: Pattern, given: readonly string[]): Readonly<Record<string, string>> {
  const params: Record<string, string> = {}
  for (const [index, { name }] of parts.entries())
    if (name !== null) params[name] = decoded(given[index] ?? '')
  return params
}

/** Text that is not percent-encoded as it should be stands for itself. */
function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text
    throw error
  }
}
