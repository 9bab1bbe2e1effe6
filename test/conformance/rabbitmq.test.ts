/** RabbitMQ keeps the promises of the source port that a queue can keep: a real RabbitMQ. */

import { connect, type ConfirmChannel } from 'amqplib'
import { rabbitmq } from '../../src/sources/rabbitmq/index.ts'
import { messageOf } from '../../src/sources/rabbitmq/message-record.ts'
import { queueName } from '../../src/sources/rabbitmq/topology.ts'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { needs } from '../real/services.ts'
import { sourceConformance } from './source-suite.ts'

if (needs(rabbitmqMissing()).skip === undefined)
  sourceConformance({
    name: 'RabbitMQ',
    backend: 'rabbitmq',
    open: async () => {
      const server = await RabbitMqServer.start()
      let connection = await connect(server.url)
      let channel = await connection.createConfirmChannel()
      const counts = new Map<string, number>()
      return {
        createTopic: async (partitionCount) => {
          const topic = `topic-${counts.size}`
          counts.set(topic, partitionCount)
          for (let shard = 0; shard < partitionCount; shard++)
            await channel.assertQueue(queueName(topic, shard, partitionCount), {
              arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true },
            })
          return topic
        },
        produce: async (records) => {
          for (const record of records) {
            const { body, headers } = messageOf(record, 1)
            const queue = queueName(
              record.topic,
              record.partition ?? 0,
              counts.get(record.topic) ?? 1,
            )
            await sent(channel, queue, Buffer.from(body), headers)
          }
        },
        committed: async () => new Map(),
        source: (topics) =>
          rabbitmq({ url: server.url, topics, shards: counts.get(topics[0] ?? '') ?? 1 }),
        // Everybody is thrown out, the test's own connection too.
        expel: async () => {
          connection.on('error', () => {})
          await server.control('close_all_user_connections', 'guest', 'thrown out')
          connection = await connect(server.url)
          channel = await connection.createConfirmChannel()
        },
        close: async () => {
          await connection.close()
          await server[Symbol.asyncDispose]()
        },
      }
    },
  })

function sent(channel: ConfirmChannel, queue: string, body: Buffer, headers: object) {
  return new Promise<void>((resolve, reject) => {
    channel.sendToQueue(queue, body, { headers, persistent: true }, (error) =>
      error === null || error === undefined ? resolve() : reject(new Error(String(error))),
    )
  })
}
