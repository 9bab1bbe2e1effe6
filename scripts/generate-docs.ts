/**
 * Writes the pages that are generated, not typed: `docs/errors.md` from the error table, `docs/protocol-support.md` from
 * the table of served APIs. `npm run docs`; a test compares the pages with the tables.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorTable } from '../src/core/index.ts'
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

if (process.argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, '../docs')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'errors.md'), errorsPage())
  await writeFile(join(folder, 'protocol-support.md'), protocolPage())
}
