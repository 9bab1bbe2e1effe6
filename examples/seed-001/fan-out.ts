/**
 * Lines 214-232, fan-out: each message goes to all groups.
 */

import { createTopic, join, publish } from './broker.ts'

await createTopic('events', 1)
await publish('events', ['M1', 'M2', 'M3', 'M4'])
for (const groupId of ['analytics', 'billing', 'logs']) {
  await using consumer = await join('A', { groupId, topics: ['events'] })
  const messages = await consumer.poll({ timeout: '10s' })
  console.log(`${groupId.padEnd(9)}  ${messages.map((message) => message.text()).join(', ')}`)
}
