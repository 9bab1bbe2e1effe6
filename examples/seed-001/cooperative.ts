/**
 * Lines 124-145, cooperative rebalancing: B joins, and A goes on with what it keeps. (The picture has P1 twice; a partition has one
 * owner.)
 */

import { createTopic, join, publish, shared } from './broker.ts'

await createTopic('orders', 3)
const config = { groupId: 'order-service', topics: ['orders'], autoCommit: false }
const told: string[] = []
await using a = await join('A', {
  ...config,
  onRebalance: ({ kind, partitions }) => told.push(`A ${kind}: ${partitions.length} of 3`),
})
await shared([a], 3)
await using b = await join('B', config)
await shared([a, b], 3)
console.log(told.join('\n'))

const [kept] = a.assignment
await publish('orders', ['M1'], kept?.partition)
const [message] = await a.poll({ max: 1, timeout: '10s' })
console.log(`Consumer A goes on where it was: ${message?.text()}`)
