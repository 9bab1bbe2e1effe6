/**
 * Lines 26-42: three partitions, two consumers. Every partition has exactly one owner; who gets one and who two is open.
 */

import { createTopic, join, shared } from './broker.ts'

await createTopic('orders', 3)
const config = { groupId: 'order-service', topics: ['orders'] }
await using a = await join('A', config)
await using b = await join('B', config)
await shared([a, b], 3)
const sizes = [a, b].map(({ assignment }) => assignment.length).toSorted((x, y) => x - y)
const owned = [...a.assignment, ...b.assignment].map(({ partition }) => `P${partition}`)
console.log(`Shares of ${sizes.join(' and ')}`)
console.log(`Owned once each: ${owned.toSorted().join(', ')}`)
