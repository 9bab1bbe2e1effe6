/**
 * Lines 293-319, scaling: a second consumer takes half of the partitions, of eight on six partitions two are idle. They are
 * admitted, and a warning names them.
 */

import type { PollingConsumer } from 'shoal/client'
import { createTopic, join, partitionsOf, shared } from './broker.ts'

await createTopic('orders', 6)
const config = { groupId: 'order-service', topics: ['orders'], assignor: 'range' } as const
{
  await using a = await join('A', config)
  await shared([a], 6)
  console.log('Before (1 consumer, 6 partitions):')
  console.log(`  Consumer A: ${partitionsOf(a)}\n`)
  await using b = await join('B', config)
  await shared([a, b], 6)
  console.log('Add Consumer B:\n  → Rebalance triggered')
  console.log(`  → Consumer A: ${partitionsOf(a)}\n  → Consumer B: ${partitionsOf(b)}\n`)
}

const warnings = new Set<string>()
const logger = {
  log: (level: string, message: string) => void (level === 'warn' && warnings.add(message)),
}
const consumers: PollingConsumer[] = []
for (let number = 1; number <= 8; number++)
  consumers.push(await join(`consumer-${number}`, { ...config, logger }))
await shared(consumers, 6)
console.log('6 partitions, 8 consumers:')
for (const [index, consumer] of consumers.entries())
  console.log(`  Consumer ${index + 1}: ${partitionsOf(consumer)}`)
console.log([...warnings].at(-1))
await Promise.all(consumers.map((consumer) => consumer.close()))
