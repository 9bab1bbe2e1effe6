/**
 * A route table being served: from a request to its answer, whatever carries them (`node-server.ts` does).
 *
 *   route ─▶ guard (Host, Origin, token) ─▶ limits ─▶ body ─▶ checked parts ─▶ handler ─▶ JSON
 *               403, 401, then 404, 405    429, 503  413-415      400
 *
 * Everything that does not concern one operation is here, once. A refused request has reached no handler, so it has changed
 * nothing. What a handler throws is logged and answered 500 without its words, unless it is a ShoalError that a caller can
 * do something about. `close` ends long polls by their signal, lets what runs answer, and refuses what comes after.
 */

import type { Clock, Logger } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'
import type { Answer, ApiRequest } from './exchange.ts'
import { Guard, type GuardOptions } from './guard.ts'
import { idempotencyDefaults, IdempotencyKeys, type IdempotencyLimits } from './idempotency.ts'
import { int64Rewrite, type Rewrite } from './int64-text.ts'
import { parseJsonBody } from './json-body.ts'
import { Problem, problem, problemBody, problemHeaders } from './problems.ts'
import { type RawRequest, requestReader, type RequestReader } from './request-parts.ts'
import type { Caller, Handler, Handlers, Route, RouteTable } from './route.ts'
import { type Match, Router } from './router.ts'

export interface ApiLimits {
  /** Bytes of a request's body; beyond it 413. Default 16 MiB. */
  readonly maxBodyBytes: number
  /** Requests that are worked on at a time, waiting polls among them; beyond it 429. Default 10,000. */
  readonly maxRequests: number
  /** Bytes of all bodies that are worked on; beyond it 503. Default 128 MiB. */
  readonly maxBodyBytesInFlight: number
  readonly idempotency: IdempotencyLimits
}

export const apiLimitDefaults: ApiLimits = {
  maxBodyBytes: 16 * 1_048_576,
  maxRequests: 10_000,
  maxBodyBytesInFlight: 128 * 1_048_576,
  idempotency: idempotencyDefaults,
}

export interface ApiServerOptions<Table extends RouteTable> {
  readonly routes: Table
  readonly handlers: Handlers<Table>
  readonly guard: GuardOptions
  readonly limits?: Partial<ApiLimits>
  readonly clock: Clock
  readonly logger: Logger
}

interface Operation {
  readonly id: string
  readonly route: Route
  readonly handle: Handler<Route>
  readonly read: RequestReader
  readonly int64AsText: Rewrite | null
}

const COMMON_HEADERS = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' } as const
const JSON_HEADERS = { ...COMMON_HEADERS, 'content-type': 'application/json' } as const
const NO_BODY = new Uint8Array(0)

export class ApiServer {
  readonly #router: Router
  readonly #operations = new Map<string, Operation>()
  readonly #guard: Guard
  readonly #limits: ApiLimits
  readonly #logger: Logger
  readonly #keys: IdempotencyKeys
  readonly #closing = new AbortController()
  #requests = 0
  #bodyBytes = 0
  #onIdle: () => void = () => {}

  private constructor(options: ApiServerOptions<RouteTable>) {
    const { routes, handlers, guard, limits, clock, logger } = options
    this.#router = new Router(routes)
    for (const [id, route] of Object.entries(routes)) {
      const handle = handlers[id]
      if (handle === undefined)
        throw new ShoalError('SHOAL_INVALID_ARGUMENT', `the operation ${id} has no handler`)
      const int64AsText = int64Rewrite(route.response)
      this.#operations.set(id, { id, route, handle, read: requestReader(route), int64AsText })
    }
    this.#guard = new Guard(guard)
    this.#limits = { ...apiLimitDefaults, ...limits }
    this.#logger = logger
    this.#keys = new IdempotencyKeys(clock, this.#limits.idempotency)
  }

  /** A server of this table; each operation has its handler, by its types. */
  static of<Table extends RouteTable>(options: ApiServerOptions<Table>): ApiServer {
    // A handler takes what its own route says, and is only ever given that: `read` is made from the same route.
    return new ApiServer(options)
  }

