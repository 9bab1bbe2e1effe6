/**
 * One mail for each task, although a message may come twice: a dedupe store stands before the handler.
 *
 * What to track: the id of the task, claimed while its mail is being sent and done when it was. Where: in memory for one
 * process, in Redis or in SQL (`redisDedupeStore`, `sqlDedupeStore`) for several.
 */

import { consumer, memoryDedupeStore } from 'shoal'
import { kafka } from 'shoal/kafka'

interface Task {
  readonly task_id: string
  readonly title: string
  readonly owner_email: string
}

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
let sent = 0

const running = await consumer({
  group: 'mail',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
  }),
  decode: 'json',
  dedupe: { store: memoryDedupeStore(), key: (value) => (value as Task).task_id },
  handle: (value) => {
    const task = value as Task
    sent++
    console.log(`${task.task_id}: mail to ${task.owner_email} about ${task.title}`)
  },
}).start({ signal: stop.signal })

const { handled, skipped } = await running.finished
console.log(`mails sent: ${sent}, messages: ${handled + skipped}, seen before: ${skipped}`)
