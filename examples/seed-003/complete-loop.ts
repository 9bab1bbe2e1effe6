/**
 * The complete loop of the page: subscribes, prints each task with its place, tells the end of each partition, and leaves
 * when it is asked to. Values that are not JSON go to the dead letters instead of ending it.
 */

import { consumer, telemetry } from 'shoal'
import { kafka } from 'shoal/kafka'

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.log('Shutdown signal received...')
    stop.abort()
  })

const tasks = consumer({
  group: 'task-notification-service',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
    offsetReset: 'earliest',
  }),
  concurrency: 1,
  decode: 'json',
  deadLetter: 'task-created.dlq',
  handle: (value, { key, partition, offset }) => {
    const { title = 'unknown' } = value as { title?: string }
    console.log(
      `Received task: ${title}\n  Key: ${key}\n  Partition: ${partition}, Offset: ${offset}`,
    )
    // Your business logic here: send a notification.
  },
})
// Not an error: everything that there is was read. More may come.
const ends = new Set<number>()
telemetry.partitionEnd.subscribe(({ partition: { partition } }) => ends.add(partition))

const running = await tasks.start({ signal: stop.signal })
console.log('Subscribed to topic: task-created')
telemetry.commit.subscribe(tellEnds)
await running.finished
console.log('Closing consumer...\nConsumer closed.')

/** The ends are told when what was read before them is done. */
function tellEnds(): void {
  const { delivered, handled, deadLettered } = running.report()
  if (delivered > handled + deadLettered) return
  for (const partition of [...ends].toSorted((a, b) => a - b))
    console.log(`Reached end of partition ${partition}`)
  ends.clear()
}
