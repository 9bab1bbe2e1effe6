/**
 * A client of a route table: one method an operation, typed by it.
 *
 *   const api = apiClient(brokerRoutes, { baseUrl: 'http://127.0.0.1:8080', fetch })
 *   const joined = await api.joinGroup({ params: { groupId: 'billing' }, body: { topics: ['orders'] } })
 *   if (joined.ok) joined.body.assigned_partitions
 *   else joined.problem.code
 *
 * A refusal is a value. Only what is no answer is thrown: SHOAL_BROKER_UNREACHABLE when nobody answered, SHOAL_REQUEST_FAILED
 * when the answer is not this API's. It never sends a request twice.
 */

import { messageOf, ShoalError } from '../core/index.ts'
import type { FieldProblem, ProblemCode } from './problems.ts'
import { type CallOf, pathParams, type ReplyOf, type Route, type RouteTable } from './route.ts'

/** What the client needs of `fetch`: the global one fits. */
export type FetchPort = (
  url: string,
  init: {
    readonly method: string
    readonly headers: Record<string, string>
    readonly body?: string
    readonly signal?: AbortSignal
  },
) => Promise<{
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
}>

export interface ApiClientOptions {
  /** Such as `http://127.0.0.1:8080`; a path is kept. */
  readonly baseUrl: string
  readonly fetch: FetchPort
  /** Sent as a bearer token. */
  readonly token?: string
}

export interface CallOptions {
  /** Ends the request; it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Of a write: sent again, it gets the first answer. */
  readonly idempotencyKey?: string
}

/** A refusal as a client reads it. */
export interface ReceivedProblem {
  readonly status: number
  readonly code: ProblemCode
  /** The sentence. */
  readonly detail: string
  readonly errors: readonly FieldProblem[]
  /** Seconds, when the server says after how long to ask again. */
  readonly retryAfterSeconds: number | null
  /** The whole body, with the fields of this kind of refusal. */
  readonly body: Readonly<Record<string, unknown>>
}

export type Reply<R extends Route> =
  | { readonly ok: true; readonly status: number; readonly body: ReplyOf<R> }
  | { readonly ok: false; readonly problem: ReceivedProblem }

type Operation<R extends Route> =
  object extends CallOf<R>
    ? (call?: CallOf<R> & CallOptions) => Promise<Reply<R>>
    : (call: CallOf<R> & CallOptions) => Promise<Reply<R>>

export type ApiClient<Table extends RouteTable> = {
  readonly [Id in keyof Table]: Operation<Table[Id]>
}

interface AnyCall extends CallOptions {
  readonly params?: Readonly<Record<string, unknown>>
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
}

export function apiClient<Table extends RouteTable>(
  routes: Table,
  options: ApiClientOptions,
): ApiClient<Table> {
  const operations = Object.entries(routes).map(([id, route]) => [
    id,
    (call: AnyCall = {}) => ask(route, call, options),
  ])
  // Each operation takes and answers what its own route says.
  return Object.fromEntries(operations) as ApiClient<Table>
}

async function ask(route: Route, call: AnyCall, options: ApiClientOptions): Promise<Reply<Route>> {
  const url = `${options.baseUrl.replace(/\/$/, '')}${pathOf(route, call)}${queryOf(call)}`
  const headers: Record<string, string> = { accept: 'application/json' }
  if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`
  if (call.idempotencyKey !== undefined) headers['idempotency-key'] = call.idempotencyKey
  if (call.body !== undefined) headers['content-type'] = 'application/json'
  const { fetch } = options
  let status: number
  let text: string
  let retryAfter: string | null
  try {
    const response = await fetch(url, {
      method: route.method,
      headers,
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    })
    status = response.status
    retryAfter = response.headers.get('retry-after')
    text = await response.text()
  } catch (cause) {
    call.signal?.throwIfAborted()
    throw new ShoalError(
      'SHOAL_BROKER_UNREACHABLE',
      `nobody answered at ${options.baseUrl}: ${reasonOf(cause)}`,
      { cause },
    )
  }
  if (status < 300 && route.produces !== undefined) return { ok: true, status, body: text }
  const body = parsed(text)
  if (status < 300 && body !== null) return { ok: true, status, body }
  if (body === null || typeof body['code'] !== 'string')
    throw new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `${route.method} ${url} was answered with status ${status} and no JSON of this API`,
    )
  return { ok: false, problem: received(status, body, retryAfter) }
}

function received(
  status: number,
  body: Readonly<Record<string, unknown>>,
  retryAfter: string | null,
): ReceivedProblem {
  const { code, detail, errors } = body
  return {
    status,
    // A newer server may know codes that this client does not: who matches has a default.
    code: code as ProblemCode,
    detail: typeof detail === 'string' ? detail : '',
    errors: Array.isArray(errors) ? (errors as readonly FieldProblem[]) : [],
    retryAfterSeconds: retryAfter === null ? null : Number(retryAfter),
    body,
  }
}

function pathOf({ path }: Route, { params = {} }: AnyCall): string {
  return pathParams(path).reduce(
    (text, name) => text.replace(`{${name}}`, encodeURIComponent(textOf(params[name]))),
    path as string,
  )
}

function queryOf({ query = {} }: AnyCall): string {
  const values = new URLSearchParams()
  for (const [name, value] of Object.entries(query))
    if (Array.isArray(value)) for (const each of value) values.append(name, textOf(each))
    else if (value !== undefined) values.append(name, textOf(value))
  return values.size === 0 ? '' : `?${values.toString()}`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? '')
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return messageOf(cause instanceof Error ? cause : error)
}
