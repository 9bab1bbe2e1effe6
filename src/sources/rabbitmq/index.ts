/** RabbitMQ as a source: `import { rabbitmq } from 'shoal/rabbitmq'`. */

export type { RabbitMqOptions, RabbitMqPorts } from './options.ts'
export { rabbitmq, type RabbitMqCapabilities } from './rabbitmq-source.ts'
export { rabbitSender, type RabbitSender } from './rabbit-sender.ts'
