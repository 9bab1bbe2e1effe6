/**
 * A route table as an OpenAPI 3.1 document: what the server checks and what the document says are the same schemas.
 *
 * Schemas with an id become components. All are shown as they look on the wire: before defaults and conversions.
 */

import { z } from 'zod'
import { bodyProblems, commonProblems, type ProblemCode, problemTable } from './problems.ts'
import type { Example, Route, RouteTable } from './route.ts'

export interface DocumentInfo {
  readonly version: string
  readonly url: string
}

type Json = Readonly<Record<string, unknown>>

export function openApiDocument(routes: RouteTable, { version, url }: DocumentInfo): Json {
  const components = new Map<string, unknown>([['Problem', problemSchema]])
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [id, route] of Object.entries(routes)) {
    const path = (paths[route.path] ??= {})
    path[route.method.toLowerCase()] = operation(id, route, components)
  }
  const tags = [...new Set(Object.values(routes).map(({ tag }) => tag))]
  return {
    openapi: '3.1.0',
    info: {
      title: 'Shoal',
      version,
      description:
        'Consumer groups, topics and messages over HTTP. Refusals are RFC 9457 problems with a stable `code`. ' +
        '64-bit integers are numbers up to 2^53 - 1 and strings beyond it; `?int64=string` makes them strings everywhere. ' +
        'Writes take an `Idempotency-Key`: for ten minutes the same key and body get the first answer again.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url }],
    security: [{}, { bearer: [] }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: Object.fromEntries([...components].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}

function operation(id: string, route: Route, components: Map<string, unknown>): Json {
  const { tag, summary, description, body, status = 200, produces, examples } = route
  const response = jsonSchema(route.response, components)
  const content = {
    [produces ?? 'application/json']: {
      schema: response,
      ...namedExamples(examples, ({ response: value }) => value),
    },
  }
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [
      ...parameters('path', route, examples, components),
      ...parameters('query', route, examples, components),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: jsonSchema(body, components),
                ...namedExamples(examples, ({ body: value }) => value),
              },
            },
          },
        }),
    responses: { [status]: { description: 'Done', content }, ...refusals(route) },
  }
}

function parameters(
  place: 'path' | 'query',
  route: Route,
  examples: readonly Example[],
  components: Map<string, unknown>,
): readonly Json[] {
  const fields = place === 'path' ? route.params : route.query
  return Object.entries(fields?.shape ?? {}).map(([name, field]) => {
    const given = examples
      .map((example) => (place === 'path' ? example.params : example.query)?.[name])
      .find((value) => value !== undefined)
    return {
      name,
      in: place,
      required: place === 'path' || !field.safeParse(undefined).success,
      schema: jsonSchema(field, components),
      ...(given === undefined ? {} : { example: given }),
    }
  })
}

function namedExamples(
  examples: readonly Example[],
  valueOf: (example: Example) => unknown,
): { readonly examples?: Json } {
  const values = examples.filter((example) => valueOf(example) !== undefined)
  if (values.length === 0) return {}
  return {
    examples: Object.fromEntries(
      values.map((example) => [example.name, { value: valueOf(example) }]),
    ),
  }
}

/** The refusals by status: several codes may share one. */
function refusals({ problems, body }: Route): Json {
  const byStatus = new Map<number, ProblemCode[]>()
  const always = body === undefined ? commonProblems : [...bodyProblems, ...commonProblems]
  for (const code of [...problems, ...always]) {
    const { status } = problemTable[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  const sorted = [...byStatus].sort(([left], [right]) => left - right)
  return Object.fromEntries(
    sorted.map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${problemTable[code].title}`).join('; '),
        content: {
          'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
        },
      },
    ]),
  )
}

const problemSchema: Json = {
  type: 'object',
  description: 'A refusal (RFC 9457). `error` says the same as `detail`.',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    error: { type: 'string' },
    code: { enum: Object.keys(problemTable) },
    errors: {
      type: 'array',
      description: 'every invalid field',
      items: {
        type: 'object',
        properties: { path: { type: 'string' }, message: { type: 'string' } },
        required: ['path', 'message'],
      },
    },
  },
  required: ['type', 'title', 'status', 'detail', 'error', 'code'],
}

/** The schema as JSON; those with an id go to the components and are referred to. */
function jsonSchema(schema: z.core.$ZodType, components: Map<string, unknown>): unknown {
  const {
    $schema: _,
    $defs: definitions,
    ...own
    // A transform has no schema of its own: both ways are described by what is sent.
  } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' })
  for (const [id, definition] of Object.entries(definitions ?? {}))
    components.set(id, referring(definition))
  return referring(own)
}

/** References to definitions become references to components; an id is said by the name. */
function referring(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key: string, each: unknown) => {
    if (key === '$ref' && typeof each === 'string')
      return each.replace('#/$defs/', '#/components/schemas/')
    return key === 'id' && typeof each === 'string' ? undefined : each
  })
}
