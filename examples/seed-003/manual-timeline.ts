/**
 * The timeline of a manual commit: a crash between success and commit repeats the message, a commit covers it.
 */

import { newConsumer } from 'shoal/client'
import { openKafkaOffsets } from './committed.ts'

const address = process.env['KAFKA_BOOTSTRAP_SERVERS'] ?? 'localhost:9092'
const config = { groupId: 'timeline', topics: ['timeline'], autoCommit: false } as const
const committed = openKafkaOffsets(address, 'timeline', 'timeline')

const first = await newConsumer({ ...config, brokers: `kafka://${address}` })
let [message] = await first.poll({ max: 1 })
while (message === undefined) [message] = await first.poll({ max: 1 })
console.log(`T=0  poll() returns the message at offset ${message.offset}`)
console.log('T=1  processing starts')
console.log('T=2  processing succeeds')
await first.close()
console.log(`     a crash here: committed is ${await committed()}, the message is processed again`)

const second = await newConsumer({ ...config, brokers: `kafka://${address}` })
let [again] = await second.poll({ max: 1 })
while (again === undefined) [again] = await second.poll({ max: 1 })
await second.commit(again)
console.log(
  `T=3  commit(message): processed up to ${again.offset}, the next is ${await committed()}`,
)
await second.close()
