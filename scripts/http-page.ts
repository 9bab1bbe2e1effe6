/** `docs/http-api.md`: the HTTP API from its route table, with the examples that the contract test plays. */

import { z } from 'zod'
import {
  bodyProblems,
  brokerRoutes,
  commonProblems,
  type Example,
  problemTable,
  type Route,
} from '../src/http/index.ts'

export function httpPage(): string {
  const routes: readonly Route[] = Object.values(brokerRoutes)
  const tags = [...new Set(routes.map(({ tag }) => tag))]
  const sections = tags.map((tag) => {
    const own = routes.filter((route) => route.tag === tag)
    return `## ${tag}\n\n${own.map(operation).join('\n')}`
  })
  return `# HTTP API

\`shoal serve\` and \`shoal dev\` serve it on port 8080; \`/openapi.json\` is this page for programs (OpenAPI 3.1).

- A refusal is an RFC 9457 problem (\`application/problem+json\`): match its \`code\`, which is never renamed; \`detail\` (the same as
  \`error\`) is the sentence for people, \`errors\` lists every invalid field. Nothing is changed by a refused request.
- Answers to writes leave when a crash can no longer take back what they say.
- 64-bit integers are numbers up to 2^53 - 1 and strings of digits beyond; \`?int64=string\` makes them strings everywhere.
- Spans of time are milliseconds (\`..._ms\`) or text (\`30s\`). Unknown fields are refused, lest a slip of the pen go unnoticed.
- \`Idempotency-Key\` on a write: for ten minutes the same key and body get the first answer again instead of being done twice.
  The keys live in memory: a restart forgets them.
- The Host has to be a loopback name, an address, or allowed by \`--http-allowed-host\`; pages of other sites are refused.
- With a token (\`SHOAL_HTTP_TOKEN\`) every request but the probes needs \`Authorization: Bearer <token>\`.

${sections.join('\n')}
## Refusals

Any operation may answer: ${commonProblems.map((code) => `\`${code}\``).join(', ')}; one that takes
a body also: ${bodyProblems.map((code) => `\`${code}\``).join(', ')}.

| code | status | meaning |
| --- | --- | --- |
${Object.entries(problemTable)
  .map(([code, { status, title }]) => `| \`${code}\` | ${status} | ${title} |`)
  .join('\n')}
`
}

function operation(route: Route): string {
  const { method, path, summary, description, params, query, body, problems, examples } = route
  const parts = [
    `### ${method} ${path}`,
    `${summary}.${description === undefined ? '' : ` ${description}`}`,
    fieldTable('path', params),
    fieldTable('query', query),
    fieldTable('body', body),
    ...examples.map((example) => shownExample(route, example)),
    problems.length === 0
      ? ''
      : `Refused with ${problems.map((code) => `\`${code}\``).join(', ')}.`,
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly additionalProperties?: JsonSchema | boolean
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
}

function fieldTable(place: string, schema: z.ZodType | undefined): string {
  if (schema === undefined) return ''
  const json = z.toJSONSchema(schema, { io: 'input' }) as JsonSchema
  const definitions = json.$defs ?? {}
  const rows = alternatives(json, definitions).map(({ properties = {}, required = [] }) =>
    Object.entries(properties).map(([name, field]) => {
      const own = resolved(field, definitions)
      const notes = [
        required.includes(name) && field.default === undefined ? '**required**' : '',
        field.description ?? own.description ?? '',
        field.default === undefined ? '' : `default ${JSON.stringify(field.default)}`,
      ]
      const text = notes.filter((note) => note !== '').join('; ')
      return `| \`${name}\` | ${typeText(field, definitions)} | ${text.replaceAll('|', '\\|')} |`
    }),
  )
  return rows
    .filter((list) => list.length > 0)
    .map((list) => `| ${place} | type | |\n| --- | --- | --- |\n${list.join('\n')}`)
    .join('\n\nor\n\n')
}

/** The objects that a body may be. */
function alternatives(
  schema: JsonSchema,
  definitions: Readonly<Record<string, JsonSchema>>,
): readonly JsonSchema[] {
  const own = resolved(schema, definitions)
  return own.anyOf?.flatMap((each) => alternatives(each, definitions)) ?? [own]
}

function resolved(
  schema: JsonSchema,
  definitions: Readonly<Record<string, JsonSchema>>,
): JsonSchema {
  const name = schema.$ref?.replace('#/$defs/', '')
  return name === undefined ? schema : (definitions[name] ?? schema)
}

function typeText(schema: JsonSchema, definitions: Readonly<Record<string, JsonSchema>>): string {
  if (schema.$ref === '#/$defs/Int64') return 'int64'
  const { type, enum: values, anyOf, items, additionalProperties } = resolved(schema, definitions)
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(', ')
  if (anyOf !== undefined)
    return [...new Set(anyOf.map((each) => typeText(each, definitions)))].join(' or ')
  if (type === 'array')
    return `list of ${items === undefined ? 'any' : typeText(items, definitions)}`
  if (type === 'object' && typeof additionalProperties === 'object')
    return `map of ${typeText(additionalProperties, definitions)}`
  if (Array.isArray(type)) return type.join(' or ')
  return typeof type === 'string' ? type : 'any'
}

function shownExample({ method, path }: Route, { params = {}, query, body, response }: Example) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '')
  const text = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`
  const url = `http://localhost:8080${filled}${text}`
  const lines = [
    `curl ${method === 'GET' ? '' : `-X ${method} `}${text === '' ? url : `'${url}'`}`,
    ...(body === undefined
      ? []
      : [`-H 'Content-Type: application/json'`, `-d '${JSON.stringify(body)}'`]),
  ]
  return `\`\`\`sh\n${lines.join(' \\\n  ')}\n\`\`\`\n\n\`\`\`json\n${JSON.stringify(response, null, 2)}\n\`\`\``
}
