/**
 * Everything that can be configured, as one schema: the sections of `shoal.yaml`, and by it the names in the environment.
 *
 *   consumer.sessionTimeout   in shoal.yaml          SHOAL_CONSUMER_SESSION_TIMEOUT   in the environment and in .env
 *
 * Defaults are here, or with the part that uses the value where a comment says so. docs/configuration.md and the JSON
 * Schema are made from this file. `kafka`, `data` and `settings` are the broker's (`serve`); they stand here so that one
 * file can serve both, and are checked by `settings-file.ts`.
 */

import { z } from 'zod'
import { choice, duration, flag, list, secret, size, text, wholeNumber } from './fields.ts'

const PORTS = 65_535
const MANY = 1_000_000_000

/** A value that was not given stays away: what comes after has its own default. */
const consumerFields = z.strictObject({
  brokers: list().describe('where the broker is: host:port, several with commas'),
  group: text().describe('the consumer group'),
  topics: list().describe('the topics to consume'),
  clientId: text().default('shoal').describe('who this is, for the broker and its quotas'),
  groupInstanceId: text()
    .optional()
    .describe('makes this a static member: it keeps its partitions over a short restart'),
  sessionTimeout: duration()
    .prefault('1m')
    .describe('how long without a heartbeat before its partitions go to others'),
  heartbeatInterval: duration()
    .prefault('3s')
    .describe('how often it says that it lives; at most a third of the session timeout'),
  rebalanceTimeout: duration()
    .prefault('1m')
    .describe('how long a rebalance waits for members, and so the most that a drain may take'),
  offsetReset: choice(['earliest', 'latest', 'none'])
    .default('earliest')
    .describe('where a group starts that has committed nothing'),
  concurrency: wholeNumber(1, MANY)
    .optional()
    .describe('records at a time; default: what the module says, else the cores of the machine'),
  order: choice(['key', 'partition', 'none'])
    .optional()
    .describe('which records may not overtake each other; default: what the module says, else key'),
  handlerTimeout: duration()
    .optional()
    .describe('how long a handler may take; default: what the module says, else 5m'),
  attempts: wholeNumber(1, MANY)
    .optional()
    .describe('executions of a failing handler; default: what the module says, else 3'),
  deadLetter: text()
    .optional()
    .describe(
      'topic for what cannot be handled; default: what the module says, else the first topic and .dlq',
    ),
  commitInterval: duration()
    .optional()
    .describe('when positions are committed at the latest; default: what the module says, else 1s'),
  drainTimeout: duration()
    .optional()
    .describe(
      'how long running handlers may go on when the service stops; default: what the module says, else 20s',
    ),
  stuckAfter: duration()
    .optional()
    .describe(
      'records wait and none finished for this long: health says stuck; default: what the module says, else 1m',
    ),
  bufferRecords: wholeNumber(1, MANY)
    .optional()
    .describe('records that wait in memory; default: what the module says, else 100,000'),
  bufferBytes: size()
    .optional()
    .describe('bytes that wait in memory; default: what the module says, else 64MiB'),
  tls: flag().default(false).describe('whether connections are encrypted'),
  tlsCa: text().optional().describe('file with the certificates to trust, PEM; default: Node’s'),
  saslMechanism: choice(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
    .optional()
    .describe('how it logs in; default: not at all'),
  saslUsername: text().optional().describe('who logs in'),
  saslPassword: secret().optional().describe('with which password'),
})

type ConsumerInput = z.output<typeof consumerFields>

/** What no field can know alone. */
function checkTogether(
  { sessionTimeout, heartbeatInterval, saslMechanism, saslUsername, saslPassword }: ConsumerInput,
  context: z.RefinementCtx,
): void {
  const problem = (name: string, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message })
  if (heartbeatInterval * 3 > sessionTimeout)
    problem(
      'heartbeatInterval',
      `${heartbeatInterval} ms is more than a third of the session timeout, ${sessionTimeout} ms`,
    )
  if (saslMechanism === undefined) return
  if (saslUsername === undefined) problem('saslUsername', 'required with a saslMechanism')
  if (saslPassword === undefined) problem('saslPassword', 'required with a saslMechanism')
}

const metrics = z
  .strictObject({
    host: text().default('127.0.0.1').describe('where /metrics, /livez and /readyz listen'),
    port: wholeNumber(0, PORTS)
      .optional()
      .describe('their port, 0 takes a free one; default: they do not listen'),
    partitionSeries: wholeNumber(0, MANY)
      .default(10_000)
      .describe('series that name a partition; beyond it they are withheld and counted'),
  })
  .prefault({})

const log = z
  .strictObject({
    level: choice(['debug', 'info', 'warn', 'error']).default('info').describe('the least level'),
    format: choice(['text', 'json']).default('text').describe('lines for people, or for machines'),
  })
  .prefault({})

const alert = z
  .strictObject({
    name: text(),
    records: wholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
    seconds: wholeNumber(1, MANY).optional(),
    for: duration({ least: 0 }).prefault('0s'),
    exec: z.array(z.string().min(1)).min(1).optional(),
    webhook: z
      .url({ protocol: /^https?$/, error: 'expected an address such as https://…' })
      .optional(),
  })
  .refine(({ records, seconds }) => records !== undefined || seconds !== undefined, {
    error: 'says no threshold: records, seconds or both',
  })

const lag = z
  .strictObject({
    interval: duration({ least: 100 })
      .prefault('15s')
      .describe('how often the lag of the group is looked at'),
    alerts: z
      .array(alert)
      .default([])
      .describe('thresholds and what to do when one is crossed; in shoal.yaml only'),
  })
  .prefault({})

/** What `shoal run` is configured by. */
export const serviceSchema = z.strictObject({
  consumer: consumerFields.superRefine(checkTogether).prefault({} as never),
  metrics,
  log,
  lag,
})

export type ServiceConfig = z.output<typeof serviceSchema>
export type AlertConfig = z.output<typeof alert>

/** Sections of the same file that are not the service's. */
export const brokerSections: ReadonlySet<string> = new Set(['data', 'kafka', 'http', 'settings'])

/** Other names of settings in the environment: those of the classic service. */
export const aliases: Readonly<Record<string, string>> = {
  KAFKA_BOOTSTRAP_SERVERS: 'consumer.brokers',
  KAFKA_GROUP_ID: 'consumer.group',
  KAFKA_TOPIC: 'consumer.topics',
}
