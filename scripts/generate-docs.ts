/**
 * Writes the pages that are generated, not typed: `docs/errors.md` from the error table, `docs/protocol-support.md` from
 * the table of served APIs, `docs/configuration.md` from the schema of a service's settings, `docs/conformance.md` from what each
 * backend skips of the suite. `npm run docs`; a test
 * compares the pages with the tables.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { leavesOf, type Leaf } from '../src/cli/config/leaves.ts'
import { aliases, serviceSchema } from '../src/cli/config/schema.ts'
import { errorTable } from '../src/core/index.ts'
import { conformancePage } from './conformance-page.ts'
import { httpPage } from './http-page.ts'
import { advertisedMin, allApis, servedApis } from '../src/protocol/index.ts'

export function errorsPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { retriable, sentence }]) =>
      `| \`${code}\` | ${retriable ? 'yes' : 'no'} | ${sentence} |`,
  )
  return `# Errors

Every error that Shoal throws is a \`ShoalError\`: match its \`code\`, which is never renamed. \`details\` names the topic,
partition, group or address. Retriable: the same call may succeed later without a change.

| code | retriable | meaning |
| --- | --- | --- |
${rows.join('\n')}
`
}

export function protocolPage(): string {
  const served = new Set<number>(servedApis.map(({ key }) => key))
  const rows = [...allApis]
    .toSorted((left, right) => left.key - right.key)
    .map(({ key, name, versions: [first, last] }) => {
      const broker = served.has(key) ? `${advertisedMin.get(key) ?? first}-${last}` : '-'
      return `| ${key} | ${name} | ${broker} | ${first}-${last} |`
    })
  return `# Kafka protocol support

What the broker advertises, and which versions the codec reads and writes (the client side uses them too).

| key | API | broker | codec |
| --- | --- | --- | --- |
${rows.join('\n')}

Produce is advertised from 0 because librdkafka up to 2.11.0 looks there before it compresses; requests below 3 end the
connection, as on Apache Kafka.
`
}

export function configurationPage(): string {
  const sections = Map.groupBy(leavesOf(serviceSchema), ({ path }) => path.split('.')[0] ?? '')
  const tables = [...sections].map(
    ([section, leaves]) => `## ${section}

| setting | in the environment | form | default | meaning |
| --- | --- | --- | --- | --- |
${leaves.map(settingRow).join('\n')}
`,
  )
  return `# Configuration of a service

What \`shoal run\` is configured by. A setting is looked for in this order, and the first that says something wins: a flag, the
environment, \`.env\`, \`shoal.yaml\`, the default. \`shoal config view\` shows each value and where it came from, \`shoal config
validate\` every problem at once (exit code 78), \`shoal config schema\` prints the JSON Schema for editors.

The name in the environment follows from the place in the file: \`consumer.sessionTimeout\` is \`SHOAL_CONSUMER_SESSION_TIMEOUT\`. A
secret has a twin with \`_FILE\` that names a file. A variable \`SHOAL_…\` that nobody knows is an error with a suggestion; what
Kubernetes sets for a Service is overlooked (\`enableServiceLinks: false\` keeps it away).

${tables.join('\n')}
An alert of \`lag.alerts\` has a \`name\`, \`records\` or \`seconds\` (or both: either is enough), \`for\` (how long it has to hold), and
what to do: \`exec\` (a program and its arguments; it gets the alert as JSON on its input), \`webhook\` (an address; it gets the
JSON), and the function \`onAlert\` of the module in any case. Each is told once when the alert fires and once when it is over.

\`\`\`yaml
lag:
  interval: 15s
  alerts:
    - name: behind
      records: 10000
      seconds: 300
      for: 5m
      webhook: https://hooks.example/shoal
\`\`\`
`
}

function settingRow({ path, variable, kind, words, usual, isRequired, description }: Leaf): string {
  const [alias] = Object.entries(aliases).find(([, aliased]) => aliased === path) ?? []
  const names = [
    ...(alias === undefined ? [] : [`\`${alias}\``]),
    ...(variable === null ? ['-'] : [`\`${variable}\``]),
    ...(kind === 'secret' ? [`\`${variable}_FILE\``] : []),
  ]
  const form = words.length > 0 ? words.join(', ') : kind
  const unset = isRequired ? 'required' : (usual ?? '-')
  return `| \`${path.split('.')[1]}\` | ${names.join('<br>')} | ${form} | ${unset} | ${description} |`
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, '../docs')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'errors.md'), errorsPage())
  await writeFile(join(folder, 'protocol-support.md'), protocolPage())
  await writeFile(join(folder, 'http-api.md'), httpPage())
  await writeFile(join(folder, 'configuration.md'), configurationPage())
  await writeFile(join(folder, 'conformance.md'), conformancePage())
}
