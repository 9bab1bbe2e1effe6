/**
 * Where a service consumes from: KAFKA_BOOTSTRAP_SERVERS, KAFKA_GROUP_ID and KAFKA_TOPIC, from flags, environment or `.env`.
 */

import { configurationError } from '../settings-file.ts'

export interface ServiceSettings {
  readonly brokers: string
  readonly groupId: string
  readonly topics: readonly string[]
}

export interface ServiceFlags {
  readonly bootstrapServer?: string
  readonly brokerList?: string
  readonly group?: string
  readonly topic?: string
}

/** @throws ShoalError SHOAL_CONFIG_INVALID that lists everything that is missing. */
export function serviceSettings(
  flags: ServiceFlags,
  environment: Readonly<Record<string, string | undefined>>,
): ServiceSettings {
  const brokers =
    flags.bootstrapServer ?? flags.brokerList ?? environment['KAFKA_BOOTSTRAP_SERVERS'] ?? ''
  const groupId = flags.group ?? environment['KAFKA_GROUP_ID'] ?? ''
  const topics = (flags.topic ?? environment['KAFKA_TOPIC'] ?? '')
    .split(',')
    .map((topic) => topic.trim())
    .filter((topic) => topic !== '')
  const problems = [
    ...(brokers === ''
      ? ['KAFKA_BOOTSTRAP_SERVERS is missing: where the broker is, such as localhost:9092']
      : []),
    ...(groupId === '' ? ['KAFKA_GROUP_ID is missing: the name of the consumer group'] : []),
    ...(topics.length === 0
      ? ['KAFKA_TOPIC is missing: the topic to consume, or several with commas']
      : []),
  ]
  if (problems.length > 0) throw configurationError(problems)
  return { brokers, groupId, topics }
}
