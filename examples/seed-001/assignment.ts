/**
 * Lines 83-98, how partitions are assigned: the numbers of the page are those of `range`.
 */

import { createTopic, cuttable, join, partitionsOf, shared } from './broker.ts'

await createTopic('orders', 6)
const config = { groupId: 'order-service', topics: ['orders'], assignor: 'range' } as const
const doomed = cuttable()
await using a = await join('A', config)
const b = await join('B', config, { fetch: doomed.fetch })
await shared([a, b], 6)
console.log('Initial State (2 consumers, 6 partitions):')
console.log(`  Consumer A: ${partitionsOf(a)}\n  Consumer B: ${partitionsOf(b)}\n`)

await using c = await join('C', config)
await shared([a, b, c], 6)
console.log('Consumer C joins:')
console.log(`  Consumer A: ${partitionsOf(a)}\n  Consumer B: ${partitionsOf(b)}`)
console.log(`  Consumer C: ${partitionsOf(c)}\n`)

doomed.cut()
await shared([a, c], 6)
console.log('Consumer B crashes:')
console.log(`  Consumer A: ${partitionsOf(a)}\n  Consumer C: ${partitionsOf(c)}`)
await b.close()
