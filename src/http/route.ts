/**
 * One operation of the HTTP API as data: what it takes, what it answers, how it refuses. The server, the OpenAPI document and
 * the typed client are made from a table of these; nothing about an operation is said anywhere else.
 *
 * A table is an object by operation id, one file an area (`routes-groups.ts`), put together in `routes.ts`. Who adds an area
 * writes its routes, names them in a table, and gives the handlers to whoever serves that table: `Handlers` demands each.
 */

import type { z } from 'zod'
import type { Problem, ProblemCode } from './problems.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** A request and its answer as the document shows them; the contract test plays them against a broker. */
export interface Example {
  readonly name: string
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly response: unknown
}

export interface Route {
  readonly method: Method
  /** Parameters in braces: `/groups/{groupId}/join`. */
  readonly path: `/${string}`
  readonly tag: string
  /** A few words, no full stop. */
  readonly summary: string
  /** Sentences: guarantees, limits, what a caller should know. */
  readonly description?: string
  /** One field for each brace of the path. */
  readonly params?: z.ZodObject
  /** Read from text: numbers and booleans by the schema, arrays from a name given several times. */
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** What a success carries; text where `produces` is given. */
  readonly response: z.ZodType
  /** Of a success; default 200. */
  readonly status?: 200 | 201 | 202
  /** The media type of a success that is not JSON. */
  readonly produces?: string
  /** The refusals of this operation; those that every operation has are not listed (`commonProblems`). */
  readonly problems: readonly ProblemCode[]
  /** Answered without a token: says nothing about the data. */
  readonly isOpen?: true
  readonly examples: readonly Example[]
}

export type RouteTable = Readonly<Record<string, Route>>

/** Keeps the exact types of a route, and checks that it is one. */
export function route<const R extends Route>(definition: R): R {
  return definition
}

type FieldsOf<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined

/** What a handler gets: checked, defaults filled in. */
export interface RequestOf<R extends Route> {
  readonly params: FieldsOf<R['params']>
  readonly query: FieldsOf<R['query']>
  readonly body: FieldsOf<R['body']>
}

/** What a client gives: parts in which nothing is required may be left out. */
export type CallOf<R extends Route> = Sent<'params', R['params']> &
  Sent<'query', R['query']> &
  Sent<'body', R['body']>

type Sent<Part extends string, Schema> = Schema extends z.ZodType
  ? object extends z.input<Schema>
    ? { readonly [Name in Part]?: z.input<Schema> }
    : { readonly [Name in Part]: z.input<Schema> }
  : unknown

/** What a success carries. */
export type AnswerOf<R extends Route> = z.input<R['response']>

/** The same as a client reads it. */
export type ReplyOf<R extends Route> = z.output<R['response']>

/** Who asks, and whether it still listens. */
export interface Caller {
  /** The address of the peer, such as `127.0.0.1`. */
  readonly host: string
  /** Aborts when the client went away or the server closes: whoever waits answers with what there is. */
  readonly signal: AbortSignal
}

/** Answers an operation. A refusal is a value (`problem(...)`); what is thrown becomes 500, or what its ShoalError says. */
export type Handler<R extends Route> = (
  request: RequestOf<R>,
  caller: Caller,
) => AnswerOf<R> | Problem | Promise<AnswerOf<R> | Problem>

/** One handler for each operation of a table. */
export type Handlers<Table extends RouteTable> = {
  readonly [Id in keyof Table]: Handler<Table[Id]>
}

/** The names in the braces of a path. */
export function pathParams(path: string): readonly string[] {
  return Array.from(path.matchAll(/\{(\w+)\}/g), ([, name = '']) => name)
}
