/**
 * Auto-commit that loses nothing: it commits what was handled, never what is in work.
 *
 * The first member "crashes" while it works on its second record; the next one gets that record again.
 */

import { newConsumer } from 'shoal/client'

const config = {
  brokers: `kafka://${process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'}`,
  groupId: 'critical-data',
  topics: ['payments'],
  autoCommit: true,
  autoCommitInterval: '100ms',
} as const

const first = await newConsumer(config)
for (const amount of ['10', '20']) {
  let messages = await first.poll({ max: 1 })
  while (messages.length === 0) messages = await first.poll({ max: 1 })
  console.log(`first member works on ${messages[0]?.text()}`)
  if (amount === '20') break // and never comes back: the record was not handed back by another poll
}
await first.close()

const second = await newConsumer(config)
let again = await second.poll()
while (again.length === 0) again = await second.poll()
for (const message of again) console.log(`second member works on ${message.text()}`)
await second.close()
