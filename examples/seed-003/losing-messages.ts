/**
 * "My consumer loses messages": auto-commit every second beside work of five to ten, failures that are only printed, and
 * no place to start. The same job in a form that loses none of them.
 */

import { consumer } from 'shoal'
import { kafka } from 'shoal/kafka'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const running = await consumer({
  group: 'my-service',
  source: kafka({
    brokers: process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092',
    topics: ['task-created'],
    offsetReset: 'earliest', // said, so that a first start does not skip what is there
  }),
  concurrency: 1,
  decode: 'text',
  // "Failed, will retry later" is a policy here, and the position waits for it.
  retry: { attempts: 3, backoff: { kind: 'fixed', base: '10ms' } },
  deadLetter: 'task-created.dlq',
  handle: (value, { attempt }) => {
    if (value === 'flaky' && attempt < 3) {
      console.log(`${value}: attempt ${attempt} failed`)
      throw new Error('not this time')
    }
    console.log(`${value}: done`)
  },
}).start({ signal: stop.signal })

const { handled, retried, deadLettered } = await running.finished
console.log(`handled ${handled}, tried again ${retried}, dead letters ${deadLettered}`)
