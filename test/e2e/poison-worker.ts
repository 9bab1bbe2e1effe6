/**
 * A member that one record kills: no exception, the process is gone. Says what it handled, and ends when all is done.
 */

import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { consumer, telemetry } from '../../src/consumer/index.ts'
import { kafka } from '../../src/sources/kafka/index.ts'

const [, , brokers = '', topic = '', poison = '', recordsEach = ''] = process.argv
const done = new Set<number>()

const running = await consumer({
  group: 'poisoned',
  // Its successor takes its place at once instead of after the session timeout.
  source: kafka({ brokers, topics: [topic], groupProtocol: 'classic', groupInstanceId: 'one' }),
  deadLetter: `${topic}.dlq`,
  concurrency: 100,
  handle: async (_value, { id }) => {
    await setTimeout(5)
    if (id === poison) process.kill(process.pid, 'SIGSEGV')
    // Before the next line of this process, whatever comes.
    writeSync(1, `${id}\n`)
  },
}).start()

telemetry.commit.subscribe(({ committed }) => {
  for (const { partition, offset } of committed)
    if (offset === Number(recordsEach)) done.add(partition)
  if (done.size === 2) void running.drain()
})
await running.finished
