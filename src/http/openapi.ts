/**
 * A route table as an OpenAPI 3.1 document: what the server checks and what the document says are the same schemas.
 *
 * Schemas with an id become components. A request's schema says what may be sent, an answer's what comes back: where the two
 * differ (defaults, spans of time as text), the component of the answer is named `...Answer`.
 */

import { z } from 'zod'
import { commonProblems, type ProblemCode, problemTable } from './problems.ts'
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
  const response = jsonSchema(route.response, 'output', components)
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
                schema: jsonSchema(body, 'input', components),
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
      schema: jsonSchema(field, 'input', components),
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
function refusals({ problems }: Route): Json {
  const byStatus = new Map<number, ProblemCode[]>()
  for (const code of [...problems, ...commonProblems]) {
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
function jsonSchema(
  schema: z.ZodType | z.core.$ZodType,
  io: 'input' | 'output',
  components: Map<string, unknown>,
): unknown {
  const {
    $schema: _,
    $defs,
    ...own
  } = z.toJSONSchema(schema, {
    // A transform has no schema of its own: both ways are described by what is sent.
    io: 'input',
    target: 'draft-2020-12',
  }) as Record<string, unknown> & { $defs?: Record<string, unknown> }
  const names = new Map<string, string>()
  for (const [id, definition] of Object.entries($defs ?? {})) {
    const known = components.get(id)
    const isOther =
      io === 'output' && known !== undefined && !sameJson(known, renamed(definition, new Map()))
    const name = isOther ? `${id}Answer` : id
    names.set(id, name)
  }
  for (const [id, definition] of Object.entries($defs ?? {}))
    components.set(names.get(id) ?? id, renamed(definition, names))
  return renamed(own, names)
}

function sameJson(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

/** References to definitions become references to components; ids are said by the names. */
function renamed(value: unknown, names: ReadonlyMap<string, string>): unknown {
  return JSON.parse(JSON.stringify(value), (key: string, each: unknown) => {
    if (key === '$ref' && typeof each === 'string') {
      const id = each.replace('#/$defs/', '')
      return `#/components/schemas/${names.get(id) ?? id}`
    }
    return key === 'id' && typeof each === 'string' && names.has(each) ? undefined : each
  })
}
