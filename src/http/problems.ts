/**
 * Every way in which the HTTP API refuses: a stable code, a status and a title each (RFC 9457 `application/problem+json`).
 *
 * Callers match `code`; a code is never renamed. The table is in the OpenAPI document and in docs/http-api.md. A body says
 * the sentence twice: as `detail`, and as `error`, where clients of GoQueue look for it.
 */

interface ProblemKind {
  readonly status: number
  readonly title: string
  /** Seconds after which the same call may succeed: sent as Retry-After. */
  readonly retryAfterSeconds?: number
}

export const problemTable = {
  INVALID_REQUEST: { status: 400, title: 'The request has invalid fields; each is listed' },
  BODY_NOT_JSON: { status: 400, title: 'The body is not JSON' },
  INVALID_HANDLE: { status: 400, title: 'The receipt handle is not one of this server' },
  UNAUTHORIZED: { status: 401, title: 'A bearer token is needed' },
  FOREIGN_HOST: { status: 403, title: 'The Host is not one that this server answers to' },
  FOREIGN_ORIGIN: { status: 403, title: 'The request comes from the page of another site' },
  NOT_ASSIGNED: { status: 403, title: 'The partition is not assigned to the member' },
  UNKNOWN_ROUTE: { status: 404, title: 'There is no such route' },
  UNKNOWN_GROUP: { status: 404, title: 'The group does not exist' },
  UNKNOWN_MEMBER: { status: 404, title: 'The member is not in the group; join again' },
  UNKNOWN_TOPIC: { status: 404, title: 'The topic does not exist' },
  UNKNOWN_PARTITION: { status: 404, title: 'The topic has no such partition' },
  UNKNOWN_DELIVERY: {
    status: 404,
    title: 'The group, topic or partition of the handle is gone',
  },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The route has other methods' },
  STALE_GENERATION: { status: 409, title: 'The generation is not the current one' },
  MEMBER_FENCED: { status: 409, title: 'Another member holds the instance id' },
  NO_OFFSET: { status: 409, title: 'There is no committed offset and the policy is none' },
  GROUP_TYPE: { status: 409, title: 'The group has members of another kind' },
  GROUP_NOT_EMPTY: { status: 409, title: 'The group has members' },
  GROUP_FULL: { status: 409, title: 'The group has as many members as it may have' },
  TOPIC_EXISTS: { status: 409, title: 'The topic exists already' },
  TOPIC_DELETION_DISABLED: { status: 409, title: 'delete.topic.enable is off' },
  STORAGE_DAMAGED: { status: 500, title: 'Acknowledged bytes on the disk are damaged' },
  TOO_MANY_PARTITIONS: { status: 409, title: 'The broker has as many partitions as it may have' },
  HANDLE_EXPIRED: { status: 410, title: 'The delivery is over: its lock ended or it was settled' },
  HANDLE_NOT_HELD: { status: 410, title: 'Another member has the record, or the handle' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is larger than the limit' },
  MESSAGE_TOO_LARGE: { status: 413, title: 'A message is larger than its topic takes' },
  NOT_JSON_CONTENT: { status: 415, title: 'The body has to be sent as application/json' },
  OFFSET_OUT_OF_RANGE: { status: 416, title: 'The offset is not in the log' },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The key was used for another request' },
  TOO_MANY_REQUESTS: {
    status: 429,
    title: 'The server works on as many requests as it may',
    retryAfterSeconds: 1,
  },
  TOO_MANY_DELAYED: {
    status: 429,
    title: 'As many delayed messages wait as may wait',
    retryAfterSeconds: 10,
  },
  INTERNAL: { status: 500, title: 'The server failed; its log says why' },
  STORAGE_FULL: { status: 507, title: 'The disk is full; nothing was kept' },
  CLOSING: { status: 503, title: 'The server is closing', retryAfterSeconds: 1 },
  UNAVAILABLE: {
    status: 503,
    title: 'The server cannot do this now',
    retryAfterSeconds: 1,
  },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problemTable

/** What any operation may answer: the contract does not repeat them route by route. */
export const commonProblems: readonly ProblemCode[] = [
  'INVALID_REQUEST',
  'UNAUTHORIZED',
  'FOREIGN_HOST',
  'FOREIGN_ORIGIN',
  'TOO_MANY_REQUESTS',
  'INTERNAL',
  'STORAGE_FULL',
  'CLOSING',
  'UNAVAILABLE',
]

/** What any operation that takes a body may answer besides. */
export const bodyProblems: readonly ProblemCode[] = [
  'BODY_NOT_JSON',
  'BODY_TOO_LARGE',
  'NOT_JSON_CONTENT',
  'IDEMPOTENCY_KEY_REUSED',
]

/** One thing that is wrong with a request: where (`body.topics.0`) and what. */
export interface FieldProblem {
  readonly path: string
  readonly message: string
}

/** A refusal: a value that a handler returns. */
export class Problem {
  readonly code: ProblemCode
  readonly detail: string
  readonly errors: readonly FieldProblem[]
  /** Fields of this kind of refusal, such as the current generation. */
  readonly extras: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, more: ProblemDetails) {
    this.code = code
    this.detail = detail
    this.errors = more.errors ?? []
    this.extras = more.extras ?? {}
    this.headers = more.headers ?? {}
  }

  get status(): number {
    return problemTable[this.code].status
  }
}

export interface ProblemDetails {
  readonly errors?: readonly FieldProblem[]
  readonly extras?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A refusal with its sentence: what happened, to what, and what to do; lower case, no full stop. */
export function problem(code: ProblemCode, detail: string, more: ProblemDetails = {}): Problem {
  return new Problem(code, detail, more)
}

/** The body of the answer. */
export function problemBody(refusal: Problem): Readonly<Record<string, unknown>> {
  const { code, detail, errors, extras, status } = refusal
  return {
    type: `urn:shoal:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: problemTable[code].title,
    status,
    detail,
    error: detail,
    code,
    ...(errors.length > 0 ? { errors } : {}),
    ...extras,
  }
}

export function problemHeaders(refusal: Problem): Record<string, string> {
  const kind: ProblemKind = problemTable[refusal.code]
  return {
    'content-type': 'application/problem+json',
    ...(kind.retryAfterSeconds === undefined
      ? {}
      : { 'retry-after': String(kind.retryAfterSeconds) }),
    ...refusal.headers,
  }
}
