/**
 * Lines 243-257, offsets: eight messages, two groups that stand at 3 and at 6. (The picture calls 7 the latest offset, which is that
 * of the last message; the lag is counted to the next one to be written.)
 */

import { ask, createTopic, join, publish } from './broker.ts'

await createTopic('orders', 1)
await publish('orders', ['0', '1', '2', '3', '4', '5', '6', '7'])
for (const [groupId, count] of [
  ['analytics', 3],
  ['billing', 6],
] as const) {
  await using consumer = await join('A', { groupId, topics: ['orders'], autoCommit: false })
  await consumer.poll({ max: count, timeout: '10s' })
  await consumer.commitAll()
  const { partitions } = (await ask('GET', `/groups/${groupId}/offsets`)) as Offsets
  for (const { committed_offset: committed, log_end_offset: end, lag } of partitions)
    console.log(`Group: ${groupId.padEnd(9)}  Offset: ${committed}  End: ${end}  Lag: ${lag}`)
}

interface Offsets {
  readonly partitions: readonly {
    readonly committed_offset: number
    readonly log_end_offset: number
    readonly lag: number
  }[]
}
