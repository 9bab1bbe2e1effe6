/**
 * More members than partitions: one of three has nothing to do. The fix is as many members as partitions, and more work at
 * once in each: `concurrency`.
 */

import { setTimeout } from 'node:timers/promises'
import { newConsumer } from 'shoal/client'

const config = {
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'over-provisioned',
  topics: ['two-partitions'],
}
const members = await Promise.all([newConsumer(config), newConsumer(config), newConsumer(config)])

// Two partitions are shared out among three members.
let owned: readonly number[]
do {
  await Promise.all(members.map((member) => member.poll({ timeout: '100ms' })))
  owned = members.map(({ assignment }) => assignment.length).toSorted((a, b) => b - a)
} while (owned.join() !== '1,1,0' && (await setTimeout(50, true)))
console.log(`Partitions of the three members: ${owned.join(', ')}`)
console.log('Idle members: 1; fix: as many members as partitions, and more concurrency in each')
for (const member of members) await member.close()
