/** A small route table, a server of it without sockets, and a client of that server. Named as a test so that it is not shipped. */

import { z } from 'zod'
import { type Logger, silentLogger, VirtualClock } from '../core/index.ts'
import { type ApiLimits, ApiServer } from './api-server.ts'
import { apiClient } from './client.ts'
import type { Answer, ApiRequest } from './exchange.ts'
import { duration, int64 } from './fields.ts'
import { problem } from './problems.ts'
import { type Handlers, route } from './route.ts'

export const routes = {
  getThing: route({
    method: 'GET',
    path: '/things/{thing}',
    tag: 'Things',
    summary: 'One thing',
    params: z.strictObject({ thing: z.string() }),
    query: z.strictObject({
      limit: z.int().min(1).max(10).default(5),
      flag: z.boolean().optional(),
      only: z.array(z.string()).optional(),
    }),
    response: z.strictObject({ thing: z.string(), query: z.unknown() }),
    problems: ['UNKNOWN_TOPIC'],
    examples: [],
  }),
  putThing: route({
    method: 'POST',
    path: '/things',
    tag: 'Things',
    summary: 'Make a thing',
    body: z.strictObject({
      name: z.string().min(1),
      size: int64.optional(),
      wait: duration.optional(),
      data: z.unknown().optional(),
    }),
    response: z.strictObject({ made: z.int(), body: z.unknown(), size: int64.optional() }),
    status: 201,
    problems: [],
    examples: [],
  }),
  getSpecial: route({
    method: 'GET',
    path: '/things/special',
    tag: 'Things',
    summary: 'A path that looks like a parameter',
    response: z.strictObject({ special: z.literal(true) }),
    problems: [],
    isOpen: true,
    examples: [],
  }),
  text: route({
    method: 'GET',
    path: '/text',
    tag: 'Things',
    summary: 'No JSON',
    response: z.string(),
    produces: 'text/plain',
    problems: [],
    examples: [],
  }),
}

export interface FixtureOptions {
  readonly limits?: Partial<ApiLimits>
  readonly token?: string
  readonly allowedHosts?: readonly string[]
  readonly logger?: Logger
  readonly handlers?: Partial<Handlers<typeof routes>>
}

export function fixture(options: FixtureOptions = {}) {
  const clock = new VirtualClock()
  let made = 0
  const handlers: Handlers<typeof routes> = {
    getThing: ({ params: { thing }, query }) =>
      thing === 'nothing' ? problem('UNKNOWN_TOPIC', 'there is no nothing') : { thing, query },
    putThing: ({ body }) => ({
      made: ++made,
      body,
      ...(body.size === undefined ? {} : { size: body.size }),
    }),
    getSpecial: () => ({ special: true }),
    text: () => 'plain',
    ...options.handlers,
  }
  const server = ApiServer.of({
    routes,
    handlers,
    guard: { token: options.token ?? null, allowedHosts: options.allowedHosts ?? [] },
    limits: options.limits ?? {},
    clock,
    logger: options.logger ?? silentLogger,
  })
  const ask = async (method: string, target: string, sent: Sent = {}) => {
    const answer = await server.answer(requestOf(method, target, sent))
    return { ...answer, body: bodyOf(answer) }
  }
  const client = apiClient(routes, {
    baseUrl: 'http://localhost:8080/',
    fetch: async (url, { method, headers, body, signal }) => {
      const { pathname, search } = new URL(url)
      const {
        status,
        headers: answered,
        text,
      } = await server.answer(
        requestOf(method, pathname + search, { headers, bytes: body ?? '', signal }),
      )
      return {
        status,
        headers: { get: (name) => answered[name] ?? null },
        text: async () => text,
      }
    },
  })
  return { server, ask, clock, client }
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as they are. */
  readonly bytes?: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

export function requestOf(method: string, target: string, sent: Sent): ApiRequest {
  const { json, bytes = json === undefined ? '' : JSON.stringify(json), signal } = sent
  const body = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  const headers = new Map(Object.entries({ host: 'localhost:8080', ...type, ...sent.headers }))
  return {
    method,
    target,
    peerHost: '127.0.0.1',
    signal: signal ?? new AbortController().signal,
    header: (name) => headers.get(name),
    body: async (take) => take(body.length) ?? body,
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- answers have every shape
function bodyOf({ text, headers }: Answer): any {
  return headers['content-type'] === 'text/plain' ? text : JSON.parse(text)
}
