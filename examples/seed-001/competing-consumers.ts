/**
 * Lines 192-207, competing consumers: each message goes to one consumer of the group.
 */

import { createTopic, join, publish, shared } from './broker.ts'

await createTopic('orders', 3)
const config = {
  groupId: 'order-service',
  topics: ['orders'],
  autoCommit: false,
  assignor: 'range',
} as const
await using a = await join('A', config)
await using b = await join('B', config)
await using c = await join('C', config)
await shared([a, b, c], 3)

for (const partition of [0, 1, 2]) await publish('orders', [`M${partition + 1}`], partition)
for (const consumer of [a, b, c]) {
  const messages = await consumer.poll({ timeout: '10s' })
  await consumer.ack(messages)
  console.log(
    `Consumer ${consumer.memberId} gets ${messages.map((message) => message.text()).join()}`,
  )
}
