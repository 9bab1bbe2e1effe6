/**
 * Seed 002's promise, kept: one program for every broker. The URL is the first argument.
 *
 *   node any-broker.ts kafka://localhost:9092      node any-broker.ts redis://localhost:6379
 *   node any-broker.ts shoal://localhost:9092      node any-broker.ts amqp://localhost:5672
 */

import { open } from 'shoal/open'

const MESSAGES = 30
const url = process.argv[2] ?? 'shoal:'
const options = { topic: 'greetings', group: 'greeters' }

await using sender = await open(url, options)
for (let n = 0; n < MESSAGES; n++) await sender.send({ key: `guest-${n % 6}`, value: `hello ${n}` })

const members = await Promise.all([1, 2, 3].map(() => open(url, options)))
const received = new Set<string>()

async function greet(member: (typeof members)[number]): Promise<void> {
  for await (const message of member.receive()) {
    received.add(message.value ?? '')
    await member.ack(message)
    if (received.size === MESSAGES) await Promise.all(members.map((each) => each.close()))
  }
}

await Promise.all(members.map(greet))
console.log(`${received.size} messages, each received`)
