/**
 * Lines 156-172, heartbeats: who sends them lives, however long its loop takes; who does not is dead after the session timeout
 * (2 s here, 30 s on the page).
 */

import { setTimeout } from 'node:timers/promises'
import { createTopic, cuttable, join, shared } from './broker.ts'

await createTopic('orders', 2)
const config = { groupId: 'order-service', topics: ['orders'] }
const network = cuttable()
await using a = await join('A', config)
const b = await join('B', config, { fetch: network.fetch })
await shared([a, b], 2)
await setTimeout(3_000) // neither polls; both send heartbeats
console.log(`After 3 s without a poll: A has ${a.assignment.length}, B has ${b.assignment.length}`)

network.cut()
const silentSince = performance.now()
await shared([a], 2)
const afterMs = performance.now() - silentSince
console.log('If no heartbeat for session_timeout:')
console.log('  → Consumer considered dead')
console.log(`  → Rebalance triggered, not before it: ${afterMs > 1_500}`)
await b.close()
