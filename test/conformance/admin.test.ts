/** The workbench's view over Shoal's own broker, a real Redis and a real RabbitMQ. */

import { TestBroker } from 'shoal/testing'
import { RabbitMqServer, rabbitmqMissing } from '../real/rabbitmq-server.ts'
import { RedisServer, redisMissing } from '../real/redis-server.ts'
import { needs } from '../real/services.ts'
import { adminConformance } from './admin-suite.ts'

adminConformance({
  name: "Shoal's broker",
  tellsPending: false,
  tellsAge: true,
  showsLetters: true,
  groupWithoutMembers: (group) => group,
  open: async () => {
    const broker = await TestBroker.start()
    return {
      url: `shoal://${broker.bootstrap}`,
      createTopic: (topic) => broker.createTopic(topic),
      close: () => broker.close(),
    }
  },
})

if (needs(redisMissing()).skip === undefined)
  adminConformance({
    name: 'Redis Streams',
    tellsPending: true,
    tellsAge: true,
    showsLetters: true,
    groupWithoutMembers: (group) => group,
    open: async () => {
      const server = await RedisServer.start()
      return {
        url: server.url,
        createTopic: async () => {},
        close: () => server[Symbol.asyncDispose](),
      }
    },
  })

if (needs(rabbitmqMissing()).skip === undefined)
  adminConformance({
    name: 'RabbitMQ',
    tellsPending: true,
    // Quorum queues do not.
    tellsAge: false,
    showsLetters: false,
    groupWithoutMembers: (_group, topic) => topic,
    open: async () => {
      const server = await RabbitMqServer.start({ management: true })
      return {
        url: server.url,
        options: { rabbitManagementUrl: server.managementUrl },
        createTopic: async () => {},
        // An orderly end takes RabbitMQ many seconds.
        close: async () => {
          await server.kill()
          await server[Symbol.asyncDispose]()
        },
      }
    },
  })
