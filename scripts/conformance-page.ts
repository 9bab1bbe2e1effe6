/** `docs/conformance.md`: what each broker keeps of the source port, and why not what it does not. */

import { skips } from '../test/conformance/skips.ts'
import type { Backend, Skips } from '../test/conformance/skips.ts'
import { behaviours } from '../test/conformance/source-suite.ts'

const columns: readonly { readonly backend: Backend; readonly name: string }[] = [
  { backend: 'shoal', name: 'Shoal' },
  { backend: 'kafka', name: 'Apache Kafka' },
  { backend: 'redis-streams', name: 'Redis Streams' },
  { backend: 'redis-streams-competing', name: 'Redis Streams, competing' },
  { backend: 'rabbitmq', name: 'RabbitMQ' },
]

export function conformancePage(): string {
  const reasons = new Map<string, number>()
  const cell = (backend: Backend, behaviour: string): string => {
    const reason = (skips[backend] as Skips)[behaviour]
    if (reason === undefined) return 'yes'
    if (!reasons.has(reason)) reasons.set(reason, reasons.size + 1)
    return `no (${reasons.get(reason)})`
  }
  const rows = behaviours.map(
    (behaviour) =>
      `| ${behaviour} | ${columns.map(({ backend }) => cell(backend, behaviour)).join(' | ')} |`,
  )
  const totals = columns.map(({ backend }) => {
    const kept = behaviours.length - Object.keys(skips[backend]).length
    return `${kept} of ${behaviours.length}`
  })
  return `# Conformance of the sources

Every source runs the same suite (\`test/conformance/source-suite.ts\`) against the real broker: Shoal and Apache Kafka in each of the
three group protocols, Redis Streams with \`sharing: 'ordered'\` and \`'competing'\`, RabbitMQ with \`'ordered'\`. \`yes\`: the test runs there and passes. \`no\`: it does
not run, for the reason below. A test that neither runs nor is listed fails the suite.

| behaviour | ${columns.map(({ name }) => name).join(' | ')} |
| --- | ${columns.map(() => '---').join(' | ')} |
${rows.join('\n')}
| in all | ${totals.join(' | ')} |

${[...reasons].map(([reason, number]) => `${number}. ${reason}`).join('\n')}
`
}
