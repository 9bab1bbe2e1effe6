/**
 * @platformatic/kafka's stream with a pool, whatever the keys. It fetches up to 1 MiB a partition, as Kafka's own consumer
 * does: with its default it would read a fifth as fast.
 */

import { Consumer, MessagesStreamModes } from '@platformatic/kafka'
import { measured } from './keyed-check.ts'
import { Pool } from './pool.ts'

const MIB = 1024 * 1024

await measured(async ({ bootstrap, topic, group, concurrency }, check) => {
  const { handler } = check
  const pool = new Pool(concurrency)
  const consumer = new Consumer({
    clientId: 'bench',
    bootstrapBrokers: [bootstrap],
    groupId: group,
    maxBytesPerPartition: MIB,
  })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST })
  const reading = (async () => {
    for await (const { value } of stream) {
      if (pool.free <= 0) await pool.room()
      void pool.start(() => handler(value))
    }
  })()
  return async () => {
    await stream.close()
    await reading
    await consumer.close(true)
  }
})
