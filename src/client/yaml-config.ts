/**
 * The configuration of seed 001 as a file:
 *
 *   consumer:
 *     sessionTimeout: "30s"
 *     heartbeatInterval: "10s"
 *
 * Every setting of `ConsumerConfig` that a file can hold may stand there. What it does not know it refuses: a setting that
 * is misspelt must not be a setting that is silently left out.
 */

import { parse } from 'yaml'
import { z } from 'zod'
import { messageOf, ShoalError } from '../core/index.ts'
import { parseDuration } from '../consumer/index.ts'
import type { Duration } from '../consumer/index.ts'
import type { ConsumerConfig } from './config.ts'

const duration = z.custom<Duration>((value) => parseDuration(value) !== undefined, {
  error: "not a duration: give milliseconds or a text such as '30s'",
})
const text = z.string().min(1)

const consumerFields = z.strictObject({
  brokers: z.union([text, z.array(text).min(1)]),
  groupId: text,
  topics: z.array(text).min(1),
  memberId: text,
  clientId: text,
  instanceId: text,
  autoCommit: z.boolean(),
  autoCommitInterval: duration,
  autoOffsetReset: z.enum(['earliest', 'latest', 'none', 'error']),
  sessionTimeout: duration,
  heartbeatInterval: duration,
  rebalanceTimeout: duration,
  assignor: z.enum(['cooperative-sticky', 'sticky', 'range', 'roundrobin']),
  requestTimeout: duration,
  connectTimeout: duration,
  maxAttempts: z.int().min(1),
  nackBackoff: duration,
  nackBackoffMax: duration,
  visibilityTimeout: duration,
  maxOpenRecords: z.int().min(1),
})

const file = z.strictObject({ consumer: consumerFields.partial() })

/**
 * The settings that a YAML text has under `consumer`, to be spread into a `ConsumerConfig`.
 *
 * @example
 * const consumer = await newConsumer({ ...readConsumerYaml(text), brokers, groupId, topics })
 *
 * @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem
 */
export function readConsumerYaml(yaml: string): Partial<ConsumerConfig> {
  const checked = file.safeParse(parsed(yaml))
  if (checked.success) return defined(checked.data.consumer)
  const problems = checked.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  throw new ShoalError('SHOAL_CONFIG_INVALID', problems.join('; '))
}

function parsed(yaml: string): unknown {
  try {
    return parse(yaml)
  } catch (cause) {
    throw new ShoalError('SHOAL_CONFIG_INVALID', `not YAML: ${messageOf(cause)}`, { cause })
  }
}

type Defined<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

/** Without the fields that are there and undefined. */
function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<T>
}