  get isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  /** Answers one request. Rejects only when the peer is gone before its body came. */
  async answer(request: ApiRequest): Promise<Answer> {
    if (this.isClosing)
      return refused(problem('CLOSING', 'the server is closing; ask again in a moment'))
    if (this.#requests >= this.#limits.maxRequests)
      return refused(
        problem(
          'TOO_MANY_REQUESTS',
          `${this.#requests} requests are being worked on, as many as may be; ask again in a moment`,
        ),
      )
    this.#requests++
    try {
      return await this.#route(request)
    } finally {
      this.#requests--
      if (this.#requests === 0) this.#onIdle()
    }
  }

  /** Ends what waits, and resolves when the last request is answered. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (this.#requests === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  #route(request: ApiRequest): Answer | Promise<Answer> {
    const at = request.target.indexOf('?')
    const path = at < 0 ? request.target : request.target.slice(0, at)
    const match = this.#router.match(request.method, path)
    const operation = match.kind === 'found' ? this.#operations.get(match.id) : undefined
    const stranger = this.#guard.refusal(request, operation?.route.isOpen === true)
    if (stranger !== null) return refused(stranger)
    if (operation === undefined || match.kind !== 'found')
      return refused(notFound(request.method, path, match))
    const query = at < 0 ? '' : request.target.slice(at + 1)
    return this.#serve(operation, request, { params: match.params, query })
  }

  async #serve(
    operation: Operation,
    request: ApiRequest,
    parts: Pick<RawRequest, 'params' | 'query'>,
  ): Promise<Answer> {
    let taken = 0
    const take = (byteLength: number): Problem | null => {
      const refusal = this.#bodyProblem(taken, byteLength)
      if (refusal !== null) return refusal
      taken += byteLength
      this.#bodyBytes += byteLength
      return null
    }
    try {
      const bytes = request.method === 'GET' ? NO_BODY : await request.body(take)
      if (bytes instanceof Problem) return refused(bytes)
      const given = { request, params: parts.params, query: parts.query, bytes }
      const key = request.method === 'GET' ? undefined : request.header('idempotency-key')
      if (key === undefined) return await this.#work(operation, given)
      const target = `${request.method} ${request.target}`
      const answer = await this.#keys.once({ key, target, body: bytes }, () =>
        this.#work(operation, given),
      )
      return answer instanceof Problem ? refused(answer) : answer
    } finally {
      this.#bodyBytes -= taken
    }
  }

  #bodyProblem(taken: number, more: number): Problem | null {
    const { maxBodyBytes, maxBodyBytesInFlight } = this.#limits
    // What is not read of a body would be taken for the next request: the connection ends.
    const headers = { connection: 'close' }
    if (taken + more > maxBodyBytes)
      return problem(
        'BODY_TOO_LARGE',
        `the body is larger than ${maxBodyBytes} bytes; send less in one request`,
        { extras: { max_bytes: maxBodyBytes }, headers },
      )
    if (this.#bodyBytes > 0 && this.#bodyBytes + more > maxBodyBytesInFlight)
      return problem(
        'UNAVAILABLE',
        `the bodies that are being worked on have ${this.#bodyBytes} bytes, as many as may be; ask again in a moment`,
        { headers },
      )
    return null
  }

  async #work(operation: Operation, given: GivenRequest): Promise<Answer> {
    const { id, route, handle, read, int64AsText } = operation
    const raw = rawRequest(route, given)
    if (raw instanceof Problem) return refused(raw)
    const isText = wantsInt64AsText(raw.query)
    const checked = read(isText ? { ...raw, query: withoutInt64(raw.query) } : raw)
    if (checked instanceof Problem) return refused(checked)
    try {
      const answer = await handle(checked, new RequestCaller(given.request, this.#closing.signal))
      if (answer instanceof Problem) return refused(answer)
      return succeeded(route, isText && int64AsText !== null ? int64AsText(answer) : answer)
    } catch (error) {
      return refused(this.#failed(id, error))
    }
  }

  #failed(operation: string, error: unknown): Problem {
    if (error instanceof ShoalError) {
      if (error.code === 'SHOAL_CLOSED')
        return problem('CLOSING', 'the server is closing; ask again in a moment')
      if (error.code === 'SHOAL_STORAGE_FULL') return problem('STORAGE_FULL', error.message)
    }
    this.#logger.log('error', 'a request failed', { operation, error: messageOf(error) })
    return problem('INTERNAL', 'the server failed to answer; its log says why')
  }
}

/**
 * A class, because an object literal with a getter of its own costs V8 a hidden class for each, which lives in the old
 * generation and keeps the whole request there until everything is collected: a sixth of the time under load.
 */
class RequestCaller implements Caller {
  readonly #request: ApiRequest
  readonly #closing: AbortSignal

  constructor(request: ApiRequest, closing: AbortSignal) {
    this.#request = request
    this.#closing = closing
  }

  get host(): string {
    return this.#request.peerHost
  }

  /** Made when it is asked for: most handlers never wait. */
  get signal(): AbortSignal {
    return AbortSignal.any([this.#request.signal, this.#closing])
  }
}

interface GivenRequest extends Pick<RawRequest, 'params' | 'query'> {
  readonly request: ApiRequest
  readonly bytes: Uint8Array
}

function rawRequest(route: Route, { request, params, query, bytes }: GivenRequest) {
  if (route.body === undefined) return { params, query, body: undefined }
  // The type keeps forms of other sites out: before a browser sends JSON to another site it asks.
  if (!/^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(request.header('content-type') ?? ''))
    return problem(
      'NOT_JSON_CONTENT',
      'send the body as JSON, with the header Content-Type: application/json',
    )
  const body = parseJsonBody(bytes)
  return body instanceof Problem ? body : { params, query, body: body.value }
}

function wantsInt64AsText(query: string): boolean {
  return query.includes('int64') && new URLSearchParams(query).get('int64') === 'string'
}

function withoutInt64(query: string): string {
  const rest = new URLSearchParams(query)
  rest.delete('int64')
  return rest.toString()
}

function notFound(method: string, path: string, match: Match): Problem {
  if (match.kind === 'other-method') {
    const methods = match.methods.join(', ')
    return problem('METHOD_NOT_ALLOWED', `${path} takes ${methods}, not ${method.slice(0, 20)}`, {
      headers: { allow: methods },
    })
  }
  const near = match.kind === 'unknown' ? match.nearest : undefined
  const hint = near === undefined ? '/openapi.json lists what there is' : `did you mean ${near}`
  return problem('UNKNOWN_ROUTE', `there is no route ${path.slice(0, 200)}; ${hint}`)
}

function succeeded({ status = 200, produces }: Route, answer: unknown): Answer {
  if (produces === undefined) return { status, headers: JSON_HEADERS, text: JSON.stringify(answer) }
  return { status, headers: { ...COMMON_HEADERS, 'content-type': produces }, text: String(answer) }
}

function refused(refusal: Problem): Answer {
  const headers = { ...COMMON_HEADERS, ...problemHeaders(refusal) }
  return { status: refusal.status, headers, text: JSON.stringify(problemBody(refusal)) }
}
