/**
 * A member over a shared stream that is killed by its test: `fails` fails every record whose value is `bad`, to be tried again
 * later; `holds` says that it has a record, and never ends it.
 */

import { writeSync } from 'node:fs'
import { consumer } from '../../src/consumer/index.ts'
import { redisStreams } from '../../src/sources/redis-streams/index.ts'

const [, , url = '', topic = '', mode = ''] = process.argv

await consumer({
  group: 'billing',
  source: redisStreams({ url, topics: [topic], sharing: 'competing', heartbeatIntervalMs: 100 }),
  decode: 'text',
  retry: { attempts: 1, later: ['1h'] },
  handle: async (value: string | null, { id, attempt }) => {
    // Before the next line of this process, whatever comes.
    writeSync(1, `${value} ${id} ${attempt}\n`)
    if (mode === 'holds') await new Promise(() => {})
    if (value === 'bad') throw new Error('not yet')
  },
}).start()
