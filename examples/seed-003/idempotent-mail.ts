/**
 * One mail for each task, although a message may come twice: what was sent is remembered by the task's id.
 *
 * What to track: the id of the task and that its mail was sent. Where: beside the mail's own outbox, so that both are
 * written or neither; a `Map` stands for it here.
 */

import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'

interface Task {
  readonly task_id: string
  readonly title: string
  readonly owner_email: string
}

const outbox = new Map<string, string>()
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const running = await consumer({
  group: 'mail',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
  }),
  decode: 'json',
  order: 'key', // two messages of one task never at the same time
  handle: (value) => {
    const task = value as Task
    if (outbox.has(task.task_id)) return console.log(`${task.task_id}: already sent`)
    outbox.set(task.task_id, task.owner_email)
    console.log(`${task.task_id}: mail to ${task.owner_email} about ${task.title}`)
    return undefined
  },
}).start({ signal: stop.signal })

await running.finished
console.log(`mails sent: ${outbox.size}`)
