/**
 * kafkajs `eachMessage` over a topic: one record after the other, as most services are written.
 */

import { Kafka, logLevel } from 'kafkajs'
import { measured } from './keyed-check.ts'

await measured(async ({ bootstrap, topic, group }, check) => {
  const { handler } = check
  const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR }).consumer({
    groupId: group,
  })
  const joined = new Promise<void>((resolve) => {
    consumer.on(consumer.events.GROUP_JOIN, () => resolve())
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => {
      const handling = handler(message.value!)
      if (handling !== undefined) await handling
    },
  })
  await joined
  return () => consumer.disconnect()
})
