/**
 * kafkajs `eachMessage` over a topic: one record after the other, as most services are written.
 */

import { Kafka, logLevel } from 'kafkajs'
import { OrderCheck, work, type Job } from './order-check.ts'

const job = JSON.parse(process.argv[2] ?? '') as Job
const check = new OrderCheck(job.count)
const consumer = new Kafka({ brokers: [job.bootstrap], logLevel: logLevel.ERROR }).consumer({
  groupId: job.group,
})
await consumer.connect()
await consumer.subscribe({ topics: [job.topic], fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message }) => {
    const key = message.key?.toString('latin1') ?? ''
    const sequence = message.value?.readUInt32BE(0) ?? -1
    check.begin(key, sequence)
    const working = work(job.workMs)
    if (working !== undefined) await working
    check.end(key, sequence)
  },
})
await check.finished
const result = check.result()
await consumer.disconnect()
process.stdout.write(JSON.stringify(result))
