/**
 * Lines 259-277, the three ways to commit: by interval, each message, all at once.
 */

import { setTimeout } from 'node:timers/promises'
import { ask, createTopic, join, publish } from './broker.ts'

await createTopic('orders', 1)
await publish('orders', ['a', 'b', 'c'])

{
  // Auto-commit (periodic): what the next poll hands back, every 5 s if nothing else is said
  await using consumer = await join('A', {
    groupId: 'auto',
    topics: ['orders'],
    autoCommitInterval: '100ms',
  })
  await consumer.poll({ timeout: '10s' })
  await consumer.poll({ timeout: 0 })
  while ((await committed('auto')) !== 3) await setTimeout(20)
  console.log(`Auto-commit: ${await committed('auto')}`)
}
{
  // Manual commit (recommended for at-least-once)
  await using consumer = await join('A', {
    groupId: 'manual',
    topics: ['orders'],
    autoCommit: false,
  })
  for (const message of await consumer.poll({ timeout: '10s' })) {
    process(message.text())
    await consumer.commit(message.offset) // Commit after processing: stores the position after it
    console.log(`Manual commit after ${message.text()}: ${await committed('manual')}`)
  }
}
{
  // Batch commit
  await using consumer = await join('A', {
    groupId: 'batch',
    topics: ['orders'],
    autoCommit: false,
  })
  const messages = await consumer.poll({ timeout: '10s' })
  for (const message of messages) process(message.text())
  await consumer.commitAll() // Commit all at once
  console.log(`Batch commit: ${await committed('batch')}`)
}

async function committed(groupId: string): Promise<number | undefined> {
  const { topics } = (await ask('GET', `/groups/${groupId}/offsets`)) as {
    readonly topics: { readonly orders?: Readonly<Record<string, number>> }
  }
  return topics.orders?.['0']
}

function process(text: string): string {
  return text.toUpperCase()
}
